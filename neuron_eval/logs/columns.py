"""Columns for Inspect's dataframes: what each sample of a log says of its neuron.

from inspect_ai.analysis import SampleSummary, samples_df
from neuron_eval import explanation_columns

samples_df("logs", columns=[*SampleSummary, *explanation_columns()])
"""

from collections.abc import Callable
from typing import Any, cast

from inspect_ai.analysis import Column, EvalColumn, SampleColumn
from inspect_ai.log import EvalSample

from neuron_eval.logs.files import EXPLAINED, about
from neuron_eval.logs.identity import explainer_of, format_of
from neuron_eval.logs.runs import ADACS, SIMULATION, NeuronResult, neuron_result, why_unscored
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

    def of_neuron(name: str, value: Callable[[NeuronResult], str | float | None]) -> SampleColumn:
        return _column(name, lambda sample: value(neuron_result([sample])))

    return [
        EvalColumn("format", path=lambda log: format_of(log) if about(log, EXPLAINED) else None),
        EvalColumn(
            "explainer", path=lambda log: explainer_of(log) if about(log, EXPLAINED) else None
        ),
        SampleColumn("id", path="id", required=True, type=str),
        SampleColumn("epoch", path="epoch", required=True),
        of_neuron("subject", lambda result: result.subject or None),
        of_neuron("layer", lambda result: result.layer if result.layer >= 0 else None),
        of_neuron("neuron", lambda result: result.neuron if result.neuron >= 0 else None),
        of_neuron("group", lambda result: result.group or None),
        _column("explanation", lambda s: None if s.output.empty else s.output.completion),
        of_neuron("reference", lambda result: result.reference or None),
        _column("reference_source", lambda s: (s.metadata or {}).get("reference_source")),
        _column(SIMULATION, _correlation),
        of_neuron(ADACS, lambda result: result.scores.get(ADACS)),
        _column("simulator", lambda sample: _score(sample, SIMULATION).get("simulator")),
        _column("simulation", lambda sample: _score(sample, SIMULATION).get("simulation")),
        _column("embedder", lambda sample: _score(sample, ADACS).get("embedder")),
        of_neuron("unscored", lambda result: why_unscored(result) or None),
    ]


def _column(name: str, value: Callable[[EvalSample], str | float | None]) -> SampleColumn:
    return SampleColumn(name, path=value, full=True)


def _score(sample: EvalSample, name: str) -> dict[str, Any]:
    score = (sample.scores or {}).get(name)
    return (score.metadata or {}) if score else {}


def _correlation(sample: EvalSample) -> float | None:
    measured = _score(sample, SIMULATION)
    if measured.get("headline", HEADLINE) != HEADLINE:
        return cast(float | None, measured["measures"][HEADLINE])
    return neuron_result([sample]).scores.get(SIMULATION)
