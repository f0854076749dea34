"""A cache of sparse latents, as EleutherAI's delphi writes it.

    FOLDER/HOOKPOINT/START_END.safetensors    see `neuron_eval.sources.delphi.files`
    FOLDER/HOOKPOINT/config.json              names the model, whose tokenizer is needed

The folder may be the hookpoint's own; a hookpoint's name may be a path. A neuron is a latent, with
an id such as ``pythia-160m/layers.6.mlp/12``. Its excerpts are windows of at most 64 tokens;
latents that are never active are not in a cache.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from neuron_eval.files.bounded import parse_json, read_whole
from neuron_eval.messages import message_of, shown
from neuron_eval.records import RecordError
from neuron_eval.records.checks import named
from neuron_eval.sources.base import NeuronKey, Neurons, Source, SourceError, Unreadable, Wanted
from neuron_eval.sources.delphi.files import OpenSplit, Split, TokenizerVocabulary, find_tokenizer
from neuron_eval.sources.delphi.records import Texts
from neuron_eval.sources.folder import by_number
from neuron_eval.sources.opening import Location, opener

CONFIG = 2**20  # the most bytes of a ``config.json``
DEPTH = 4  # a hookpoint's folder is at most so deep in the one named
_SPLIT = re.compile(r"(\d{1,15})_(\d{1,15})\.safetensors", re.ASCII)
_MODEL = re.compile(r"[A-Za-z0-9][\w.-]*", re.ASCII)


class DelphiSource(Source):
    """The latents of a cache folder that are active anywhere, hookpoint by hookpoint."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._hookpoints = hookpoints(Path(name))
        self._vocabularies: dict[Path, TokenizerVocabulary] = {}
        if not self._hookpoints:
            raise SourceError(
                f"neurons={name}: holds no HOOKPOINT/START_END.safetensors, such as "
                "layers.6.mlp/0_8191.safetensors"
            )

    def keys(self) -> Iterator[NeuronKey]:
        for hookpoint in self._hookpoints:
            for split in hookpoint.splits:
                with opened(split) as file:
                    present = file.counts().nonzero()[0].tolist()
                yield from (hookpoint.key(split.start + latent) for latent in present)

    def read(self, wanted: Wanted = None) -> Neurons:
        for hookpoint in self._hookpoints:
            latents = None
            if wanted is not None:
                latents = {key.neuron for key in wanted if key == hookpoint.key(key.neuron)}
            for split in hookpoint.splits:
                inside = latents and {n for n in latents if split.start <= n <= split.end}
                if latents is None or inside:
                    yield from self._split(hookpoint, split, inside)

    def _split(self, hookpoint: Hookpoint, split: Split, latents: set[int] | None) -> Neurons:
        with ExitStack() as stack:
            file = stack.enter_context(opened(split))
            texts = Texts(_with_tokens(file, hookpoint, stack), self._vocabulary(hookpoint))
            model = hookpoint.short_model or "delphi"
            for latent, activations in file.gather(latents):
                key = hookpoint.key(latent)
                try:
                    at = f"{split.path}: neuron {named(key.id)}"
                    yield texts.record(key, model, activations, at)
                except RecordError as error:
                    yield Unreadable(key.id, error)

    def _vocabulary(self, hookpoint: Hookpoint) -> TokenizerVocabulary:
        path = find_tokenizer((hookpoint.folder, Path(self.name)), hookpoint.model)
        if path not in self._vocabularies:
            self._vocabularies[path] = TokenizerVocabulary(path)
        return self._vocabularies[path]


@contextmanager
def opened(split: Split) -> Iterator[OpenSplit]:
    """Map a file to memory."""
    try:
        from safetensors import SafetensorError, safe_open
    except ImportError as error:
        raise SourceError(
            f"{split.path}: reading it needs safetensors: pip install 'neuron_eval[delphi]'"
        ) from error
    try:
        tensors = safe_open(split.path, framework="numpy")
    except SafetensorError as error:
        raise RecordError(
            f"{split.path}: cut off or not a safetensors file ({message_of(error)})"
        ) from error
    except OSError as error:
        raise SourceError.of_file(split.path, error) from error
    with tensors as mapped:
        yield OpenSplit(split, mapped)


def _with_tokens(file: OpenSplit, hookpoint: Hookpoint, stack: ExitStack) -> OpenSplit:
    """The file if it holds tokens, else another one of the hookpoint that does."""
    if file.tokens is not None:
        return file
    for split in hookpoint.splits:
        other = stack.enter_context(opened(split))
        if other.tokens is not None:
            return other
    raise SourceError(
        f"{hookpoint.folder}: no file holds a tensor 'tokens'; make the cache with save_tokens=True"
    )


@dataclass(frozen=True, slots=True)
class Hookpoint:
    """One layer's cache."""

    name: str  # where in the model, such as ``layers.6.mlp``
    folder: Path
    splits: tuple[Split, ...]  # by their first latent
    model: str | None  # as ``config.json`` has it

    @property
    def short_model(self) -> str:
        """The last part of the model's name; empty where that is no name."""
        last = (self.model or "").rpartition("/")[2]
        return last if _MODEL.fullmatch(last) else ""

    def key(self, latent: int) -> NeuronKey:
        """Id, layer (the first number in the hookpoint's name, else -1) and latent."""
        layer = re.search(r"\d{1,9}", self.name, re.ASCII)
        place = f"{self.short_model}/{self.name}" if self.short_model else self.name
        return NeuronKey(f"{place}/{latent}", int(layer[0]) if layer else -1, latent)


def hookpoints(root: Path) -> list[Hookpoint]:
    """Every hookpoint in a folder; numbers in their names are compared as such."""
    every = (
        Hookpoint(_name(folder, root), folder, _splits(folder), _model(folder / "config.json"))
        for folder in folders(root)
    )
    return sorted(every, key=lambda hookpoint: by_number(hookpoint.name))


def folders(root: Path, depth: int = DEPTH) -> Iterator[Path]:
    """The folders that hold files such as ``0_8191.safetensors``: this one and those in it."""
    places = list(root.iterdir())
    if any(_SPLIT.fullmatch(place.name) for place in places):
        yield root
    for place in places if depth else ():
        if place.is_dir() and not place.is_symlink():
            yield from folders(place, depth - 1)


def _name(folder: Path, root: Path) -> str:
    """The folder's name from the root on, without delphi's own folder ``latents``."""
    parts = folder.relative_to(root).parts
    parts = parts[1:] if parts[:1] == ("latents",) and parts[1:] else parts
    return "/".join(parts) or root.resolve().name


def _splits(folder: Path) -> tuple[Split, ...]:
    matches = ((_SPLIT.fullmatch(path.name), path) for path in folder.iterdir())
    splits = [Split(path, int(match[1]), int(match[2])) for match, path in matches if match]
    splits.sort(key=lambda split: (split.start, split.end))
    for split in splits:
        if split.end < split.start:
            raise SourceError(f"{split.path}: ends before it starts; expected START_END")
    for before, after in pairwise(splits):
        if after.start <= before.end:
            raise SourceError(
                f"{after.path} and {before.path.name} both hold latent {after.start}; "
                "they look like the files of two runs"
            )
    return tuple(splits)


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


@opener("FOLDER", "a delphi cache")
def _open_cache(place: Location) -> DelphiSource | None:
    is_cache = place.kind == "folder" and any(folders(Path(place.name)))
    return DelphiSource(place.name) if is_cache else None
