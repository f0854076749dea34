"""`neuron-eval export`: explanations with their scores, as files for other programs."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from neuron_eval.cli.main import check_file, check_replaced, command
from neuron_eval.files.locking import IN_FOLDER, alone_at, alone_in, unfinished
from neuron_eval.messages import InputError

if TYPE_CHECKING:
    from neuron_eval.logs.runs import Run

FILES = ("csv", "jsonl", "parquet")
FOLDERS = ("openai", "neuronpedia")


@command()
@click.argument("logs", nargs=-1, required=True)
@click.option("--to", required=True, type=click.Choice([*FILES, *FOLDERS]), help="The format.")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="A file for csv, jsonl and parquet; a folder for openai and neuronpedia.",
)
@click.option(
    "--run",
    "wanted",
    multiple=True,
    help="Only this run, by its name in the report; may be repeated.",
)
@click.option("--force", is_flag=True, help="Replace what is in OUT.")
def export(logs: tuple[str, ...], to: str, out: Path, wanted: tuple[str, ...], force: bool) -> None:
    """Write the explanations in LOGS (files and folders) with their scores.

    csv, jsonl and parquet have a row per run and neuron, as the report's tables/neurons.csv has.
    openai is the layout that check-released reads, with a folder per run where there are several;
    neuronpedia is that of Neuronpedia's exports, all runs together. Both are read again by
    --neurons and -T neurons=. Of logs that were run twice the report's choice is taken.
    """
    from neuron_eval.reporting.collecting import collect
    from neuron_eval.reporting.comparing import label
    from neuron_eval.reporting.exports.rows import neuron_rows, row_fields, write_rows

    _check_out(out, to, force)
    alone = alone_at(out) if to in FILES else alone_in(out)
    click.get_current_context().with_resource(alone)
    collected = collect(logs)
    notes = list(collected.notes)
    runs = collected.every
    chosen = _chosen(runs, wanted)
    if to in FILES:
        with unfinished(out) as beside:
            write_rows(beside, row_fields(chosen), neuron_rows(runs, chosen))
        count = sum(len(run.results) for run in chosen)
        lines = [f"{count} rows of {_runs(chosen)} written to {out}"]
    else:
        with _parts(out) as folder:
            lines = _write_folder(folder, out, to, chosen, [label(r, runs) for r in chosen], notes)
    for note in notes:
        click.echo(note, err=True)
    for line in lines:
        click.echo(line)


def _check_out(out: Path, to: str, force: bool) -> None:
    if to in FILES:
        check_file(out, "--out", (f".{to}",))
    elif out.is_file():
        raise click.UsageError(f"--out is {out}; expected a folder, which {to} takes")
    parts = out.iterdir() if out.is_dir() else ()
    check_replaced(out, out.is_file() or any(part.name != IN_FOLDER for part in parts), force)


def _chosen(runs: Sequence[Run], wanted: Sequence[str]) -> list[Run]:
    from neuron_eval.reporting.differences import run_named

    if not runs:
        raise InputError("the logs hold ratings, and no explanations to export")
    if not wanted:
        return list(runs)
    named = {run_named(name, runs).log for name in wanted}
    return [run for run in runs if run.log in named]


def _runs(chosen: Sequence[Run]) -> str:
    return "1 run" if len(chosen) == 1 else f"{len(chosen)} runs"


def _write_folder(
    folder: Path, out: Path, to: str, chosen: Sequence[Run], names: Sequence[str], notes: list[str]
) -> list[str]:
    """Write what a folder holds, to be moved to ``out``; a line on each run."""
    from neuron_eval.reporting.exports.layouts import write_neuronpedia, write_openai

    if to == "neuronpedia":
        counts = [write_neuronpedia(folder, chosen, notes)]
        written = [("explanations", _runs(chosen), out)]
    else:
        inside = _folder_names(names) if len(chosen) > 1 else [""]
        places = list(zip(inside, chosen, strict=True))
        counts = [write_openai(folder / place, run, notes) for place, run in places]
        written = [("neurons", n, out / p) for n, p in zip(names, inside, strict=True)]
    if not sum(counts):
        raise InputError(
            f"none of the neurons has a layer and an index, and {to} names neurons by these; "
            "export csv, jsonl or parquet"
        )
    return [
        f"{count} {what} of {name} written to {place}"
        for count, (what, name, place) in zip(counts, written, strict=True)
    ]


def _folder_names(runs: Sequence[str]) -> list[str]:
    names: list[str] = []
    for run in runs:
        name = re.sub(r"[^\w.=+-]+", "-", run).strip(".-") or "run"
        names.append(f"{name}-{len(names) + 1}" if name in names else name)
    return names


@contextmanager
def _parts(out: Path) -> Iterator[Path]:
    """An empty folder whose parts are moved to ``out`` at the end, over those of the same names."""
    with tempfile.TemporaryDirectory(prefix=".unfinished-", dir=out) as made:
        yield Path(made)
        for part in Path(made).iterdir():
            target = out / part.name
            if target.exists():
                shutil.rmtree(target)
            part.rename(target)
