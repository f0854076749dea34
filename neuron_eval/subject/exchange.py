"""What a subject and its caller exchange through Inspect's chat interface, and the caller.

A request is a system message that says which neuron, and a user message per text. A reply has the
records in the output's metadata: for each text its tokens, which join back to it, and the neuron's
activation on each.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol, runtime_checkable

from inspect_ai.model import (
    ChatMessage,
    ChatMessageSystem,
    ChatMessageUser,
    Model,
    ModelOutput,
    get_model,
    model_roles,
)

from neuron_eval.messages import InputError, near_miss, shown
from neuron_eval.models.edge import guarded
from neuron_eval.models.provider import data_output
from neuron_eval.models.replies import refusal
from neuron_eval.models.requests import cache_policy
from neuron_eval.models.server_errors import ModelError, model_errors
from neuron_eval.records import ActivationRecord, NeuronRecord
from neuron_eval.usage_error import UsageError

ROLE = "subject"

RECORDS_KEY = "activation_records"
"""Where in a ``ModelOutput.metadata`` the records stand: a list of [tokens, activations]."""

LONGEST = 2000  # the longest text that a subject is asked about, in characters


class SubjectError(ModelError):
    """A subject that failed, or whose reply is no activations of the texts that it was given."""


@dataclass(frozen=True, slots=True)
class NeuronPlace:
    """Where in a subject a neuron is."""

    id: str  # the record's, for messages
    model: str  # the name of the model in the neuron's record
    layer: int
    index: int  # within the layer, or of a dictionary's latents

    @classmethod
    def of(cls, neuron: NeuronRecord) -> NeuronPlace:
        if neuron.layer < 0 or neuron.neuron < 0:
            raise InputError(
                f"neuron {neuron.id}: is not part of a network, so no subject can be asked about it"
            )
        return cls(neuron.id, neuron.model, neuron.layer, neuron.neuron)


@runtime_checkable
class HasNeurons(Protocol):
    """What a subject's provider has besides Inspect's own interface."""

    revision: str
    """Tells the activations of these weights from others' in Inspect's cache."""

    def refusal(self, place: NeuronPlace) -> str:
        """Why it cannot be asked about a neuron, as a sentence; empty if it can."""
        ...


def resolve_subject() -> Subject:
    """The model of the role ``subject``; a UsageError says that there is none, or it is none."""
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
    return Subject(model, model.api)


class Subject:
    """Asks a model for the activations of its neurons."""

    def __init__(self, model: Model, api: HasNeurons) -> None:
        self.name = str(model)
        self._model = model
        self._api = api

    def check(self, place: NeuronPlace) -> None:
        """Refuse a neuron that is another model's or out of range, with a UsageError."""
        if why := self._api.refusal(place):
            raise UsageError(f"neuron {place.id}: {why}")

    async def activations(self, place: NeuronPlace, texts: Sequence[str]) -> list[ActivationRecord]:
        """One record per text, whose tokens join back to it; each text counts once in a request.

        An InputError says that a text is empty or too long, a UsageError that there is no such
        neuron, a SubjectError that the subject failed, or that its reply is no activations.
        """
        if not texts:
            return []
        self.check(place)
        distinct = list(dict.fromkeys(texts))
        messages = _request(place, distinct)
        cache = cache_policy(self._model, revision=self._api.revision)
        try:
            with model_errors(ROLE, self._model):
                output = await self._model.generate(messages, cache=cache)
        except ModelError as error:
            raise SubjectError(error.message) from error
        records = dict(zip(distinct, _take_records(output, distinct), strict=True))
        return [records[text] for text in texts]


def _request(place: NeuronPlace, texts: Sequence[str]) -> list[ChatMessage]:
    for i, text in enumerate(texts):
        if not text or len(text) > LONGEST:
            raise InputError(
                f"text {i + 1} has {len(text):,} characters; expected 1 to {LONGEST:,}"
            )
    about = ChatMessageSystem(content=json.dumps(asdict(place), ensure_ascii=False))
    return [about, *(ChatMessageUser(content=text) for text in texts)]


def read_request(messages: Sequence[ChatMessage]) -> tuple[NeuronPlace, list[str]]:
    """The neuron and the texts of a request; an InputError says that it is none."""
    try:
        about, *rest = messages
        if about.role != "system" or not rest or {message.role for message in rest} != {"user"}:
            raise ValueError
        place = NeuronPlace(**json.loads(about.text))
    except (ValueError, TypeError):
        raise InputError(
            "a subject is asked by neuron_eval alone, for the activations of a neuron: name it as "
            "--model-role subject=…, not as --model"
        ) from None
    return place, [message.text for message in rest]


def subject_output(
    model: str, records: Sequence[ActivationRecord], input_tokens: int | None = None
) -> ModelOutput:
    peaks = ", ".join(f"{max(record.activations):.4g}" for record in records)
    noun = "text" if len(records) == 1 else "texts"
    pairs = [[list(record.tokens), list(record.activations)] for record in records]
    words = f"{len(records)} {noun}; peak activations: {peaks}"
    return data_output(model, words, {RECORDS_KEY: pairs}, input_tokens)


def _take_records(output: ModelOutput, texts: Sequence[str]) -> list[ActivationRecord]:
    """The records in a reply, one per text; a SubjectError says what is wrong with it."""
    name = output.model
    if (refused := refusal(output)) is not None:
        raise SubjectError(f"the subject {name} refused: {refused}")
    stated: Any = (output.metadata or {}).get(RECORDS_KEY)
    if not isinstance(stated, list) or len(stated) != len(texts):
        raise SubjectError(
            f"the model {name} gave no activations of {len(texts)} texts; the role subject needs a "
            "model such as neuron-subject/NAME"
        )
    return [_record(name, *pair) for pair in zip(texts, stated, strict=True)]


def _record(name: str, text: str, stated: Any) -> ActivationRecord:
    try:
        tokens, activations = stated
        record = ActivationRecord(tuple(map(str, tokens)), tuple(map(float, activations)))
    except (TypeError, ValueError):
        raise SubjectError(f"the subject {name} gave {shown(stated)} for {shown(text)}") from None
    if len(record.tokens) != len(record.activations) or "".join(record.tokens) != text:
        raise SubjectError(f"the subject {name} gave tokens that do not join to {shown(text)}")
    if not all(map(math.isfinite, record.activations)):
        raise SubjectError(f"the subject {name} gave an activation that is not finite")
    return record
