"""Columns for Inspect's dataframes: what each sample of a log says of its neuron.

from inspect_ai.analysis import SampleSummary, samples_df
from neuron_eval import explanation_columns

samples_df("logs", columns=[*SampleSummary, *explanation_columns()])
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, cast

from inspect_ai.analysis import Column, EvalColumn, SampleColumn
from inspect_ai.log import EvalLog, EvalSample

from neuron_eval.logs.files import EXPLAINED, about
from neuron_eval.logs.identity import explainer_of, format_of
from neuron_eval.logs.runs import ADACS, SIMULATION, neuron_result, why_unscored
from neuron_eval.simulation.headline import HEADLINE


def explanation_columns() -> list[Column]:
    """Columns for `inspect_ai.analysis.samples_df`, a row per sample, which is a neuron and epoch.

    - ``format``, ``explainer``: of the whole log
    - ``id``, ``epoch``, ``layer``, ``neuron``, ``group``, and ``subject``, the model whose neuron
      it is; layer and neuron are missing where it is not part of a network
    - ``explanation``, ``reference``, ``reference_source``: texts, in full
    - ``simulation_correlation``, ``adacs``: scores in [-1, 1], missing where unscored; the first
      is the correlation, also where another measure is the headline
    - ``simulator``, ``simulation``, ``embedder``: what they were measured with
    - ``unscored``: why a score is missing, by scorer

    Samples are read in full, without which explanations would be cut off at 1,000 characters. In
    samples of other projects the columns are empty.
    """
    return [
        EvalColumn("format", path=_format),
        EvalColumn("explainer", path=_explainer),
        SampleColumn("id", path="id", required=True, type=str),
        SampleColumn("epoch", path="epoch", required=True),
        _column("subject", lambda sample: _metadata(sample).get("model")),
        _column("layer", lambda sample: _place(sample, "layer")),
        _column("neuron", lambda sample: _place(sample, "neuron")),
        _column("group", lambda sample: _metadata(sample).get("group") or None),
        _column("explanation", _explanation),
        _column("reference", _reference),
        _column("reference_source", lambda sample: _metadata(sample).get("reference_source")),
        _column(SIMULATION, _correlation),
        _column(ADACS, lambda sample: _score(sample, ADACS)),
        _column("simulator", lambda sample: _measured_with(sample, SIMULATION, "simulator")),
        _column("simulation", lambda sample: _measured_with(sample, SIMULATION, "simulation")),
        _column("embedder", lambda sample: _measured_with(sample, ADACS, "embedder")),
        _column("unscored", lambda sample: why_unscored(neuron_result([sample])) or None),
    ]


def _column(name: str, value: Callable[[EvalSample], str | float | None]) -> SampleColumn:
    return SampleColumn(name, path=value, full=True)


def _format(log: EvalLog) -> str | None:
    return format_of(log) if about(log, EXPLAINED) else None


def _explainer(log: EvalLog) -> str | None:
    return explainer_of(log) if about(log, EXPLAINED) else None


def _metadata(sample: EvalSample) -> dict[str, Any]:
    return sample.metadata or {}


def _place(sample: EvalSample, name: str) -> int | None:
    number = _metadata(sample).get(name)
    return number if isinstance(number, int) and number >= 0 else None


def _explanation(sample: EvalSample) -> str | None:
    return None if sample.output.empty else sample.output.completion


def _reference(sample: EvalSample) -> str | None:
    target = sample.target if isinstance(sample.target, str) else "".join(sample.target)
    return target or None


def _score(sample: EvalSample, name: str) -> float | None:
    score = (sample.scores or {}).get(name)
    value = score.value if score else None
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _correlation(sample: EvalSample) -> float | None:
    score = (sample.scores or {}).get(SIMULATION)
    about = (score.metadata or {}) if score else {}
    if about.get("headline", HEADLINE) != HEADLINE:
        return cast(float | None, about["measures"][HEADLINE])
    return _score(sample, SIMULATION)


def _measured_with(sample: EvalSample, scorer: str, name: str) -> str | None:
    score = (sample.scores or {}).get(scorer)
    return (score.metadata or {}).get(name) if score else None
