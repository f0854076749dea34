"""The explanations to rate, by neuron and column: from logs of this project, or from a file."""

from collections import Counter
from collections.abc import Iterator, Sequence
from logging import getLogger
from pathlib import PurePath

from inspect_ai.log import EvalSample

from neuron_eval.dataset import neuron_set
from neuron_eval.explain.solvers import bad_explanation
from neuron_eval.given.origin import Join
from neuron_eval.given.reading import read_table
from neuron_eval.given.table import ExplanationTable
from neuron_eval.logs.files import EXPLAINED, RATED, about, headers
from neuron_eval.logs.identity import control_name, explainer_of, format_of, paper_order
from neuron_eval.logs.pooling import Pool, alike, pool
from neuron_eval.logs.reading import UNUSED, Samples
from neuron_eval.messages import InputError
from neuron_eval.rating.build import Explained, ExplainedNeuron, columns_wanted, drawn_keys
from neuron_eval.records.splits import DealtNeuron, from_metadata
from neuron_eval.sources import open_source
from neuron_eval.sources.base import NeuronKey
from neuron_eval.sources.choosing import Shard, parse_choice, parse_shard

FILES = (".csv", ".csv.gz", ".jsonl", ".jsonl.gz", ".parquet")

logger = getLogger(__name__)


def load_explained(
    explanations: object,
    neurons: str | None = None,
    limit: int | None = None,
    seed: int = 0,
    columns: object = None,
    shard: object = None,
) -> Explained:
    """Read what the user named; parameters as those of the task `rate`.

    A neuron that a column says nothing of is left out and counted: what cannot be chosen would
    lose, and what stands among fewer would win.
    """
    places, wanted = _places(explanations), _listed(columns)
    part = None if shard is None else parse_shard(shard)
    tables = [path for path in places if path.endswith(FILES)]
    if tables and len(places) > 1:
        raise InputError(f"explanations={','.join(places)}: expected one file, or logs only")
    if tables:
        if neurons is None:
            raise InputError(
                f"explanations={places[0]}: a file holds no activations; name neurons too"
            )
        return _from_table(read_table(places[0]), wanted, neurons, limit, seed, part)
    if neurons is not None:
        raise InputError(f"neurons={neurons}: logs hold their neurons; neurons goes with a file")
    return from_logs(places, wanted, limit, seed, part)


def _places(explanations: object) -> list[str]:
    listed = explanations if isinstance(explanations, list) else [explanations]
    places = [place for place in listed if isinstance(place, str) and place]
    if not places or len(places) < len(listed):
        raise InputError(
            f"explanations={explanations!r}: expected logs, or one file that ends in "
            f"{', '.join(FILES)}"
        )
    return places


def _listed(columns: object) -> list[str]:
    """Inspect makes a list of a text with commas."""
    named = columns.split(",") if isinstance(columns, str) else columns
    if named is None:
        return []
    if not isinstance(named, list) or not all(isinstance(name, str) and name for name in named):
        raise InputError(f"columns={columns!r}: expected names of columns, separated by commas")
    return named


def _from_table(
    table: ExplanationTable,
    wanted: Sequence[str],
    neurons: str,
    limit: int | None,
    seed: int,
    part: Shard | None,
) -> Explained:
    choice = parse_choice(neurons, seed=seed)
    columns = columns_wanted(wanted, table.columns, table.path)
    full = {key for key in table.keys if all(key in table.texts[c] for c in columns)}
    if not full:
        raise InputError(
            f"{table.path}: no neuron has an explanation in every column: {', '.join(columns)}"
        )

    join, rows = Join(table, full), {}
    for key in open_source(neurons).keys():  # noqa: SIM118
        if (row := join.row(key.id, key.layer, key.neuron)) is not None:
            rows[key] = row
    if not rows:
        raise InputError(f"neurons={neurons}: {table.path} explains none of them in every column")
    drawn, sharded = drawn_keys(list(rows), limit, seed, part)
    chosen = {key.id: rows[key] for key in drawn}
    loaded = neuron_set(choice, on_short="skip", only=lambda key: key.id in chosen)
    return Explained(
        columns,
        tuple(
            ExplainedNeuron(dealt, {c: table.texts[c][chosen[dealt.neuron.id]] for c in columns})
            for dealt in (neuron.dealt for neuron in loaded.neurons)
        ),
        {
            "explanations": [table.name],
            "explanations_sha256": [table.sha256],
            "neurons": neurons,
            "neurons_left_out": len(table.keys) - len(rows),
            "skipped": [*loaded.skipped, *loaded.missing],
            **sharded,
        },
    )


def from_logs(
    places: Sequence[str],
    wanted: Sequence[str],
    limit: int | None,
    seed: int,
    part: Shard | None = None,
) -> Explained:
    """Read the explanations of logs, a column a run."""
    logs, notes = headers(places)
    explained = pool(logs, EXPLAINED, alike(logs), notes)
    rated = [log for log in logs if about(log, RATED)]
    notes += [f"{PurePath(log.location).name} holds ratings" for log in rated]
    if not explained:
        what = "; ".join(notes) or "no log files"
        raise InputError(f"explanations={','.join(places)}: no log of explanations: {what}")
    runs = _named(explained)
    columns = columns_wanted(wanted, tuple(runs), ",".join(places))
    if not wanted:  # controls are rated where they are named, or where nothing else is there
        made = tuple(name for name in columns if not control_name(runs[name].first.eval))
        columns = made or columns
    texts: dict[str, dict[str, str]] = {}
    dealt: dict[str, DealtNeuron] = {}
    differing: set[str] = set()
    left_out = len(notes)
    for column in columns:
        for id_, neuron, text in _explained(runs[column], notes):
            if dealt.setdefault(id_, neuron).shown != neuron.shown:
                differing.add(id_)
            texts.setdefault(id_, {})[column] = text
    full = [id_ for id_, by_column in texts.items() if len(by_column) == len(columns)]
    if not full:
        unread = "".join(f"; {note}" for note in notes[left_out:])
        raise InputError(
            f"explanations={','.join(places)}: no neuron has an explanation in every log: "
            f"{', '.join(columns)}{unread}"
        )
    for note in notes[left_out:]:
        logger.warning(note)
    if others := differing & set(full):
        logger.warning(
            f"The explainers of {len(others)} neurons, {min(others)} among them, saw other "
            f"excerpts in some of the logs; the rater sees those of {columns[0]}."
        )
    keys = [NeuronKey(n.id, n.layer, n.neuron) for n in (dealt[id_].neuron for id_ in full)]
    drawn, sharded = drawn_keys(keys, limit, seed, part)
    return Explained(
        columns,
        tuple(
            ExplainedNeuron(dealt[key.id], {c: texts[key.id][c] for c in columns}) for key in drawn
        ),
        {
            "explanations": [
                ", ".join(PurePath(log.location).name for log in runs[c].logs) for c in columns
            ],
            "explainers": [explainer_of(runs[c].first) for c in columns],
            "neurons": str((runs[columns[0]].first.eval.metadata or {}).get("neurons", "")),
            "neurons_left_out": len(texts) - len(full),
            "logs_left_out": notes,
            **sharded,
        },
    )


def _named(pools: Sequence[Pool]) -> dict[str, Pool]:
    """Logs by the column's name, in the paper's order."""
    runs = [(format_of(of.first), explainer_of(of.first), of) for of in pools]
    runs.sort(key=lambda run: (*paper_order(run[0]), run[1], run[2].first.eval.created))
    names = _names([run[:2] for run in runs])
    return {name: run[2] for name, run in zip(names, runs, strict=True)}


def _names(runs: Sequence[tuple[str, str]]) -> list[str]:
    """A name a log: the format; with the explainer, and with a number, where that is not enough."""
    formats = Counter(format for format, _ in runs)
    names = [f if formats[f] == 1 else f"{f} by {explainer}" for f, explainer in runs]
    return [
        name if names.count(name) == 1 else f"{name} ({names[: i + 1].count(name)})"
        for i, name in enumerate(names)
    ]


def _explained(of: Pool, notes: list[str]) -> Iterator[tuple[str, DealtNeuron, str]]:
    """Of each neuron of a run that was explained: id, record, the first epoch's explanation."""

    def explained(epochs: list[EvalSample]) -> tuple[str, DealtNeuron, str] | None:
        sample, id_ = epochs[0], str(epochs[0].id)
        if sample.error is not None or bad_explanation(sample.output) is not None:
            return None
        return id_, from_metadata(sample.metadata, id_), sample.output.completion

    for log in of.logs:
        without = of.again.get(log.location, ())
        samples = Samples(log.location, UNUSED | {"events", "scores"}, without)
        yield from filter(None, samples.neurons(explained, epoch=1))
        if samples.note:
            notes.append(samples.note)
