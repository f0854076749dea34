"""A Hugging Face model and its tokenizer, by a name on the hub, a folder or a ``.gguf`` file."""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from neuron_eval.recording import RecordingError
from neuron_eval.records.tokens import Offsets

NEEDED = "this needs torch and transformers: pip install 'neuron_eval[record]'"


def module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise RecordingError(f"{NEEDED} ({error})") from error


def load(kind: str, model: str, **settings: Any) -> Any:
    """What ``from_pretrained`` of a class such as ``AutoTokenizer`` gives.

    The model is a Hugging Face name, a folder, or a ``.gguf`` file.
    """
    transformers = module("transformers")
    path, where = Path(model), model
    if path.suffix == ".gguf":
        if not path.is_file():
            raise RecordingError(f"{model}: no such file")
        where, settings = str(path.parent), {**settings, "gguf_file": path.name}
    try:
        return getattr(transformers, kind).from_pretrained(where, **settings)
    except (OSError, ValueError, ImportError, KeyError) as error:
        raise RecordingError(f"{model}: cannot be loaded: {error}") from error


class Tokenizer:
    """The subject model's tokenizer."""

    def __init__(self, model: str) -> None:
        self._inner = load("AutoTokenizer", model)
        if not self._inner.is_fast:
            raise RecordingError(
                f"{model}: the tokenizer {type(self._inner).__name__} gives no offsets into the "
                "text; a fast tokenizer is needed (a folder with a tokenizer.json)"
            )

    @property
    def prefix(self) -> int | None:
        """The token put before each window; None if the tokenizer has none for that.

        Models spend huge activations on whatever comes first (an attention sink), so the first
        token of an excerpt would top every list. A start token takes that place and is dropped;
        without one, an end-of-text token does, which parts documents in training.
        """
        inner = self._inner
        first = inner.bos_token_id if inner.bos_token_id is not None else inner.eos_token_id
        return None if first is None else int(first)

    @property
    def fingerprint(self) -> str:
        """A digest of its vocabulary and rules, and of the token put before each window."""
        rules = f"{self.prefix} {self._inner.backend_tokenizer.to_str()}"
        return hashlib.blake2b(rules.encode(), digest_size=8).hexdigest()

    def __call__(self, text: str) -> tuple[Sequence[int], Offsets]:
        """Model tokens and offsets; special tokens are neither added nor read from the text."""
        # verbose: the text is cut later, so that it exceeds the model's context is no news.
        encoded = self._inner(
            text,
            add_special_tokens=False,
            split_special_tokens=True,
            return_offsets_mapping=True,
            verbose=False,
        )
        return encoded["input_ids"], encoded["offset_mapping"]
