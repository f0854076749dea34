"""What the runs of a ranking show, in sentences: the best, what it costs, and whether it is so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from neuron_eval.logs.runs import Run
from neuron_eval.reporting.comparing import is_baseline, label, scorer_name
from neuron_eval.reporting.differences import Comparison, Pair, Ranking, baseline_of, comparisons
from neuron_eval.reporting.statistics import FEW, MOST_NEURONS, SIGNIFICANCE, Paired
from neuron_eval.reporting.tables.base import estimate_text, p_text
from neuron_eval.reporting.tables.cost import prompt_counts, times_fewer

ALIKE = 0.05  # token counts that differ by a smaller share are about the same
REAL = ("is real", "looks real", "may be chance")
# What is shown of a difference that is not chance, that is of few neurons, and that may be.
LOWER = ("is really lower", "looks lower", "may be as good")


@dataclass(frozen=True, slots=True)
class Context:
    """What sentences are made from, besides a ranking."""

    runs: tuple[Run, ...]
    names: Mapping[str, str]  # by log
    baseline: str
    pair: Pair | None
    measure: str  # the scorer that ranks
    controls: tuple[Run, ...] = ()

    def name(self, run: Run) -> str:
        """As the report names it; what tells it from others of its format in parentheses."""
        name = self.names[run.log]
        format, _, rest = name.partition(", ")
        return f"{format} ({rest})" if rest and "(" not in rest else name

    def among(self, runs: Sequence[Run]) -> Context:
        """With names that are just long enough to tell these runs apart."""
        return replace(self, names={**self.names, **{run.log: label(run, runs) for run in runs}})

    def listed(self, runs: Sequence[Run]) -> str:
        return _and([self.name(run) for run in runs])

    def baseline_of(self, run: Run) -> Run | None:
        """The run that the tokens of a run are compared with; it has the same explainer."""
        if self.pair is not None:
            return self.pair.other if self.pair.other.explainer == run.explainer else None
        if is_baseline(run, self.baseline):
            return run
        return baseline_of(run, self.runs, self.baseline, self.measure)


def _and(parts: Sequence[str]) -> str:
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last


def answer(ranking: Ranking, context: Context) -> Iterator[str]:
    if len(ranking.runs) == 1:
        yield _alone(ranking, context)
    elif not ranking.common:
        runs = context.listed(ranking.runs)
        yield f"No neuron was scored in every run, so {runs} cannot be compared."
    elif len(ranking.common) == 1:
        pairs = zip(ranking.runs, ranking.means, strict=True)
        scores = [f"{mean.mean:.3f} with {context.name(run)}" for run, mean in pairs]
        its = f"{scorer_name(ranking.scorer)} is {_and(scores)}"
        yield f"Only one neuron was scored in every run, so nothing can be told. Its {its}."
    else:
        yield from _best(ranking, context)
        yield from _tokens(ranking, context)
        if not ranking.all_tied():
            yield from _differences(ranking, context)


def _alone(ranking: Ranking, context: Context) -> str:
    mean, run, measure = ranking.means[0], context.name(ranking.best), scorer_name(ranking.scorer)
    only, so = f"{run} is the only run", ", so no format can be called the best"
    if len(context.runs) > 1:
        only, so = f"{run} can be compared with no other run", ""
    elif mean.n == 1:
        only, so = f"{only} and has only one scored neuron", ", so nothing can be told"
    value = f"{estimate_text(mean)} over {mean.n:,} neurons" if mean.n > 1 else f"{mean.mean:.3f}"
    return f"{only}{so}. Its {measure} is {value}."


def _best(ranking: Ranking, context: Context) -> Iterator[str]:
    best, mean, name = ranking.best, ranking.means[0], scorer_name(ranking.scorer)
    if ranking.all_tied():
        every = "Both runs" if len(ranking.runs) == 2 else f"All {len(ranking.runs)} runs"
        yield (
            f"{every} score the same on each of the {mean.n:,} neurons, so none is better. The "
            f"mean {name} is {estimate_text(mean)}."
        )
        return
    if mean.n < FEW:
        yield f"{mean.n} neurons are too few to name a winner."
    rest = ""
    if ranking.near:
        rest = f"; {context.listed(ranking.near)} cannot be told from it"
    elif mean.n >= FEW and len(ranking.runs) > 2:
        rest = ", and every other run is clearly lower"
    over = f"{mean.n:,} neurons{rest}"
    yield f"{context.name(best)} has the highest {name}, {estimate_text(mean)} over {over}."


def _tokens(ranking: Ranking, context: Context) -> Iterator[str]:
    """What the cheapest of the best costs; nothing where its provider counts no tokens."""
    best, tied = ranking.best, ranking.all_tied()
    good = [run for run in (ranking.runs if tied else (best, *ranking.near))
            if run.explainer == best.explainer and prompt_counts(run)]  # fmt: skip
    if not good:
        return
    cheapest, base = min(good, key=_mean_tokens), context.baseline_of(best)
    if base is not None and base is not cheapest:
        other = base
    elif cheapest is not best:
        other = best
    elif len(good) > 1:
        yield f"{context.name(best)} is also the cheapest of these."
        return
    else:
        # The best is the baseline, and nothing comes near it.
        other, good = best, [run for run in ranking.runs if run.explainer == best.explainer]
        cheapest = min(filter(prompt_counts, good), key=_mean_tokens)
    ratio = times_fewer(cheapest, other)
    if ratio is None or cheapest is other:
        return
    name = context.name(cheapest)
    if cheapest is best and not tied:
        subject = "It"
    elif cheapest in ranking.near and not tied:
        subject = f"The cheapest of these, {name},"
    else:
        subject = f"The cheapest run, {name},"
    yield f"{subject} takes {_times(ratio)} {context.name(other)}."


def _mean_tokens(run: Run) -> float:
    counts = prompt_counts(run)
    return sum(counts.values()) / len(counts)


def _times(ratio: float) -> str:
    if ratio >= 1 + ALIKE:
        return f"{ratio:.1f} times fewer prompt tokens than"
    if ratio <= 1 - ALIKE:
        return f"{1 / ratio:.1f} times as many prompt tokens as"
    return "about as many prompt tokens as"


def _differences(ranking: Ranking, context: Context) -> Iterator[str]:
    compared, _ = comparisons(context.runs, context.baseline, ranking.scorer, context.pair)
    by_run = {comparison.run.log: comparison for comparison in compared}
    if not any(run.log in by_run for run in ranking.runs):
        yield _untested(ranking, context)
        return
    explainers = dict.fromkeys("" if context.pair else run.explainer for run in ranking.runs)
    for explainer in explainers:
        runs = [run for run in ranking.runs if explainer in ("", run.explainer)]
        local = context if context.pair else context.among(runs)
        if runs[0] is not ranking.best:
            yield f"With {explainer.rpartition('/')[2]}, {local.name(runs[0])} is highest."
        yield from _difference(runs, by_run, local)


def _difference(
    runs: Sequence[Run], by_run: Mapping[str, Comparison], context: Context
) -> Iterator[str]:
    """Of one explainer's runs, the best first, which has just been named."""
    best = runs[0]
    if best.log in by_run:
        comparison = by_run[best.log]
        yield _tested(comparison, f"Its difference from {context.name(comparison.baseline)}", REAL)
        return
    following = next((by_run[run.log] for run in runs if run.log in by_run), None)
    if following is None:
        if not is_baseline(best, context.baseline):
            yield (
                f"It cannot be compared with {context.baseline}, which the same explainer did "
                "not run, or another model measured."
            )
    elif context.pair is not None:
        names = context.name(following.run), context.name(following.baseline)
        yield _tested(following, "The difference of {} from {}".format(*names), REAL)
    else:
        names = context.name(following.baseline), context.name(following.run)
        yield _tested(following, "{} is the baseline; the next best, {},".format(*names), LOWER)


def _tested(comparison: Comparison, subject: str, verbs: tuple[str, str, str]) -> str:
    """Whether a difference is so: the verbs of one that is, that seems so, and that is not."""
    paired, p = comparison.paired, comparison.p
    if p is None:
        return f"{subject} scores the same on every neuron."
    text = p_text(p)
    sign = "<" if text.startswith("<") else "="
    numbers = f"{estimate_text(paired, '+.3f')}, p {sign} {text.lstrip('<')}"
    (low, high), (is_so, seems, not_so) = paired.ends, verbs
    if not (low > 0 or high < 0) or p >= SIGNIFICANCE:
        return f"{subject} {not_so}: {numbers}{_to_settle(paired)}."
    if paired.n < FEW:
        return f"{subject} {seems}, but {paired.n} neurons are few: {numbers}."
    return f"{subject} {is_so}: {numbers}."


def _to_settle(paired: Paired) -> str:
    if paired.needed is None:
        return ""
    if paired.needed >= MOST_NEURONS:
        return "; no number of neurons that could be run would settle it"
    if paired.needed <= paired.n:
        return "; somewhat more neurons should settle it"
    return f"; about {paired.needed:,} neurons would settle a difference of this size"


def _untested(ranking: Ranking, context: Context) -> str:
    baseline, why = context.baseline, "no difference from it was tested"
    if all(is_baseline(run, baseline) for run in ranking.runs):
        return f"Every run is of {baseline}, the baseline, so no difference was tested."
    if any(is_baseline(run, baseline) for run in ranking.runs):
        return f"No run shares explainer and neurons with {baseline}, the baseline, so {why}."
    return f"There is no run of {baseline}, the baseline, so {why}."
