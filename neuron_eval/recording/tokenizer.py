"""The subject model's tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from neuron_eval.recording.errors import RecordingError
from neuron_eval.recording.loading import load, module, source
from neuron_eval.records.tokens import Offsets


class Tokenizer:
    """The subject model's tokenizer."""

    def __init__(self, model: str) -> None:
        """Load it.

        Raises:
            RecordingError: It cannot be loaded, or gives no offsets.
        """
        transformers = module("transformers")
        where, extra = source(model)
        self._inner: Any = load(
            model, lambda: transformers.AutoTokenizer.from_pretrained(where, **extra)
        )
        if not self._inner.is_fast:
            raise RecordingError(
                f"{model}: the tokenizer {type(self._inner).__name__} gives no offsets into the "
                "text; a fast tokenizer is needed (a folder with a tokenizer.json)"
            )

    @property
    def prefix(self) -> int | None:
        """The token put before each window.

        Models spend huge activations on whatever comes first (an attention sink), so the first
        token of an excerpt would top every list. A start token takes that place and is dropped;
        a tokenizer without one has an end-of-text token, which parts documents in training. None
        if it has neither.
        """
        inner = self._inner
        first = inner.bos_token_id if inner.bos_token_id is not None else inner.eos_token_id
        return None if first is None else int(first)

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
