"""Which neurons to record."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from neuron_eval.files.bounded import read_whole
from neuron_eval.messages import shown
from neuron_eval.recording import RecordingError

RANDOM_GROUP = "random"  # the group of neurons drawn by lot
IDS = 2**26  # the most bytes of a file of ids

_RANGE = re.compile(r"([0-9]{1,4})(?:-([0-9]{1,4}))?")
ID = re.compile(r"L([0-9]{1,9})N([0-9]{1,9})")


@dataclass(frozen=True, slots=True, order=True)
class PickedNeuron:
    """One neuron to record."""

    layer: int
    neuron: int
    group: str = ""  # the set that it was picked for
    where: str = "--neurons"  # where the user named it, for messages

    @property
    def id(self) -> str:
        """Without the model, such as ``L8N902``."""
        return f"L{self.layer}N{self.neuron}"


def parse_layers(spec: str) -> list[int]:
    """Layers from a list such as ``4,8,12-16``, ascending, each once."""
    layers: set[int] = set()
    for part in spec.split(","):
        match = _RANGE.fullmatch("".join(part.split()))
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if first > last:
            raise RecordingError(
                f"--layers {shown(spec)}: {shown(part)} is neither a layer nor an ascending "
                "range; expected for instance 4,8,12-16"
            )
        layers.update(range(first, last + 1))
    return sorted(layers)


def parse_neurons(spec: str, group: str) -> list[PickedNeuron]:
    """Neurons from ids such as ``L8N902,L20N414``, or from a file with one id a line.

    An optional group of one word follows the id; ``group`` is that of the others.
    """
    path = Path(spec)
    if ID.fullmatch(spec.split(",")[0].strip()) and not path.exists():
        return [_picked([part.strip()], group, "--neurons") for part in spec.split(",")]
    if not path.is_file():
        raise RecordingError(
            f"--neurons {shown(spec)} is neither 'all', nor a list of ids such as L8N902,L20N414, "
            "nor an existing file"
        )
    try:
        lines = read_whole(path, IDS).decode().splitlines()
    except UnicodeDecodeError as error:
        raise RecordingError(f"{spec}: not a UTF-8 text file ({error})") from error
    picked = [
        _picked(words, group, f"{spec}, line {number}")
        for number, line in enumerate(lines, start=1)
        if (words := line.partition("#")[0].split())
    ]
    if not picked:
        raise RecordingError(f"{spec}: no neuron in it; expected one id a line, such as L8N902")
    return picked


def _picked(words: Sequence[str], group: str, where: str) -> PickedNeuron:
    match = ID.fullmatch(words[0])
    if not match or len(words) > 2:
        raise RecordingError(
            f"{where}: {shown(' '.join(words))} is not a neuron; expected an id such as L8N902, "
            "in a file optionally followed by a group of one word"
        )
    return PickedNeuron(int(match[1]), int(match[2]), words[1] if len(words) == 2 else group, where)


def check_given(neurons: Iterable[PickedNeuron], widths: Mapping[int, int]) -> None:
    """Check that every neuron exists in layers of these widths, and is given once."""
    seen: dict[str, str] = {}
    for neuron in neurons:
        at = f"{neuron.where}: {neuron.id}"
        check_layers([neuron.layer], widths, at)
        if neuron.neuron >= widths[neuron.layer]:
            last = widths[neuron.layer] - 1
            raise RecordingError(f"{at}: layer {neuron.layer} has neurons 0 to {last}")
        if neuron.id in seen:
            raise RecordingError(f"{at} is given twice (before: {seen[neuron.id]})")
        seen[neuron.id] = neuron.where


def check_layers(layers: Iterable[int], widths: Mapping[int, int], where: str) -> None:
    for layer in layers:
        if layer not in widths:
            raise RecordingError(
                f"{where}: the model has no layer {layer}, only {min(widths)} to {max(widths)}"
            )


def every_neuron(
    layers: Iterable[int], widths: Mapping[int, int], group: str
) -> list[PickedNeuron]:
    return [PickedNeuron(layer, n, group) for layer in layers for n in range(widths[layer])]


def draw(
    layers: Iterable[int],
    widths: Mapping[int, int],
    count: int,
    seed: int,
    given: Iterable[PickedNeuron] = (),
) -> list[PickedNeuron]:
    """Draw neurons of each layer, uniformly, without replacement, and none that is given.

    A layer's draw depends on the seed and the layer, not on which other layers are drawn from;
    a given neuron is passed over and leaves the others as they were. Gives ``count`` neurons a
    layer, sorted, of the group `RANDOM_GROUP`.
    """
    taken = {(neuron.layer, neuron.neuron) for neuron in given}
    drawn: list[PickedNeuron] = []
    for layer in layers:
        order = np.random.default_rng((seed, layer)).permutation(widths[layer])
        free = [int(n) for n in order if (layer, int(n)) not in taken][:count]
        if len(free) < count:
            raise RecordingError(
                f"--per-layer {count}: layer {layer} has {widths[layer]} neurons, of which only "
                f"{len(free)} are not given already"
            )
        drawn += [PickedNeuron(layer, n, RANDOM_GROUP, "--per-layer") for n in sorted(free)]
    return drawn
