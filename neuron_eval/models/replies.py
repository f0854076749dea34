"""What a model's reply is: a refusal, or an answer, perhaps behind its thinking.

Inspect splits off ``<think>…</think>`` alone, for some providers alone, and only where both tags
are there. Other families of models have other marks, chat templates often write the opening one
into the prompt, and room may end before the thinking does.
"""

import re

from inspect_ai.model import ChatCompletionChoice, ContentText, ModelOutput

_TAG = r"(?:(?:seed:|mm:)?think|thinking|thoughts?|reason|reasoning|analysis|scratchpad|reflection)"
_CHANNEL = r"(?:<\|start\|>assistant)?<\|channel\|>"
_OPENING = (
    rf"<{_TAG}(?:\s[^<>\n]*+)?>",  # most families
    r"\[THINK\]",  # Magistral
    r"◁think▷",  # Kimi
    rf"{_CHANNEL}(?:analysis|commentary)[^<\n]*+<\|message\|>",  # gpt-oss
    r"(?-i:\Aanalysis(?=[A-Z]))",  # gpt-oss, its special tokens left out
    r"<\|channel>thought\b",  # Gemma
    r"<unused94>(?:thought\b)?",  # MedGemma
    r"<\|START_THINKING\|>",  # Command A
    r"<\|begin_of_thought\|>",  # OpenThinker
    r"<\|inner_prefix\|>",  # Apertus
    r"\[unused16\]",  # Pangu
    r"(?<!\*)\**+Here(?:'s|’s| is) my thought process:",  # Granite
    r"(?<!\*)\**+Here are my reasoning steps:",  # Apriel
)
_CLOSING = (
    rf"</{_TAG}>",
    r"\[/THINK\]",
    r"◁/think▷",
    rf"{_CHANNEL}final[^<\n]*+(?:<\|constrain\|>[^<\n]*+)?<\|message\|>",
    r"(?-i:assistantfinal)",
    r"<channel\|>",
    r"<unused95>",
    r"<\|END_THINKING\|>",
    r"<\|end_of_thought\|>",
    r"<\|inner_suffix\|>",
    r"\[unused17\]",
    r"(?<!\*)\**+Here(?:'s|’s| is) my response:\**+",
    r"\[BEGIN FINAL RESPONSE\]",
)
# Possessive, so that no part of a reply is gone through twice.
_MARK = re.compile(
    rf"(?P<opening>{'|'.join(_OPENING)})|(?P<closing>{'|'.join(_CLOSING)})", re.IGNORECASE
)
_ANSWER = re.compile(
    r"\s*+(?:<(?:answer|response|output|final|final_answer)>"
    r"|<\|START_(?:RESPONSE|TEXT)\|>|<\|begin_of_(?:solution|box)\|>)",
    re.IGNORECASE,
)
_ENDS = (
    "</answer>", "</response>", "</output>", "</final>", "</final_answer>", "<|end_response|>",
    "<|end_text|>", "<|end_of_solution|>", "<|end_of_box|>", "[end final response]", "<|end|>",
    "<|return|>",
)  # fmt: skip
_QUOTES = ("'", "`", "“", "‘", "«")
_AS_WORD = re.compile(
    r"[ ](?:and|or|tags?|tokens?|elements?|markers?|symbols?)\b|,[ ]", re.IGNORECASE
)
"""What follows a mark that is spoken of."""
_IN_SENTENCE = re.compile(r"[^\n]{0,198}[\w,][ ]")
"""What precedes one in an answer of one sentence; thinking ends with a line or a sentence."""

WITHIN = 1000  # a quotation ends within so many characters


def answer_text(text: str) -> str | None:
    """The answer in a reply; None if the reply ends within its thinking.

    Everything up to the last mark that closes thinking is left out, with or without one that
    opens it, and so are marks around the answer. A mark in quotes, or an opening one within a
    line, is part of what is said: a neuron may be about ``<think>``.
    """
    start = answer_start(text)
    if start is None:
        return None
    around = _ANSWER.match(text, start)
    # without thinking before it, "<answer> tags" are what an answer may be about
    if around and (start or text[around.end() : around.end() + 1] != " "):
        start = around.end()
    answer = text[start:]
    return _without_ends(answer) if start else answer


def answer_start(text: str) -> int | None:
    """Where the answer in a reply begins, in [0, length]; None if it ends within its thinking."""
    start, before, thinks, quotes = 0, 0, False, 0
    for mark in _MARK.finditer(text):
        line = text.rfind("\n", before, mark.start()) + 1
        quotes = text.count('"', line or before, mark.start()) + (0 if line else quotes)
        if mark["opening"]:
            begins = not text[line or before : mark.start()].strip()
            thinks = thinks or (begins and not _AS_WORD.match(text, mark.end()))
        elif not _mentioned(text, mark, thinks, quotes % 2 == 1):
            start, thinks = mark.end(), False
        before = mark.end()
    return None if thinks else start


def starved(output: ModelOutput) -> bool:
    """Whether thinking took all the room that a reply had, so that no answer is there."""
    if output.empty or output.stop_reason != "max_tokens":
        return False
    return not (answer_text(output.completion) or "").strip()


def without_thinking(output: ModelOutput) -> ModelOutput | None:
    """A copy as if the server had split the thinking off; None if it ends within its thinking."""
    answer = answer_text(output.completion)
    if answer is None:
        return None
    if answer == output.completion:
        return output
    return output.model_copy(update={"completion": answer})


def _mentioned(text: str, mark: re.Match[str], thinks: bool, in_quotes: bool) -> bool:
    """Whether a closing mark is spoken of: in quotes, or as a word of a sentence."""
    start, end = mark.span()
    if in_quotes and '"' in text[end : end + WITHIN].partition("\n")[0]:
        return True
    if text[start - 1 : start] in _QUOTES and (start < 2 or not text[start - 2].isalnum()):
        return True
    if thinks:
        return False
    following = text[end : end + 2]
    if following[:1] in tuple(",;!?)]}") or (following[:1] == "." and following != ".."):
        return True
    if _AS_WORD.match(text, end):
        return True
    return following[:1] in ("", " ") and bool(_IN_SENTENCE.fullmatch(text, 0, start))


def _without_ends(answer: str) -> str:
    """Without the marks that close an answer, of which at most two stand there."""
    for _ in range(2):
        answer = answer.rstrip()
        ending = next((end for end in _ENDS if answer[-len(end) :].lower() == end), "")
        answer = answer[: len(answer) - len(ending)]
    return answer


SHOWN = 200  # so many characters of a refusal stand in a message


def refusal(output: ModelOutput) -> str | None:
    """What a model said when it refused, or else why its reply ends; None if it did not refuse.

    Providers tell in three ways, of which one is enough: the stop reason ``content_filter``
    (Anthropic, Google, Bedrock, Grok, a filter before OpenAI's models), stop details of the type
    ``refusal`` or a text marked as one (OpenAI's own field, also where the stop reason is ``stop``;
    its Responses API; whoever speaks either). A refusal in plain words alone is a reply.
    """
    if output.empty or not _refused(output.choices[0]):
        return None
    words = " ".join(output.choices[0].message.text.split()) or _detail(output.choices[0])
    return words if len(words) <= SHOWN else f"{words[: SHOWN - 1]}…"


_APOLOGY = re.compile(
    r"\s*+(?:(?:I['’]m|I am|we['’]re)\s++(?:very\s++|so\s++)?+sorry\b|sorry,|I\s++apologi[sz]e\b"
    r"|(?:unfortunately,\s++)?+I\s++(?:can['’]t|cannot|can not|won['’]t|am unable|am not able)\b"
    r"|I['’]m\s++(?:unable|not able)\b|as an AI\b)",
    re.IGNORECASE,
)


def apologises(text: str) -> bool:
    """Whether a text begins as refusals in plain words do.

    Of an explainer that is a reply, and scored. Where a model is to write what is no answer to a
    person, such as another explanation, it is none.
    """
    return _APOLOGY.match(text) is not None


_TO_THE_ASKER = re.compile(r"\b(?:help|assist|provide|request|comply|AI)\b", re.IGNORECASE)


def declines(text: str) -> bool:
    """Whether a text both begins as a refusal does and speaks of a request.

    For texts that a model makes up: one may be about somebody who apologises.
    """
    return apologises(text) and _TO_THE_ASKER.search(text) is not None


def _refused(choice: ChatCompletionChoice) -> bool:
    if choice.stop_reason == "content_filter":
        return True
    if choice.stop_details is not None and choice.stop_details.type == "refusal":
        return True
    content = choice.message.content
    return not isinstance(content, str) and any(
        isinstance(part, ContentText) and part.refusal for part in content
    )


def _detail(choice: ChatCompletionChoice) -> str:
    explanation = choice.stop_details.explanation if choice.stop_details else None
    return " ".join((explanation or "").split()) or f"stop reason {choice.stop_reason}"
