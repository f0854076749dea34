"""Explanations in the layout of those that OpenAI released with its neuron-explainer.

    explanations/LAYER/NEURON.jsonl            the explanations with what was simulated, and scores
    collated-activations/LAYER/NEURON.json     the excerpts that the log holds

`neuron-eval check-released` reads the former, ``-T neurons=FOLDER`` both. Each epoch is one
explanation. Tokens that are not scored are left out of the sequences, so that the scores are those
of the values beside them. A log holds the excerpts that were shown, fitted on and scored, not the
neuron's whole record.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from neuron_eval.given.released import RECOMPUTE
from neuron_eval.logs.excerpts import Predicted
from neuron_eval.logs.runs import NeuronResult, Run
from neuron_eval.messages import InputError, without_surrogates
from neuron_eval.records import Excerpt
from neuron_eval.reporting.exports.samples import ExportedNeuron, exported, left_out
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
        _write(folder / "explanations", place, ".jsonl", results_json(neuron))
        if neuron.excerpts:
            _write(folder / "collated-activations", place, ".json", record_json(neuron))
    notes += left_out(without, run)
    return len(written)


def results_json(neuron: ExportedNeuron) -> Json:
    """A neuron's explanations with their simulations, as OpenAI's ``NeuronSimulationResults``."""
    return {
        "dataclass_name": "NeuronSimulationResults",
        "neuron_id": _neuron_id(neuron.first),
        "scored_explanations": [_scored_explanation(epoch) for epoch in neuron.epochs],
    }


def record_json(neuron: ExportedNeuron) -> Json:
    """The excerpts that the log holds, as OpenAI's ``NeuronRecord``."""
    excerpts = neuron.excerpts
    boundaries = neuron.dealt.neuron.quantile_boundaries if neuron.dealt else ()
    return {
        "dataclass_name": "NeuronRecord",
        "neuron_id": _neuron_id(neuron.first),
        RANDOM: [_activations(e) for e in excerpts if e.kind == "random"],
        "random_sample_by_quantile": None,
        BOUNDARIES: list(boundaries) or None,
        "mean": None,
        "variance": None,
        "skewness": None,
        "kurtosis": None,
        TOP: [_activations(e) for e in excerpts if e.kind == "top"],
    }


def _scored_explanation(result: NeuronResult) -> Json:
    sequences = [_counted(predicted) for predicted in result.predicted]
    true = list(chain.from_iterable(sequence.true for sequence in sequences))
    expected = list(chain.from_iterable(sequence.expected for sequence in sequences))
    return {
        "dataclass_name": "ScoredExplanation",
        "explanation": result.explanation,
        "scored_simulation": {
            "dataclass_name": "ScoredSimulation",
            "scored_sequence_simulations": [_sequence(sequence) for sequence in sequences],
            **_scores(true, expected),
        },
    }


class _Counted(NamedTuple):
    """The tokens of an excerpt that are scored, each with both activations."""

    tokens: Sequence[str]
    true: Sequence[float]
    expected: Sequence[float]


def _counted(predicted: Predicted) -> _Counted:
    record = predicted.record
    return _Counted(
        record.counted(record.tokens),
        record.counted(record.activations),
        record.counted(predicted.expected),
    )


def _sequence(counted: _Counted) -> Json:
    return {
        "dataclass_name": "ScoredSequenceSimulation",
        "simulation": {
            "dataclass_name": "SequenceSimulation",
            "tokens": list(counted.tokens),
            "expected_activations": list(counted.expected),
            "activation_scale": "simulated_normalized_activations",
            "distribution_values": [],
            "distribution_probabilities": [],
            "uncalibrated_simulation": None,
        },
        "true_activations": list(counted.true),
        **_scores(counted.true, counted.expected),
    }


def _scores(true: Sequence[float], expected: Sequence[float]) -> Mapping[str, float | None]:
    return {name: compute(true, expected) for name, compute in RECOMPUTE.items()}


def _activations(excerpt: Excerpt) -> Json:
    return {
        "dataclass_name": "ActivationRecord",
        "tokens": list(excerpt.record.tokens),
        "activations": list(excerpt.record.activations),
    }


def _neuron_id(result: NeuronResult) -> Json:
    return {
        "dataclass_name": "NeuronId",
        "layer_index": result.layer,
        "neuron_index": result.neuron,
    }


def _write(folder: Path, place: tuple[int, int], ending: str, data: Json) -> None:
    path = folder / str(place[0]) / f"{place[1]}{ending}"
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(without_surrogates(data), ensure_ascii=False, allow_nan=False)
    path.write_text(f"{text}\n", encoding="utf-8", newline="")
