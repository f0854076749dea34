"""Inspect metrics over the scored samples; without any they are NaN, never 0.

Inspect leaves unscored samples out before it calls a metric and counts them in the log's
``unscored_samples``; the scorer `scored` states their share. The mean is Inspect's own. The
others give several numbers each: Inspect shows those under their plain names, while it puts the
package's name before that of a metric with one number.
"""

from __future__ import annotations

import math

import numpy as np
from inspect_ai.scorer import Metric, SampleScore, Value, metric

from neuron_eval.stats import mean_interval

NAN = float("nan")


@metric
def interval(level: float = 0.95) -> Metric:
    """How sure the mean is: ``stderr``, and ``lower`` and ``upper`` of its bootstrap interval.

    All three are NaN for fewer than two scored samples.

    Args:
        level: Coverage, in (0, 1).
    """

    def compute(scores: list[SampleScore]) -> Value:
        values = _values(scores)
        ends = mean_interval(values, level=level)
        if ends is None:
            return {"stderr": NAN, "lower": NAN, "upper": NAN}
        stderr = float(np.std(values, ddof=1)) / math.sqrt(len(values))
        return {"stderr": stderr, "lower": ends[0], "upper": ends[1]}

    return compute


@metric
def counts() -> Metric:
    """For the scorer `scored`: ``share`` of samples with a measurement, ``excerpts_failed``.

    The latter is how many held-out excerpts the simulator gave nothing usable for, in all.
    """

    def compute(scores: list[SampleScore]) -> Value:
        if not scores:
            return {"share": NAN, "excerpts_failed": NAN}
        share = float(np.mean([value > 0 for value in _values(scores)]))
        return {"share": share, "excerpts_failed": _total(scores, "excerpts_failed")}

    return compute


@metric
def cut_off() -> Metric:
    """For the scorer `scored`: ``explanations_cut_off``, those that stopped at ``max_tokens``."""

    def compute(scores: list[SampleScore]) -> Value:
        return {"explanations_cut_off": _total(scores, "explanation_cut_off") if scores else NAN}

    return compute


def _total(scores: list[SampleScore], name: str) -> float:
    return float(sum((score.score.metadata or {}).get(name, 0) for score in scores))


def _values(scores: list[SampleScore]) -> list[float]:
    return [score.score.as_float() for score in scores]
