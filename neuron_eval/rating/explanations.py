"""The explanations to rate, by neuron and column: from logs of this project, or from a file."""

from __future__ import annotations

from collections.abc import Sequence

from neuron_eval.dataset import neuron_set
from neuron_eval.given.origin import Join
from neuron_eval.given.reading import read_table
from neuron_eval.given.table import ExplanationTable, Key
from neuron_eval.messages import InputError
from neuron_eval.rating.build import Explained, ExplainedNeuron, columns_wanted, drawn_keys
from neuron_eval.sources import open_source
from neuron_eval.sources.base import NeuronKey
from neuron_eval.sources.choosing import parse_choice
from neuron_eval.sources.sharding import Shard, parse_shard

FILES = (".csv", ".csv.gz", ".jsonl", ".jsonl.gz", ".parquet")


def load_explained(
    explanations: object,
    neurons: str | None = None,
    limit: int | None = None,
    seed: int = 0,
    columns: object = None,
    shard: object = None,
) -> Explained:
    """Read what the user named.

    A neuron that a column says nothing of is left out and counted: what cannot be chosen would
    lose, and what stands among fewer would win.

    Args:
        explanations: A table, see `neuron_eval.given.reading.read_table`; or logs and folders of
            logs, one or a list.
        neurons: The source of the neurons of a table; logs hold their own.
        limit: At most so many neurons, drawn by the ``seed``.
        seed: Any whole number.
        columns: Only these formats, or columns of the file, as a list or separated by commas.
        shard: Only this part of the neurons, see `parse_shard`.

    Raises:
        InputError: There is nothing to rate, or no such column.
        OSError: A file cannot be opened.
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
    # What reads logs is not needed to find the task, and takes a while to load.
    from neuron_eval.rating.logged import from_logs

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

    def row(key: NeuronKey) -> Key:
        return table.key(key.id, key.layer, key.neuron)

    there = [key for key in open_source(neurons).keys() if row(key) in full]  # noqa: SIM118
    join = Join(table.path)
    for key in there:
        join.row(row(key), key.id)
    if not there:
        raise InputError(f"neurons={neurons}: {table.path} explains none of them in every column")
    drawn, sharded = drawn_keys(there, limit, seed, part)
    chosen = {key.id: row(key) for key in drawn}
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
            "neurons_left_out": len(table.keys) - len(there),
            "skipped": [*loaded.skipped, *loaded.missing],
            **sharded,
        },
    )
