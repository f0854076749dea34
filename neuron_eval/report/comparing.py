"""Which runs and neurons can be compared, and what the runs are called beside each other."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from neuron_eval.report.neurons import ADACS, SIMULATION
from neuron_eval.report.runs import Run

NAMES = {SIMULATION: "simulation correlation", ADACS: "AdaCS"}
"""What scorers are called in tables; others keep their name."""


@dataclass(frozen=True, slots=True)
class Compared:
    """Runs, and the neurons that one scorer scored in all of them."""

    runs: tuple[Run, ...]
    """Those with a score by the scorer, in the order given."""

    common: tuple[str, ...]
    """Ids, in the first run's order."""

    left_out: Mapping[str, int]
    """By log: how many neurons were scored there that are not common; 0 if none."""

    notes: tuple[str, ...]
    """Sentences on what was left out."""

    def ids(self, run: Run, scorer: str) -> tuple[str, ...]:
        """The neurons to take of a run: the common ones; without any, its own."""
        return self.common or scored_ids(run, scorer)


def scorers(runs: Sequence[Run]) -> tuple[str, ...]:
    """The scorers that scored anything: simulation and AdaCS first, others as they appear."""
    found = dict.fromkeys(
        name for run in runs for result in run.results.values() for name in result.scores
    )
    first = [name for name in NAMES if name in found]
    return (*first, *(name for name in found if name not in NAMES))


def scorer_name(scorer: str) -> str:
    """What a scorer is called in tables."""
    return NAMES.get(scorer, scorer.rpartition("/")[2])


def measured_by(run: Run, scorer: str) -> str:
    """The model whose scores must not be compared with another's; empty if there is none."""
    return {SIMULATION: run.simulator, ADACS: run.embedder}.get(scorer, "")


def scored_ids(run: Run, scorer: str) -> tuple[str, ...]:
    """The neurons that a scorer scored in a run."""
    return tuple(id for id, result in run.results.items() if scorer in result.scores)


def values(run: Run, ids: Sequence[str], scorer: str) -> list[float]:
    """The scores of some neurons, in the order of ``ids``.

    Raises:
        KeyError: One of them was not scored.
    """
    return [run.results[id].scores[scorer] for id in ids]


def compare(runs: Sequence[Run], scorer: str) -> Compared:
    """Restrict runs to the neurons that a scorer scored in every run that it scored any in."""
    scored = {run.log: set(scored_ids(run, scorer)) for run in runs}
    kept = tuple(run for run in runs if scored[run.log])
    common: tuple[str, ...] = ()
    if kept:
        shared = set.intersection(*(scored[run.log] for run in kept))
        common = tuple(id for id in kept[0].results if id in shared)
    left_out = {run.log: len(scored[run.log]) - len(common) for run in kept}
    return Compared(kept, common, left_out, tuple(_left_out(kept, common, left_out, scorer, runs)))


def label(run: Run, runs: Sequence[Run]) -> str:
    """The shortest name that tells a run from the others.

    The format; where there are several, also the explainer, the simulator, the embedder and the
    neurons; then the settings that differ, and at last the log's name.
    """
    parts = [run.format]
    for name in ("explainer", "simulator", "embedder", "neurons"):
        mine, all_of_them = getattr(run, name), {getattr(one, name) for one in runs} - {""}
        if mine and len(all_of_them) > 1:
            parts.append(_short(mine, all_of_them))
    same = [one for one in runs if _key(one) == _key(run)]
    if len(same) > 1:
        parts.extend(_differing(run, same) or [run.log.rpartition("/")[2]])
    return ", ".join(parts)


def settings(run: Run) -> dict[str, str]:
    """A run's settings, each under its place, for instance ``arguments excerpts``."""
    try:
        return dict(_flat("", json.loads(run.identity)))
    except json.JSONDecodeError:
        return {}


def _short(name: str, names: Collection[str]) -> str:
    """A name without its provider or folder, unless those are what tells it from the others."""
    last = {one.rpartition("/")[2] for one in names}
    return name.rpartition("/")[2] if len(last) == len(names) else name


def _key(run: Run) -> tuple[str, ...]:
    return (run.format, run.explainer, run.simulator, run.embedder, run.neurons)


def _differing(run: Run, same: Sequence[Run]) -> list[str]:
    """The settings in which a run differs from others of the same format and models."""
    mine, all_of_them = settings(run), [settings(one) for one in same]
    places = [p for p in mine if len({one.get(p) for one in all_of_them}) > 1]
    if len({tuple(one.get(p) for p in places) for one in all_of_them}) < len(same):
        return []
    return [f"{place.rpartition(' ')[2]}={mine[place]}" for place in places]


def _flat(place: str, value: Any) -> list[tuple[str, str]]:
    if isinstance(value, dict):
        return [pair for k, v in value.items() for pair in _flat(f"{place} {k}".strip(), v)]
    return [(place, str(value))]


def _left_out(
    runs: Sequence[Run],
    common: Sequence[str],
    left_out: Mapping[str, int],
    scorer: str,
    all_runs: Sequence[Run],
) -> list[str]:
    name = scorer_name(scorer)
    without = [label(run, all_runs) for run in all_runs if run not in runs]
    notes = [f"{name}: nothing was scored in {'; '.join(without)}."] if without and runs else []
    if not any(left_out.values()):
        return notes
    counts = "; ".join(
        f"{left_out[run.log]} of {left_out[run.log] + len(common)} in {label(run, all_runs)}"
        for run in runs
        if left_out[run.log]
    )
    if not common:
        return [
            *notes,
            f"{name}: no neuron was scored in every run, so each mean is over its run's own "
            f"neurons and nothing is compared ({counts} are not in all of the others).",
        ]
    neurons = "neuron that was" if len(common) == 1 else "neurons that were"
    return [
        *notes,
        f"{name}: compared on the {len(common):,} {neurons} scored in every run. "
        f"Left out of the scored ones: {counts}.",
    ]
