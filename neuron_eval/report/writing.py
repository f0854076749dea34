"""A report's folder: tables, figures, the page, and the viewer beside it."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from neuron_eval.logs.runs import Run
from neuron_eval.messages import InputError
from neuron_eval.report.collecting import Collected
from neuron_eval.report.figures import FIGURES, write_figures
from neuron_eval.report.page import write_page
from neuron_eval.report.rendering import WAYS, write_tables
from neuron_eval.report.tables import table_names
from neuron_eval.report.tables.base import Table


def write_report(
    collected: Collected, tables: Sequence[Table], out: Path, baseline: str, bundle: bool
) -> tuple[Path, list[str]]:
    """Write ``tables/``, ``figures/``, ``index.html`` and, if asked for, ``viewer/``.

    The folder is made if missing. Tables and figures of an earlier report are written anew; files
    of other names stay. To bundle is to put Inspect's viewer with the logs beside the page.

    Returns:
        The page, and a sentence for each figure that could not be drawn.
    """
    runs = collected.runs
    if bundle:
        _check_names(runs)
    _clear(out)
    write_tables(tables, out / "tables")
    figures, notes = write_figures(collected, out / "figures", baseline) if runs else ([], [])
    if bundle:
        _bundle(runs, out / "viewer")
    page = write_page(collected, tables, figures, out, "viewer" if bundle else None)
    return page, notes


def _check_names(runs: Sequence[Run]) -> None:
    """Logs lie side by side in the viewer, so no two may have one name."""
    names = Counter(run.log.rpartition("/")[2] for run in runs)
    for name, times in names.items():
        if times > 1:
            raise InputError(f"two logs are named {name}: rename one to put both into the viewer")


def _clear(out: Path) -> None:
    """Remove what an earlier report left in a folder that may hold other people's files, too."""
    stale = [f"tables/{name}.{ending}" for name in table_names() for ending in WAYS]
    stale += [f"figures/{name}.{ending}" for name in FIGURES for ending in ("png", "svg")]
    for name in stale:
        (out / name).unlink(missing_ok=True)


def _bundle(runs: Sequence[Run], folder: Path) -> None:
    """Inspect's viewer with these logs and no others."""
    from inspect_ai.log import bundle_log_dir, read_eval_log, write_eval_log

    with tempfile.TemporaryDirectory() as logs:
        for run in runs:
            name = run.log.rpartition("/")[2]
            if "://" in run.log and not run.log.startswith("file://"):
                write_eval_log(read_eval_log(run.log), str(Path(logs) / name))
            else:
                shutil.copy(run.log.removeprefix("file://"), Path(logs) / name)
        bundle_log_dir(logs, str(folder), overwrite=True)
