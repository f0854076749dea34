"""What controls are to the scores beside them: their neurons, the rescaled score, a preference."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from neuron_eval.logs.runs import Run
from neuron_eval.reporting import comparing
from neuron_eval.reporting.comparing import CommonNeurons
from neuron_eval.reporting.statistics import Estimate
from neuron_eval.stats import BATCH, LEVEL, RESAMPLES, SEED, mean_interval, widened_level

SHUFFLED, REFERENCE, FALSE = "shuffled", "reference", "false"

MEANINGS = {
    "reference": "the neuron's own reference explanation",
    "shuffled": "another neuron's reference, of the same layer where it can be",
    "generic": "one sentence that fits any neuron",
    "lexical": "the words that the shown excerpts mark",
    "false": "an explanation known to be wrong",
    "unrelated": "another neuron's reference, drawn at random",
}
"""What each control is, in a few words."""


def control_label(run: Run, controls: Sequence[Run]) -> str:
    return f"{comparing.label(run, controls)} (control)"


def meanings(controls: Sequence[Run]) -> str:
    """What the controls are, in a sentence."""
    named = dict.fromkeys(run.control for run in controls)
    return f"Controls: {'; '.join(f'{name} is {MEANINGS[name]}' for name in named)}."


def control_ids(control: Run, compared: CommonNeurons) -> tuple[str, ...]:
    """The neurons to take of a control: those of the runs that one model measured with it."""
    runs = [run for run in compared.runs if comparable(run, control, compared.scorer)]
    ids = {id_ for run in runs for id_ in compared.ids(run)}
    return tuple(id_ for id_ in comparing.scored_ids(control, compared.scorer) if id_ in ids)


def comparable(run: Run, control: Run, scorer: str) -> bool:
    return comparing.measured_by(run, scorer) == comparing.measured_by(control, scorer)


def control_for(name: str, run: Run, controls: Iterable[Run], scorer: str) -> Run | None:
    """The control of a name that was measured as a run was; that with most of its neurons."""
    fitting = [c for c in controls if c.control == name and comparable(run, c, scorer)]
    shared = {c.log: len(comparing.shared_ids(run, c, scorer)) for c in fitting}
    best = max(fitting, key=lambda c: (shared[c.log], c.format == name), default=None)
    return best if best is not None and shared[best.log] else None


Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Ends:
    """What a run and the two ends of its scale score on the same neurons, each of shape [N]."""

    scores: Values
    shuffled: Values
    reference: Values


def scale(run: Run, controls: Sequence[Run], compared: CommonNeurons) -> Ends | None:
    """None where there is no such pair of controls, or no neuron that all three scored."""
    scorer = compared.scorer
    low, high = (control_for(name, run, controls, scorer) for name in (SHUFFLED, REFERENCE))
    if low is None or high is None:
        return None
    own = control_ids(run, compared) if run.control else compared.ids(run)
    ids = sorted(set(comparing.shared_ids(low, high, scorer)).intersection(own))
    if not ids:
        return None
    arrays = (
        np.asarray(comparing.values(one, ids, scorer), dtype=np.float64) for one in (run, low, high)
    )
    return Ends(*arrays)


def has_length(ends: Ends) -> bool:
    """Whether the reference is shown to score above the shuffled one, so that there is a scale."""
    interval = mean_interval(ends.reference - ends.shuffled)
    return interval is not None and interval[0] > 0


def rescaled(ends: Ends) -> Estimate | None:
    """The mean score where a shuffled explanation is 0 and the reference is 1.

    (score - shuffled) / (reference - shuffled), a ratio of means over the same neurons, with its
    95 % percentile bootstrap interval over neurons, taken further out for a small number of them.
    None where `has_length` is False.
    """
    from scipy.stats import bootstrap

    if not has_length(ends):
        return None
    arrays = (ends.scores, ends.shuffled, ends.reference)

    def ratio(scores: Values, low: Values, high: Values, axis: int = -1) -> Values:
        above = np.mean(scores - low, axis=axis)
        return np.asarray(above / np.mean(high - low, axis=axis))

    value, n = float(ratio(*arrays)), ends.scores.size
    if np.ptp((ends.scores - ends.shuffled) / np.mean(ends.reference - ends.shuffled)) == 0:
        return Estimate(value, value, value, n)
    interval = bootstrap(
        arrays,
        ratio,
        paired=True,
        vectorized=True,
        confidence_level=widened_level(n),
        n_resamples=RESAMPLES,
        batch=BATCH,
        method="percentile",
        rng=np.random.default_rng(SEED),
    ).confidence_interval
    return Estimate(value, float(interval.low), float(interval.high), n)


@dataclass(frozen=True, slots=True)
class Preference:
    """How a score tells true explanations from false ones of the same neurons."""

    scorer: str
    measured_by: str
    prefers: Estimate  # the share of neurons whose true one scores higher; a tie is a half
    differences: tuple[float, ...]  # true minus false, per neuron; the false ones' mean
    false: int  # false explanations per neuron at most


def preferences(controls: Sequence[Run], scorer: str) -> list[Preference]:
    """One for each model that measured both references and false explanations."""
    made = []
    for true in controls:
        wrong = [c for c in controls if c.control == FALSE and comparable(true, c, scorer)]
        if true.control != REFERENCE or not wrong:
            continue
        shares, differences = [], []
        for id_ in comparing.scored_ids(true, scorer):
            own = true.results[id_].scores[scorer]
            scores = (run.results[id_].scores for run in wrong if id_ in run.results)
            if others := [of[scorer] for of in scores if scorer in of]:
                shares.append(fmean((own > other) + (own == other) / 2 for other in others))
                differences.append(own - fmean(others))
        if shares:
            prefers, model = share_of(shares), comparing.measured_by(true, scorer)
            made.append(Preference(scorer, model, prefers, tuple(differences), len(wrong)))
    return made


def share_of(shares: Sequence[float]) -> Estimate:
    """The mean of shares in [0, 1], one per neuron, with the interval of Clopper and Pearson.

    A bootstrap of shares that are all 1 would have an interval of no length. Of shares between 0
    and 1, which spread less, it is too wide and never too narrow.
    """
    from scipy.stats import beta

    n, total, rest = len(shares), sum(shares), (1 - LEVEL) / 2
    lower = float(beta.ppf(rest, total, n - total + 1)) if total > 0 else 0.0
    upper = float(beta.ppf(1 - rest, total + 1, n - total)) if total < n else 1.0
    return Estimate(total / n, lower, upper, n)
