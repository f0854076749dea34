"""Explanations that nobody is asked for, from a file or a sample; the solver `given`."""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from pathlib import PurePath

from inspect_ai.model import ChatCompletionChoice, ChatMessageAssistant, ModelOutput
from inspect_ai.solver import Generate, Solver, TaskState, solver

from neuron_eval.explain.solvers import NOT_GIVEN
from neuron_eval.given.reading import ENDINGS, read_table
from neuron_eval.given.table import ExplanationTable
from neuron_eval.messages import InputError, listed, shortened, shown
from neuron_eval.parameters import check_text
from neuron_eval.sources.base import SourceError
from neuron_eval.usage_error import usage_errors

IN_SAMPLES = ("reference", "false", "unrelated")
"""What a sample itself holds: its reference or another published explanation, an explanation
known to be wrong, and another neuron's reference."""


@dataclass(frozen=True, slots=True)
class NotGiven:
    """There is no explanation of the neuron, and why, in a sentence."""

    reason: str


Explain = Callable[[TaskState], str | NotGiven]
"""The explanation of a sample's neuron, as written."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where explanations come from."""

    label: str  # in tables: the column, or what they are
    about: Mapping[str, str | None]
    """For the log: ``explanations`` (a file's name without its folders), the file's ``sha256``,
    ``column``."""

    explain: Explain
    table: ExplanationTable | None = None  # if it is a file


@solver
def given(explanations: str = "", column: str | None = None) -> Solver:
    """Take explanations that exist; no model is asked, so ``--model none`` will do.

    The explanation, untrimmed, becomes the sample's output. A neuron without one is left
    unscored by every scorer, with the reason. Which file and column it was stands in the
    sample's store.

    Args:
        explanations: A CSV, JSON Lines or Parquet file with a row per neuron, told apart by layer
            and neuron or by id; or ``reference``, ``false`` or ``unrelated`` for what the sample
            itself holds: the neuron's reference, an explanation known to be wrong, and another
            neuron's reference.
        column: The file's column, in any case, needed if there are several. For ``reference``
            the source of another published explanation, for ``false`` which one, from 0.

    Raises:
        UsageError: There is no such file, column or number, or the file is bad; the message says
            what would be right.
    """
    with usage_errors():
        origin = find_origin(explanations, column)
    model = f"given/{origin.label}"

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        explanation = origin.explain(state)
        state.store.set("given", dict(origin.about))
        if isinstance(explanation, NotGiven):
            state.output = ModelOutput(model=model, metadata={NOT_GIVEN: explanation.reason})
            return state
        message = ChatMessageAssistant(content=explanation, model=model)
        state.messages.append(message)
        choice = ChatCompletionChoice(message=message, stop_reason="stop")
        state.output = ModelOutput(model=model, choices=[choice], completion=explanation)
        return state

    return solve


def find_origin(explanations: object, column: object = None) -> Origin:
    """Where the explanations come from that the user means; parameters as those of `given`.

    Raises:
        InputError: There is no such file, column or number.
        OSError: The file cannot be read.
    """
    name, chosen = _name(explanations), _column(column)
    if name in IN_SAMPLES:
        explain = {"reference": _reference, "false": _false, "unrelated": _unrelated}[name](chosen)
        about = {"explanations": name, "sha256": None, "column": chosen}
        return Origin(label(name, chosen), about, explain)
    try:
        table = read_table(name)
    except FileNotFoundError as error:
        raise InputError(
            f"explanations={name}: there is no such file; expected one that ends in {ENDINGS}, "
            f"or one of {', '.join(IN_SAMPLES)}"
        ) from error
    chosen = table.column(chosen)
    about = {"explanations": table.name, "sha256": table.sha256, "column": chosen}
    return Origin(chosen, about, _of_table(table, chosen), table)


def label(explanations: object, column: object = None) -> str:
    """What explanations are called in tables; reads no file, so it may have to name that."""
    name, chosen = _name(explanations), _column(column)
    if name in IN_SAMPLES:
        return name if chosen is None else f"{name} {chosen}"
    return chosen or PurePath(name).name


class Join:
    """Gives each row of a table to one neuron; a row that could be several neurons' is refused.

    Layer and neuron do not tell two dictionaries or hookpoints of one layer apart, and a row that
    silently went to both would be wrong for one.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._owners: dict[Hashable, str] = {}

    def row(self, key: Hashable, id_: str) -> None:
        """Give the row at a key to a neuron; the same neuron may ask again.

        Raises:
            SourceError: It is another neuron's already.
        """
        owner = self._owners.setdefault(key, id_)
        if owner != id_:
            raise SourceError(
                f"{self._path}: the row of {shortened(str(key))} could be that of {owner} or of "
                f"{id_}; give the file a column 'id' with the neurons' ids in place of layer and "
                "neuron"
            )


def _name(explanations: object) -> str:
    # Inspect reads -S explanations=false as YAML, where false is no text.
    if explanations is False:
        return "false"
    if not isinstance(explanations, str) or not explanations:
        raise InputError(
            f"explanations={shown(explanations)}: expected one file that ends in {ENDINGS}, "
            f"or one of {', '.join(IN_SAMPLES)}"
        )
    check_text("explanations", explanations)
    return explanations


def _column(column: object) -> str | None:
    # A column called 2024, and the number of a false explanation, come as numbers.
    if column is None or (isinstance(column, str | int) and not isinstance(column, bool)):
        return None if column is None else str(column)
    raise InputError(f"column={shown(column)}: expected one column")


def _of_table(table: ExplanationTable, column: str) -> Explain:
    texts = table.texts[column]
    known = frozenset(table.keys)
    join = Join(table.path)

    def explain(state: TaskState) -> str | NotGiven:
        id_, metadata = str(state.sample_id), state.metadata or {}
        key = table.key(id_, metadata.get("layer", -1), metadata.get("neuron", -1))
        if key not in known:
            return NotGiven(f"{table.name} has no row for {id_}.")
        join.row(key, id_)
        if key not in texts:
            return NotGiven(f"{table.name} has no explanation of {id_} in column {shown(column)}.")
        return texts[key]

    return explain


def _reference(source: str | None) -> Explain:
    def explain(state: TaskState) -> str | NotGiven:
        metadata = state.metadata or {}
        reference = (str(metadata.get("reference_source") or ""), state.target.text)
        others: list[Mapping[str, str]] = metadata.get("other_explanations") or []
        published = [reference, *((other["source"], other["explanation"]) for other in others)]
        published = [(by, text) for by, text in published if text]
        if not published:
            return NotGiven(f"{state.sample_id} has no reference explanation.")
        if source is None:
            return published[0][1]
        for by, text in published:
            if by == source:
                return text
        sources = listed(sorted({by for by, _ in published}))
        return NotGiven(
            f"{state.sample_id} has no explanation by {shown(source)}; it has some by {sources}."
        )

    return explain


def _false(column: str | None) -> Explain:
    number = "0" if column is None else column
    if not (number.isascii() and number.isdecimal() and len(number) < 10):
        raise InputError(
            f"column={shortened(number)}: explanations=false takes a number, from 0 for a "
            "neuron's first false explanation"
        )
    place = int(number)

    def explain(state: TaskState) -> str | NotGiven:
        wrong: list[str] = (state.metadata or {}).get("false_explanations") or []
        if place < len(wrong):
            return wrong[place]
        return NotGiven(
            f"{state.sample_id} has {len(wrong)} false explanations; number {place} is none."
        )

    return explain


def _unrelated(column: str | None) -> Explain:
    """Another neuron's reference, the same one each time."""
    if column is not None:
        raise InputError(f"column={column}: explanations=unrelated takes no column")

    def explain(state: TaskState) -> str | NotGiven:
        others: list[str] = (state.metadata or {}).get("unrelated_references") or []
        others = [text for text in others if text != state.target.text]
        if not others:
            return NotGiven(
                f"No neuron but {state.sample_id} has a reference explanation of its own."
            )
        return random.Random(f"unrelated {state.sample_id}").choice(others)

    return explain
