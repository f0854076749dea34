"""Texts from files or a dataset, tokenised and cut into windows; no model is needed here."""

import hashlib
import importlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neuron_eval.messages import listed, message_of, shown
from neuron_eval.recording import RecordingError, load
from neuron_eval.records.tokens import Offsets, text_tokens

# File endings that `datasets` reads, and its name for them.
LOADERS = {".jsonl": "json", ".json": "json", ".csv": "csv", ".parquet": "parquet"}

# A text to its model tokens, special ones left out, and their offsets.
Tokenise = Callable[[str], tuple[Sequence[int], Offsets]]


@dataclass(frozen=True, slots=True)
class DatasetName:
    """A dataset as given by ``NAME[:SPLIT[:COLUMN]]``."""

    name: str  # on the hub, or of a folder or file
    split: str = "train"
    column: str = "text"


@dataclass(frozen=True, slots=True)
class Window:
    """One excerpt to be: L consecutive text tokens of one text, made of P >= L model tokens."""

    index: int  # among all windows, from 0, in the order of the texts
    tokens: tuple[str, ...]  # shape [L]; slices of the text, so that they join back to it
    ids: tuple[int, ...]  # shape [P]
    starts: tuple[int, ...]  # where in `ids` each text token starts, shape [L], ascending from 0


@dataclass(slots=True)
class TextCounts:
    """What became of the texts so far."""

    texts: int = 0  # begun
    windows: int = 0  # handed out
    repeated: int = 0  # windows skipped because the same text was handed out before
    leftover: int = 0  # text tokens at the ends of texts, too few for a window


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


def parse_dataset(spec: str) -> DatasetName:
    parts = spec.split(":")
    if len(parts) > 3 or not all(parts):
        raise RecordingError(
            f"--dataset {shown(spec)}: expected NAME, NAME:SPLIT or NAME:SPLIT:COLUMN, for "
            "instance roneneldan/TinyStories:train:text"
        )
    return DatasetName(*parts)


def read_files(paths: Sequence[Path]) -> Iterator[str]:
    for path in paths:
        try:
            yield path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise RecordingError(f"{path}: not UTF-8 text ({error})") from error


def read_dataset(dataset: DatasetName, config: str | None = None) -> Iterator[str]:
    """The rows of a dataset, streamed, each as one text; empty ones are passed over."""
    where = f"--dataset {dataset.name}:{dataset.split}:{dataset.column}"
    rows, number = enumerate(_open(dataset, config, where)), -1
    while True:
        try:
            number, row = next(rows)
        except StopIteration:
            return
        except Exception as error:  # whatever the reader of the format raises
            raise RecordingError(f"{where}: after row {number}: {message_of(error)}") from error
        if dataset.column not in row:
            raise RecordingError(
                f"{where}: row {number}: no column {dataset.column!r}; there are {listed(row)}"
            )
        text = row[dataset.column]
        if text is not None and not isinstance(text, str):
            raise RecordingError(
                f"{where}: row {number}: column {dataset.column!r} holds {shown(text)}, not text"
            )
        if text:
            yield text


def _open(dataset: DatasetName, config: str | None, where: str) -> Any:
    datasets: Any = importlib.import_module("datasets")
    path = Path(dataset.name)
    named: dict[str, Any] = {"path": dataset.name}
    if path.is_file():
        if path.suffix not in LOADERS:
            raise RecordingError(
                f"{where}: a dataset file must end in {', '.join(LOADERS)}; for plain text use "
                "--text"
            )
        named = {"path": LOADERS[path.suffix], "data_files": dataset.name}
    try:
        return datasets.load_dataset(**named, name=config, split=dataset.split, streaming=True)
    except Exception as error:  # datasets raises errors of many kinds, and none in common
        raise RecordingError(f"{where}: cannot be opened: {message_of(error)}") from error


def cut(
    text: str, ids: Sequence[int], offsets: Offsets, length: int
) -> Iterator[tuple[tuple[str, ...], tuple[int, ...], tuple[int, ...]]]:
    """Tokens, ids and starts of `Window`: of ``length`` text tokens each, and of a shorter rest."""
    starts, ends = text_tokens(len(text), offsets)
    lefts, stops = [0, *ends[:-1]], [*starts[1:], len(ids)]
    for first in range(0, len(starts), length):
        last = min(first + length, len(starts))
        tokens = tuple(text[lefts[i] : ends[i]] for i in range(first, last))
        base = starts[first]
        pieces = tuple(start - base for start in starts[first:last])
        yield tokens, tuple(ids[base : stops[last - 1]]), pieces


def windows(
    texts: Iterable[str],
    tokenise: Tokenise,
    length: int,
    max_tokens: int | None = None,
    tally: TextCounts | None = None,
) -> Iterator[Window]:
    """Cut texts into distinct windows.

    A window whose text was seen before is skipped: the same text in two splits would be fitted
    and scored. Sixteen bytes are remembered of every window. No window spans two texts, and no
    more than ``max_tokens`` text tokens are handed out. ``tally`` is counted up on the way.
    """
    tally = TextCounts() if tally is None else tally
    seen: set[bytes] = set()
    for text in texts:
        tally.texts += 1
        ids, offsets = tokenise(text)
        for tokens, pieces, starts in cut(text, ids, offsets, length):
            if len(tokens) < length:
                tally.leftover += len(tokens)
                continue
            digest = hashlib.blake2b("".join(tokens).encode(), digest_size=16).digest()
            if digest in seen:
                tally.repeated += 1
                continue
            if max_tokens is not None and (tally.windows + 1) * length > max_tokens:
                return
            seen.add(digest)
            yield Window(tally.windows, tokens, pieces, starts)
            tally.windows += 1
