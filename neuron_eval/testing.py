"""Fakes for tests of solvers, scorers and tasks: models that state their answers, and neurons.

    simulator = fake_simulator(lambda explanation, tokens: [10 * (t == " cat") for t in tokens])
    eval(summary(), model=fake_explainer("cats"), model_roles={"simulator": simulator.model})
    assert len(simulator.requests) == 10

They go through Inspect like any model: its retries, cache, events and usage are the real ones.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from inspect_ai.model import (
    ChatMessage,
    GenerateConfig,
    Logprob,
    Logprobs,
    Model,
    ModelAPI,
    ModelOutput,
    ModelUsage,
    StopReason,
    TopLogprob,
    modelapi,
)
from inspect_ai.tool import ToolChoice, ToolInfo

from neuron_eval.checks import check_record
from neuron_eval.records import ActivationRecord, NeuronRecord, Reference

Respond = Callable[[list[ChatMessage], GenerateConfig], ModelOutput]
Predict = Callable[[str, Sequence[str]], Sequence[float]]

_RESPOND: dict[str, Respond] = {}
"""By model name, so that Inspect finds a fake again when it scores a log."""

_NUMBERED = re.compile(r"^(\d+): (\".*\")$")


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
        """Bind to the function that answers for this name, see `fake`.

        Raises:
            KeyError: No fake of that name was made in this process.
        """
        super().__init__(model_name, base_url, api_key, [], config)
        self._respond = _RESPOND[model_name]

    async def generate(
        self,
        input: list[ChatMessage],
        tools: list[ToolInfo],
        tool_choice: ToolChoice,
        config: GenerateConfig,
    ) -> ModelOutput:
        """Answer, with usage, so that nothing needs a tokenizer."""
        output = self._respond(input, config)
        read = sum(len(message.text) for message in input) // 4
        written = len(output.completion) // 4
        output.usage = ModelUsage(
            input_tokens=read, output_tokens=written, total_tokens=read + written
        )
        return output

    def should_retry(self, ex: BaseException) -> bool:
        """Whether a fake asked to be asked again."""
        return isinstance(ex, FakeRateLimitError)

    def retry_wait(self) -> Callable[[object], float]:
        """No waiting in tests."""
        return lambda _: 0.0


@dataclass
class Fake:
    """A fake model and what it was asked."""

    model: Model
    """The model, for ``eval(model=…)`` or ``model_roles``."""

    requests: list[list[ChatMessage]] = field(default_factory=list)
    """Every request that reached it, in order; answers from Inspect's cache do not."""

    configs: list[GenerateConfig] = field(default_factory=list)
    """The configuration of each request."""


def fake(name: str, respond: Respond) -> Fake:
    """A model called ``neuron-fake/NAME`` that answers with ``respond(messages, config)``.

    A later fake of the same name answers in its place where Inspect finds models by name.
    """
    made: list[Fake] = []

    def recorded(messages: list[ChatMessage], config: GenerateConfig) -> ModelOutput:
        made[0].requests.append(messages)
        made[0].configs.append(config)
        return respond(messages, config)

    _RESPOND[name] = recorded
    made.append(Fake(Model(FakeProvider(name), GenerateConfig())))
    return made[0]


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
    name: str = "simulator",
) -> Fake:
    """A simulator that answers every well-asked question with what ``predict`` says.

    Args:
        predict: From the explanation and the excerpt's tokens to one value in [0, 10] a token.
        logprobs: Whether the answers come with log-probabilities whose expectation is exactly
            the value; without them values are rounded, as a chat model would.
        faults: What goes wrong with the first requests, one each: ``garbage``, ``truncated``,
            ``missing`` (a token left out), ``empty``, ``rate-limit``; then all goes well.
        name: The model's name.
    """
    left = list(faults)

    def respond(messages: list[ChatMessage], config: GenerateConfig) -> ModelOutput:
        explanation, tokens = read_chat_prompt(next(m.text for m in messages if m.role == "user"))
        values = list(predict(explanation, tokens))
        fault = left.pop(0) if left else ""
        if fault == "rate-limit":
            raise FakeRateLimitError("429: slow down")
        lines = [f"{i}: {round(value)}" for i, value in enumerate(values, start=1)]
        if fault in ("truncated", "missing"):
            del lines[len(lines) // 2 : len(lines) if fault == "truncated" else len(lines) // 2 + 1]
        text = {"garbage": "I would rather not.", "empty": ""}.get(fault, "\n".join(lines))
        stop: StopReason = "max_tokens" if fault == "truncated" else "stop"
        output = ModelOutput.from_content(f"neuron-fake/{name}", text, stop_reason=stop)
        if logprobs and config.logprobs and not fault:
            output.choices[0].logprobs = _chat_logprobs(values)
        return output

    return fake(name, respond)


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


def read_chat_prompt(text: str) -> tuple[str, list[str]]:
    """Explanation and tokens of a prompt of ``simulation=chat`` made with the bundled pack."""
    explanation = text.partition("it responds to ")[2].partition("\n")[0]
    lines = (_NUMBERED.match(line) for line in text.split("\n"))
    return explanation, [json.loads(line[2]) for line in lines if line]


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


def _chat_logprobs(values: Sequence[float]) -> Logprobs:
    """Tokens of a reply whose distribution at each value has exactly that expectation."""
    content: list[Logprob] = []
    for i, value in enumerate(values, start=1):
        low = min(9, math.floor(value))
        masses = {low: 1 - (value - low), low + 1: value - low}
        tops = [
            TopLogprob(token=f" {level}", logprob=math.log(mass))
            for level, mass in masses.items()
            if mass > 0
        ]
        separator = "" if i == 1 else "\n"
        content.append(Logprob(token=f"{separator}{i}:", logprob=0.0))
        content.append(
            Logprob(
                token=f" {round(value)}",
                logprob=math.log(masses.get(round(value), 1e-30)),
                top_logprobs=tops,
            )
        )
    return Logprobs(content=content)
