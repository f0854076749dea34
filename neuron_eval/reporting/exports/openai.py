"""Explanations in the layout of those that OpenAI released with its neuron-explainer.

    explanations/LAYER/NEURON.jsonl            the explanations with what was simulated, and scores
    collated-activations/LAYER/NEURON.json     the excerpts that the log holds

`neuron-eval check-released` reads the former, ``-T neurons=FOLDER`` both. Each epoch is one
explanation. Tokens that are not scored are left out of the sequences, so that the scores are those
of the values beside them. A log holds the excerpts that were shown, fitted on and scored, not the
neuron's whole record.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from neuron_eval.given.released import RECOMPUTE
from neuron_eval.logs.runs import NeuronResult, Run
from neuron_eval.messages import InputError
from neuron_eval.records import Excerpt
from neuron_eval.reporting.exports import ExportedNeuron, exported, json_line, left_out
from neuron_eval.sources.openai.records import BOUNDARIES, RANDOM, TOP

Json = dict[str, Any]


def write_openai(folder: Path, run: Run, notes: list[str]) -> int:
    """Write the neurons of one run and count them; those without layer and index are left out.

    Raises:
        InputError: Two neurons have the same layer and index.
    """
    written: dict[tuple[int, int], str] = {}
    without = 0
    for neuron in exported(run, notes):
        first = neuron.first
        place = (first.layer, first.neuron)
        if min(place) < 0:
            without += 1
            continue
        if place in written:
            raise InputError(
                f"{first.id} and {written[place]} are both neuron {place[1]} of layer {place[0]}, "
                "and in OpenAI's layout there is one file for both; export csv or jsonl"
            )
        written[place] = first.id
        _write(folder / "explanations", place, ".jsonl", _results(neuron))
        if neuron.excerpts:
            _write(folder / "collated-activations", place, ".json", _record(neuron))
    notes += left_out(without, run)
    return len(written)


def _results(neuron: ExportedNeuron) -> Json:
    return _of(
        "NeuronSimulationResults",
        neuron_id=_neuron_id(neuron.first),
        scored_explanations=[_scored_explanation(epoch) for epoch in neuron.epochs],
    )


def _record(neuron: ExportedNeuron) -> Json:
    excerpts = neuron.excerpts
    boundaries = neuron.dealt.neuron.quantile_boundaries if neuron.dealt else ()
    return {
        **_of("NeuronRecord", neuron_id=_neuron_id(neuron.first)),
        RANDOM: [_activations(e) for e in excerpts if e.kind == "random"],
        "random_sample_by_quantile": None,
        BOUNDARIES: list(boundaries) or None,
        **dict.fromkeys(("mean", "variance", "skewness", "kurtosis")),
        TOP: [_activations(e) for e in excerpts if e.kind == "top"],
    }


def _scored_explanation(result: NeuronResult) -> Json:
    records = [predicted.record for predicted in result.predicted]
    tokens = [record.counted(record.tokens) for record in records]
    true = [record.counted(record.activations) for record in records]
    expected = [p.record.counted(p.expected) for p in result.predicted]
    simulation = _of(
        "ScoredSimulation",
        scored_sequence_simulations=list(map(_sequence, tokens, true, expected)),
        **_scores(list(chain(*true)), list(chain(*expected))),
    )
    explanation = result.explanation
    return _of("ScoredExplanation", explanation=explanation, scored_simulation=simulation)


def _sequence(tokens: Sequence[str], true: Sequence[float], expected: Sequence[float]) -> Json:
    """An excerpt, of which only those tokens are given that are scored."""
    simulation = _of(
        "SequenceSimulation",
        tokens=list(tokens),
        expected_activations=list(expected),
        activation_scale="simulated_normalized_activations",
        distribution_values=[],
        distribution_probabilities=[],
        uncalibrated_simulation=None,
    )
    scored = {"simulation": simulation, "true_activations": list(true), **_scores(true, expected)}
    return _of("ScoredSequenceSimulation", **scored)


def _scores(true: Sequence[float], expected: Sequence[float]) -> Json:
    return {name: compute(true, expected) for name, compute in RECOMPUTE.items()}


def _activations(excerpt: Excerpt) -> Json:
    record = excerpt.record
    tokens, activations = list(record.tokens), list(record.activations)
    return _of("ActivationRecord", tokens=tokens, activations=activations)


def _neuron_id(result: NeuronResult) -> Json:
    return _of("NeuronId", layer_index=result.layer, neuron_index=result.neuron)


def _of(dataclass_name: str, **fields: Any) -> Json:
    """One of OpenAI's dataclasses as their files have it."""
    return {"dataclass_name": dataclass_name, **fields}


def _write(folder: Path, place: tuple[int, int], ending: str, data: Json) -> None:
    path = folder / str(place[0]) / f"{place[1]}{ending}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json_line(data), encoding="utf-8", newline="")
