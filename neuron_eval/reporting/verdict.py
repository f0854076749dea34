"""The verdict: what the statistics answer, in a few sentences, and what warns against it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from neuron_eval.logs.runs import ADACS, SIMULATION
from neuron_eval.messages import visible
from neuron_eval.reporting import comparing
from neuron_eval.reporting.answers import Context, answer
from neuron_eval.reporting.collecting import Collected
from neuron_eval.reporting.comparing import NAMES
from neuron_eval.reporting.controls import SHUFFLED, control_for
from neuron_eval.reporting.differences import Ranking, rankings
from neuron_eval.reporting.statistics import FEW, paired
from neuron_eval.reporting.tables.base import share

NO_SCORES = "no log of explanations has scores."
LEFT_OUT = "Some logs or neurons are not in this report; its end says which, and why."
UNSCORED = 0.05  # from this share of neurons on, those that were left out are worth a caution


@dataclass(frozen=True, slots=True)
class Verdict:
    """Sentences, each paragraph on runs that can be compared; and what warns against them."""

    answers: tuple[str, ...]
    cautions: tuple[str, ...] = ()

    @property
    def paragraphs(self) -> tuple[str, ...]:
        cautions = " ".join(self.cautions)
        return (*self.answers, f"Caution: {cautions}") if cautions else self.answers


def verdict(collected: Collected, baseline: str = "original") -> Verdict:
    """What the runs show: of a pair that was asked for its two runs only."""
    every, pair = collected.runs, collected.pair
    if not every and not collected.raters:
        return Verdict((f"There are only sanity checks of scores: {NO_SCORES}",))
    if not every:
        count = len(collected.raters)
        who = "one rater" if count == 1 else f"{count} raters"
        return Verdict((f"There are only ratings, by {who}: {NO_SCORES}",))
    runs = (pair.run, pair.other) if pair else every
    measures = comparing.scorers(runs)
    if not measures:
        one = "the only run" if len(runs) == 1 else f"any of the {len(runs)} runs"
        why = "The table of failures says why."
        return Verdict((f"Nothing was scored in {one}, so nothing can be compared. {why}",))
    names = {run.log: comparing.label(run, collected.every) for run in collected.every}
    context = Context(runs, names, baseline, pair, measures[0], collected.controls)
    ranked = rankings(runs, measures[0])
    answers = [f"{lead}{' '.join(answer(r, c))}" for r, lead, c in _led(ranked, context)]
    cautions = [LEFT_OUT] if collected.notes else []
    cautions += [*_unscored(context), *(c for r in ranked for c in _cautions(r, context))]
    return Verdict(tuple(map(visible, answers)), tuple(map(visible, dict.fromkeys(cautions))))


def _led(ranked: Sequence[Ranking], context: Context) -> Iterator[tuple[Ranking, str, Context]]:
    """Each ranking with what tells it from the others, and with what its runs are called then."""
    models = [comparing.measured_by(ranking.best, ranking.scorer) for ranking in ranked]
    for ranking, model in zip(ranked, models, strict=True):
        if len(ranked) == 1 or len(ranking.runs) == 1:
            yield ranking, "", context
        elif len({*models}) == len(models):
            lead = f"Measured by {model or 'an unknown model'}: "
            yield ranking, lead, context.among(ranking.runs)
        else:
            yield ranking, f"Of {context.listed(ranking.runs)}: ", context


def _unscored(context: Context) -> Iterator[str]:
    without = [run for run in context.runs if context.measure not in comparing.scorers([run])]
    if without:
        name = comparing.scorer_name(context.measure)
        runs = context.listed(without)
        has, be = ("has", "is") if len(without) == 1 else ("have", "are")
        yield f"{runs} {has} no {name} of any neuron, and {be} in no comparison."


def _cautions(ranking: Ranking, context: Context) -> Iterator[str]:
    neurons = len(ranking.common)
    if 1 < neurons < FEW:
        yield f"With fewer than {FEW} neurons the intervals are too narrow."
    if ranking.neurons and ranking.left_out / ranking.neurons >= UNSCORED:
        part = share(ranking.left_out, ranking.neurons).text
        left_out = f"{ranking.left_out:,} of {ranking.neurons:,} neurons ({part})"
        verb = "is" if ranking.left_out == 1 else "are"
        runs = "" if len(ranking.runs) == 1 else " in every run"
        yield f"{left_out} {verb} left out for want of a score{runs}."
    if neurons > 1:
        yield from _near_wrong(ranking, context)
        yield from _disagreeing(ranking, context)


def _near_wrong(ranking: Ranking, context: Context) -> Iterator[str]:
    """Whether the best run's scores are what wrong explanations get."""
    best, name, mean = ranking.best, context.name(ranking.best), ranking.means[0]
    shuffled = control_for(SHUFFLED, best, context.controls, ranking.scorer)
    if shuffled is not None and shuffled is not best:
        ids = sorted({*ranking.common} & {*comparing.scored_ids(shuffled, ranking.scorer)})
        right, wrong = (comparing.values(run, ids, ranking.scorer) for run in (best, shuffled))
        above = paired(right, wrong)
        if above is not None and above.lower is not None and above.lower <= 0:
            score = f"{comparing.scorer_name(ranking.scorer)} of {name}, {fmean(right):.3f}"
            level = f"the level of shuffled explanations, {fmean(wrong):.3f}"
            yield f"The {score}, is near {level}, and not shown to be above it."
    if ranking.scorer == SIMULATION and mean.lower is not None and mean.lower <= 0:
        score = f"{NAMES[SIMULATION]} of {name}"
        yield f"The {score} is not shown to be above 0, the level of wrong explanations."
    results = [n for n in best.results.values() if ADACS in n.scores]
    both = [(n.scores[ADACS], n.unrelated) for n in results if n.unrelated is not None]
    above = paired([own for own, _ in both], [other for _, other in both])
    if above is not None and above.lower is not None and above.lower <= 0:
        own, other = (fmean(scores) for scores in zip(*both, strict=True))
        level = f"{other:.3f}, the level of wrong explanations"
        yield f"The AdaCS of {name}, {own:.3f}, is not shown to be above {level}."


def _disagreeing(ranking: Ranking, context: Context) -> Iterator[str]:
    """Other measures by which the best run is told apart from a better one."""
    if ranking.all_tied():
        return
    for scorer in NAMES:
        if scorer == ranking.scorer or scorer not in comparing.scorers(context.runs):
            continue
        for other in rankings(context.runs, scorer):
            if ranking.best not in other.runs[1:] or ranking.best in other.near or not other.common:
                continue
            mean = other.means[other.runs.index(ranking.best)].mean
            means = f"{other.means[0].mean:.3f} against {mean:.3f}"
            first = context.name(other.best)
            yield f"{NAMES[scorer]} disagrees: it ranks {first} first, with {means}."
