"""The neurons that ship: SmolLM2-135M-Instruct's, recorded by `neuron-eval record`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib import resources
from pathlib import Path

from neuron_eval.files.bounded import load_yaml
from neuron_eval.records import NeuronRecord, RecordError, Reference
from neuron_eval.sources import schema

NEURONS = "smollm2.jsonl.gz"
REFERENCES = "smollm2-references.yaml"


def smollm2() -> Iterator[NeuronRecord]:
    """The bundled neurons, each clear one with its reference explanation."""
    folder = resources.files("neuron_eval.data")
    with resources.as_file(folder.joinpath(NEURONS)) as path:
        yield from with_references(
            schema.read(path), folder.joinpath(REFERENCES).read_text("utf-8")
        )


def with_references(neurons: Iterator[NeuronRecord], text: str) -> Iterator[NeuronRecord]:
    """Join neurons with the references of a YAML text: ``source`` and ``explanations`` by id.

    Raises:
        RecordError: A reference belongs to no neuron.
    """
    data: Mapping[str, object] = load_yaml(text)
    source, explanations = str(data["source"]), data["explanations"]
    if not isinstance(explanations, dict):
        raise RecordError(f"{REFERENCES}: field 'explanations': expected a mapping from ids")
    left = dict(explanations)
    for neuron in neurons:
        explanation = left.pop(neuron.id, None)
        yield (
            neuron
            if explanation is None
            else replace(neuron, reference=Reference(str(explanation), source))
        )
    if left:
        raise RecordError(f"{REFERENCES}: no neuron for {', '.join(sorted(left))}")


def read_file(path: str) -> Iterator[NeuronRecord]:
    """The neurons of a ``.jsonl`` or ``.jsonl.gz`` file in the project's schema."""
    return schema.read(Path(path))
