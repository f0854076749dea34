"""How Inspect's log viewer lists the samples of an eval."""

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
                TaskSamplesColumn(id="input", visible=False),
                TaskSamplesColumn(id="tokens", visible=False),
                TaskSamplesColumn(id="duration", visible=False),
                TaskSamplesColumn(id="epoch", visible=False),
                TaskSamplesColumn(id="error", visible=False),
                TaskSamplesColumn(id="retries", visible=False),
                TaskSamplesColumn(id="limit", visible=False),
            ],
            multiline=False,
            compact_scores=False,
            score_labels=_SCORES,
            score_color_scales={
                name: ScoreColorScale(palette="good-high", min=0, max=1) for name in _SCORES
            },
            color_scales_enabled=True,
        )
    )
