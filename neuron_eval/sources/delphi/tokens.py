"""The tokenizer of a delphi cache: from token ids to text.

A cache holds ids only. Its ``config.json`` names the model; the model's ``tokenizer.json`` is
looked for next to the activations, then in the local Hugging Face cache, then on the hub.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from neuron_eval.files.bounded import parse_json, read_whole
from neuron_eval.messages import InputError, message_of, shown
from neuron_eval.records import RecordError
from neuron_eval.records.tokens import byte_level, sentencepiece
from neuron_eval.sources.base import SourceError

OVERRIDE = "NEURON_EVAL_TOKENIZER"
"""An environment variable: a ``tokenizer.json``, or a folder with one, that is used instead."""

FILE = "tokenizer.json"

_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?", re.ASCII)
"""What a model on the hub is called; a path, as a cache may also name, is not followed."""

_ENCODINGS: Mapping[str, Callable[[str], bytes]] = {
    "ByteLevel": byte_level,
    "ByteFallback": sentencepiece,
    "Metaspace": sentencepiece,
}
"""By the decoder's type, the more telling first."""


class TokenizerVocabulary:
    """What each token id stands for."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            data = parse_json(read_whole(path))
            self._tokens = dict(_vocabulary(data["model"]["vocab"]))
            self._encode = _encoding(data.get("decoder"))
            # These stand for themselves, in whichever way the others are encoded.
            added = data.get("added_tokens") or ()
            self._added = {int(t["id"]): str(t["content"]) for t in added}
            self.special = tuple(str(t["content"]) for t in added if t.get("special") is True)
        except OSError as error:
            raise SourceError(f"{path}: cannot be read ({error.strerror or error})") from error
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


def _vocabulary(vocab: Any) -> Iterator[tuple[int, str]]:
    """Id and token, from a mapping (BPE) or from a list of pairs with a score (Unigram)."""
    if isinstance(vocab, Mapping):
        return ((int(id_), str(token)) for token, id_ in vocab.items())
    return ((id_, str(entry[0])) for id_, entry in enumerate(vocab))


def _encoding(decoder: Any) -> Callable[[str], bytes]:
    """How a decoder's tokens stand for bytes."""
    steps = (decoder or {}).get("decoders") or [decoder or {}]
    types = [str(step.get("type")) for step in steps]
    for name, encoding in _ENCODINGS.items():
        if name in types:
            return encoding
    raise InputError(f"its decoder is {types}; known are {', '.join(_ENCODINGS)}")
