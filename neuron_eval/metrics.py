"""Inspect metrics over the scored samples; without any they are NaN, never 0.

Inspect leaves unscored samples out before it calls a metric and counts them in the log's
``unscored_samples``; the scorer `scored` states their share.
"""

from __future__ import annotations

import math

import numpy as np
from inspect_ai.scorer import Metric, SampleScore, Value, metric

from neuron_eval.stats import bootstrap_interval

NAN = float("nan")


@metric
def mean() -> Metric:
    """The mean over the scored samples."""

    def compute(scores: list[SampleScore]) -> float:
        return float(np.mean(_values(scores))) if scores else NAN

    return compute


@metric
def stderr() -> Metric:
    """The standard error of the mean over the scored samples; NaN for fewer than two."""

    def compute(scores: list[SampleScore]) -> float:
        values = _values(scores)
        return float(np.std(values, ddof=1) / math.sqrt(len(values))) if len(values) > 1 else NAN

    return compute


@metric
def interval(level: float = 0.95) -> Metric:
    """The bootstrap interval of the mean, as ``lower`` and ``upper``; NaN for fewer than two.

    Args:
        level: Coverage, in (0, 1).
    """

    def compute(scores: list[SampleScore]) -> Value:
        found = bootstrap_interval(_values(scores), level)
        lower, upper = found if found is not None else (NAN, NAN)
        return {"lower": lower, "upper": upper}

    return compute


@metric
def share() -> Metric:
    """The share of samples that hold a measurement, for the scorer `scored`."""

    def compute(scores: list[SampleScore]) -> float:
        return float(np.mean([value > 0 for value in _values(scores)])) if scores else NAN

    return compute


@metric
def excerpts_failed() -> Metric:
    """How many held-out excerpts the simulator gave nothing usable for, over all samples."""

    def compute(scores: list[SampleScore]) -> float:
        return float(sum((s.score.metadata or {}).get("excerpts_failed", 0) for s in scores))

    return compute


def _values(scores: list[SampleScore]) -> list[float]:
    return [score.score.as_float() for score in scores]
