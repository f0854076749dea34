"""The task that all task functions are: neurons, one format's solver, the scorers, the viewer."""

from collections.abc import Mapping, Sequence
from typing import Any

from inspect_ai import Task
from inspect_ai.scorer import Scorer
from inspect_ai.solver import Solver

from neuron_eval.dataset import EXCERPTS, NeuronSet, about, dataset, neuron_set
from neuron_eval.explain.prompting import CUTOFF_QUANTILE, unmarked
from neuron_eval.explain.solvers import explain
from neuron_eval.metrics import metrics_of, viewer_config
from neuron_eval.parameters import CHOOSING as CHOOSING
from neuron_eval.parameters import READING as READING
from neuron_eval.parameters import SIMULATING as SIMULATING
from neuron_eval.parameters import Parameters as Parameters
from neuron_eval.parameters import (
    check_excerpts_per_call,
    check_flag,
    check_known,
    check_number,
    check_writable,
)
from neuron_eval.preflight import check_neurons, check_task
from neuron_eval.prompts.pack import load_pack
from neuron_eval.records.splits import SCORED
from neuron_eval.scorers.adacs import adacs
from neuron_eval.scorers.judging import GENERATION, judge_names, judges
from neuron_eval.scorers.simulation_correlation import scored, simulation_correlation
from neuron_eval.simulation.choose import check_simulation
from neuron_eval.simulation.headline import HEADLINE, check_headline
from neuron_eval.simulation.measure import CALIBRATION, check_calibration
from neuron_eval.sources.choosing import parse_choice
from neuron_eval.usage_error import usage_errors

VERSION = "6-A"  # comparability and interface: scores of different numbers cannot be compared
NO_SIMULATION = "none"  # in place of a way to simulate: AdaCS alone


def format_task(format: str, parameters: Parameters) -> Task:
    with usage_errors():
        check_known(parameters, tuple(Parameters.__annotations__))
        check_writable(format=format, **parameters)
    return explanation_task(format=format, **parameters)


def explanation_task(
    *,
    format: str,
    neurons: str = "smollm2",
    layers: str | int | list[str | int] | None = None,
    index: str | int | list[str | int] | None = None,
    select: str = "all",
    per_layer: int | None = None,
    threshold: float | None = None,
    limit: int | None = None,
    seed: int = 0,
    scores: str | None = None,
    shard: str | None = None,
    excerpts: int = EXCERPTS,
    excerpts_scored: str = SCORED,
    cutoff_quantile: int = CUTOFF_QUANTILE,
    pack: str | None = None,
    simulation: str = "auto",
    calibration: str = CALIBRATION,
    excerpts_per_call: int | None = None,
    headline: str = HEADLINE,
    judge: str | list[str] | None = None,
    on_short: str = "error",
    on_dead: str = "skip",
    ignore_tokens: str | list[str] | None = None,
    window: int | str | None = None,
    by_layer: bool = False,
    check: bool = True,
) -> Task:
    """Explain neurons with one prompt format and score the explanations.

    Args:
        format: The prompt format.
        neurons: Where neurons come from: a bundled set, a file or folder, or an address.
        layers: Only these layers, for instance ``0-3,10``.
        index: Only these neurons of each layer, for instance ``5,7-9``.
        select: A neuron set: ``all``, ``random``, ``interpretable``, ``top_per_layer`` or ``top``.
        per_layer: Neurons of each layer in the sets that count by layer; None is 20.
        threshold: The lowest score that counts as interpretable; None is 0.35.
        limit: At most so many neurons; None is 1,000 for ``top`` and no limit for the others.
        seed: What is drawn.
        scores: A CSV file with layer, neuron, score and explanation, for sets that need scores
            and for neurons that have no reference.
        shard: Only this part of the neurons that all of these choose, such as ``3/16``: the third
            of 16 parts, which have no neuron in common. A report takes their logs for one run.
        excerpts: Excerpts of each kind in each split; the explainer sees so many.
        excerpts_scored: ``top_random``; ``random`` for the held-out random excerpts alone; or
            ``quantiles`` for excerpts from each part of the neuron's range, weighted back to how
            common these are in all text, which needs a source with such excerpts.
        cutoff_quantile: Which of the neuron's quantile boundaries a token must exceed to be
            highlighted, counted from 0.
        pack: A prompt pack (YAML file) to use instead of the bundled one.
        simulation: How to simulate; ``none`` scores AdaCS alone.
        calibration: ``linear`` or ``percentiles`` simulates the calibration split too, for R² and
            absolute deviation, which doubles the simulator's requests; ``none`` does not.
        excerpts_per_call: Excerpts in one request to the simulator; None is the way's default.
        headline: Which measure of the simulation is the score, such as ``f1`` or ``f1_random``,
            the same over random excerpts alone.
        judge: Judgements besides: ``detection``, ``fuzzing``, ``intruder``, ``generation`` (which
            needs a subject), or several.
        on_short: ``error`` or ``skip``, for neurons with too few excerpts.
        on_dead: ``skip``, ``error`` or ``keep``, for neurons with nothing to explain: dead, firing
            everywhere, or of one text.
        ignore_tokens: Tokens, or ``special`` for all special ones, that stay in the text and are
            left out of peaks, marks, lists and scores.
        window: Tokens of an excerpt at most, cut around the peak; 0 or ``none`` for whole
            excerpts; None is 64 for neurons with an excerpt of more than 128 tokens.
        by_layer: Whether the metrics are also given for each layer.
        check: Whether each model is asked one short question first.

    Raises:
        UsageError: A parameter is not among the allowed values, or a file that it names cannot
            be used; the message says which and what would be right.
    """
    with usage_errors():
        check_number("cutoff_quantile", cutoff_quantile, least=0)
        wording = load_pack(pack)
        solver = explain(format, cutoff_quantile, pack)
        choice = parse_choice(
            neurons, layers=layers, index=index, select=select, per_layer=per_layer,
            threshold=threshold, limit=limit, seed=seed, scores=scores, shard=shard,
        )  # fmt: skip
        ask_models(simulation, pack, check, explains=True, judge=judge)
        chosen = neuron_set(
            choice, excerpts, on_short, on_dead=on_dead, ignore_tokens=ignore_tokens,
            window=window, excerpts_scored=excerpts_scored,
        )  # fmt: skip
        warnings = unmarked((neuron.dealt for neuron in chosen.neurons), cutoff_quantile)
    digests = {"task_pack": wording.name, "task_pack_sha256": wording.sha256}
    return neuron_task(
        solver=solver,
        chosen=chosen,
        simulation=simulation,
        calibration=calibration,
        pack=pack,
        excerpts_per_call=excerpts_per_call,
        headline=headline,
        judge=judge,
        by_layer=by_layer,
        check=check,
        explains=True,
        metadata={"task_format": format, **digests},
        warnings=warnings,
    )


def neuron_task(
    *,
    solver: Solver,
    chosen: NeuronSet,
    metadata: Mapping[str, Any],
    simulation: str = "auto",
    calibration: str = CALIBRATION,
    pack: str | None = None,
    excerpts_per_call: int | None = None,
    headline: str = HEADLINE,
    judge: str | list[str] | None = None,
    by_layer: bool = False,
    check: bool = True,
    explains: bool = False,
    warnings: Sequence[str] = (),
) -> Task:
    """Score what a solver says of neurons; parameters and errors are `explanation_task`'s.

    ``explains`` is whether the eval's model does, ``metadata`` what the log says of explanations.
    """
    scorers: list[Scorer] = []
    setup = None
    with usage_errors():
        metrics = metrics_of(by_layer)
        if simulation != NO_SIMULATION:
            setup = check_simulation(simulation, pack)
            check_calibration(calibration, chosen.scored)
            check_excerpts_per_call(excerpts_per_call)
            check_headline(headline)
            settings = (simulation, calibration, pack, excerpts_per_call, headline)
            scorers.append(simulation_correlation(*settings))
            metadata = {**metadata, "headline": headline}
        scorers += [adacs(), *judges(judge, pack)]
        if check and GENERATION in judge_names(judge):
            check_neurons(neuron.identity for neuron in chosen.neurons)
    ask_models(simulation, pack, check, explains, chosen.referenced, judge)
    task = Task(
        dataset=dataset(chosen),
        setup=setup,
        solver=solver,
        scorer=scorers,
        metrics=metrics,  # type: ignore[arg-type]
        version=VERSION,
        metadata={**metadata, **about(chosen, warnings)},
        viewer=viewer_config(setup is not None, headline),
        headline_metric="adacs" if setup is None else "simulation_correlation",
    )
    if setup is not None:
        # Afterwards, because a task's own metrics replace those of every scorer it is made with.
        task.scorer = [*(task.scorer or []), scored()]
    return task


def ask_models(
    simulation: str,
    pack: str | None,
    check: bool,
    explains: bool,
    compares: bool = False,
    judge: str | list[str] | None = None,
) -> None:
    """Ask the models that are known to be needed, unless asked before or ``check`` is False.

    Before neurons are read, for that may mean to fetch them; and when it is known whether any has
    a reference, since only then anything ``compares`` and needs an embedder.
    """
    with usage_errors():
        check_simulation(simulation, pack)
        check_flag("check", check)
        judges(judge, pack)
        named = judge_names(judge)
    if check:
        way = None if simulation == NO_SIMULATION else simulation
        check_task(explains, way, pack, compares, bool(named), GENERATION in named)
