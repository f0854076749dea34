"""The files of a delphi cache: tensors in `START_END.safetensors`, and the model's tokenizer.

    locations    [N, 3]: row, position, latent - START; uint16, uint32 or wider
    activations  [N]: not zero, usually float16
    tokens       [R, C]: token ids; may be left out

A cache of ten million tokens has hundreds of millions of activations a file, sorted by row. They
are read in stretches from the mapped file, as often as it takes to gather the latents wanted with
no more than `GATHERED` activations in memory, and one latent's. Tokens are ids only: the
``tokenizer.json`` of the model that ``config.json`` names is looked for next to the activations,
then in the local Hugging Face cache, then on the hub.
"""

import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuron_eval.files.bounded import parse_json, read_whole
from neuron_eval.messages import InputError, listed, message_of, shown
from neuron_eval.records import RecordError
from neuron_eval.records.tokens import byte_level, sentencepiece
from neuron_eval.sources.base import SourceError

STRETCH = 2**20  # activations read at once
GATHERED = 2**22  # activations in memory, about 50 bytes each at the peak


@dataclass(frozen=True, slots=True)
class Split:
    """One file: the latents from ``start`` to ``end``, which is its last."""

    path: Path
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Latent:
    """One latent's N activations that are not zero, in any order; each array's shape is [N]."""

    rows: NDArray[np.int64]
    positions: NDArray[np.int64]  # within the row
    values: NDArray[np.float32]  # may be negative


class OpenSplit:
    """A file opened for reading, whose tensors are there and of the right shapes and types."""

    def __init__(self, split: Split, tensors: Any) -> None:
        self._split = split
        names = set(tensors.keys())
        for name in ("locations", "activations"):
            if name not in names:
                raise RecordError(
                    f"{split.path}: holds no tensor {name!r}, only "
                    f"{listed(sorted(names), quoted=False)}"
                )
        self._locations = tensors.get_slice("locations")
        self._activations = tensors.get_slice("activations")
        self.tokens: Any = tensors.get_slice("tokens") if "tokens" in names else None
        self._check()
        self._size = self._locations.get_shape()[0]

    def counts(self) -> NDArray[np.int64]:
        """How many activations each latent of the file has, shape [end - start + 1]."""
        width = self._split.end - self._split.start + 1
        counts = np.zeros(width, dtype=np.int64)
        for begin, located in self._stretches():
            latent = located[:, 2].astype(np.int64)
            wrong = np.flatnonzero((latent < 0) | (latent >= width))
            if len(wrong):
                raise RecordError(
                    f"{self._split.path}: tensor 'locations': line {begin + int(wrong[0])} is of "
                    f"latent {int(latent[wrong[0]])} of the file, which by its name has {width}"
                )
            counts += np.bincount(latent, minlength=width)
        return counts

    def gather(self, wanted: Collection[int] | None) -> Iterator[tuple[int, Latent]]:
        """The latents wanted that have activations, by number; all if None."""
        counts = self.counts()
        present = np.flatnonzero(counts)
        if wanted is not None:
            local = np.array(sorted(wanted), dtype=np.int64) - self._split.start
            present = present[np.isin(present, local)]
        rounds = np.cumsum(counts[present]) // GATHERED
        for group in np.split(present, np.flatnonzero(np.diff(rounds)) + 1) if len(present) else ():
            yield from self._gathered(group, counts)

    def _gathered(
        self, group: NDArray[np.int64], counts: NDArray[np.int64]
    ) -> Iterator[tuple[int, Latent]]:
        chosen = np.zeros(len(counts), dtype=bool)
        chosen[group] = True
        located, values = [], []
        for begin, stretch in self._stretches():
            kept = chosen[stretch[:, 2]]
            located.append(stretch[kept])
            values.append(self._activations[begin : begin + len(stretch)][kept])
        locations, activations = np.concatenate(located), np.concatenate(values)
        order = np.argsort(locations[:, 2], kind="stable")
        locations, activations = locations[order], activations[order]
        ends = np.cumsum(counts[group])[:-1]
        parts = zip(group, np.split(locations, ends), np.split(activations, ends), strict=True)
        for latent, places, strengths in parts:
            rows, positions = places[:, 0].astype(np.int64), places[:, 1].astype(np.int64)
            gathered = Latent(rows, positions, strengths.astype(np.float32))
            yield self._split.start + int(latent), gathered

    def _stretches(self) -> Iterator[tuple[int, NDArray[np.integer[Any]]]]:
        """Where each begins, and its locations."""
        for begin in range(0, self._size, STRETCH):
            yield begin, self._locations[begin : min(begin + STRETCH, self._size)]

    def _check(self) -> None:
        shape, values = list(self._locations.get_shape()), list(self._activations.get_shape())
        kinds = self._locations.get_dtype(), self._activations.get_dtype()
        tokens = None if self.tokens is None else list(self.tokens.get_shape())
        sound = shape == [*values, 3] and len(values) == 1
        if not sound or (tokens is not None and (len(tokens) != 2 or 0 in tokens)):
            raise RecordError(
                f"{self._split.path}: tensors of shapes locations {shape}, activations {values}, "
                f"tokens {tokens}; expected [N, 3], [N] and [rows, context]"
            )
        if kinds[0][:1] not in ("I", "U") or kinds[1] not in ("F16", "F32", "F64"):
            raise RecordError(
                f"{self._split.path}: tensors of types locations {kinds[0]}, activations "
                f"{kinds[1]}; expected whole numbers and F16, F32 or F64"
            )


# An environment variable: a ``tokenizer.json``, or a folder with one, that is used instead.
OVERRIDE = "NEURON_EVAL_TOKENIZER"
FILE = "tokenizer.json"
_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?", re.ASCII)
"""What a model on the hub is called; a path, as a cache may also name, is not followed."""

# By the decoder's type, the more telling first
_ENCODINGS: Mapping[str, Callable[[str], bytes]] = {
    "ByteLevel": byte_level,
    "ByteFallback": sentencepiece,
    "Metaspace": sentencepiece,
}


class TokenizerVocabulary:
    """What each token id stands for."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            data = parse_json(read_whole(path))
            self._tokens = _vocabulary(data["model"]["vocab"])
            self._encode = _encoding(data.get("decoder"))
            # These stand for themselves, in whichever way the others are encoded.
            added = data.get("added_tokens") or ()
            self._added = {int(t["id"]): str(t["content"]) for t in added}
            self.special = tuple(str(t["content"]) for t in added if t.get("special") is True)
        except OSError as error:
            raise SourceError.of_file(path, error) from error
        except (ValueError, TypeError, LookupError, ArithmeticError, AttributeError) as error:
            raise SourceError(
                f"{path}: not a tokenizer.json that can be used ({type(error).__name__}: "
                f"{message_of(error)})"
            ) from error

    def piece(self, id_: int, at: str) -> bytes:
        """The bytes that a token stands for."""
        if id_ in self._added:
            return self._added[id_].encode("utf-8", "surrogatepass")
        if id_ not in self._tokens:
            raise RecordError(
                f"{at}: token {id_} is not in {self._path}, which holds {len(self._tokens)} "
                f"tokens; is it the tokenizer of another model? {OVERRIDE} can name the right one"
            )
        return self._encode(self._tokens[id_])


def find_tokenizer(folders: Iterable[Path], model: str | None) -> Path:
    """The ``tokenizer.json`` to use: of the folders, or of the model that the cache names."""
    override = os.environ.get(OVERRIDE)
    if override:
        path = Path(override)
        path = path / FILE if path.is_dir() else path
        if not path.is_file():
            raise SourceError(f"{OVERRIDE}={override}: there is no such file")
        return path
    tried = list(dict.fromkeys(folder / FILE for folder in folders))
    for path in tried:
        if path.is_file():
            return path
    if model is None:
        why = "no config.json names a model"
    elif not _REPOSITORY.fullmatch(model) or ".." in model:
        why = (
            f"config.json's model_name {shown(model)} is not a model's name on the Hugging Face "
            "hub (NAME or ORG/NAME)"
        )
    else:
        try:
            return download(model)
        except Exception as error:
            # Offline, unknown, gated and missing each have exceptions of their own.
            reason = str(error).strip().partition("\n")[0] or type(error).__name__
            why = f"the Hugging Face cache and hub gave none for {model} ({reason})"
    raise SourceError(
        f"no tokenizer: looked for {', '.join(map(str, tried))}; {why}; put a tokenizer.json "
        f"there, or let {OVERRIDE} name one"
    )


def download(model: str) -> Path:
    """A model's ``tokenizer.json`` from the local Hugging Face cache, else from the hub."""
    from huggingface_hub import hf_hub_download, try_to_load_from_cache

    cached = try_to_load_from_cache(model, FILE)
    return Path(cached if isinstance(cached, str) else hf_hub_download(model, FILE))


def _vocabulary(vocab: Any) -> dict[int, str]:
    """Tokens by id, from a mapping (BPE) or from a list of pairs with a score (Unigram)."""
    if isinstance(vocab, Mapping):
        return {int(id_): str(token) for token, id_ in vocab.items()}
    return {id_: str(entry[0]) for id_, entry in enumerate(vocab)}


def _encoding(decoder: Any) -> Callable[[str], bytes]:
    """How a decoder's tokens stand for bytes."""
    steps = (decoder or {}).get("decoders") or [decoder or {}]
    types = [str(step.get("type")) for step in steps]
    for name, encoding in _ENCODINGS.items():
        if name in types:
            return encoding
    raise InputError(f"its decoder is {types}; known are {', '.join(_ENCODINGS)}")
