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
    return ViewerConfig(
        task_samples_view=TaskSamplesView(
            name="Neurons",
            columns=[
                TaskSamplesColumn(id="sampleStatus"),
                TaskSamplesColumn(id="sampleId"),
                TaskSamplesColumn(id="answer"),
                TaskSamplesColumn(id="target"),
                *(TaskSamplesColumn.score(name) for name in _SCORES),
                TaskSamplesColumn.score("scored", visible=False),
                *(TaskSamplesColumn(id=id, visible=False) for id in _HIDDEN),
            ],
            multiline=True,
            compact_scores=False,
            score_labels=_SCORES,
            score_color_scales={name: score_scale() for name in _SCORES},
            color_scales_enabled=True,
        )
    )


def ratings_config() -> ViewerConfig:
    """Of a rater's log: neuron, what was chosen as the best, and the mean rating."""
    return ViewerConfig(
        task_samples_view=TaskSamplesView(
            name="Neurons",
            columns=[
                TaskSamplesColumn(id="sampleStatus"),
                TaskSamplesColumn(id="sampleId"),
                TaskSamplesColumn(id="answer"),
                TaskSamplesColumn.score("rating"),
                *(TaskSamplesColumn(id=id, visible=False) for id in (*_HIDDEN, "target")),
            ],
            multiline=True,
            compact_scores=False,
            score_labels={"rating": "Mean rating"},
            score_color_scales={"rating": score_scale(1, 5)},
            color_scales_enabled=True,
        )
    )


def score_scale(least: float = 0, most: float = 1) -> ScoreColorScale:
    """The colours of a score's cells: red at the least, green at the most."""
    return ScoreColorScale(palette="good-high", min=least, max=most)
