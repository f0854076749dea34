"""A fake subject: neurons that are a function of words."""

import re
from collections.abc import Callable, Iterable, Sequence

from inspect_ai.model import ChatMessage, GenerateConfig, Model, ModelOutput, modelapi

from neuron_eval.records import ActivationRecord
from neuron_eval.subject.exchange import NeuronPlace, read_request, subject_output
from neuron_eval.testing.models import ComputedAnswers, Fake, fake, faults_in_turn

Activate = Callable[[NeuronPlace, Sequence[str]], Sequence[float]]

_TOKEN = re.compile(r" ?\w+|\s|[^\w\s]")

_REFUSE: dict[str, Callable[[NeuronPlace], str]] = {}


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
