"""Explanations that nobody is asked for, from a file or a sample; the solver `given`."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import PurePath

from inspect_ai.model import ChatCompletionChoice, ChatMessageAssistant, ModelOutput
from inspect_ai.solver import Generate, Solver, TaskState, solver

from neuron_eval.explain.prompting import CUTOFF_QUANTILE
from neuron_eval.explain.solvers import NOT_GIVEN
from neuron_eval.given.controls import ALL_CONTROLS, Explain, NotGiven, control, generic_sentence
from neuron_eval.given.reading import ENDINGS, read_table
from neuron_eval.given.table import ExplanationTable, Key
from neuron_eval.messages import InputError, near_miss, shortened, shown
from neuron_eval.parameters import check_number, check_text
from neuron_eval.sources.base import SourceError
from neuron_eval.unrelated import deranged
from neuron_eval.usage_error import usage_errors

SHUFFLED_FILE = "shuffled:"  # stands before a file whose explanations are to go to other neurons


@dataclass(frozen=True, slots=True)
class Origin:
    """Where explanations come from."""

    label: str  # in tables: the column, or what they are
    # For the log: ``explanations`` (a file's name without its folders), the file's ``sha256``,
    # ``column``; of the generic sentence also itself, as ``generic``.
    about: Mapping[str, str | None]
    explain: Explain
    table: ExplanationTable | None = None  # if it is a file


@solver
def given(
    explanations: str = "",
    column: str | None = None,
    pack: str | None = None,
    cutoff_quantile: int = CUTOFF_QUANTILE,
    seed: int = 0,
) -> Solver:
    """Take explanations that exist; no model is asked, so ``--model none`` will do.

    The explanation, untrimmed, becomes the sample's output. A neuron without one is left
    unscored by every scorer, with the reason. Which file and column it was stands in the
    sample's store.

    Args:
        explanations: A CSV, JSON Lines or Parquet file with a row per neuron, told apart by layer
            and neuron or by id; a log; or a control: ``reference``, ``shuffled`` (another
            neuron's reference), ``generic`` (one sentence that fits anything), ``lexical`` (the
            words that the shown excerpts mark), ``false`` (an explanation known to be wrong).
            ``shuffled:FILE`` gives each neuron another one's explanation from a file or log.
        column: The file's column, in any case, needed if there are several. For ``reference``
            the source of another published explanation, for ``false`` which one, from 0.
        pack: The prompt pack that words ``generic``.
        cutoff_quantile: What ``lexical`` takes for marked, see `neuron_eval.explain`.
        seed: Of ``shuffled:FILE``; references are shuffled by the task's seed.

    Raises:
        UsageError: There is no such file, column or number, or the file is bad; the message says
            what would be right.
    """
    with usage_errors():
        origin = find_origin(explanations, column, pack, cutoff_quantile, seed)
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


def find_origin(
    explanations: object,
    column: object = None,
    pack: str | None = None,
    cutoff_quantile: int = CUTOFF_QUANTILE,
    seed: int = 0,
) -> Origin:
    """Where the explanations come from that the user means; parameters as those of `given`."""
    name, chosen = _name(explanations), _column(column)
    if name in ALL_CONTROLS:
        explain = control(name, chosen, pack, cutoff_quantile)
        about = {"explanations": name, "sha256": None, "column": chosen}
        if name == "generic":
            about["generic"] = generic_sentence(pack)
        return Origin(label(name, chosen), about, explain)
    path = name.removeprefix(SHUFFLED_FILE)
    try:
        table = read_table(path)
    except FileNotFoundError as error:
        raise InputError(
            f"explanations={name}: there is no such file; expected one that ends in {ENDINGS}, "
            f"or one of {', '.join(ALL_CONTROLS)}{near_miss([name], ALL_CONTROLS)}"
        ) from error
    chosen = table.column(chosen)
    prefix = SHUFFLED_FILE if path != name else ""
    about = {"explanations": prefix + table.name, "sha256": table.sha256, "column": chosen}
    texts = table.texts[chosen]
    if prefix:
        check_number("seed", seed, least=0)
        texts = _shuffled(table, chosen, seed)
    return Origin(label(name, chosen), about, _of_table(table, texts, chosen), table)


def label(explanations: object, column: object = None) -> str:
    """What explanations are called in tables; reads no file, so it may have to name that."""
    name, chosen = _name(explanations), _column(column)
    if name in ALL_CONTROLS:
        return name if chosen is None else f"{name} {chosen}"
    label_of_file = chosen or PurePath(name.removeprefix(SHUFFLED_FILE)).name
    return f"shuffled {label_of_file}" if name.startswith(SHUFFLED_FILE) else label_of_file


class Join:
    """Gives each row of a table to one neuron; a row that could be several neurons' is refused.

    Layer and neuron do not tell two dictionaries or hookpoints of one layer apart, and a row that
    silently went to both would be wrong for one.
    """

    def __init__(self, table: ExplanationTable, rows: Collection[Key]) -> None:
        self._table = table
        self._rows = frozenset(rows)
        self._owners: dict[Key, str] = {}

    def row(self, id_: str, layer: int, neuron: int) -> Key | None:
        """The neuron's among the rows, if it has one; the same neuron may ask again."""
        key = self._table.key(id_, layer, neuron)
        if key not in self._rows:
            return None
        owner = self._owners.setdefault(key, id_)
        if owner != id_:
            raise SourceError(
                f"{self._table.path}: the row of {shortened(str(key))} could be that of {owner} or "
                f"of {id_}; give the file a column 'id' with the neurons' ids in place of layer "
                "and neuron"
            )
        return key


def _name(explanations: object) -> str:
    # Inspect reads -S explanations=false as YAML, where false is no text.
    if explanations is False:
        return "false"
    if not isinstance(explanations, str) or not explanations:
        raise InputError(
            f"explanations={shown(explanations)}: expected one file that ends in {ENDINGS}, "
            f"or one of {', '.join(ALL_CONTROLS)}"
        )
    check_text("explanations", explanations)
    return explanations


def _column(column: object) -> str | None:
    if column is None:
        return None
    # A column called 2024, and the number of a false explanation, come as numbers.
    if not isinstance(column, str | int) or isinstance(column, bool):
        raise InputError(f"column={shown(column)}: expected one column")
    return str(column)


def _shuffled(table: ExplanationTable, column: str, seed: int) -> Mapping[Key, str]:
    """Of each row's neuron the explanation of another row."""
    texts = table.texts[column]
    layers = {k: table.layers.get(k) if isinstance(k, str) else k[0] for k in texts}
    pairs = deranged(texts, layers, seed)
    others = {key: texts[other] for key, other in pairs.items()}
    if not others:
        raise InputError(
            f"explanations={SHUFFLED_FILE}{table.path}: all explanations in column "
            f"{shown(column)} are the same, so no neuron can get another's"
        )
    return others


def _of_table(table: ExplanationTable, texts: Mapping[Key, str], column: str) -> Explain:
    join = Join(table, table.keys)

    def explain(state: TaskState) -> str | NotGiven:
        id_, metadata = str(state.sample_id), state.metadata or {}
        key = join.row(id_, metadata.get("layer", -1), metadata.get("neuron", -1))
        if key is None:
            return NotGiven(f"{table.name} has no row for {id_}.")
        if key not in texts:
            return NotGiven(f"{table.name} has no explanation of {id_} in column {shown(column)}.")
        return texts[key]

    return explain


@solver
def reference() -> Solver:
    """Take each neuron's reference explanation; `given` with ``reference``."""
    return given("reference")


@solver
def shuffled() -> Solver:
    """Take another neuron's reference, of the same layer where it can be; see `given`."""
    return given("shuffled")


@solver
def generic(pack: str | None = None) -> Solver:
    """Take the pack's one sentence that fits anything; see `given`."""
    return given("generic", pack=pack)


@solver
def lexical(cutoff_quantile: int = CUTOFF_QUANTILE) -> Solver:
    """Name the words that the shown excerpts mark, as neuron-baseline/lexical does; see `given`."""
    return given("lexical", cutoff_quantile=cutoff_quantile)
