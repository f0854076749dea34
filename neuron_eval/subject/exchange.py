"""What a subject and its caller exchange through Inspect's chat interface.

A request is a system message that says which neuron, and a user message per text. A reply has the
records in the output's metadata: for each text its tokens, which join back to it, and the neuron's
activation on each.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from inspect_ai.model import (
    ChatMessage,
    ChatMessageSystem,
    ChatMessageUser,
    ModelOutput,
    ModelUsage,
)

from neuron_eval.messages import InputError, shown
from neuron_eval.models.replies import refusal
from neuron_eval.models.server_errors import ModelError
from neuron_eval.records import ActivationRecord, NeuronRecord

RECORDS_KEY = "activation_records"
"""Where in a ``ModelOutput.metadata`` the records stand: a list of [tokens, activations]."""

LONGEST = 2000
"""The longest text that a subject is asked about, in characters."""


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
        """That of a record.

        Raises:
            InputError: The neuron is not part of a network.
        """
        if neuron.layer < 0 or neuron.neuron < 0:
            raise InputError(
                f"neuron {neuron.id}: is not part of a network, so no subject can be asked about it"
            )
        return cls(neuron.id, neuron.model, neuron.layer, neuron.neuron)


def subject_request(place: NeuronPlace, texts: Sequence[str]) -> list[ChatMessage]:
    """The messages that ask for one neuron's activations on texts.

    Raises:
        InputError: A text is empty or longer than `LONGEST`.
    """
    for i, text in enumerate(texts):
        if not text or len(text) > LONGEST:
            raise InputError(
                f"text {i + 1} has {len(text):,} characters; expected 1 to {LONGEST:,}"
            )
    about = ChatMessageSystem(content=json.dumps(asdict(place), ensure_ascii=False))
    return [about, *(ChatMessageUser(content=text) for text in texts)]


def read_request(messages: Sequence[ChatMessage]) -> tuple[NeuronPlace, list[str]]:
    """The neuron and the texts of a request.

    Raises:
        InputError: It is none.
    """
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
    """The reply with one record per text, in order."""
    peaks = ", ".join(f"{max(record.activations):.4g}" for record in records)
    noun = "text" if len(records) == 1 else "texts"
    output = ModelOutput.from_content(model, f"{len(records)} {noun}; peak activations: {peaks}")
    output.metadata = {RECORDS_KEY: [[list(r.tokens), list(r.activations)] for r in records]}
    if input_tokens is not None:
        output.usage = ModelUsage(
            input_tokens=input_tokens, output_tokens=0, total_tokens=input_tokens
        )
    return output


def take_records(output: ModelOutput, texts: Sequence[str]) -> list[ActivationRecord]:
    """The records in a reply, one per text.

    Raises:
        SubjectError: They are not there, their tokens do not join to the texts, or an activation
            is not finite.
    """
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
