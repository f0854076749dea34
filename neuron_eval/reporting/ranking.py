"""Which of several runs is best by one measure, and which cannot be told from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from neuron_eval.logs.runs import Run
from neuron_eval.reporting.comparing import CommonNeurons, compare, measured_by, values
from neuron_eval.reporting.statistics import TIE, Estimate, estimate, told_apart


@dataclass(frozen=True, slots=True)
class Ranking:
    """Runs whose scores mean the same: one model measured them, and they share neurons.

    The means are over the neurons that were scored in every run; where there are none, each is
    over the run's own, and no two can be compared.
    """

    scorer: str
    measured_by: str  # the model that measured, with its way; may be empty
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
        """How many neurons were not scored in every run."""
        return self.neurons - len(self.common)

    def all_tied(self) -> bool:
        """Whether the runs have the same score on every common neuron."""
        first, *others = (values(run, self.common, self.scorer) for run in self.runs)
        return all(abs(a - b) <= TIE for other in others for a, b in zip(first, other, strict=True))


def rankings(runs: Sequence[Run], scorer: str) -> list[Ranking]:
    """The runs that a scorer scored anything in, apart where their scores mean different things."""
    compared = compare(runs, scorer)
    return [
        _ranking(compared, [run for run in group if measured_by(run, scorer) == model], model)
        for group in compared.together
        for model in dict.fromkeys(measured_by(run, scorer) for run in group)
    ]


def _ranking(compared: CommonNeurons, runs: Sequence[Run], model: str) -> Ranking:
    scorer = compared.scorer
    scores = {run.log: values(run, compared.ids(run), scorer) for run in runs}
    best, *others = sorted(runs, key=lambda run: -fmean(scores[run.log]))
    common = compared.common[best.log]
    means = (mean for run in (best, *others) if (mean := estimate(scores[run.log])) is not None)
    return Ranking(
        scorer=scorer,
        measured_by=model,
        runs=(best, *others),
        means=tuple(means),
        near=tuple(o for o in others if common and not told_apart(scores[best.log], scores[o.log])),
        common=common,
        neurons=len({id for run in runs for id in run.results}),
    )
