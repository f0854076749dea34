"""`simulation_correlation`: does the explanation predict the neuron's activations?

`scored`, which runs after it, counts failures, so that they are not averaged.
"""

import math
from collections.abc import Mapping
from typing import Any

from inspect_ai.scorer import Score, Scorer, Target, mean, scorer
from inspect_ai.solver import TaskState

from neuron_eval.explain.solvers import bad_explanation, score_of
from neuron_eval.metrics import counts, cut_off, interval
from neuron_eval.models.requests import together
from neuron_eval.models.server_errors import about_neuron
from neuron_eval.parameters import check_excerpts_per_call
from neuron_eval.prompts.pack import load_pack
from neuron_eval.records.splits import DealtNeuron, from_metadata
from neuron_eval.simulation import Simulation
from neuron_eval.simulation import headline as headlines
from neuron_eval.simulation import measure as measuring
from neuron_eval.simulation.choose import check_way, choose_simulation, role_simulator
from neuron_eval.simulation.presenting import explanation_line, score_metadata
from neuron_eval.usage_error import scorer_errors


@scorer(metrics=[mean(), interval()])
def simulation_correlation(
    simulation: str = "auto",
    calibration: str = measuring.CALIBRATION,
    pack: str | None = None,
    excerpts_per_call: int | None = None,
    headline: str = headlines.HEADLINE,
) -> Scorer:
    """Simulate the neuron from the explanation and correlate with the truth (Bills et al. 2023).

    The value is the Pearson correlation, in [-1, 1], of true raw and expected activations over
    the concatenation of all held-out excerpts that the simulator gave values for, or the measure
    that ``headline`` names; the metadata hold all of them. Tokens without a value are left out, and
    an excerpt that has values for fewer than half of its tokens. Excerpts of strata (the task's
    ``excerpts_scored=quantiles``) weigh what they stand for of all text. Where it is undefined, or
    no excerpt, or none of a stratum, has values, the sample is unscored with the reason. An empty
    or refused explanation predicts nothing and scores 0 (as a headline: what predictions of 0 get),
    with the reason. Space around the explanation does not reach the simulator.

    Args:
        simulation: A way to simulate, or ``auto`` (see `neuron_eval.simulation.choose`).
        calibration: ``linear`` or ``percentiles`` also simulate the calibration split, and state
            R² and absolute deviation after a fit on it; ``none`` halves the requests.
        pack: A prompt pack (YAML file) to use instead of the bundled one.
        excerpts_per_call: How many excerpts go into one request (``chat`` and ``sparse``); None
            is the way's own default.
        headline: Which measure is the value, see `neuron_eval.simulation.headline`: ``pearson``
            or another of `neuron_eval.measures.MEASURES`; with ``_random`` behind it, over the
            random excerpts alone.

    Raises:
        PrerequisiteError: A parameter is not among the allowed values.
    """
    with scorer_errors():
        headlines.check_headline(headline)
        way, wording = check_way(simulation), load_pack(pack)
        fit = measuring.check_calibration(calibration)
        check_excerpts_per_call(excerpts_per_call)

    async def score(state: TaskState, target: Target) -> Score:
        dealt = from_metadata(state.metadata, state.sample_id)
        if (bad := bad_explanation(state.output)) is not None:
            return _bad(bad, dealt, headline)
        with about_neuron(state.sample_id):
            simulate, why = await choose_simulation(
                way, wording, role_simulator(), excerpts_per_call
            )
            # As published: the simulator is not told the outer space, AdaCS compares it.
            explanation = state.output.completion.strip()
            result = await _simulated(simulate, explanation, dealt, fit)
        numbers = headlines.measured(dealt, result.scored)
        value, reason = headlines.value_of(result, numbers, headline)
        line = explanation_line(result, numbers, headline)
        metadata = score_metadata(result, simulate, why, str(state.model))
        metadata |= {"headline": headline, "measures": numbers}
        return score_of(value, reason, state.output, line, metadata)

    return score


async def _simulated(
    simulate: Simulation, explanation: str, dealt: DealtNeuron, fit: measuring.Calibration
) -> measuring.Measurement:
    fitted = () if fit == "none" else dealt.calibration
    if fitted:
        # Two calls, so that no request holds both what is fitted and what is scored.
        held_out, rest = await together(
            simulate(explanation, dealt.valid), simulate(explanation, fitted)
        )
    else:
        held_out, rest = await simulate(explanation, dealt.valid), []
    return measuring.measure(
        list(zip(dealt.valid, held_out, strict=True)), list(zip(fitted, rest, strict=True)), fit
    )


def _bad(score: Score, dealt: DealtNeuron, headline: str) -> Score:
    """What a bad explanation, whose score is 0, gets by the measure that is the headline."""
    if headline == headlines.HEADLINE or math.isnan(score.as_float()):
        return score
    numbers = headlines.measured_nothing(dealt)
    value = numbers[headline]
    about = {"headline": headline, "measures": numbers}
    if value is None:
        return Score.unscored(
            reason=headlines.why_undefined(headline), explanation=score.explanation, metadata=about
        )
    return score.model_copy(update={"value": value, "metadata": about})


@scorer(metrics=[counts(), cut_off()])
def scored() -> Scorer:
    """Which neuron a sample is, and how much of it entered `simulation_correlation`.

    The value is no judgement: it holds ``layer``, ``neuron`` (its index) and ``group``, each where
    there is one, which Inspect's log viewer shows as columns. It must run after that scorer. The
    metadata hold the ``share`` in [0, 1] of the held-out excerpts that were scored, 0 where nothing
    was measured, and whether the explainer's reply stopped at ``max_tokens``.
    """

    async def score(state: TaskState, target: Target) -> Score:
        simulated = (state.scores or {}).get("simulation_correlation")
        if simulated is None:
            return Score.unscored(reason="simulation_correlation did not run")
        metadata = simulated.metadata or {}
        used, failed = metadata.get("excerpts_scored", 0), metadata.get("excerpts_failed", 0)
        measured = not math.isnan(simulated.as_float())
        share = used / (used + failed) if used + failed else 1.0
        cut = not state.output.empty and state.output.stop_reason == "max_tokens"
        return Score(
            value=_place(state.metadata or {}),
            explanation=simulated.explanation if not measured else None,
            metadata={
                "share": share if measured else 0.0,
                "excerpts_scored": used,
                "excerpts_failed": failed,
                "tokens_failed": metadata.get("tokens_failed", 0),
                "explanation_cut_off": cut,
            },
        )

    return score


def _place(metadata: Mapping[str, Any]) -> dict[str, str | int | float | bool | None]:
    place = {n: at for n in ("layer", "neuron") if (at := metadata.get(n, -1)) >= 0}
    return place | ({"group": str(group)} if (group := metadata.get("group")) else {})
