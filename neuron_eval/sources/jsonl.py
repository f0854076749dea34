"""Files of the project's own schema, one JSON object a line: ``.jsonl`` and ``.jsonl.gz``."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from neuron_eval.files.bounded import TooLong, lines, parse_json
from neuron_eval.files.locking import unfinished
from neuron_eval.messages import shown
from neuron_eval.records import NeuronRecord, RecordError
from neuron_eval.records.checks import named
from neuron_eval.sources.base import (
    NeuronKey,
    ScoredNeuron,
    SourceError,
    Unreadable,
    no_scores,
    strict,
)
from neuron_eval.sources.objects import from_json, key, to_json

Opener = Callable[[], IO[bytes]]
"""Opens a file for reading from its beginning."""

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class JsonlSource:
    """The neurons of one file, read line by line."""

    name: str
    """The file's path, as the user wrote it."""

    open: Opener | None = None
    """Opens the file, where it is not a local one."""

    def keys(self) -> Iterator[NeuronKey]:
        """Every neuron, in the file's order; every line is parsed.

        Raises:
            SourceError: The file cannot be opened.
            RecordError: A line is no JSON object with an id, a layer and a neuron; an id stands
                on two lines; or the file is cut off.
        """
        seen: dict[str, int] = {}
        for number, line in self._lines():
            where = _where(self.name, number)
            found = key(_parse(line, where), where)
            _check_new(found.id, seen, number, where)
            yield found

    def read(
        self, wanted: Collection[NeuronKey] | None = None
    ) -> Iterator[NeuronRecord | Unreadable]:
        """The neurons wanted, in the file's order; all if None. A bad line is `Unreadable`.

        Raises:
            SourceError: The file cannot be opened.
            RecordError: The file is cut off.
        """
        left = None if wanted is None else {key.id for key in wanted}
        seen: dict[str, int] = {}
        for number, line in self._lines():
            if left is not None and not left:
                return
            where = _where(self.name, number)
            name = where
            try:
                data = _parse(line, where)
                id_ = data.get("id") if isinstance(data, Mapping) else None
                if isinstance(id_, str):
                    name = id_
                    if left is not None and id_ not in left:
                        continue
                    _check_new(id_, seen, number, where)
                found: NeuronRecord | Unreadable = from_json(data, where)
            except RecordError as error:
                found = Unreadable(name, error)
            if left is not None:
                left.discard(name)
            yield found

    def scores(self, wanted: Iterable[NeuronKey]) -> Iterator[ScoredNeuron]:
        """There are none.

        Raises:
            SourceError: Always; it says what to do.
        """
        raise no_scores(self.name)

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        """The lines that are not blank, with their numbers from 1."""
        try:
            with (
                self.open() if self.open else Path(self.name).open("rb") as raw,
                gzip.open(raw) if self.name.endswith(".gz") else raw as file,
            ):
                for number, line in lines(cast(IO[bytes], file), self.name):
                    if line.strip():
                        yield number, line.removeprefix(_BOM) if number == 1 else line
        except TooLong as error:
            raise RecordError(str(error)) from error
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise RecordError(f"{self.name}: cut off or not a gzip file ({error})") from error
        except OSError as error:
            said = error.strerror or error
            raise SourceError(f"{self.name}: cannot be read ({said})") from error


def read(path: Path) -> Iterator[NeuronRecord]:
    """Stream the neurons of a file, checked one by one.

    Raises:
        SourceError: The file cannot be opened.
        RecordError: Names the file and the line of the first bad record.
    """
    return strict(JsonlSource(str(path)).read())


def write(path: Path, neurons: Iterable[NeuronRecord]) -> int:
    """Write neurons to a file; nothing appears before all is written.

    Returns:
        How many were written.

    Raises:
        RecordError: A text of a neuron cannot be written as UTF-8.
    """
    count = 0
    with unfinished(path) as beside, _writer(beside) as lines:
        for neuron in neurons:
            lines.write(_line(neuron))
            count += 1
    return count


def _where(path: str, number: int) -> str:
    return f"{path}, line {number}"


def _parse(line: bytes, where: str) -> Any:
    try:
        return parse_json(line)
    except UnicodeDecodeError as error:
        raise RecordError(f"{where}: not UTF-8 text ({error})") from error
    except ValueError as error:
        cut = "" if line.endswith(b"\n") else "; the last line, so the file may be cut off"
        raise RecordError(f"{where}: not valid JSON ({error}){cut}") from error


def _check_new(id_: str, seen: dict[str, int], number: int, where: str) -> None:
    first = seen.setdefault(id_, number)
    if first != number:
        raise RecordError(
            f"{where}: field 'id': {shown(id_)} stands on line {first} too; ids must be unique"
        )


def _line(neuron: NeuronRecord) -> bytes:
    text = json.dumps(to_json(neuron), ensure_ascii=False, separators=(",", ":"))
    try:
        return text.encode("utf-8") + b"\n"
    except UnicodeEncodeError as error:
        raise RecordError(
            f"neuron {named(neuron.id)}: cannot be written as UTF-8 ({error})"
        ) from error


@contextmanager
def _writer(path: Path) -> Iterator[IO[bytes]]:
    with path.open("wb") as raw:
        if path.suffix == ".gz":
            # Neither time nor name goes in, so that the same neurons give the same bytes.
            with gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as packed:
                yield cast(IO[bytes], packed)
        else:
            yield raw
