"""Where the files of a delphi cache are.

    FOLDER/HOOKPOINT/START_END.safetensors    see `neuron_eval.sources.delphi.files`
    FOLDER/HOOKPOINT/config.json              names the model, whose tokenizer is needed

The folder may be the hookpoint's own; a hookpoint's name may be a path.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from neuron_eval.files.bounded import parse_json, read_whole
from neuron_eval.messages import shown
from neuron_eval.sources.base import NeuronKey, SourceError

CONFIG = 2**20
"""The most bytes of a ``config.json``."""

DEPTH = 4
"""A hookpoint's folder is at most so deep in the one named."""

_SPLIT = re.compile(r"(\d{1,15})_(\d{1,15})\.safetensors", re.ASCII)
_MODEL = re.compile(r"[A-Za-z0-9][\w.-]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Split:
    """One file: the latents from ``start`` to ``end``."""

    path: Path
    """The file."""

    start: int
    """Its first latent."""

    end: int
    """Its last latent."""


@dataclass(frozen=True, slots=True)
class Hookpoint:
    """One layer's cache."""

    name: str
    """Where in the model, such as ``layers.6.mlp``."""

    folder: Path
    """Where its files are."""

    splits: tuple[Split, ...]
    """The files, by their first latent."""

    model: str | None
    """The model's name, as ``config.json`` has it; None if it has none."""

    @property
    def short_model(self) -> str:
        """The last part of the model's name; empty where that is no name."""
        last = (self.model or "").rpartition("/")[2]
        return last if _MODEL.fullmatch(last) else ""

    def key(self, latent: int) -> NeuronKey:
        """Id, layer (the first number in the hookpoint's name, else -1) and latent."""
        layer = re.search(r"\d{1,9}", self.name, re.ASCII)
        return NeuronKey(f"{self._prefix}{latent}", int(layer[0]) if layer else -1, latent)

    def latents(self, keys: Collection[NeuronKey]) -> set[int]:
        """Those of the keys that are of this hookpoint, as latents."""
        return {key.neuron for key in keys if key == self.key(key.neuron)}

    @property
    def _prefix(self) -> str:
        return f"{self.short_model}/{self.name}/" if self.short_model else f"{self.name}/"


def hookpoints(root: Path) -> list[Hookpoint]:
    """Every hookpoint in a folder; numbers in their names are compared as such.

    Raises:
        SourceError: Two files of a hookpoint hold the same latent; or a config.json is bad.
    """
    found = [
        Hookpoint(_name(folder, root), folder, _splits(folder), _model(folder / "config.json"))
        for folder in folders(root)
    ]
    return sorted(found, key=lambda hookpoint: _natural(hookpoint.name))


def folders(root: Path, depth: int = DEPTH) -> Iterator[Path]:
    """The folders that hold files such as ``0_8191.safetensors``: this one and those in it."""
    inner = []
    found = False
    for place in root.iterdir():
        found = found or _SPLIT.fullmatch(place.name) is not None
        if place.is_dir() and not place.is_symlink():
            inner.append(place)
    if found:
        yield root
    for place in inner if depth else ():
        yield from folders(place, depth - 1)


def _name(folder: Path, root: Path) -> str:
    """The folder's name from the root on, without delphi's own folder ``latents``."""
    parts = folder.relative_to(root).parts
    parts = parts[1:] if parts[:1] == ("latents",) and parts[1:] else parts
    return "/".join(parts) or root.resolve().name


def _splits(folder: Path) -> tuple[Split, ...]:
    named = ((_SPLIT.fullmatch(path.name), path) for path in folder.iterdir())
    found = [Split(path, int(match[1]), int(match[2])) for match, path in named if match]
    found.sort(key=lambda split: (split.start, split.end))
    for split in found:
        if split.end < split.start:
            raise SourceError(f"{split.path}: ends before it starts; expected START_END")
    for before, after in pairwise(found):
        if after.start <= before.end:
            raise SourceError(
                f"{after.path} and {before.path.name} both hold latent {after.start}; "
                "they look like the files of two runs"
            )
    return tuple(found)


def _model(config: Path) -> str | None:
    if not config.is_file():
        return None
    try:
        data = parse_json(read_whole(config, CONFIG))
    except (OSError, ValueError) as error:
        raise SourceError(f"{config}: cannot be read as JSON ({error})") from error
    model = data.get("model_name") if isinstance(data, dict) else None
    if model is not None and not isinstance(model, str):
        raise SourceError(f"{config}: field 'model_name' is {shown(model)}; expected a string")
    return model


def _natural(name: str) -> list[tuple[int, str]]:
    """``layers.2`` before ``layers.10``."""
    return [
        (int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)
    ]
