"""Where neurons come from: one file a source, which registers how it is recognised.

The sets that ship are here: the puzzles, and SmolLM2's as `neuron-eval record` wrote them.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from importlib import resources

from neuron_eval.files.bounded import load_yaml
from neuron_eval.records import NeuronRecord, Reference

# Each import registers an opener. Those registered last are asked first: what only this project
# writes under a file's ending comes after what others' files are recognised by.
# isort: off
from neuron_eval.sources import folder as folder
from neuron_eval.sources import schema as schema
from neuron_eval.sources import delphi as delphi
from neuron_eval.sources import neuronpedia as neuronpedia
from neuron_eval.sources import openai as openai
from neuron_eval.sources import puzzles as puzzles

# isort: on
from neuron_eval.sources.base import NeuronKey, Source, Wanted, ids_of
from neuron_eval.sources.opening import Location, opener
from neuron_eval.sources.opening import open_source as open_source

NEURONS = "smollm2.jsonl.gz"
REFERENCES = "smollm2-references.yaml"


def smollm2() -> Iterator[NeuronRecord]:
    """The bundled neurons, each clear one with its reference explanation."""
    folder = resources.files("neuron_eval.data")
    references = load_yaml(folder.joinpath(REFERENCES).read_text("utf-8"))
    explanations, author = references["explanations"], references["source"]
    with resources.as_file(folder.joinpath(NEURONS)) as path:
        for neuron in schema.read(path):
            if explanation := explanations.get(neuron.id):
                neuron = replace(neuron, reference=Reference(explanation, author))
            yield neuron


# The sets of neurons that ship, by the name that users type
BUNDLED: Mapping[str, Callable[[], Iterator[NeuronRecord]]] = {
    "smollm2": smollm2,
    "puzzles": puzzles.bundled_puzzles,
}


@dataclass(frozen=True, slots=True)
class BundledSource(Source):
    """Neurons that are few and sound, so that they are read through for whatever is asked."""

    name: str

    def keys(self) -> Iterator[NeuronKey]:
        return (NeuronKey(n.id, n.layer, n.neuron) for n in BUNDLED[self.name]())

    def read(self, wanted: Wanted = None) -> Iterator[NeuronRecord]:
        ids = ids_of(wanted)
        return (n for n in BUNDLED[self.name]() if ids is None or n.id in ids)


@opener("hub:ORG/NAME[:SPLIT]", "a Hugging Face dataset in this project's schema")
def _open_dataset(place: Location) -> Source | None:
    if not place.after("hub"):
        return None
    from neuron_eval.sources.hub import HubSource  # what it needs takes a while to load

    return HubSource(place.name)


@opener("smollm2, puzzles", "bundled")
def _open_bundled(place: Location) -> BundledSource | None:
    return BundledSource(place.name) if place.name in BUNDLED else None
