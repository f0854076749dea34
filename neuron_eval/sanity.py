"""Does a score notice that an explanation covers half of a concept, or twice of it?

The sanity checks of Oikarinen et al. (ICML 2025, arXiv 2506.05774). A concept is which tokens an
explanation names, true or false for each. ``missing`` labels: each of them is left out with
probability one half. ``extra`` labels: each other token is added with such a probability that
they about double. A score that is to be believed falls both times.

A score that asks a model reads words and no labels: there a model writes the explanation anew, too
narrow or too broad (`neuron_eval.tasks.rewriting`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from neuron_eval.measures import MEASURES, measures

Check = Literal["missing", "extra"]
CHECKS: tuple[Check, ...] = get_args(Check)

Sample = Literal["natural", "top_random"]
SAMPLES: tuple[Sample, ...] = get_args(Sample)
"""All text, and the top and random excerpts that a score uses."""

REWRITTEN = "rewritten"
"""The held-out excerpts, where explanations are rewritten and no labels are changed."""

JUDGED = {"detection": "Detection", "fuzzing": "Fuzzing"}
AUROC = "_auroc"  # stands behind a judgement's name for that of its probabilities

SCORE_LABELS: Mapping[str, str] = {
    **{name: measure.label for name, measure in MEASURES.items()},
    **{
        f"{name}{suffix}": f"{label}{more}"
        for name, label in JUDGED.items()
        for suffix, more in (("", ""), (AUROC, ", AUROC"))
    },
}
"""Every score that is checked, in the order of tables: measures of a simulation, judgements."""

FALL = 0.001  # A score notices if it falls by more than this share of its range

ENOUGH = 0.9  # A score passes a check if it notices in at least this share of the neurons

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class TokenSample:
    """The tokens recorded of a neuron, N of them."""

    true: Floats  # raw activations, shape [N]
    natural: Floats  # what each counts in all text, shape [N]; 0 for one that tells nothing of it
    active: Flags  # whether the neuron is active, shape [N]
    scored: Flags  # whether scores over top and random excerpts use its excerpt, shape [N]


def natural_weights(
    true: Floats, random: Flags, levels: Sequence[float], boundaries: Sequence[float]
) -> Floats:
    """What each token counts, so that together they stand for all text; shape [N], they sum to 1.

    Of N tokens ``true`` are the raw activations, ``random`` whether each is in a random excerpt.
    Where the record has quantile ``boundaries`` with their ``levels``, ascending, each in (0, 1),
    tokens between two of them share what there is between these in all text. Else those of random
    excerpts count the same, and the others nothing.
    """
    if not levels:
        weights = random.astype(np.float64)
    else:
        part = np.searchsorted(boundaries, true, side="left")
        shares = np.diff([0.0, *levels, 1.0])
        weights = (shares / np.bincount(part, minlength=len(shares)).clip(1))[part]
    return weights / weights.sum() if weights.any() else weights


def drawn(concept: Flags, weights: Floats, seed: int, id_: str) -> dict[Check, Flags]:
    """The concept with labels missing, and with extra ones, both shape [N].

    What is drawn depends on the seed and the neuron's id alone. A negative becomes positive with
    the probability positives / negatives, both as they weigh in all text.
    """
    digest = blake2b(f"{seed}/{id_}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    uniform = np.random.default_rng(int.from_bytes(digest, "big")).random((2, concept.size))
    positives = float(weights[concept].sum())
    negatives = float(weights[~concept].sum())
    rate = positives / negatives if negatives else 0.0
    return {"missing": concept & (uniform[0] < 0.5), "extra": concept | (uniform[1] < rate)}


@dataclass(frozen=True, slots=True)
class Fall:
    """One measure of one neuron, before and after one check."""

    before: float | None
    after: float | None
    span: float  # from the lowest to the highest value that the measure can have

    @property
    def difference(self) -> float | None:
        """After less before, as a share of the span; None where either is undefined."""
        if self.before is None or self.after is None:
            return None
        return (self.after - self.before) / self.span

    @property
    def noticed(self) -> bool:
        return self.difference is not None and self.difference < -FALL


def span(name: str) -> float:
    return MEASURES[name].high - MEASURES[name].low if name in MEASURES else 1.0


def falls(
    tokens: TokenSample, concept: Flags, sample: Sample, check: Check, seed: int, id_: str
) -> dict[str, Fall]:
    """One check of every measure, by name, over one sample of a neuron's N tokens.

    ``concept`` is which of them the explanation names, shape [N]. Labels are drawn over all tokens,
    by seed and id: excerpts picked for their peaks may hold few of those that are added. A draw
    that changes no label of a natural token checks nothing over all text, and one that changes none
    at all checks nothing.
    """
    natural = sample == "natural"
    part = tokens.natural > 0 if natural else tokens.scored
    labels = drawn(concept, tokens.natural, seed, id_)[check]
    values = partial(
        measures,
        tokens.true[part],
        active=tokens.active[part],
        weights=tokens.natural[part] if natural else None,
    )
    before = values(concept[part].astype(np.float64))
    changed = (labels != concept)[part if natural else ...].any()
    after = values(labels[part].astype(np.float64)) if changed else {}
    return {name: Fall(before[name], after.get(name), span(name)) for name in MEASURES}


@dataclass(frozen=True, slots=True)
class CheckResult:
    """How one measure does in one check, over neurons."""

    noticed: int
    neurons: int  # those with a measurement
    change: float | None  # the mean difference, as a share of the span; None without neurons

    @property
    def share(self) -> float | None:
        return self.noticed / self.neurons if self.neurons else None

    @property
    def passes(self) -> bool | None:
        return None if self.share is None else self.share >= ENOUGH

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval of the share (Wilson's); None without neurons."""
        from scipy.stats import binomtest

        if not self.neurons:
            return None
        ends = binomtest(self.noticed, self.neurons).proportion_ci(method="wilson")
        return float(ends.low), float(ends.high)


def check_result(differences: Sequence[float]) -> CheckResult:
    noticed = sum(difference < -FALL for difference in differences)
    change = float(np.mean(differences)) if differences else None
    return CheckResult(noticed, len(differences), change)
