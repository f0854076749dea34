"""What a report is made of: runs that explained, and raters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from neuron_eval.logs.files import EXPLAINED, choose, headers
from neuron_eval.logs.identity import identity, paper_order
from neuron_eval.logs.reading import read_runs
from neuron_eval.logs.runs import Run
from neuron_eval.messages import InputError
from neuron_eval.report.rater_reading import choose_rated, read_raters
from neuron_eval.report.raters import Rater


@dataclass(frozen=True, slots=True)
class Collected:
    """The runs to report on, and what was left out to get them."""

    runs: tuple[Run, ...]
    """In the paper's order of formats, then by explainer and simulator; none if there are only
    raters."""

    notes: tuple[str, ...] = ()
    """A sentence for each log, neuron or version that was left out."""

    raters: tuple[Rater, ...] = ()
    """What people and models say of the explanations."""


class NoRunsError(InputError):
    """There is nothing to report on; the message says what was found."""


def collect(places: Sequence[str], *, excerpts: bool = False, workers: int = 1) -> Collected:
    """Read logs and keep what can be compared.

    Args:
        places: Log files and folders, local or any address that Inspect reads; folders are
            searched at any depth.
        excerpts: Whether to keep what was simulated for each held-out excerpt.
        workers: How many processes may read logs; above 1 only where the main module can be
            imported again, as that of a command can.

    Raises:
        NoRunsError: No log is left.
        OSError: A place does not exist.
    """
    found, notes = headers(places)
    explained = choose(found, EXPLAINED, identity, notes)
    rated = choose_rated(found, notes)
    read = read_runs(explained, excerpts, workers)
    asked = read_raters(rated)
    runs = [one.run for one in read if one.run is not None]
    raters = [one.rater for one in asked if one.rater is not None]
    unread = [one.note for one in read] + [one.note for one in asked]
    notes += filter(None, unread)
    if not runs and not raters:
        what = "; ".join(notes) or "no log files"
        raise NoRunsError(f"{', '.join(places)}: no log to report on: {what}")
    runs.sort(key=lambda run: (*paper_order(run.format), run.explainer, run.simulator))
    return Collected(tuple(runs), tuple(notes), tuple(raters))
