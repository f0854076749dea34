"""What judgements ask: a fake judge and writer, who see no more than real ones, and a subject."""

import math
import re
from collections.abc import Callable, Iterable, Sequence

from inspect_ai.model import (
    ChatMessage,
    GenerateConfig,
    Logprob,
    Logprobs,
    Model,
    ModelOutput,
    TopLogprob,
    modelapi,
)

from neuron_eval.formats.base import letter
from neuron_eval.generating.asking import numbered
from neuron_eval.prompts.pack import default_pack
from neuron_eval.prompts.wording import IntruderWording, JudgementWording, Pack
from neuron_eval.records import ActivationRecord
from neuron_eval.subject.exchange import NeuronPlace, read_request, subject_output
from neuron_eval.testing.models import ComputedAnswers, Fake, fake, faults_in_turn

Fits = Callable[[str, str], float]
Write = Callable[[str], Sequence[str]]
Activate = Callable[[NeuronPlace, Sequence[str]], Sequence[float]]

NOTHING = tuple(f"Nothing of number {number}." for number in range(1, 6))
"""What is near any explanation."""

SURE = 1e-6  # how far from 0 and 1 a probability stays

_TOKEN = re.compile(r" ?\w+|\s|[^\w\s]")

_REFUSE: dict[str, Callable[[NeuronPlace], str]] = {}


def fake_judge(
    fits: Fits,
    *,
    logprobs: bool = True,
    faults: Iterable[str] = (),
    pack: Pack | None = None,
    name: str = "judge",
) -> Fake:
    """A judge that answers what `detection`, `fuzzing` and `intruder` ask.

    Args:
        fits: From the explanation, and an excerpt's text with its marks, to the probability that it
            fits, in [0, 1]. Of an intruder's round, without an explanation, the judge names the
            excerpt that fits least.
        logprobs: Whether the answers come with these probabilities.
        faults: What goes wrong with the first requests, one each: ``garbage``, ``missing`` (the
            last excerpt's line; of a round all), ``undecided``, ``empty``, ``rate-limit``; an empty
            text is no fault.
        pack: What the prompts are made with; None is the bundled pack.
        name: The model's name.
    """
    next_fault = faults_in_turn(faults)
    wordings = (pack or default_pack()).judging

    def respond(messages: list[ChatMessage], config: GenerateConfig) -> ModelOutput:
        wording = next(w for w in wordings.values() if w.system == messages[0].text)
        explanation, texts = _read(messages[1].text, wording)
        probabilities = [min(1 - SURE, max(SURE, fits(explanation, text))) for text in texts]
        fault = next_fault()
        answers = [(f"{letter(i)}: ", {"yes": p, "no": 1 - p}) for i, p in enumerate(probabilities)]
        if isinstance(wording, IntruderWording):
            odds = {letter(i): 1 - p for i, p in enumerate(probabilities)}
            total = sum(odds.values())
            answers = [("", {name: p / total for name, p in odds.items()})]
        words = {"garbage": "I would rather not.", "empty": "", "undecided": "A: maybe"}
        answers = [] if fault in words else answers[: -1 if fault == "missing" else None]
        tokens = [token for lead, odds in answers for token in _line(lead, odds)]
        text = "".join(token.token for token in tokens) or words.get(fault, "")
        output = ModelOutput.from_content(f"neuron-fake/{name}", text)
        if logprobs and config.logprobs and tokens:
            output.choices[0].logprobs = Logprobs(content=tokens)
        return output

    return fake(name, respond)


def _read(user: str, wording: JudgementWording) -> tuple[str, list[str]]:
    before, _, behind = (re.escape(part) for part in wording.opening.partition("{explanation}"))
    opening = re.match(f"{before}(.*?){behind}", user, re.DOTALL)
    assert opening is not None, f"not a prompt of this pack: {user!r}"
    texts: list[str] = []
    at = opening.end()
    while user.startswith(start := wording.start.replace("{letter}", letter(len(texts))), at):
        end = user.index(wording.end.replace("{letter}", letter(len(texts))), at)
        texts.append(user[at + len(start) : end])
        at = end + len(wording.end.replace("{letter}", letter(len(texts) - 1)))
    explanation = opening[1] if "{explanation}" in wording.opening else ""
    return explanation, texts


def _line(lead: str, odds: dict[str, float]) -> list[Logprob]:
    """A line of a reply in tokens, with each answer's probability at the likeliest one."""
    best = max(odds, key=lambda word: odds[word])
    tops = [TopLogprob(token=word, logprob=math.log(p)) for word, p in odds.items()]
    answer = Logprob(token=best, logprob=math.log(odds[best]), top_logprobs=tops)
    blanks = [Logprob(token=text, logprob=0.0) for text in (lead, "\n")]
    return [*blanks[: bool(lead)], answer, blanks[1]]


def fake_writer(
    fitting: Write,
    near: Write = lambda _: NOTHING,
    *,
    faults: Iterable[str] = (),
    pack: Pack | None = None,
    name: str = "writer",
) -> Fake:
    """A writer of the texts that `generation` asks for.

    Args:
        fitting: From the explanation to texts that fit it.
        near: From the explanation to texts that do not.
        faults: What goes wrong with the first requests, one each: ``garbage``, ``empty``,
            ``missing`` (the last text); an empty text is no fault.
        pack: What the prompts are made with; None is the bundled pack.
        name: The model's name.
    """
    next_fault = faults_in_turn(faults)
    wording = (pack or default_pack()).generation_wording()

    def respond(messages: list[ChatMessage], config: GenerateConfig) -> ModelOutput:
        fits = messages[0].text == wording.fitting.system
        part = wording.fitting if fits else wording.near
        examples = 2 * len(wording.examples)
        pattern = re.escape(part.question).replace(r"\{explanation\}", "(?P<explanation>.*?)")
        pattern = re.sub(r"\\\{\w+\\\}", lambda _: "(?:.|\n)*?", pattern)
        read = re.fullmatch(pattern, messages[1 + examples].text)
        assert read is not None, f"not a prompt of this pack: {messages[1 + examples].text!r}"
        texts = list((fitting if fits else near)(read["explanation"]))
        fault = next_fault()
        reply = numbered(texts[: -1 if fault == "missing" else None])
        words = {"garbage": "I would rather not.", "empty": ""}
        return ModelOutput.from_content(f"neuron-fake/{name}", words.get(fault, reply))

    return fake(name, respond)


@modelapi(name="neuron-fake-subject")
class FakeSubjectProvider(ComputedAnswers):
    """A fake that has neurons; see `fake_subject`."""

    revision = "fake"

    def refusal(self, place: NeuronPlace) -> str:
        return _REFUSE[self.model_name](place)


def fake_subject(
    activate: Activate, *, model: str = "test", failures: Iterable[str] = (), name: str = "subject"
) -> Fake:
    """A subject whose neurons are a function of words, for the role ``subject``.

    Args:
        activate: From the neuron and a text's tokens (words with the space before them, and single
            other characters) to their activations.
        model: What the records of its neurons call it; the neurons of other models are refused.
        failures: What goes wrong with the first requests, one each: ``error``, ``nan``,
            ``tokens`` (that are not the text's), ``none``; an empty text is no failure.
        name: The model's name.
    """
    next_failure = faults_in_turn(failures)

    def respond(messages: list[ChatMessage], config: GenerateConfig) -> ModelOutput:
        place, texts = read_request(messages)
        failure = next_failure()
        if failure == "error":
            raise RuntimeError("out of memory")
        records = []
        for text in texts:
            tokens = tuple(_TOKEN.findall(text))
            values = [float(value) for value in activate(place, tokens)]
            if failure == "nan":
                values[0] = float("nan")
            records.append(ActivationRecord(tokens[failure == "tokens" :], tuple(values)))
        output = subject_output(f"neuron-fake-subject/{name}", records)
        if failure == "none":
            output.metadata = None
        return output

    made = fake(name, respond)
    _REFUSE[name] = lambda place: (
        "" if place.model == model else f"is of {place.model}; the subject is {model}"
    )
    made.model = Model(FakeSubjectProvider(name), GenerateConfig())
    return made
