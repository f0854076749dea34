"""Checking files of published scores, file by file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from neuron_eval.files.bounded import TooLong, read_whole
from neuron_eval.given.released import Compared, compare
from neuron_eval.records import RecordError
from neuron_eval.sources.base import SourceError
from neuron_eval.sources.openai.records import lines, parse_results


@dataclass(slots=True)
class Tally:
    """What was found so far."""

    files: int = 0
    """Files that were there."""

    explanations: int = 0
    """Explanations in them."""

    agree: int = 0
    """Scores that agree."""

    undefined: int = 0
    """Scores that are undefined on both sides."""

    largest: float | None = None
    """The largest difference of a score from its recomputation; None if none could differ."""

    disagree: list[tuple[str, Compared]] = field(default_factory=list)
    """Scores that disagree, each with its file and line."""

    bad: list[str] = field(default_factory=list)
    """What is wrong with files that could not be read."""

    @property
    def compared(self) -> int:
        """Scores in all."""
        return self.agree + self.undefined + len(self.disagree)

    @property
    def sound(self) -> bool:
        """Whether something was compared, and nothing is wrong."""
        return self.compared > 0 and not self.disagree and not self.bad


def check_files(files: Iterable[tuple[str, bytes | RecordError]]) -> Tally:
    """Compare all scores of explanation files; a bad line is noted, and the next is read.

    Args:
        files: Where each is, and its content or why it cannot be read.

    Raises:
        SourceError: The files break off.
    """
    tally = Tally()
    for where, content in files:
        tally.files += 1
        if isinstance(content, RecordError):
            tally.bad.append(str(content))
            continue
        found = list(lines(content, where))
        if not found:
            tally.bad.append(f"{where}: is empty; expected the results of a neuron")
        for at, line in found:
            _check_line(tally, at, line)
    return tally


def explanation_files(path: str) -> Iterator[tuple[str, bytes | RecordError]]:
    """The explanation files of a place.

    Args:
        path: A file, a folder of ``.jsonl`` files at any depth, ``openai:gpt2-xl`` and the like,
            or an address such as ``s3://bucket/folder``. Of a folder with OpenAI's layout, only
            ``explanations`` is read.

    Raises:
        SourceError: There are no such files.
    """
    from neuron_eval.sources.openai.collated import open_collated, open_container

    if path.startswith("openai:"):
        return open_container(path.removeprefix("openai:")).explanation_files()
    if "://" in path:
        return open_collated(path).explanation_files()
    place = Path(path)
    if place.is_file():
        return iter([_content(place)])
    if not place.is_dir():
        raise SourceError(f"{path}: there is no such file or folder")
    explained = place / "explanations"
    folder = explained if explained.is_dir() else place
    found = sorted(folder.rglob("*.jsonl"), key=_in_order)
    if not found:
        raise SourceError(f"{path}: holds no .jsonl file of scored explanations, at any depth")
    return map(_content, found)


def _check_line(tally: Tally, at: str, line: bytes) -> None:
    try:
        results = parse_results(line, at, simulations=True)
    except RecordError as error:
        tally.bad.append(str(error))
        return
    tally.explanations += len(results.explanations)
    for compared in compare(results):
        if compared.difference is not None:
            tally.largest = max(compared.difference, tally.largest or 0.0)
        if compared.verdict == "agrees":
            tally.agree += 1
        elif compared.verdict == "undefined":
            tally.undefined += 1
        else:
            tally.disagree.append((at, compared))


def _content(path: Path) -> tuple[str, bytes | RecordError]:
    try:
        return str(path), read_whole(path)
    except TooLong as error:
        return str(path), RecordError(str(error))
    except OSError as error:
        return str(path), RecordError(f"{path}: {error.strerror or error}")


def _in_order(path: Path) -> list[tuple[int, str]]:
    """By the parts of the path, numbers by their value."""
    return [
        (int(part), "") if part.isdecimal() else (-1, part)
        for part in (*path.parent.parts, path.stem)
    ]
