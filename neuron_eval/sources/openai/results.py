"""Scored explanations as OpenAI's neuron-explainer writes them; nothing here reads a file."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from neuron_eval.messages import replace_surrogates, shown
from neuron_eval.records import RecordError
from neuron_eval.sources.fields import number
from neuron_eval.sources.openai.json_fields import (
    check_neuron,
    neuron_id,
    parse,
    typed_list,
    typed_object,
)

CORRELATION = "ev_correlation_score"

SCORES = (CORRELATION, "rsquared_score", "absolute_dev_explained_score")
"""The scores of a simulation, for each sequence and for all of them."""


@dataclass(frozen=True, slots=True)
class Simulated:
    """One sequence of text, simulated and true side by side."""

    expected: tuple[float, ...]
    """The simulator's expected activations, shape [T]; NaN where the file has null."""

    true: tuple[float, ...]
    """The neuron's raw activations, shape [T]; NaN where the file has null."""

    scores: Mapping[str, float | None]
    """The published scores of this sequence by name, see `SCORES`; None where undefined."""


@dataclass(frozen=True, slots=True)
class ScoredExplanation:
    """An explanation of a neuron with its published scores."""

    explanation: str
    """The text, as written."""

    scores: Mapping[str, float | None]
    """The published scores over all sequences by name, see `SCORES`; None where undefined."""

    sequences: tuple[Simulated, ...]
    """What the scores were computed from; empty if it was not asked for."""

    @property
    def score(self) -> float | None:
        """The published correlation, in [-1, 1]; None where undefined."""
        return self.scores[CORRELATION]


@dataclass(frozen=True, slots=True)
class SimulationResults:
    """The explanations of one neuron."""

    layer: int
    """The layer, from 0."""

    neuron: int
    """The index within the layer, from 0."""

    explanations: tuple[ScoredExplanation, ...]
    """In the file's order; may be empty."""


def parse_results(line: bytes | str, at: str, simulations: bool = False) -> SimulationResults:
    """One line of an explanation file; the released files have one.

    Args:
        line: The JSON of one neuron.
        at: File and line, for messages.
        simulations: Whether to read the sequences too.

    Raises:
        RecordError: Not JSON, not a neuron's results, or with a bad field.
    """
    data = typed_object(parse(line, at), "NeuronSimulationResults", at)
    layer, neuron = neuron_id(data, at)
    found = tuple(
        _explanation(item, f"{at}: explanation {i}", simulations)
        for i, item in enumerate(typed_list(data, "scored_explanations", at))
    )
    return SimulationResults(layer, neuron, found)


def lines(content: bytes, where: str) -> Iterator[tuple[str, bytes]]:
    """The lines of an explanation file that are not blank, each with its place."""
    for count, line in enumerate(content.split(b"\n"), start=1):
        if line.strip():
            yield f"{where}, line {count}", line


def parse_explanations(
    content: bytes, layer: int, neuron: int, where: str
) -> tuple[ScoredExplanation, ...]:
    """The explanations of one neuron's file, the best published score first.

    Those without a score come last; equal ones keep the file's order.

    Raises:
        RecordError: See `parse_results`; or the file is of another neuron.
    """
    found: list[ScoredExplanation] = []
    for at, line in lines(content, where):
        results = parse_results(line, at)
        check_neuron((results.layer, results.neuron), (layer, neuron), at)
        found += results.explanations
    return tuple(sorted(found, key=lambda e: math.inf if e.score is None else -e.score))


def _explanation(data: object, at: str, simulations: bool) -> ScoredExplanation:
    data = typed_object(data, "ScoredExplanation", at)
    text = data.get("explanation")
    if not isinstance(text, str):
        raise RecordError(f"{at}: field 'explanation' is {shown(text)}; expected a string")
    here = f"{at}: field 'scored_simulation'"
    scored = typed_object(data.get("scored_simulation"), "ScoredSimulation", here)
    sequences: tuple[Simulated, ...] = ()
    if simulations:
        items = enumerate(typed_list(scored, "scored_sequence_simulations", at))
        sequences = tuple(_simulated(item, f"{at}, sequence {i}") for i, item in items)
    return ScoredExplanation(replace_surrogates(text), _scores(scored, at), sequences)


def _simulated(data: object, at: str) -> Simulated:
    data = typed_object(data, "ScoredSequenceSimulation", at)
    simulation = typed_object(data.get("simulation"), "SequenceSimulation", f"{at}: simulation")
    expected = _values(simulation, "expected_activations", at)
    true = _values(data, "true_activations", at)
    if len(expected) != len(true):
        raise RecordError(
            f"{at}: {len(expected)} 'expected_activations' but {len(true)} 'true_activations'; "
            "there must be one of each for each token"
        )
    return Simulated(expected, true, _scores(data, at))


def _scores(data: Mapping[str, Any], at: str) -> dict[str, float | None]:
    return {name: _score(data, name, at) for name in SCORES}


def _score(data: Mapping[str, Any], name: str, at: str) -> float | None:
    if data.get(name) is None:
        return None
    value = number(data, name, at)
    return value if math.isfinite(value) else None


def _values(data: Mapping[str, Any], field: str, at: str) -> tuple[float, ...]:
    values = typed_list(data, field, at)
    if set(map(type, values)) <= {float}:
        return tuple(values)
    return tuple(
        math.nan if value is None else number({"value": value}, "value", f"{at}: {field!r}, {i}")
        for i, value in enumerate(values)
    )
