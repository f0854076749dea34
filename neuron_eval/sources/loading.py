"""From what the user typed to neuron records: open the source, choose, read, join references.

References and scores may come from a CSV file: layer, neuron, score, explanation.
"""

import csv
import io
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from neuron_eval.files.bounded import lines
from neuron_eval.messages import listed, shown
from neuron_eval.records import NeuronRecord, RecordError, Reference
from neuron_eval.sources.base import NeuronKey, ScoredNeuron, SourceError, Unreadable, strict
from neuron_eval.sources.choosing import SCORED, Choice, draw, parse_choice
from neuron_eval.sources.looking import not_text, unpacked, wrong_header
from neuron_eval.sources.opening import open_source

# Whether a neuron may be chosen, besides what the `Choice` says.
Only = Callable[[NeuronKey], bool]


def load(
    choice: Choice, only: Only | None = None, of_all: list[NeuronKey] | None = None
) -> Iterator[NeuronRecord | Unreadable]:
    """The chosen neurons, one at a time, in the source's order.

    A neuron without a reference gets the explanation of ``choice.scores``, if that file has one.
    ``only`` leaves out further neurons before any are drawn. Of a shard, the neurons of all shards
    are added to ``of_all``.

    Raises:
        SourceError: There is no such source; it, or the file of scores, cannot be read; or
            nothing was chosen.
        InputError: None of what was chosen is in the shard.
        RecordError: The source breaks off; what came before is sound.
    """
    source = open_source(choice.neurons)
    if only is None:
        refuse_too_many(choice)
    file = ScoreFile(choice.scores) if choice.scores else None
    every = choice.select == "all" and not choice.restricted and only is None and file is None
    if every and choice.shard is None:
        yield from islice(source.read(), choice.limit)
        return
    admitted = (key for key in source.keys() if only is None or only(key))  # noqa: SIM118
    chosen = draw(admitted, choice, file.scores if file else source.scores)
    if not chosen:
        raise SourceError(_nothing(choice))
    if file:
        _refuse_ambiguous(chosen, file.path)
    if choice.shard is not None:
        if of_all is not None:
            of_all += chosen
        chosen = choice.shard.take(chosen)
    # Stops when all have come, wherever the source would end.
    for neuron in islice(source.read(chosen), len(chosen)):
        if file and not isinstance(neuron, Unreadable) and neuron.reference is None:
            neuron = replace(neuron, reference=file.reference(neuron))
        yield neuron


def load_neurons(
    neurons: str = "smollm2",
    *,
    layers: str | int | Sequence[str | int] | None = None,
    index: str | int | Sequence[str | int] | None = None,
    select: str = "all",
    per_layer: int | None = None,
    threshold: float | None = None,
    limit: int | None = None,
    seed: int = 0,
    scores: str | None = None,
    shard: str | None = None,
) -> list[NeuronRecord]:
    """Read neurons, chosen as a task chooses them by the same parameters.

    >>> from neuron_eval import load_neurons
    >>> load_neurons("smollm2", layers="10-20", limit=2)
    [<NeuronRecord smollm2/L12N791: 40 excerpts>, <NeuronRecord smollm2/L12N411: 40 excerpts>]

    Raises:
        InputError: A parameter is not among the allowed values, the source cannot be read, or a
            chosen neuron is missing or bad; the message says which and what would be right.
    """
    choice = parse_choice(
        neurons,
        layers=layers,
        index=index,
        select=select,
        per_layer=per_layer,
        threshold=threshold,
        limit=limit,
        seed=seed,
        scores=scores,
        shard=shard,
    )
    return list(strict(load(choice)))


def refuse_too_many(choice: Choice) -> None:
    """Hundreds of thousands of downloads are nobody's default; naming the layers is consent."""
    if not choice.neurons.startswith("openai:") or choice.restricted:
        return
    if choice.select == "all" and choice.limit is None:
        raise SourceError(
            f"neurons={choice.neurons}: would fetch every neuron of the model, one by one; choose "
            "some, for instance -T select=random -T per_layer=20, -T layers=0-3 -T index=0-99, or "
            "-T limit=100"
        )
    if choice.select in ("top_per_layer", "top") and choice.scores is None:
        raise SourceError(
            f"neurons={choice.neurons}: select={choice.select} would fetch the released "
            "explanations of every neuron of the model for their scores; name a CSV of scores "
            "(-T scores=FILE), or the layers (-T layers=0-3)"
        )


def _refuse_ambiguous(chosen: list[NeuronKey], path: str) -> None:
    """Layer and neuron, which the file has, must be one neuron's."""
    owners: dict[tuple[int, int], str] = {}
    for key in chosen:
        owner = owners.setdefault((key.layer, key.neuron), key.id)
        if owner != key.id:
            raise SourceError(
                f"scores={path}: layer {key.layer}, neuron {key.neuron} could be {owner} or "
                f"{key.id}; choose neurons of one dictionary or hookpoint only"
            )


def _nothing(choice: Choice) -> str:
    filters = [f"select={choice.select}"]
    filters += [
        f"{name}={getattr(choice, name)}"
        for name in ("layers", "index", "scores")
        if getattr(choice, name)
    ]
    if choice.select == "interpretable":
        filters.append(f"threshold={choice.threshold}")
    if choice.select in SCORED:
        filters.append("only neurons with a published score count")
    return f"neurons={choice.neurons}: no neuron is left by {', '.join(filters)}"


COLUMNS = ("layer", "neuron", "score", "explanation")
_NUMBER = re.compile(r"[0-9]{1,15}")


def read_scores(path: str) -> Iterator[ScoredNeuron]:
    """Stream the rows of a ``.csv`` or ``.csv.gz`` file but those whose score is empty or NaN.

    Not by pandas or Arrow: they guess types, and do not name the line of a bad value.
    """
    rows = None
    try:
        with (
            Path(path).open("rb") as file,  # where there is none, that is an OSError
            unpacked(path, lambda: file) as raw,
            io.TextIOWrapper(raw, "utf-8-sig", newline="") as text,
        ):
            rows = csv.reader((line for _, line in lines(text, path)), strict=True)
            columns = _columns(next(rows, []), path)
            scored = (_scored(row, columns, f"{path}, line {rows.line_num}") for row in rows if row)
            yield from (score for score in scored if score is not None)
    except csv.Error as error:
        line = rows.line_num if rows else 1
        raise RecordError(f"{path}, line {line}: cut off or not a CSV file ({error})") from error
    except UnicodeDecodeError as error:
        with unpacked(path) as raw:
            raise RecordError(not_text(raw, path)) from error


class ScoreFile:
    """The scores and explanations of a file, by layer and neuron."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._rows: dict[tuple[int, int], ScoredNeuron] = {}
        for row in read_scores(path):
            at = (row.layer, row.neuron)
            before = self._rows.setdefault(at, row)
            if before.score != row.score:
                raise RecordError(
                    f"{path}: layer {at[0]}, neuron {at[1]} stands there with two scores, "
                    f"{before.score} and {row.score}; expected one row per neuron"
                )
            if not before.explanation.strip():
                self._rows[at] = row

    def scores(self, wanted: Iterable[NeuronKey]) -> Iterator[ScoredNeuron]:
        """Scores of these neurons, in this order; those without one are left out."""
        for key in wanted:
            if row := self._rows.get((key.layer, key.neuron)):
                yield replace(row, id=key.id)

    def reference(self, neuron: NeuronRecord) -> Reference | None:
        """The explanation of a neuron; the first where there are two."""
        row = self._rows.get((neuron.layer, neuron.neuron))
        text = row.explanation if row else ""
        return Reference(text, Path(self.path).name) if text.strip() else None


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
    layer, neuron, text, explanation = (row[columns[name]] for name in COLUMNS)
    try:
        score = float(text) if text.strip() else math.nan
    except ValueError as error:
        raise RecordError(f"{at}: column 'score' is {shown(text)}; expected a number") from error
    if not math.isfinite(score):
        return None
    return ScoredNeuron(
        _number("layer", layer, at), _number("neuron", neuron, at), score, explanation
    )


def _number(name: str, text: str, at: str) -> int:
    if not _NUMBER.fullmatch(text.strip()):
        raise RecordError(f"{at}: column {name!r} is {shown(text)}; expected a whole number")
    return int(text)
