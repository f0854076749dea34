"""How Inspect's log viewer lists the samples of an eval.

What is not set here the viewer decides by the log: it adds columns for errors, limits, retries
and epochs where there are any. It shows every score's column, also one that is asked to hide.
"""

from __future__ import annotations

from inspect_ai.viewer import (
    ScoreColorScale,
    TaskSamplesColumn,
    TaskSamplesView,
    ViewerConfig,
)

_SCORES = {
    "simulation_correlation": "Simulation",
    "adacs": "AdaCS",
}

_HIDDEN = ("input", "tokens", "duration")


def viewer_config() -> ViewerConfig:
    """Neuron, explanation, reference and both scores, coloured from 0 to 1."""
    shown = [TaskSamplesColumn(id="target"), *(TaskSamplesColumn.score(name) for name in _SCORES)]
    hidden = [TaskSamplesColumn.score("scored", visible=False), *_hidden(*_HIDDEN)]
    return _config([*shown, *hidden], _SCORES, score_scale())


def ratings_config() -> ViewerConfig:
    """Of a rater's log: neuron, what was chosen as the best, and the mean rating."""
    columns = [TaskSamplesColumn.score("rating"), *_hidden(*_HIDDEN, "target")]
    return _config(columns, {"rating": "Mean rating"}, score_scale(1, 5))


def _hidden(*ids: str) -> list[TaskSamplesColumn]:
    return [TaskSamplesColumn(id=id, visible=False) for id in ids]


def _config(
    columns: list[TaskSamplesColumn], labels: dict[str, str], scale: ScoreColorScale
) -> ViewerConfig:
    first = [TaskSamplesColumn(id=id) for id in ("sampleStatus", "sampleId", "answer")]
    return ViewerConfig(
        task_samples_view=TaskSamplesView(
            name="Neurons",
            columns=[*first, *columns],
            multiline=True,
            compact_scores=False,
            score_labels=labels,
            score_color_scales=dict.fromkeys(labels, scale),
            color_scales_enabled=True,
        )
    )


def score_scale(least: float = 0, most: float = 1) -> ScoreColorScale:
    """The colours of a score's cells: red at the least, green at the most."""
    return ScoreColorScale(palette="good-high", min=least, max=most)
