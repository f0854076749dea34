"""Runs compared on the same neurons: two of them, each with the baseline's, and all ranked."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from neuron_eval.logs.runs import Run
from neuron_eval.messages import InputError, listed, near_miss, shown
from neuron_eval.reporting import comparing, statistics
from neuron_eval.reporting.comparing import CommonNeurons, label, scored_ids, scorer_name, values
from neuron_eval.reporting.raters import by_key
from neuron_eval.reporting.statistics import TIE, Estimate, Paired


@dataclass(frozen=True, slots=True)
class Pair:
    """Two runs; a difference is ``run`` minus ``other``."""

    run: Run
    other: Run


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
    other, run = sorted(runs, key=lambda one: not comparing.is_baseline(one, baseline))
    return Pair(run, other)


def paired_scores(pair: Pair, scorer: str) -> dict[str, tuple[float, float]]:
    """By neuron the scores of both runs; the neurons that differ most come first.

    None where different models measured the two: their scores cannot be compared.
    """
    run, other = pair.run, pair.other
    if comparing.measured_by(run, scorer) != comparing.measured_by(other, scorer):
        return {}
    ids = comparing.shared_ids(run, other, scorer)
    both = {id: (run.results[id].scores[scorer], other.results[id].scores[scorer]) for id in ids}
    return dict(sorted(both.items(), key=lambda neuron: -abs(neuron[1][0] - neuron[1][1])))


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
        raise InputError(f"{shown(name)} could be any of {listed(label(r, runs) for r in begun)}")
    known = (label(run, runs) for run in runs)
    raise InputError(
        f"{shown(name)} is the name of no run. {_there_are(runs)}{near_miss([wanted], known)}"
    )


def _there_are(runs: Sequence[Run]) -> str:
    return f"The runs are {listed(label(run, runs) for run in runs)}" if runs else "There is no run"


@dataclass(frozen=True, slots=True)
class Comparison:
    """One run against one baseline by one scorer, on the neurons that both have scores of."""

    run: Run
    baseline: Run
    scorer: str
    paired: Paired
    # Corrected by Holm over the scorer's comparisons with this baseline run; None without a test.
    p: float | None


def baseline_of(run: Run, runs: Sequence[Run], baseline: str, scorer: str) -> Run | None:
    """The baseline's run to compare a run with.

    It was measured by the same model and has the same explainer: formats are compared, not
    explainers. Explanations from elsewhere, which have none, are compared with the only baseline
    there is. Of several it is the one with the most settings in common; None if there is none.
    """
    measured = [
        other
        for other in runs
        if comparing.is_baseline(other, baseline)
        and scored_ids(other, scorer)
        and comparing.measured_by(other, scorer) == comparing.measured_by(run, scorer)
    ]
    same = [other for other in measured if other.explainer == run.explainer]
    if not same and not (run.given and len(measured) == 1):
        return None
    own = comparing.settings(run).items()
    return max(same or measured, key=lambda other: len(own & comparing.settings(other).items()))


def comparisons(
    runs: Sequence[Run], baseline: str, scorer: str, pair: Pair | None = None
) -> tuple[list[Comparison], list[str]]:
    """Every other run against the baseline's, or a pair alone; a sentence on each left out."""
    compared: list[Comparison] = []
    matched, notes = _matched(runs, baseline, scorer) if pair is None else _paired(pair, scorer)
    for run, other in ((of.run, of.other) for of in matched):
        ids = comparing.shared_ids(other, run, scorer)
        notes.extend(_left_out(run, other, ids, runs, scorer))
        result = statistics.paired(values(run, ids, scorer), values(other, ids, scorer))
        if result is not None:
            compared.append(Comparison(run, other, scorer, result, None))
    corrected: dict[str, float | None] = {}
    for family in by_key(compared, [c.baseline.log for c in compared]):
        ps = statistics.holm([c.paired.p for c in family])
        corrected.update({c.run.log: p for c, p in zip(family, ps, strict=True)})
    return [replace(c, p=corrected[c.run.log]) for c in compared], notes


def _matched(runs: Sequence[Run], baseline: str, scorer: str) -> tuple[list[Pair], list[str]]:
    matched: list[Pair] = []
    notes: list[str] = []
    for run in runs:
        if comparing.is_baseline(run, baseline) or not scored_ids(run, scorer):
            continue
        if other := baseline_of(run, runs, baseline, scorer):
            matched.append(Pair(run, other))
            continue
        notes.append(
            f"{scorer_name(scorer)}: {label(run, runs)} has no {baseline} run to be compared "
            "with, by the same explainer and measured by the same model."
        )
    return matched, notes


def _paired(pair: Pair, scorer: str) -> tuple[list[Pair], list[str]]:
    runs = (pair.run, pair.other)
    models = [comparing.measured_by(run, scorer) for run in runs]
    if models[0] == models[1] or not all(scored_ids(run, scorer) for run in runs):
        return [pair], []
    return [], [
        f"{scorer_name(scorer)}: not compared, because different models measured it: "
        f"{' and '.join(model or 'unknown' for model in models)}."
    ]


def _left_out(
    run: Run, baseline: Run, ids: Sequence[str], runs: Sequence[Run], scorer: str
) -> list[str]:
    scored, theirs = len(scored_ids(run, scorer)), len(scored_ids(baseline, scorer))
    if scored == theirs == len(ids):
        return []
    return [
        f"{scorer_name(scorer)}: {label(run, runs)} and {label(baseline, runs)} have "
        f"{len(ids) or 'no'} scored neurons in common; left out: {scored - len(ids)} of {scored} "
        f"and {theirs - len(ids)} of {theirs}."
    ]


@dataclass(frozen=True, slots=True)
class Ranking:
    """Runs whose scores mean the same: one model measured them, and they share neurons.

    The means are over the neurons that were scored in every run; where there are none, each is
    over the run's own, and no two can be compared.
    """

    scorer: str
    runs: tuple[Run, ...]  # at least one, the best first
    means: tuple[Estimate, ...]  # of each run
    near: tuple[Run, ...]  # not told apart from the best
    common: tuple[str, ...]  # the ids of the neurons that were scored in every run
    neurons: int  # all of the runs' neurons

    @property
    def best(self) -> Run:
        return self.runs[0]

    @property
    def left_out(self) -> int:
        return self.neurons - len(self.common)

    def all_tied(self) -> bool:
        """Whether the runs have the same score on every common neuron."""
        first, *others = (values(run, self.common, self.scorer) for run in self.runs)
        return all(abs(a - b) <= TIE for other in others for a, b in zip(first, other, strict=True))


def rankings(runs: Sequence[Run], scorer: str) -> list[Ranking]:
    """The runs that a scorer scored anything in, apart where their scores mean different things."""
    compared = comparing.compare(runs, scorer)
    return [_ranking(compared, group) for group in compared.measured_alike()]


def _ranking(compared: CommonNeurons, runs: Sequence[Run]) -> Ranking:
    scorer = compared.scorer
    scores = {run.log: values(run, compared.ids(run), scorer) for run in runs}
    best, *others = sorted(runs, key=lambda run: -fmean(scores[run.log]))
    common = compared.common[best.log]
    ranked, top = (best, *others), scores[best.log]
    return Ranking(
        scorer=scorer,
        runs=ranked,
        means=tuple(filter(None, (statistics.estimate(scores[run.log]) for run in ranked))),
        near=tuple(o for o in others if common and not statistics.told_apart(top, scores[o.log])),
        common=common,
        neurons=len({id for run in runs for id in run.results}),
    )
