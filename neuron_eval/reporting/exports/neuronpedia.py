"""Explanations as Neuronpedia exports them, all runs together.

    explanations/batch-0.jsonl.gz    an explanation a line, with who wrote it how, and its scores
    activations/batch-0.jsonl.gz     the excerpts that the logs hold, an excerpt a line

``-T neurons=FOLDER`` reads both. ``typeName`` is ``neuron_eval_`` and the format's name, and each
epoch is an explanation of its own. What Neuronpedia calls bins is not known: it is null.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from neuron_eval.logs.runs import GENERATION, NeuronResult, Run
from neuron_eval.records import ActivationRecord
from neuron_eval.reporting.comparing import SIMULATED, measured_by
from neuron_eval.reporting.exports import exported, json_line, left_out

Json = dict[str, Any]
BATCH = "batch-0.jsonl.gz"
PLACE = ("modelId", "layer", "index")


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
                for epoch in neuron.epochs:
                    texts.write(json_line(_explanation(epoch, run, place)).encode())
                for excerpt in neuron.excerpts if place not in with_activations else ():
                    excerpts.write(json_line(_activation(excerpt.record, place)).encode())
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


def _explanation(result: NeuronResult, run: Run, place: tuple[str, str, str]) -> Json:
    return {
        **dict(zip(PLACE, place, strict=True)),
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


def _activation(record: ActivationRecord, place: tuple[str, str, str]) -> Json:
    return {
        **dict(zip(PLACE, place, strict=True)),
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
