"""Where neurons come from: one file a source."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from neuron_eval.records import NeuronRecord
from neuron_eval.sources.bundled import read_file, smollm2
from neuron_eval.sources.puzzles import bundled_puzzles

BUNDLED: dict[str, Callable[[], Iterator[NeuronRecord]]] = {
    "smollm2": smollm2,
    "puzzles": bundled_puzzles,
}
"""The sets of neurons that ship, by the name that users type."""

FILE_ENDINGS = (".jsonl", ".jsonl.gz")
"""Files in the project's own schema, see `neuron_eval.sources.schema`."""


def load_neurons(neurons: str) -> Iterator[NeuronRecord]:
    """The neurons that ``-T neurons=…`` names.

    Args:
        neurons: The name of a bundled set, or the path of a file in the project's schema.

    Raises:
        ValueError: Neither; the message lists what is allowed.
        RecordError: A record is bad; the message says where and how.
        OSError: The file cannot be read.
    """
    if neurons in BUNDLED:
        return BUNDLED[neurons]()
    if neurons.endswith(FILE_ENDINGS):
        return read_file(neurons)
    raise ValueError(
        f"neurons={neurons!r}: expected {', '.join(BUNDLED)}, or a file ending in "
        f"{' or '.join(FILE_ENDINGS)}"
    )
