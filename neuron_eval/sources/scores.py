"""Published scores of explanations, from a CSV file: layer, neuron, score, explanation."""

from __future__ import annotations

import csv
import gzip
import io
import math
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, cast

from neuron_eval.files.bounded import TooLong, lines
from neuron_eval.messages import listed, shown
from neuron_eval.records import RecordError, Reference
from neuron_eval.sources.base import NeuronKey, ScoredNeuron, SourceError
from neuron_eval.sources.looking import not_text, wrong_header

COLUMNS = ("layer", "neuron", "score", "explanation")

_WHOLE = re.compile(r"[0-9]{1,15}")


def read_scores(path: str) -> Iterator[ScoredNeuron]:
    """Stream the rows of a ``.csv`` or ``.csv.gz`` file; column names in any case.

    A row whose score is empty or NaN holds no measurement and is left out. Other columns are
    ignored.

    Raises:
        SourceError: The file lacks a column.
        RecordError: A value is not what it should be; the message names line, column and value.
        OSError: The file cannot be read.
    """
    rows = None
    try:
        with _open(path) as raw, io.TextIOWrapper(raw, encoding="utf-8-sig", newline="") as text:
            rows = csv.reader((line for _, line in lines(text, path)), strict=True)
            columns = _columns(next(rows, []), path)
            for row in rows:
                if row:
                    scored = _scored(row, columns, f"{path}, line {rows.line_num}")
                    if scored is not None:
                        yield scored
    except csv.Error as error:
        line = rows.line_num if rows else 1
        raise RecordError(f"{path}, line {line}: cut off or not a CSV file ({error})") from error
    except UnicodeDecodeError as error:
        with _open(path) as raw:
            raise RecordError(not_text(raw, path)) from error
    except TooLong as error:
        raise RecordError(str(error)) from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise RecordError(f"{path}: cut off or not a gzip file ({error})") from error


def _open(path: str) -> IO[bytes]:
    if path.endswith(".gz"):
        return cast(IO[bytes], gzip.open(path, "rb"))
    return Path(path).open("rb")


class ScoreFile:
    """The scores of a file, for choosing; explanations are read for the chosen only."""

    def __init__(self, path: str) -> None:
        """Read every score.

        Raises:
            RecordError: A neuron has two different scores.
        """
        self.path = path
        self._scores: dict[tuple[int, int], float] = {}
        for scored in read_scores(path):
            at = (scored.layer, scored.neuron)
            before = self._scores.setdefault(at, scored.score)
            if before != scored.score:
                raise RecordError(
                    f"{path}: layer {at[0]}, neuron {at[1]} stands there with two scores, "
                    f"{before} and {scored.score}; expected one row a neuron"
                )

    def scores(self, wanted: Iterable[NeuronKey]) -> Iterator[ScoredNeuron]:
        """Scores of these neurons, in this order; those without one are left out."""
        for key in wanted:
            score = self._scores.get((key.layer, key.neuron))
            if score is not None:
                yield ScoredNeuron(key.layer, key.neuron, score, "", key.id)

    def references(self, wanted: Iterable[NeuronKey]) -> dict[tuple[int, int], Reference]:
        """The explanations of these neurons by layer and neuron; the first where there are two."""
        asked = {(key.layer, key.neuron) for key in wanted}
        source = Path(self.path).name
        found: dict[tuple[int, int], Reference] = {}
        for scored in read_scores(self.path):
            at = (scored.layer, scored.neuron)
            if at in asked and scored.explanation.strip():
                found.setdefault(at, Reference(scored.explanation, source))
        return found


def _columns(header: list[str], path: str) -> Mapping[str, int]:
    if fault := wrong_header(header):
        raise SourceError(f"{path}: it {fault}")
    places = {name.strip().lower(): i for i, name in reversed(list(enumerate(header)))}
    missing = [name for name in COLUMNS if name not in places]
    if missing:
        raise SourceError(
            f"{path}: the first line lacks the column(s) {', '.join(missing)}; it has "
            f"{listed(header, quoted=False) or 'nothing'}; expected {', '.join(COLUMNS)}"
        )
    return {name: places[name] for name in COLUMNS}


def _scored(row: list[str], columns: Mapping[str, int], at: str) -> ScoredNeuron | None:
    if len(row) <= max(columns.values()):
        raise RecordError(f"{at}: {len(row)} values, fewer than the first line has columns")
    values = {name: row[place] for name, place in columns.items()}
    try:
        score = float(values["score"]) if values["score"].strip() else math.nan
    except ValueError as error:
        raise RecordError(
            f"{at}: column 'score' is {shown(values['score'])}; expected a number"
        ) from error
    if not math.isfinite(score):
        return None
    return ScoredNeuron(
        _whole(values, "layer", at), _whole(values, "neuron", at), score, values["explanation"]
    )


def _whole(values: Mapping[str, str], name: str, at: str) -> int:
    text = values[name].strip()
    if not _WHOLE.fullmatch(text):
        raise RecordError(
            f"{at}: column {name!r} is {shown(values[name])}; expected a whole number"
        )
    return int(text)
