"""`neuron-baseline/lexical`: an explainer that needs no key, no network and no understanding.

It reads which tokens a prompt marks and names the most frequent ones. It knows nothing of
meaning, context or grammar: it is the floor that a language model has to beat, and a way to try
the whole pipeline. It cannot simulate.
"""

import re
from collections import Counter

from inspect_ai.model import ChatMessage, GenerateConfig, ModelOutput, ModelUsage, modelapi

from neuron_eval.models.provider import OwnProvider
from neuron_eval.models.tokencount import counter
from neuron_eval.prompts.pack import load_pack
from neuron_eval.prompts.wording import Pack
from neuron_eval.usage_error import UsageError, usage_errors

NAMED = 4  # at most so many words stand in an explanation

_LEVEL = re.compile(r"[0-9]{1,2}")
_LEVEL_LINE = re.compile(rf"^(?P<token>[^\n]*)\t(?P<level>{_LEVEL.pattern})$", re.MULTILINE)
_BRACKETS = re.compile(r"\[([^\[\]]+)\]")


@modelapi(name="neuron-baseline")
class LexicalBaseline(OwnProvider):
    """The provider; its only model is ``lexical``."""

    def __init__(
        self,
        model_name: str,
        base_url: str | None = None,
        api_key: str | None = None,
        config: GenerateConfig | None = None,
        pack: str | None = None,
    ) -> None:
        """``pack`` (``-M pack=FILE``) is what the prompts are made with, to find lists in them."""
        super().__init__(model_name, base_url, api_key, config)
        if model_name != "lexical":
            raise UsageError(f"neuron-baseline/{model_name}: the only model is 'lexical'")
        with usage_errors():
            self._pack = load_pack(pack)

    async def answer(self, messages: list[ChatMessage]) -> ModelOutput:
        prompt = next((m.text for m in reversed(messages) if m.role == "user"), "")
        answer = name_words(marked_tokens(prompt, self._pack))
        tokens = counter("cl100k_base")
        output = ModelOutput.from_content(f"neuron-baseline/{self.model_name}", answer)
        read, written = tokens.count_messages(messages), tokens.count_text(answer)
        output.usage = ModelUsage(
            input_tokens=read, output_tokens=written, total_tokens=read + written
        )
        return output

    def max_connections(self) -> int:
        return 1000


def marked_tokens(prompt: str, pack: Pack) -> Counter[str]:
    """The tokens that a prompt of any format marks, with how strongly: levels, else counts.

    Lists are read first, then lines of token TAB level, and brackets last, since they may also
    belong to the text. ``pack`` is what the prompt was made with.
    """
    weights: Counter[str] = Counter()
    for wording in pack.formats.values():
        heading, end = wording.list_heading, wording.list_end
        for part in prompt.split(heading)[1:] if heading else ():
            items = part.partition(end)[0] if end else part
            for item in items.split(wording.list_separator):
                token, tab, level = item.rpartition("\t")
                if tab and _LEVEL.fullmatch(level):
                    weights[token] += int(level)
                elif item:
                    weights[item] += 1
        if weights:
            return weights
    for line in _LEVEL_LINE.finditer(prompt):
        weights[line["token"]] += int(line["level"])
    if not weights:
        weights.update(_BRACKETS.findall(prompt))
    return weights


def name_words(marked: Counter[str]) -> str:
    words: Counter[str] = Counter()
    for token, weight in marked.items():
        word = token.strip().lower()
        if word and weight > 0:
            words[word] += weight
    # Ties go by the alphabet, so that the same prompt gets the same answer.
    best = sorted(words.items(), key=lambda item: (-item[1], item[0]))[:NAMED]
    names = [f'"{word}"' for word, _ in best]
    if not names:
        return "nothing that the prompt marks."
    if len(names) == 1:
        return f"the word {names[0]}."
    return f"the words {', '.join(names[:-1])} and {names[-1]}."
