"""Inspect metrics over the scored samples, and how Inspect's log viewer lists these.

Without scored samples metrics are NaN, never 0.

Inspect leaves unscored samples out before it calls a metric and counts them in the log's
``unscored_samples``; the scorer `scored` states their share. The mean is Inspect's own. The
others give several numbers each: Inspect shows those under their plain names, while it puts the
package's name before that of a metric with one number.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from inspect_ai.scorer import Metric, SampleScore, Score, Value, grouped, mean, metric
from inspect_ai.viewer import (
    ScoreColorScale,
    TaskSamplesColumn,
    TaskSamplesSort,
    TaskSamplesView,
    ViewerConfig,
)

from neuron_eval.parameters import check_flag
from neuron_eval.simulation.headline import HEADLINE, headline_label
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
        values = [score.score.as_float() for score in scores]
        ends = mean_interval(values, level=level)
        if ends is None:
            return {"stderr": NAN, "lower": NAN, "upper": NAN}
        stderr = float(np.std(values, ddof=1)) / math.sqrt(len(values))
        return {"stderr": stderr, "lower": ends[0], "upper": ends[1]}

    return compute


def metrics_of(by_layer: bool) -> list[Metric] | None:
    """A task's metrics in place of its scorers' own; None where those are all that is wanted."""
    check_flag("by_layer", by_layer)
    return [mean(), interval(), grouped(mean(), "layer", all=False)] if by_layer else None


_FAILED = ("excerpts_failed", "tokens_failed")


# Unreduced: no mean over epochs can be taken of a group.
@metric(scores="unreduced")
def counts() -> Metric:
    """For `scored`: the ``share`` of samples with a measurement, and what failed.

    ``excerpts_failed`` and ``tokens_failed`` are how many held-out excerpts, and how many tokens of
    the scored ones, the simulator gave nothing usable for, in all.
    """

    def compute(scores: list[SampleScore]) -> Value:
        if not scores:
            return {"share": NAN} | dict.fromkeys(_FAILED, NAN)
        share = float(np.mean([_share(score.score) > 0 for score in scores]))
        return {"share": share} | {name: _total(scores, name) for name in _FAILED}

    return compute


def _share(score: Score) -> float:
    """Of a sample's excerpts those that were scored; older logs have it as the value."""
    if isinstance(score.value, dict):
        return float((score.metadata or {}).get("share", 0))
    return score.as_float()


@metric(scores="unreduced")
def cut_off() -> Metric:
    """For the scorer `scored`: ``explanations_cut_off``, those that stopped at ``max_tokens``."""

    def compute(scores: list[SampleScore]) -> Value:
        return {"explanations_cut_off": _total(scores, "explanation_cut_off") if scores else NAN}

    return compute


def _total(scores: list[SampleScore], name: str) -> float:
    return float(sum((score.score.metadata or {}).get(name, 0) for score in scores))


# What is not set here the viewer decides by the log: it adds columns for errors, limits, retries
# and epochs where there are any. It shows every score's column, also one that is asked to hide, and
# a score with all its digits.
_SCORES = {"simulation_correlation": "Simulation", "adacs": "AdaCS"}
# A column is as wide as its label is long, which leaves no room for the sign of the order there.
_ROOM = " " * 5
_PLACES = {"layer": f"Layer{_ROOM}", "neuron": f"Neuron{_ROOM}", "group": "Group"}
_HIDDEN = ("input", "tokens", "duration")


def viewer_config(simulated: bool = True, headline: str = HEADLINE) -> ViewerConfig:
    """Neuron, explanation, reference and both scores, coloured from 0 to 1.

    Where explanations are ``simulated`` the scorer `scored` says each neuron's layer, index and
    group: they have columns too, and neurons come by layer and index. The simulation's score is
    labelled by its ``headline``.
    """
    places = tuple(_PLACES) if simulated else ()
    scores = dict(_SCORES) if simulated else {"adacs": _SCORES["adacs"]}
    if simulated and headline != HEADLINE:
        scores["simulation_correlation"] = f"Simulation: {headline_label(headline)}"
    columns = [
        *(TaskSamplesColumn.score("scored", name) for name in places),
        *(TaskSamplesColumn(id=id) for id in ("answer", "target")),
        *(TaskSamplesColumn.score(name) for name in scores),
        *_hidden(*_HIDDEN),
    ]
    order = [TaskSamplesSort.score("scored", name) for name in places if name != "group"]
    scales = dict.fromkeys(scores, score_scale())
    return _config(columns, scales, {**scores, **_PLACES}, order)


def ratings_config() -> ViewerConfig:
    answer = TaskSamplesColumn(id="answer")
    columns = [answer, TaskSamplesColumn.score("rating"), *_hidden(*_HIDDEN, "target")]
    return _config(columns, {"rating": score_scale(1, 5)}, {"rating": "Mean rating"})


def sanity_config() -> ViewerConfig:
    """Of a log of sanity checks: the neuron, and by how much each score falls."""
    return _config(_hidden(*_HIDDEN, "target", "answer"), {}, {}, wraps=False)


def _hidden(*ids: str) -> list[TaskSamplesColumn]:
    return [TaskSamplesColumn(id=id, visible=False) for id in ids]


def _config(
    columns: Sequence[TaskSamplesColumn],
    scales: Mapping[str, ScoreColorScale],
    labels: Mapping[str, str],
    order: Sequence[TaskSamplesSort] = (),
    wraps: bool = True,
) -> ViewerConfig:
    first = [TaskSamplesColumn(id=id) for id in ("sampleStatus", "sampleId")]
    return ViewerConfig(
        task_samples_view=TaskSamplesView(
            name="Neurons",
            columns=[*first, *columns],
            sort=list(order),
            multiline=wraps,
            compact_scores=False,
            score_labels=dict(labels),
            score_color_scales=dict(scales),
            color_scales_enabled=True,
        )
    )


def score_scale(least: float = 0, most: float = 1) -> ScoreColorScale:
    return ScoreColorScale(palette="good-high", min=least, max=most)
