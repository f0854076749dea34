"""Texts in, activation records out: an Inspect model used as a subject."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from inspect_ai.model import Model, get_model, model_roles

from neuron_eval.messages import near_miss
from neuron_eval.models.edge import guarded
from neuron_eval.models.requests import cache_policy
from neuron_eval.models.server_errors import ModelError, model_errors
from neuron_eval.records import ActivationRecord
from neuron_eval.subject.exchange import NeuronPlace, SubjectError, subject_request, take_records
from neuron_eval.usage_error import UsageError

ROLE = "subject"


@runtime_checkable
class HasNeurons(Protocol):
    """What a subject's provider has besides Inspect's own interface."""

    revision: str
    """Tells the activations of these weights from others' in Inspect's cache."""

    def refusal(self, place: NeuronPlace) -> str:
        """Why it cannot be asked about a neuron, as a sentence; empty if it can."""
        ...


def resolve_subject() -> Model:
    """The model of the role ``subject``.

    Raises:
        UsageError: There is none, or it is no subject.
    """
    if ROLE not in model_roles():
        meant = near_miss(model_roles(), [ROLE])
        raise UsageError(
            f"no subject: name the model that has the neurons, --model-role {ROLE}=neuron-subject/"
            f"NAME, where NAME is a Hugging Face name, a folder or a .gguf file{meant}"
        )
    model = guarded(get_model(role=ROLE))
    if not isinstance(model.api, HasNeurons):
        raise UsageError(
            f"{model} is no subject: its neurons cannot be seen; expected --model-role {ROLE}="
            "neuron-subject/NAME"
        )
    return model


class Subject:
    """Asks a model for the activations of its neurons."""

    def __init__(self, model: Model) -> None:
        self.name = str(model)
        self._model = model
        assert isinstance(model.api, HasNeurons)
        self._api: HasNeurons = model.api

    def check(self, place: NeuronPlace) -> None:
        """Refuse a neuron that the subject does not have, before anything is asked.

        Raises:
            UsageError: It is another model's, or out of range.
        """
        if why := self._api.refusal(place):
            raise UsageError(f"neuron {place.id}: {why}")

    async def activations(self, place: NeuronPlace, texts: Sequence[str]) -> list[ActivationRecord]:
        """One record per text, whose tokens join back to it; each text counts once in a request.

        Raises:
            InputError: A text is empty or too long.
            UsageError: The subject does not have the neuron.
            SubjectError: The subject failed, or its reply is no activations.
        """
        if not texts:
            return []
        self.check(place)
        distinct = list(dict.fromkeys(texts))
        messages = subject_request(place, distinct)
        cache = cache_policy(self._model, revision=self._api.revision)
        try:
            with model_errors(ROLE, self._model):
                output = await self._model.generate(messages, cache=cache)
        except ModelError as error:
            raise SubjectError(error.message) from error
        records = dict(zip(distinct, take_records(output, distinct), strict=True))
        return [records[text] for text in texts]
