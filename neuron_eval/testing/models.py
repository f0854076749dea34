"""Fake models that state their answers, and neurons to explain."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from inspect_ai.model import (
    ChatMessage,
    GenerateConfig,
    Model,
    ModelAPI,
    ModelCall,
    ModelOutput,
    ModelUsage,
    StopReason,
    modelapi,
)
from inspect_ai.tool import ToolChoice, ToolInfo

from neuron_eval.rating.question import KEY, Question, from_json
from neuron_eval.records import ActivationRecord, NeuronRecord, Reference
from neuron_eval.records.checks import check_record

Rate = Callable[[Question, str], int]
Respond = Callable[[list[ChatMessage], GenerateConfig], ModelOutput]

_RESPOND: dict[str, Respond] = {}
"""By model name, so that Inspect finds a fake again when it scores a log."""


class FakeRateLimitError(Exception):
    """What a fake raises to be asked again by Inspect."""


class ComputedAnswers(ModelAPI):
    """A provider whose answers are computed by a function.

    Inspect's mockllm is not found again by name, gives no call to log, and is never rate-limited.
    """

    def __init__(self, model_name: str, **options: Any) -> None:
        super().__init__(model_name, **options)
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
        both = read + written
        output.usage = ModelUsage(input_tokens=read, output_tokens=written, total_tokens=both)
        request = {"messages": [message.model_dump() for message in input]}
        return output, ModelCall.create(request, output.model_dump())

    def should_retry(self, ex: BaseException) -> bool:
        return isinstance(ex, FakeRateLimitError)

    def retry_wait(self) -> Callable[[object], float]:
        return lambda _: 0.0


FakeProvider = modelapi(name="neuron-fake")(ComputedAnswers)


@dataclass
class Fake:
    """A fake model and what it was asked."""

    model: Model  # for ``eval(model=…)`` or ``model_roles``

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


def faults_in_turn(faults: Iterable[str]) -> Callable[[], str]:
    """What goes wrong with the next request, if anything; ``rate-limit`` is raised."""
    left = iter(faults)

    def next_fault() -> str:
        if (fault := next(left, "")) == "rate-limit":
            raise FakeRateLimitError("429: slow down")
        return fault

    return next_fault


def fake_explainer(
    answer: str | Callable[[str], str], stop_reason: StopReason = "stop", name: str = "explainer"
) -> Fake:
    """An explainer that gives one answer, or one computed from the last user message."""

    def respond(messages: list[ChatMessage], config: GenerateConfig) -> ModelOutput:
        text = answer if isinstance(answer, str) else answer(messages[-1].text)
        return ModelOutput.from_content(f"neuron-fake/{name}", text, stop_reason=stop_reason)

    return fake(name, respond)


def fake_embedder(
    embed: Callable[[str], Sequence[float]], *, failures: int = 0, name: str = "embedder"
) -> Fake:
    """An embedder that is rate-limited ``failures`` times, then embeds with ``embed``."""
    next_fault = faults_in_turn(["rate-limit"] * failures)

    def respond(messages: list[ChatMessage], config: GenerateConfig) -> ModelOutput:
        next_fault()
        vectors = [[float(x) for x in embed(message.text)] for message in messages]
        output = ModelOutput.from_content(f"neuron-fake/{name}", f"{len(vectors)} texts embedded")
        output.metadata = {"embeddings": vectors}
        return output

    return fake(name, respond)


def fake_rater(rate: Rate, *, faults: Iterable[str] = (), name: str = "rater") -> Fake:
    """A rater that answers every question, and chooses what it rates highest.

    It reads the question where a person's page does, from the message's metadata.

    Of explanations that it rates alike it chooses the one that is shown first, so that its place
    counts.

    Args:
        rate: From the question and one of its explanations to a rating from 1 to 5.
        faults: What goes wrong with the first requests, one each: ``garbage``, ``truncated``,
            ``missing`` (a rating left out), ``off-scale``, ``empty``, ``skip`` (as people may),
            ``rate-limit``; an empty text is no fault.
        name: The model's name.
    """
    next_fault = faults_in_turn(faults)

    def respond(messages: list[ChatMessage], config: GenerateConfig) -> ModelOutput:
        question = question_in(messages)
        ratings = {option.letter: rate(question, option.explanation) for option in question.options}
        best = max(ratings, key=lambda letter: ratings[letter])
        fault = next_fault()
        if fault == "missing":
            del ratings[question.letters[-1]]
        if fault == "off-scale":
            ratings[question.letters[0]] = question.scale.most + 1
        text = json.dumps({"ratings": ratings, "best": best, "comment": ""})
        spoilt = {
            "garbage": "I would rather not.",
            "truncated": text[: len(text) // 2],
            "empty": "",
            "skip": json.dumps({"skipped": "I cannot tell"}),
        }
        stop: StopReason = "max_tokens" if fault == "truncated" else "stop"
        return ModelOutput.from_content(
            f"neuron-fake/{name}", spoilt.get(fault, text), stop_reason=stop
        )

    return fake(name, respond)


def question_in(messages: Iterable[ChatMessage]) -> Question:
    """The question that a request holds; a LookupError if it holds none."""
    for message in messages:
        if message.role == "user" and KEY in (message.metadata or {}):
            return from_json((message.metadata or {})[KEY])
    raise LookupError("no message holds a question")


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

    made = NeuronRecord(
        id=id,
        model=id.partition("/")[0],
        layer=layer,
        neuron=neuron,
        top=tuple(record("top", i, 1 + i % 2) for i in range(excerpts)),
        random=tuple(record("random", i, int(i % 3 == 1)) for i in range(excerpts)),
        quantiles=(0.5, 0.9, 0.99),
        quantile_boundaries=(0.0, 0.02, 0.5),
        reference=None if reference is None else Reference(reference, "made for a test"),
    )
    return check_record(made, "make_neuron")
