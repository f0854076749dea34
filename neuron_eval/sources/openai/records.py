"""The JSON of OpenAI's neuron-explainer: neurons' records, and scored explanations.

Objects carry a ``dataclass_name``, NaN is null; nothing here reads a file. Checked by hand, since
pydantic's errors would need other words for every field.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from neuron_eval.messages import listed, replace_surrogates, shown
from neuron_eval.records import ActivationRecord, NeuronRecord, RecordError
from neuron_eval.records.checks import foreign_record
from neuron_eval.sources.base import excerpt, number, numbers, parsed

TOP = "most_positive_activation_records"
RANDOM = "random_sample"
BOUNDARIES = "quantile_boundaries"
BY_QUANTILE = "random_sample_by_quantile"
SHARES = (0.5, 0.4, 0.09, 0.009, 0.001)
"""What the five samples by quantile stand for. The records do not state it; OpenAI's viewer calls
them the ranges [0, 0.5], [0.5, 0.9], [0.9, 0.99], [0.99, 0.999] and [0.999, 1]."""

CORRELATION = "ev_correlation_score"
# The scores of a simulation, for each sequence and for all of them.
SCORES = (CORRELATION, "rsquared_score", "absolute_dev_explained_score")


@dataclass(frozen=True, slots=True)
class SimulatedSequence:
    """One sequence of text, simulated and true side by side; NaN where the file has null."""

    expected: tuple[float, ...]  # the simulator's expected activations, shape [T]
    true: tuple[float, ...]  # the neuron's raw activations, shape [T]
    scores: Mapping[str, float | None]  # as published, by `SCORES`; None where undefined


@dataclass(frozen=True, slots=True)
class ScoredExplanation:
    """An explanation of a neuron with its published scores."""

    explanation: str
    scores: Mapping[str, float | None]  # over all sequences, by `SCORES`; None where undefined
    sequences: tuple[SimulatedSequence, ...]  # what the scores are of; empty if not read

    @property
    def score(self) -> float | None:
        """The published correlation, in [-1, 1]; None where undefined."""
        return self.scores[CORRELATION]


@dataclass(frozen=True, slots=True)
class SimulationResults:
    """The explanations of one neuron, in the file's order."""

    layer: int
    neuron: int
    explanations: tuple[ScoredExplanation, ...]


def parse_record(
    content: bytes | str, model: str, layer: int, neuron: int, where: str
) -> NeuronRecord:
    """A record file, which should be of this layer and neuron, as a neuron; ``where`` names it."""
    data = _object(parse(content, where), "NeuronRecord", where)
    _check_neuron(_neuron_id(data, where), (layer, neuron), where)
    boundaries = () if data.get(BOUNDARIES) is None else numbers(data, BOUNDARIES, where)
    identity = NeuronRecord(
        id=neuron_name(model, layer, neuron),
        model=model,
        layer=layer,
        neuron=neuron,
        quantile_boundaries=boundaries,
    )
    top, random = _excerpts(data, TOP, where), _excerpts(data, RANDOM, where)
    strata = _strata(data, len(boundaries), where)
    return foreign_record(identity, top, random, strata, where)


def _strata(
    data: Mapping[str, Any], boundaries: int, where: str
) -> Iterable[tuple[float, Iterator[ActivationRecord]]]:
    """The samples by quantile, if they are as many as in the published records, and none empty."""
    samples = data.get(BY_QUANTILE)
    if not isinstance(samples, list) or not len(samples) == len(SHARES) == boundaries + 1:
        return ()
    named = {f"{BY_QUANTILE}[{i}]": sample for i, sample in enumerate(samples)}
    excerpts = (_excerpts(named, name, where) for name in named)
    return zip(SHARES, excerpts, strict=True)


def record_place(content: bytes, where: str) -> tuple[int, int]:
    """The layer and the index of the neuron that a record file is of."""
    return _neuron_id(_object(parse(content, where), "NeuronRecord", where), where)


def neuron_name(model: str, layer: int, neuron: int) -> str:
    """The neuron's id, such as ``gpt2-xl/L5N131``."""
    return f"{model}/L{layer}N{neuron}"


def _excerpts(data: Mapping[str, Any], field: str, where: str) -> Iterator[ActivationRecord]:
    for i, item in enumerate(_list(data, field, where)):
        at = f"{where}: field {field!r}, excerpt {i}"
        item = _object(item, "ActivationRecord", at)
        yield excerpt(item.get("tokens"), item.get("activations"), at)


def parse_results(line: bytes | str, at: str, simulations: bool = False) -> SimulationResults:
    """One line of an explanation file, at a place; sequences are read only with ``simulations``."""
    data = _object(parse(line, at), "NeuronSimulationResults", at)
    layer, neuron = _neuron_id(data, at)
    explanations = tuple(
        _explanation(item, f"{at}: explanation {i}", simulations)
        for i, item in enumerate(_list(data, "scored_explanations", at))
    )
    return SimulationResults(layer, neuron, explanations)


def lines(content: bytes, where: str) -> Iterator[tuple[str, bytes]]:
    """The lines of an explanation file that are not blank, each with its place."""
    for count, line in enumerate(content.split(b"\n"), start=1):
        if line.strip():
            yield f"{where}, line {count}", line


def parse_explanations(
    content: bytes, layer: int, neuron: int, where: str
) -> tuple[ScoredExplanation, ...]:
    """The explanations of one neuron's file, the best published score first, undefined last."""
    explanations: list[ScoredExplanation] = []
    for at, line in lines(content, where):
        results = parse_results(line, at)
        _check_neuron((results.layer, results.neuron), (layer, neuron), at)
        explanations += results.explanations
    return tuple(sorted(explanations, key=lambda e: math.inf if e.score is None else -e.score))


def _explanation(data: object, at: str, simulations: bool) -> ScoredExplanation:
    data = _object(data, "ScoredExplanation", at)
    text = data.get("explanation")
    if not isinstance(text, str):
        raise RecordError(f"{at}: field 'explanation' is {shown(text)}; expected a string")
    here = f"{at}: field 'scored_simulation'"
    scored = _object(data.get("scored_simulation"), "ScoredSimulation", here)
    sequences: tuple[SimulatedSequence, ...] = ()
    if simulations:
        items = enumerate(_list(scored, "scored_sequence_simulations", at))
        sequences = tuple(_sequence(item, f"{at}, sequence {i}") for i, item in items)
    return ScoredExplanation(replace_surrogates(text), _scores(scored, at), sequences)


def _sequence(data: object, at: str) -> SimulatedSequence:
    data = _object(data, "ScoredSequenceSimulation", at)
    simulation = _object(data.get("simulation"), "SequenceSimulation", f"{at}: simulation")
    expected = _values(simulation, "expected_activations", at)
    true = _values(data, "true_activations", at)
    if len(expected) != len(true):
        raise RecordError(
            f"{at}: {len(expected)} 'expected_activations' but {len(true)} 'true_activations'; "
            "there must be one of each for each token"
        )
    return SimulatedSequence(expected, true, _scores(data, at))


def _scores(data: Mapping[str, Any], at: str) -> dict[str, float | None]:
    values = {
        name: math.nan if data.get(name) is None else number(data, name, at) for name in SCORES
    }
    return {name: value if math.isfinite(value) else None for name, value in values.items()}


def _values(data: Mapping[str, Any], field: str, at: str) -> tuple[float, ...]:
    values = _list(data, field, at)
    if set(map(type, values)) <= {float}:
        return tuple(values)
    return tuple(
        math.nan if value is None else number({"value": value}, "value", f"{at}: {field!r}, {i}")
        for i, value in enumerate(values)
    )


def parse(content: bytes | str, at: str) -> Any:
    return parsed(content, at, "not valid JSON, perhaps cut off")


def _object(data: object, kind: str, at: str) -> Mapping[str, Any]:
    """A JSON object of this kind, as far as it says."""
    if not isinstance(data, Mapping):
        raise RecordError(f"{at}: is {shown(data)}; expected an object ({kind})")
    name = data.get("dataclass_name", kind)
    if name != kind:
        raise RecordError(f"{at}: field 'dataclass_name' is {shown(name)}; expected {kind!r}")
    return data


def _neuron_id(data: Mapping[str, Any], at: str) -> tuple[int, int]:
    """Layer and index of the field ``neuron_id``, whole numbers from 0."""
    place = _object(data.get("neuron_id"), "NeuronId", f"{at}: field 'neuron_id'")
    for field in ("layer_index", "neuron_index"):
        value = place.get(field)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise RecordError(f"{at}: field {field!r} is {shown(value)}; expected a whole number")
    return place["layer_index"], place["neuron_index"]


def _check_neuron(place: tuple[int, int], wanted: tuple[int, int], at: str) -> None:
    """Check that a file is of the neuron that its name says."""
    if place != wanted:
        raise RecordError(
            f"{at}: field 'neuron_id' says layer {shown(place[0])}, neuron {shown(place[1])}, "
            f"but the file's name says layer {wanted[0]}, neuron {wanted[1]}"
        )


def _list(data: Mapping[str, Any], field: str, at: str) -> list[Any]:
    if field not in data:
        fields = listed(data) or "none"
        raise RecordError(f"{at}: missing field {field!r}; its fields are {fields}")
    value = data[field]
    if not isinstance(value, list):
        raise RecordError(f"{at}: field {field!r} is {shown(value)}; expected a list")
    return value
