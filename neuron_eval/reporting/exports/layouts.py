"""Explanations in the layouts of OpenAI, with its neuron-explainer, and of Neuronpedia.

OpenAI's, of one run; `neuron-eval check-released` reads the former, ``-T neurons=FOLDER`` both:

    explanations/LAYER/NEURON.jsonl            the explanations with what was simulated, and scores
    collated-activations/LAYER/NEURON.json     the excerpts that the log holds

Tokens that are not scored are left out of the sequences, so that the scores are those of the values
beside them. A log holds the excerpts that were shown, fitted on and scored, not the neuron's whole
record.

Neuronpedia's, of all runs together; ``-T neurons=FOLDER`` reads both:

    explanations/batch-0.jsonl.gz    an explanation a line, with who wrote it how, and its scores
    activations/batch-0.jsonl.gz     the excerpts that the logs hold, an excerpt a line

``typeName`` is ``neuron_eval_`` and the format's name. What Neuronpedia calls bins is not known: it
is null. In both layouts each epoch is an explanation of its own.
"""

import gzip
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import IO, Any, cast

from neuron_eval.given.released import RECOMPUTE
from neuron_eval.logs.runs import GENERATION, NeuronResult, Run
from neuron_eval.messages import InputError
from neuron_eval.records import ActivationRecord, Excerpt
from neuron_eval.reporting.comparing import SIMULATED, measured_by
from neuron_eval.reporting.exports import ExportedNeuron, exported, json_line, left_out
from neuron_eval.sources.openai.records import BOUNDARIES, RANDOM, TOP

Json = dict[str, Any]
BATCH = "batch-0.jsonl.gz"
PLACE = ("modelId", "layer", "index")


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
        id_ = _of("NeuronId", layer_index=first.layer, neuron_index=first.neuron)
        explained = [_scored_explanation(epoch) for epoch in neuron.epochs]
        results = _of("NeuronSimulationResults", neuron_id=id_, scored_explanations=explained)
        _write(folder / "explanations", place, ".jsonl", results)
        if neuron.excerpts:
            record = {**_of("NeuronRecord", neuron_id=id_), **_record(neuron)}
            _write(folder / "collated-activations", place, ".json", record)
    notes += left_out(without, run)
    return len(written)


def _record(neuron: ExportedNeuron) -> Json:
    excerpts = neuron.excerpts
    boundaries = neuron.dealt.neuron.quantile_boundaries if neuron.dealt else ()
    return {
        RANDOM: [_excerpt(e) for e in excerpts if e.kind == "random"],
        "random_sample_by_quantile": None,
        BOUNDARIES: list(boundaries) or None,
        **dict.fromkeys(("mean", "variance", "skewness", "kurtosis")),
        TOP: [_excerpt(e) for e in excerpts if e.kind == "top"],
    }


def _excerpt(excerpt: Excerpt) -> Json:
    tokens, activations = list(excerpt.record.tokens), list(excerpt.record.activations)
    return _of("ActivationRecord", tokens=tokens, activations=activations)


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


def _of(dataclass_name: str, **fields: Any) -> Json:
    """One of OpenAI's dataclasses as their files have it."""
    return {"dataclass_name": dataclass_name, **fields}


def _write(folder: Path, place: tuple[int, int], ending: str, data: Json) -> None:
    path = folder / str(place[0]) / f"{place[1]}{ending}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json_line(data), encoding="utf-8", newline="")


def write_neuronpedia(folder: Path, runs: Sequence[Run], notes: list[str]) -> int:
    """Write the explanations of all runs and count them; those of no layer are left out."""
    count = 0
    with_activations: set[tuple[str, str, str]] = set()
    with _batch(folder / "explanations") as texts, _batch(folder / "activations") as excerpts:
        for run in runs:
            without = 0
            for neuron in exported(run, notes):
                place = feature_of(neuron.first)
                if place is None:
                    without += 1
                    continue
                count += len(neuron.epochs)
                named = dict(zip(PLACE, place, strict=True))
                for epoch in neuron.epochs:
                    texts.write(json_line(named | _explanation(epoch, run)).encode())
                for excerpt in neuron.excerpts if place not in with_activations else ():
                    excerpts.write(json_line(named | _activation(excerpt.record)).encode())
                with_activations.add(place)
            notes += left_out(without, run)
    return count


def feature_of(result: NeuronResult) -> tuple[str, str, str] | None:
    """Neuronpedia's ``modelId``, ``layer`` and ``index`` of a neuron; None for one of no layer.

    What came from there has them in its id, such as ``gpt2-small/6-res-jb/650``.
    """
    if result.layer < 0:
        return None
    name = rf"{re.escape(result.subject)}/({result.layer}(?!\d)[^/]*)/([^/]+)"
    if own := re.fullmatch(name, result.id):
        return result.subject, own[1], own[2]
    return (result.subject, str(result.layer), str(result.neuron)) if result.neuron >= 0 else None


def _explanation(result: NeuronResult, run: Run) -> Json:
    return {
        "authorId": None,
        "description": result.explanation,
        "typeName": f"neuron_eval_{run.format}",
        "explanationModelName": run.explainer.rpartition("/")[2],
        "scores": [
            {
                "value": value,
                "explanationScoreTypeName": name,
                "explanationScoreModelName": _model(run, name),
            }
            for name, value in result.scores.items()
        ],
    }


def _model(run: Run, scorer: str) -> str | None:
    name = measured_by(run, scorer)
    if scorer in (*SIMULATED, GENERATION):
        name = name.rpartition(" (")[0]
    return name.rpartition("/")[2] or None


def _activation(record: ActivationRecord) -> Json:
    return {
        "tokens": list(record.tokens),
        "values": list(record.activations),
        "maxValue": record.peak,
        "minValue": min(record.activations),
        "maxValueTokenIndex": record.activations.index(record.peak),
        **dict.fromkeys(("binMin", "binMax", "binContains")),
    }


@contextmanager
def _batch(folder: Path) -> Iterator[IO[bytes]]:
    folder.mkdir(parents=True, exist_ok=True)
    # Neither time nor name goes in, so that the same logs give the same bytes.
    with (
        (folder / BATCH).open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as packed,
    ):
        yield cast(IO[bytes], packed)
