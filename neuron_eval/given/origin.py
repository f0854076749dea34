"""Where explanations come from that nobody is asked for: a file, or what a sample holds."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from neuron_eval.given.joining import Join
from neuron_eval.given.reading import ENDINGS, read_table
from neuron_eval.given.table import ExplanationTable
from neuron_eval.messages import InputError, listed, shortened, shown
from neuron_eval.parameters import check_text

HELD = ("reference", "false", "unrelated")
"""What a sample itself holds: its reference or another published explanation, an explanation
known to be wrong, and another neuron's reference."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The neuron that an explanation is wanted for, as its sample describes it."""

    id: str
    """The sample's id."""

    reference: str
    """The sample's target; empty if it has none."""

    metadata: Mapping[str, Any]
    """The sample's metadata, see `neuron_eval.dataset`."""


@dataclass(frozen=True, slots=True)
class NotGiven:
    """There is no explanation of the neuron."""

    reason: str
    """Why, in a sentence."""


Explain = Callable[[Asked], str | NotGiven]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where explanations come from."""

    label: str
    """What they are called in tables: the column, or what they are."""

    about: Mapping[str, str | None]
    """For the log: ``explanations`` (a file's name without its folders), the file's ``sha256``,
    ``column``."""

    explain: Explain
    """The explanation of a neuron, as written."""

    table: ExplanationTable | None = None
    """The file's explanations, if it is a file."""


def find_origin(explanations: object, column: object = None) -> Origin:
    """Where the explanations come from that the user means.

    Args:
        explanations: A file, see `neuron_eval.given.reading.read_table`; or one of `HELD`.
        column: The file's column, in any case; for ``reference`` the source of another published
            explanation; for ``false`` a number from 0; None if there is no choice, or for the
            first.

    Raises:
        ValueError: There is no such file, column or number.
        OSError: The file cannot be read.
    """
    name, chosen = _name(explanations), _column(column)
    if name == "reference":
        return _held(name, chosen, _reference(chosen))
    if name == "false":
        return _held(name, chosen, _false(_place(chosen)))
    if name == "unrelated":
        if chosen is not None:
            raise InputError(f"column={chosen}: explanations=unrelated takes no column")
        return _held(name, None, _unrelated)
    try:
        table = read_table(name)
    except FileNotFoundError as error:
        raise InputError(
            f"explanations={name}: there is no such file; expected one that ends in {ENDINGS}, "
            f"or one of {', '.join(HELD)}"
        ) from error
    return from_table(table, table.column(chosen))


def from_table(table: ExplanationTable, column: str) -> Origin:
    """The explanations of one column of a table."""
    texts = table.texts[column]
    known = frozenset(table.keys)
    join = Join(table.path)

    def explain(asked: Asked) -> str | NotGiven:
        metadata = asked.metadata
        key = table.key(asked.id, metadata.get("layer", -1), metadata.get("neuron", -1))
        if key in known:
            join.row(key, asked.id)
        if key in texts:
            return texts[key]
        if key in known:
            return NotGiven(
                f"{table.name} has no explanation of {asked.id} in column {shown(column)}."
            )
        return NotGiven(f"{table.name} has no row for {asked.id}.")

    about = {"explanations": table.name, "sha256": table.sha256, "column": column}
    return Origin(column, about, explain, table)


def label(explanations: object, column: object = None) -> str:
    """What explanations are called in tables; reads no file, so it may have to name that."""
    name, chosen = _name(explanations), _column(column)
    if name in HELD:
        return name if chosen is None else f"{name} {chosen}"
    return chosen or PurePath(name).name


def _name(explanations: object) -> str:
    # Inspect reads -S explanations=false as YAML, where false is no text.
    if explanations is False:
        return "false"
    if not isinstance(explanations, str) or not explanations:
        raise InputError(
            f"explanations={shown(explanations)}: expected one file that ends in {ENDINGS}, "
            f"or one of {', '.join(HELD)}"
        )
    check_text("explanations", explanations)
    return explanations


def _column(column: object) -> str | None:
    # A column called 2024, and the number of a false explanation, come as numbers.
    if column is None or (isinstance(column, str | int) and not isinstance(column, bool)):
        return None if column is None else str(column)
    raise InputError(f"column={shown(column)}: expected one column")


def _place(column: str | None) -> int:
    if column is None:
        return 0
    if not (column.isascii() and column.isdecimal() and len(column) < 10):
        raise InputError(
            f"column={shortened(column)}: explanations=false takes a number, from 0 for a "
            "neuron's first "
            "false explanation"
        )
    return int(column)


def _held(name: str, column: str | None, explain: Explain) -> Origin:
    about = {"explanations": name, "sha256": None, "column": column}
    return Origin(label(name, column), about, explain)


def _reference(source: str | None) -> Explain:
    def explain(asked: Asked) -> str | NotGiven:
        others: list[Mapping[str, str]] = asked.metadata.get("other_explanations") or []
        published = [{"explanation": asked.reference, "source": _source(asked)}, *others]
        published = [one for one in published if one["explanation"]]
        for one in published if source is not None else published[:1]:
            if source is None or one["source"] == source:
                return one["explanation"]
        if not published:
            return NotGiven(f"{asked.id} has no reference explanation.")
        there = listed(sorted({one["source"] for one in published}))
        return NotGiven(
            f"{asked.id} has no explanation by {shown(source)}; it has some by {there}."
        )

    return explain


def _source(asked: Asked) -> str:
    return str(asked.metadata.get("reference_source") or "")


def _false(place: int) -> Explain:
    def explain(asked: Asked) -> str | NotGiven:
        wrong: list[str] = asked.metadata.get("false_explanations") or []
        if place < len(wrong):
            return wrong[place]
        return NotGiven(f"{asked.id} has {len(wrong)} false explanations; number {place} is none.")

    return explain


def _unrelated(asked: Asked) -> str | NotGiven:
    """Another neuron's reference, the same one each time."""
    others: list[str] = asked.metadata.get("unrelated_references") or []
    others = [text for text in others if text != asked.reference]
    if not others:
        return NotGiven(f"No neuron but {asked.id} has a reference explanation of its own.")
    return random.Random(f"unrelated {asked.id}").choice(others)
