"""A report's folder: tables, figures, the viewer, and one page of all that needs no network."""

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from neuron_eval.files.locking import unfinished
from neuron_eval.logs.runs import Run
from neuron_eval.messages import InputError, page_policy, script_json, visible, visible_lines
from neuron_eval.reporting.collecting import Collected
from neuron_eval.reporting.comparing import label
from neuron_eval.reporting.exports.rows import neuron_rows, row_fields, write_rows
from neuron_eval.reporting.figures import FIGURES, FigureFile, write_figures
from neuron_eval.reporting.page.data import page_data
from neuron_eval.reporting.rendering import WAYS, in_markdown, markdown, write_tables
from neuron_eval.reporting.tables import base, table_names
from neuron_eval.reporting.tables.base import MARK, Column, Table
from neuron_eval.reporting.verdict import Verdict, verdict

HERE = Path(__file__).parent
PAGE, MARKDOWN = "index.html", "report.md"
STYLE = "page.css"
LIBRARY = "vendored/tablesort.js"
LICENCE = "vendored/tablesort.LICENCE"
LOGS = (
    *(Column("run"), Column("explainer"), Column("simulator"), Column("embedder")),
    *(Column("neurons"), Column("explained", numeric=True), Column("skipped", numeric=True)),
    *(Column("version"), Column("log")),
)
# One script in this order: functions of later files use those of earlier ones.
SCRIPTS = ("dom", "tables", "filter", "list", "activity", "heat", "neuron", "main")
NEURONS = ("tables/neurons.csv", "tables/neurons.jsonl")  # the files with a row per run and neuron


def page_pieces(
    collected: Collected,
    tables: Sequence[Table],
    figures: Sequence[FigureFile],
    viewer: str | None = None,
    baseline: str = "original",
) -> Iterator[str]:
    """The page, in which the runs' excerpts are, and the figures' files.

    It comes in pieces, as that of thousands of neurons is large. ``viewer`` is where Inspect's
    bundled viewer lies, relative to the page; None leaves out links.
    """
    data = page_data(collected, viewer)
    style, library = _read(STYLE), _read(LIBRARY)
    script = "\n".join(['"use strict";', *(_read(f"scripts/{name}.js") for name in SCRIPTS)])
    pieces: Iterator[str] = _template().generate(
        policy=page_policy(style, (library, script)),
        style=_markup(style),
        library=_markup(library),
        licence=_read(LICENCE).splitlines()[0],
        script=_markup(script),
        data=map(_markup, _json_pieces(data)),
        verdict=verdict(collected, baseline),
        raters=len(collected.raters),
        notes=[visible(note) for note in collected.notes],
        tables=base.with_rows(tables),
        untabled=base.without_rows(tables),
        logs=runs_table(collected.every),
        figures=figures,
        **{name: data[name] for name in ("viewer", "scorers", "runs", "neurons")},
        mark=MARK,
    )
    return pieces


def _json_pieces(data: Mapping[str, Any]) -> Iterator[str]:
    """What the page's script reads, neuron by neuron."""
    yield script_json({**data, "neurons": []}).removesuffix("]}")  # the last of its keys
    for i, neuron in enumerate(data["neurons"]):
        yield ("," if i else "") + script_json(neuron)
    yield "]}"


@cache
def _read(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


@cache
def _template() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(visible=visible, visible_lines=visible_lines)
    return environment.get_template("template.html")


def _markup(text: str) -> Any:
    from markupsafe import Markup

    return Markup(text)  # our own files, and JSON without "<"


def write_report(
    collected: Collected, tables: Sequence[Table], out: Path, baseline: str, bundle: bool
) -> tuple[Path, list[str]]:
    """Write ``tables/``, ``figures/``, both pages and, if asked for, ``viewer/``.

    The pages are ``index.html`` and ``report.md``, which has the same without the neurons. The
    folder is made if missing. Tables and figures of an earlier report are written anew; files of
    other names stay. To bundle is to put Inspect's viewer with the logs beside the page.

    Returns:
        The page, and a sentence for each figure that could not be drawn.
    """
    runs = collected.every
    if bundle:
        _check_names(runs)
    _clear(out)
    write_tables(tables, out / "tables")
    for name in NEURONS if runs else ():
        write_rows(out / name, row_fields(runs), neuron_rows(runs))
    figures, notes = write_figures(collected, out / "figures", baseline) if runs else ([], [])
    if bundle:
        _bundle(runs, out / "viewer")
    answer, logs = verdict(collected, baseline), runs_table(runs)
    text = _report_markdown(answer, tables, figures, logs, (*collected.notes, *notes))
    (out / MARKDOWN).write_text(text, encoding="utf-8", newline="")
    pieces = page_pieces(collected, tables, figures, "viewer" if bundle else None, baseline)
    with unfinished(out / PAGE) as path, path.open("w", encoding="utf-8") as file:
        file.writelines(pieces)
    return out / PAGE, notes


def runs_table(runs: Sequence[Run]) -> Table | None:
    """A row per run; None without runs."""
    rows = tuple(
        base.row_of(
            label(run, runs),
            *(model or "none" for model in (run.explainer, run.simulator, run.embedder)),
            run.neurons,
            len(run.results),
            run.neurons_skipped,
            run.version,
            ", ".join(log.rpartition("/")[2] for log in run.logs),
        )
        for run in runs
    )
    return Table("runs", "Runs and their logs", LOGS, rows) if rows else None


def _report_markdown(
    verdict: Verdict,
    tables: Sequence[Table],
    figures: Sequence[FigureFile],
    logs: Table | None,
    notes: Sequence[str],
) -> str:
    """A whole report; notes are on what was left out."""
    parts = ["# Neuron explanations compared", *map(in_markdown, verdict.paragraphs)]
    parts += (markdown(table).rstrip() for table in base.with_rows(tables))
    parts += map(in_markdown, base.without_rows(tables))
    parts += (f"![{in_markdown(f.title)}](figures/{f.png.name})" for f in figures)
    parts += [markdown(logs).rstrip()] if logs else []
    return "\n\n".join([*parts, *map(in_markdown, notes)]) + "\n"


def _check_names(runs: Sequence[Run]) -> None:
    """Logs lie side by side in the viewer, so no two may have one name."""
    names = Counter(log.rpartition("/")[2] for run in runs for log in run.logs)
    for name, times in names.items():
        if times > 1:
            raise InputError(f"two logs are named {name}: rename one to put both into the viewer")


def _clear(out: Path) -> None:
    """Remove what an earlier report left in a folder that may hold other people's files, too."""
    stale = [f"tables/{name}.{ending}" for name in table_names() for ending in WAYS]
    stale += [*NEURONS, MARKDOWN]
    stale += [f"figures/{name}.{ending}" for name in FIGURES for ending in ("png", "svg")]
    for name in stale:
        (out / name).unlink(missing_ok=True)


def _bundle(runs: Sequence[Run], folder: Path) -> None:
    """Inspect's viewer with these logs and no others."""
    from inspect_ai.log import bundle_log_dir, read_eval_log, write_eval_log

    with tempfile.TemporaryDirectory() as logs:
        for log in (log for run in runs for log in run.logs):
            name = log.rpartition("/")[2]
            if "://" in log and not log.startswith("file://"):
                write_eval_log(read_eval_log(log), str(Path(logs) / name))
            else:
                shutil.copy(log.removeprefix("file://"), Path(logs) / name)
        bundle_log_dir(logs, str(folder), overwrite=True)
