"""Two runs set against each other: which two, and how they differ on each neuron."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from neuron_eval.logs.runs import Run
from neuron_eval.messages import InputError, listed, near_miss, shown
from neuron_eval.reporting.comparing import is_baseline, label, measured_by, scored_ids


@dataclass(frozen=True, slots=True)
class Pair:
    """Two runs; a difference is ``run`` minus ``other``."""

    run: Run
    other: Run


@dataclass(frozen=True, slots=True)
class PairedNeuron:
    """A neuron that both runs of a pair have a score of."""

    id: str
    score: float  # in the pair's run
    other: float  # in the other

    @property
    def difference(self) -> float:
        return self.score - self.other


def pair_of(
    runs: Sequence[Run], baseline: str = "original", names: tuple[str, str] | None = None
) -> Pair | None:
    """The two runs of these names; without names the only two, the baseline's as the other.

    None if there are no names, and not two runs.

    Raises:
        InputError: A name is no run's, or both are one run's.
    """
    if names is not None:
        run, other = (run_named(name, runs) for name in names)
        if run is other:
            raise InputError(
                f"compare: both names are of one run, {shown(label(run, runs))}. {_there_are(runs)}"
            )
        return Pair(run, other)
    if len(runs) != 2:
        return None
    other, run = sorted(runs, key=lambda one: not is_baseline(one, baseline))
    return Pair(run, other)


def paired_neurons(pair: Pair, scorer: str) -> list[PairedNeuron]:
    """The neurons that a scorer scored in both runs; those that differ most come first.

    None where different models measured the two: their scores cannot be compared.
    """
    run, other = pair.run, pair.other
    if measured_by(run, scorer) != measured_by(other, scorer):
        return []
    theirs = set(scored_ids(other, scorer))
    both = [
        PairedNeuron(id, run.results[id].scores[scorer], other.results[id].scores[scorer])
        for id in scored_ids(run, scorer)
        if id in theirs
    ]
    return sorted(both, key=lambda neuron: -abs(neuron.difference))


def run_named(name: str, runs: Sequence[Run]) -> Run:
    """The run that the report calls so, in any case; the beginning does if no other has it.

    Raises:
        InputError: There is no such run, or several.
    """
    labels = {label(run, runs).casefold(): run for run in runs}
    wanted = " ".join(name.split()).casefold()
    if wanted in labels:
        return labels[wanted]
    begun = [run for text, run in labels.items() if text.startswith(f"{wanted},")]
    if len(begun) == 1:
        return begun[0]
    if begun:
        several = listed(label(run, runs) for run in begun)
        raise InputError(f"{shown(name)} could be any of {several}")
    known = (label(run, runs) for run in runs)
    raise InputError(
        f"{shown(name)} is the name of no run. {_there_are(runs)}{near_miss([wanted], known)}"
    )


def _there_are(runs: Sequence[Run]) -> str:
    return f"The runs are {listed(label(run, runs) for run in runs)}" if runs else "There is no run"
