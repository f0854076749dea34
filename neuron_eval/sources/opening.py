"""Which source a user means: each is recognised by an opener that is registered for it."""

from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Literal

from neuron_eval.messages import near_miss
from neuron_eval.plugins import load_plugins, with_failures
from neuron_eval.sources.base import Source, SourceError
from neuron_eval.sources.looking import description, head, is_json, is_table, names, nature
from neuron_eval.sources.resembling import nearest

LINES = (".jsonl", ".jsonl.gz")  # how files with an object a line end
ENDINGS = (*LINES, ".parquet")  # how files of this project's schema end
# Names in this project's schema, enough of them to tell neurons from settings.
_OWN = ("id", "top", "tokens", "activations")


class Location:
    """What a user named, and a cheap look at it."""

    def __init__(self, name: str) -> None:
        self.name = name

    @cached_property
    def kind(self) -> Literal["address", "folder", "lines", "parquet", "json", "file", ""]:
        """What it is by its name, or else by its first bytes; empty if there is no such thing."""
        if self.name.partition(":")[2].startswith("//"):
            return "address"
        path = Path(self.name)
        if path.is_dir():
            return "folder"
        if not path.is_file():
            return ""
        if self.name.endswith(LINES):
            return "lines"
        if self.name.endswith(".parquet"):
            return "parquet"
        return "json" if is_json(self.head) else "file"

    @cached_property
    def head(self) -> bytes:
        """The first bytes of a file, see `neuron_eval.sources.looking.head`."""
        return head(self.name)

    @cached_property
    def fields(self) -> frozenset[str]:
        """The names of the fields in JSON, at any depth: of its first line where it has lines."""
        if self.kind == "lines":
            return names(self.head.lstrip().split(b"\n", 1)[0])
        return names(self.head) if self.kind == "json" else frozenset()

    def after(self, scheme: str) -> str:
        """What stands after ``scheme:``; empty if the name does not begin so."""
        start, _, rest = self.name.partition(":")
        return rest if start == scheme and self.kind != "address" else ""


Open = Callable[[Location], Source | None]  # None if the place is not of its kind

# What a user writes, what it means, and what opens it
_OPENERS: list[tuple[str, str, Open]] = []


def opener(written: str, meaning: str) -> Callable[[Open], Open]:
    """Register a function that recognises a source, and what a user writes to mean it.

    It returns None for a place that is not its own, and raises `SourceError` where the place is
    its own and cannot be read. Those registered last are asked first, so a plugin before what
    ships. What is ``written``, such as ``hub:ORG/NAME``, has at most 38 characters.
    """

    def register(function: Open) -> Open:
        _OPENERS.append((written, meaning, function))
        return function

    return register


def open_source(neurons: str) -> Source:
    """The source that ``-T neurons=…`` names.

    Raises:
        SourceError: There is none, and what is looked for; or it is of no format that is read, and
            which it resembles most, what is missing, and what to do.
    """
    place = Location(neurons)
    if source := _opened(place):
        return source
    if place.kind:
        raise _refusal(place)
    # Not before, since other programs write a folder of files under the name of a file too.
    if Path(neurons).is_symlink():
        raise SourceError(f"neurons={neurons}: is a link that leads nowhere, or to itself")
    if neurons.endswith((*ENDINGS, ".json")):
        beside = ""
        with suppress(OSError):
            siblings = (path.name for path in Path(neurons).parent.iterdir())
            beside = near_miss([Path(neurons).name], siblings)
        raise SourceError(f"neurons={neurons}: there is no such file{beside}")
    plain = [name for written, _ in known_sources() for name in written.split(", ")]
    raise SourceError(
        with_failures(
            f"neurons={neurons}: there is no such file, folder or bundled set"
            f"{near_miss([neurons], plain)}; {_allowed()}",
            "sources",
        )
    )


def open_file(path: str, *, beside: bool = False) -> Source | None:
    """The neurons of a file in a folder; None for one without neurons, where ``beside``."""
    place = Location(path)
    content = place.head
    source = _opened(place)
    without = beside and content.strip() and not names(content).issuperset(_OWN)
    if source is None and not without:
        raise _refusal(place)
    return source


def _opened(place: Location) -> Source | None:
    load_plugins("sources")
    try:
        sources = (open_place(place) for _, _, open_place in reversed(_OPENERS))
        return next((source for source in sources if source), None)
    except OSError as error:
        where = error.filename or place.name
        raise SourceError.of_file(where, error) from error


def _refusal(place: Location) -> SourceError:
    content = place.head
    known = nature(content) or nearest(names(content)) or not content.strip() or is_table(content)
    return SourceError(
        f"neurons={place.name}: not a file that can be read by its ending, nor by what is in it: "
        f"it {description(content)}{'' if known else f'; {_allowed()}'}"
    )


def known_sources() -> list[tuple[str, str]]:
    """What a user may write, and what it names, in the order of precedence; plugins' included."""
    load_plugins("sources")
    return [(written, meaning) for written, meaning, _ in reversed(_OPENERS)]


def _allowed() -> str:
    rows = (f"  {written:40}{meaning}" for written, meaning in known_sources())
    return "\n".join(("expected one of", *rows))
