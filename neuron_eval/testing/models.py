"""Fake models that state their answers, and neurons to explain."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from inspect_ai.model import (
    ChatMessage,
    GenerateConfig,
    Logprobs,
    Model,
    ModelAPI,
    ModelCall,
    ModelOutput,
    ModelUsage,
    StopReason,
    modelapi,
)
from inspect_ai.tool import ToolChoice, ToolInfo

from neuron_eval.prompts.wording import Pack
from neuron_eval.records import ActivationRecord, NeuronRecord, Reference
from neuron_eval.records.checks import check_record
from neuron_eval.testing.replies import PromptReader, answer_lines, logprob_of

Respond = Callable[[list[ChatMessage], GenerateConfig], ModelOutput]
Predict = Callable[[str, Sequence[str]], Sequence[float]]

_RESPOND: dict[str, Respond] = {}
"""By model name, so that Inspect finds a fake again when it scores a log."""


class FakeRateLimitError(Exception):
    """What a fake raises to be asked again by Inspect."""


@modelapi(name="neuron-fake")
class FakeProvider(ModelAPI):
    """A provider whose answers are computed by a function."""

    def __init__(
        self,
        model_name: str,
        base_url: str | None = None,
        api_key: str | None = None,
        config: GenerateConfig = GenerateConfig(),  # noqa: B008
    ) -> None:
        super().__init__(model_name, base_url, api_key, [], config)
        self._respond = _RESPOND[model_name]

    async def generate(
        self,
        input: list[ChatMessage],
        tools: list[ToolInfo],
        tool_choice: ToolChoice,
        config: GenerateConfig,
    ) -> tuple[ModelOutput, ModelCall]:
        """Answer, with usage, so that nothing needs a tokenizer, and the call as a server's."""
        output = self._respond(input, config)
        read = sum(len(message.text) for message in input) // 4
        written = len(output.completion) // 4
        output.usage = ModelUsage(
            input_tokens=read, output_tokens=written, total_tokens=read + written
        )
        request = {"messages": [message.model_dump() for message in input]}
        return output, ModelCall.create(request, output.model_dump())

    def should_retry(self, ex: BaseException) -> bool:
        return isinstance(ex, FakeRateLimitError)

    def retry_wait(self) -> Callable[[object], float]:
        """No waiting in tests."""
        return lambda _: 0.0


@dataclass
class Fake:
    """A fake model and what it was asked."""

    model: Model
    """For ``eval(model=…)`` or ``model_roles``."""

    requests: list[list[ChatMessage]] = field(default_factory=list)
    """Every request that reached it, in order; answers from Inspect's cache do not."""

    configs: list[GenerateConfig] = field(default_factory=list)
    replies: list[str] = field(default_factory=list)


def fake(name: str, respond: Respond) -> Fake:
    """A model called ``neuron-fake/NAME`` that answers with ``respond(messages, config)``.

    A later fake of the same name answers in its place where Inspect finds models by name.
    """

    def recorded(messages: list[ChatMessage], config: GenerateConfig) -> ModelOutput:
        made.requests.append(messages)
        made.configs.append(config)
        output = respond(messages, config)
        made.replies.append(output.completion)
        return output

    _RESPOND[name] = recorded
    made = Fake(Model(FakeProvider(name), GenerateConfig()))
    return made


def fake_explainer(
    answer: str | Callable[[str], str], stop_reason: StopReason = "stop", name: str = "explainer"
) -> Fake:
    """An explainer that gives one answer, or one computed from the last user message."""

    def respond(messages: list[ChatMessage], config: GenerateConfig) -> ModelOutput:
        text = answer if isinstance(answer, str) else answer(messages[-1].text)
        return ModelOutput.from_content(f"neuron-fake/{name}", text, stop_reason=stop_reason)

    return fake(name, respond)


def fake_simulator(
    predict: Predict,
    *,
    logprobs: bool = True,
    faults: Iterable[str] = (),
    excerpts: Iterable[Sequence[str]] = (),
    pack: Pack | None = None,
    name: str = "simulator",
) -> Fake:
    """A simulator that answers every well-asked question with what ``predict`` says.

    It knows the prompts of all ways to simulate whose replies are text, with one or several
    excerpts.

    Args:
        predict: From the explanation and the excerpt's tokens (``per_token``: those up to the
            one asked for) to one value in [0, 10] a token.
        logprobs: Whether the answers come with log-probabilities whose expectation is exactly
            the value; without them values are rounded, as a chat model would.
        faults: What goes wrong with the first requests, one each: ``garbage``, ``truncated``,
            ``missing`` (a token left out; for ``sparse`` an excerpt), ``empty``,
            ``rate-limit``; then all goes well.
        excerpts: Tokens of the excerpts that plain text is taken apart as; other text is taken
            apart into words with the space before them, and single other characters.
        pack: What the prompts are made with; None is the bundled pack.
        name: The model's name.
    """
    left = list(faults)
    reader = PromptReader(excerpts, pack)

    def respond(messages: list[ChatMessage], config: GenerateConfig) -> ModelOutput:
        if messages[0].role == "user":
            return _short_answer(f"neuron-fake/{name}", logprobs and bool(config.logprobs))
        user = next(m.text for m in messages if m.role == "user")
        question = reader.read(messages[0].text, user)
        values = [list(predict(question.explanation, tokens)) for tokens in question.excerpts]
        fault = left.pop(0) if left else ""
        if fault == "rate-limit":
            raise FakeRateLimitError("429: slow down")
        lines = answer_lines(question, values)
        if fault in ("truncated", "missing"):
            middle = len(lines) // 2
            del lines[middle : len(lines) if fault == "truncated" else middle + 1]
        words = {"garbage": ["I would rather not."], "empty": []}.get(fault)
        pieces = [p for line in lines for p in line] if words is None else words
        text = "".join(p if isinstance(p, str) else str(round(p)) for p in pieces).strip("\n")
        stop: StopReason = "max_tokens" if fault == "truncated" else "stop"
        output = ModelOutput.from_content(f"neuron-fake/{name}", text, stop_reason=stop)
        if logprobs and config.logprobs and text:
            output.choices[0].logprobs = Logprobs(content=[logprob_of(piece) for piece in pieces])
        return output

    return fake(name, respond)


def _short_answer(model: str, logprobs: bool) -> ModelOutput:
    """The answer to a question that asks for no simulation, such as what the model can do."""
    output = ModelOutput.from_content(model, "4")
    if logprobs:
        output.choices[0].logprobs = Logprobs(content=[logprob_of(4.0)])
    return output


def fake_embedder(
    embed: Callable[[str], Sequence[float]], *, failures: int = 0, name: str = "embedder"
) -> Fake:
    """An embedder that is rate-limited ``failures`` times, then embeds with ``embed``."""
    left = [failures]

    def respond(messages: list[ChatMessage], config: GenerateConfig) -> ModelOutput:
        if left[0] > 0:
            left[0] -= 1
            raise FakeRateLimitError("429: slow down")
        vectors = [[float(x) for x in embed(message.text)] for message in messages]
        output = ModelOutput.from_content(f"neuron-fake/{name}", f"{len(vectors)} texts embedded")
        output.metadata = {"embeddings": vectors}
        return output

    return fake(name, respond)


def make_neuron(
    id: str = "test/L0N0",
    word: str = " cat",
    *,
    layer: int = 0,
    neuron: int = 0,
    excerpts: int = 20,
    reference: str | None = "cats",
) -> NeuronRecord:
    """A neuron that fires on one word: in every top excerpt, and in every third random one."""
    filler = [" the", " old", " house", ",", " a", " river", " was", " quiet", "."]

    def record(kind: str, i: int, hits: int) -> ActivationRecord:
        words = [f"{kind}{i}", f" of {id}", *filler]
        for hit in range(hits):
            words.insert(3 + 3 * hit, word)
        level = 10 - 5 * i / excerpts if kind == "top" else 4.0
        values = [level if w == word else 0.01 * (j % 3) for j, w in enumerate(words)]
        return ActivationRecord(tuple(words), tuple(values))

    return check_record(
        NeuronRecord(
            id=id,
            model=id.partition("/")[0],
            layer=layer,
            neuron=neuron,
            top=tuple(record("top", i, 1 + i % 2) for i in range(excerpts)),
            random=tuple(record("random", i, int(i % 3 == 1)) for i in range(excerpts)),
            quantiles=(0.5, 0.9, 0.99),
            quantile_boundaries=(0.0, 0.02, 0.5),
            reference=None if reference is None else Reference(reference, "made for a test"),
        ),
        "make_neuron",
    )
