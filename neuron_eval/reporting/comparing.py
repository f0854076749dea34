"""Which runs and neurons can be compared, and what the runs are called beside each other."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from neuron_eval.logs.runs import ADACS, GENERATION, SIMULATION, Run
from neuron_eval.messages import InputError, listed, near_miss, shown
from neuron_eval.prompts.wording import JUDGEMENTS
from neuron_eval.reporting.raters import Rater, by_key
from neuron_eval.simulation.headline import HEADLINES, headline_label, score_of

# What the simulation's score is called, by each measure that it may be.
SIMULATED = {score_of(headline): headline for headline in HEADLINES}

NAMES = {
    **{name: f"simulation {headline_label(of)}" for name, of in SIMULATED.items()},
    SIMULATION: "simulation correlation",
    ADACS: "AdaCS",
}
"""What scorers are called in tables; others keep their name."""

ORIGINAL = "original"  # the baseline unless the user names another
# How ratings are called where they stand among scores; no scorer's name has a space.
RATING_BY = "rating by "


@dataclass(frozen=True, slots=True)
class CommonNeurons:
    """Runs, and the neurons that one scorer scored in all that have any neuron in common."""

    scorer: str
    runs: tuple[Run, ...]  # those with a score by the scorer, in the order given
    # The same runs, apart where they share no neuron, not even through others.
    together: tuple[tuple[Run, ...], ...]
    # By log: the ids that all runs together with it share, in the first one's order.
    common: Mapping[str, tuple[str, ...]]
    left_out: Mapping[str, int]  # by log: how many neurons were scored there that are not common
    notes: tuple[str, ...]  # on what was left out

    def ids(self, run: Run) -> tuple[str, ...]:
        """The neurons to take of a run: the common ones; without any, its own."""
        return self.common.get(run.log) or scored_ids(run, self.scorer)

    @property
    def neurons(self) -> set[str]:
        """Those that are taken of any run."""
        return {id for run in self.runs for id in self.ids(run)}

    def measured_alike(self) -> list[list[Run]]:
        """Runs whose scores mean the same: together, and measured by one model."""
        return [
            [run for run in group if measured_by(run, self.scorer) == model]
            for group in self.together
            for model in dict.fromkeys(measured_by(run, self.scorer) for run in group)
        ]


def scorers(runs: Sequence[Run]) -> tuple[str, ...]:
    """The scorers that scored anything: simulation and AdaCS first, others as they appear."""
    results = (result for run in runs for result in run.results.values())
    names = dict.fromkeys(name for result in results for name in result.scores)
    first = [name for name in NAMES if name in names]
    return (*first, *(name for name in names if name not in NAMES))


def scorer_names(runs: Sequence[Run]) -> list[str]:
    """Every scorer that says something of a neuron, scored or not, in the order of the logs."""
    results = [result for run in runs for result in run.results.values()]
    return list(dict.fromkeys(name for n in results for name in (*n.scores, *n.unscored)))


def measured_names(runs: Sequence[Run]) -> list[str]:
    """The measures that simulations were measured by on request, see `collect`."""
    return list(dict.fromkeys(m for run in runs for r in run.results.values() for m in r.measures))


def scorer_name(scorer: str) -> str:
    """What a scorer is called in tables; a rater keeps the provider: ``human/…`` is a person."""
    if scorer.startswith(RATING_BY):
        return scorer
    return NAMES.get(scorer, scorer.rpartition("/")[2])


def measured_by(run: Run, scorer: str) -> str:
    """The model whose scores must not be compared with another's; empty if there is none."""
    if scorer in SIMULATED:
        return run.simulator
    judged = dict.fromkeys(JUDGEMENTS, run.judge)
    return {ADACS: run.embedder, GENERATION: run.writer, **judged}.get(scorer, "")


def scored_ids(run: Run, scorer: str) -> tuple[str, ...]:
    return tuple(id for id, result in run.results.items() if scorer in result.scores)


def shared_ids(run: Run, other: Run, scorer: str) -> tuple[str, ...]:
    """The neurons that are scored in both runs, in the order of the first."""
    theirs = set(scored_ids(other, scorer))
    return tuple(id for id in scored_ids(run, scorer) if id in theirs)


def values(run: Run, ids: Sequence[str], scorer: str) -> list[float]:
    """The scores of some neurons, which must have one, in the order of ``ids``."""
    return [run.results[id].scores[scorer] for id in ids]


def compare(runs: Sequence[Run], scorer: str) -> CommonNeurons:
    """Restrict runs to the neurons that a scorer scored in every run that it scored any in.

    Runs on other neurons altogether are beside the others, and restrict them to nothing.
    """
    scored = {run.log: set(scored_ids(run, scorer)) for run in runs}
    kept = tuple(run for run in runs if scored[run.log])
    together = _together(kept, scored)
    common: dict[str, tuple[str, ...]] = {}
    for group in together:
        shared = set.intersection(*(scored[run.log] for run in group))
        ids = tuple(id for id in group[0].results if id in shared)
        common.update({run.log: ids for run in group})
    left_out = {run.log: len(scored[run.log]) - len(common[run.log]) for run in kept}
    compared = CommonNeurons(scorer, kept, together, common, left_out, ())
    return replace(compared, notes=tuple(_left_out(compared, runs)))


def _together(
    runs: Sequence[Run], scored: Mapping[str, Collection[str]]
) -> tuple[tuple[Run, ...], ...]:
    """Runs that share neurons, directly or through others, in the order given."""
    from scipy.sparse.csgraph import connected_components

    sets = [set(scored[run.log]) for run in runs]
    shared = np.array([[not one.isdisjoint(other) for other in sets] for one in sets])
    _, groups = connected_components(shared) if runs else (0, [])
    return tuple(map(tuple, by_key(runs, groups)))


def label(run: Run, runs: Sequence[Run]) -> str:
    """The shortest name that tells a run from the others.

    The format; where there are several, also the explainer, the simulator, the embedder and the
    neurons; then the settings that differ, and at last the log's name. A control is told from
    controls, and has no explainer.
    """
    runs = [other for other in runs if bool(other.control) == bool(run.control)]
    parts, same = [run.format], [other for other in runs if other.format == run.format]
    for name in ("explainer", "simulator", "embedder", "neurons")[bool(run.control) :]:
        own, every = getattr(run, name), {getattr(other, name) for other in runs} - {""}
        same = [other for other in same if getattr(other, name) == own]
        if own and len(every) > 1:
            # Without its provider or folder, unless those are what tells it from the others.
            short = {other.rpartition("/")[2] for other in every}
            parts.append(own.rpartition("/")[2] if len(short) == len(every) else own)
    if len(same) > 1:
        parts.extend(_differing(run, same) or [run.log.rpartition("/")[2]])
    return ", ".join(parts)


def rater_label(rater: Rater, raters: Sequence[Rater]) -> str:
    """The rater's name; of several logs of one rater, with the excerpts or a number."""
    same = [other for other in raters if other.name == rater.name]
    if len(same) < 2:
        return rater.name
    if len({other.excerpts for other in same}) == len(same):
        return f"{rater.name}, {rater.excerpts}"
    return f"{rater.name}, log {1 + [other.log for other in same].index(rater.log)}"


def settings(run: Run) -> dict[str, str]:
    """A run's settings, each under its place, for instance ``arguments excerpts``."""
    return dict(_flat("", json.loads(run.identity)))


def _differing(run: Run, same: Sequence[Run]) -> list[str]:
    """The settings in which a run differs from others of the same name."""
    own, every = settings(run), [settings(other) for other in same]
    places = [p for p in own if len({other.get(p) for other in every}) > 1]
    if len({tuple(other.get(p) for p in places) for other in every}) < len(same):
        return []
    return [f"{place.rpartition(' ')[2]}={own[place]}" for place in places]


def _flat(place: str, value: Any) -> list[tuple[str, str]]:
    if isinstance(value, dict):
        return [pair for k, v in value.items() for pair in _flat(f"{place} {k}".strip(), v)]
    if isinstance(value, list):
        return [(place, ",".join(map(str, value)) or "none")]
    return [(place, str(value))]


def _left_out(compared: CommonNeurons, all_runs: Sequence[Run]) -> list[str]:
    name, left_out = scorer_name(compared.scorer), compared.left_out
    labels = {run.log: label(run, all_runs) for run in all_runs}
    without = [labels[run.log] for run in all_runs if run not in compared.runs]
    notes = []
    if without and compared.runs:
        notes.append(f"{name}: nothing was scored in {'; '.join(without)}.")
    if len(compared.together) > 1:
        groups = [", ".join(labels[run.log] for run in group) for group in compared.together]
        notes.append(f"{name}: on different neurons, and compared apart: {' | '.join(groups)}.")
    for group in compared.together:
        common = len(compared.common[group[0].log])
        counts = "; ".join(
            f"{left_out[run.log]} of {left_out[run.log] + common} in {labels[run.log]}"
            for run in group
            if left_out[run.log]
        )
        if counts and not common:
            notes.append(
                f"{name}: no neuron was scored in every run, so each mean is over its run's own "
                f"neurons and nothing is compared ({counts} are not in all of the others)."
            )
        elif counts:
            neurons = "neuron that was" if common == 1 else "neurons that were"
            on = f"compared on the {common:,} {neurons} scored in every run"
            notes.append(f"{name}: {on}. Left out of the scored ones: {counts}.")
    return notes


def check_baseline(baseline: str, runs: Sequence[Run]) -> None:
    """Refuse a baseline that no run is of; `ORIGINAL`, which nobody has to name, may be missing.

    Raises:
        InputError: Names the formats of the runs.
    """
    if not runs or baseline == ORIGINAL or any(is_baseline(run, baseline) for run in runs):
        return
    formats = dict.fromkeys(run.format for run in runs)
    raise InputError(
        f"baseline={shown(baseline)}: no run is of this format; there are "
        f"{listed(formats)}{near_miss([baseline], formats)}"
    )


def is_baseline(run: Run, baseline: str) -> bool:
    """Whether a run is of the baseline's format; upper and lower case are one."""
    return run.format.casefold() == baseline.casefold()
