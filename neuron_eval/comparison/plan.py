"""What a comparison runs: every prompt format with every explainer, on the same neurons."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from inspect import signature
from typing import Any, cast

from inspect_ai.log import EvalLog

from neuron_eval.dataset import EXCERPTS
from neuron_eval.formats import format_names, worded_formats
from neuron_eval.given.controls import CONTROLS
from neuron_eval.inspect_private import model_info_by_name, provider_packages
from neuron_eval.messages import InputError, near_miss
from neuron_eval.models.batching import Batch, read_batch
from neuron_eval.parameters import check_choice, check_excerpts_per_call, check_number, check_real
from neuron_eval.prompts.pack import load_pack
from neuron_eval.prompts.wording import Pack
from neuron_eval.records.splits import SCORED, check_scored
from neuron_eval.scorers.judging import GENERATION, judge_names, judges
from neuron_eval.simulation.choose import ROLE, asks_model, auto_ways, check_way, is_baseline
from neuron_eval.simulation.headline import HEADLINE, check_headline
from neuron_eval.simulation.measure import CALIBRATION, check_calibration
from neuron_eval.sources.choosing import Choice, parse_choice
from neuron_eval.task import CHOOSING, NO_SIMULATION, Parameters, explanation_task

READS_PROMPTS = ("openai-api-completions", "vllm", "vllm-completions")
"""Inspect's providers that give log-probabilities of a prompt, as `all_at_once` needs."""

MAY_READ_PROMPTS = ("openai-api", "sagemaker", "sglang")
"""Those that hand them on where the server has them; Inspect documents that its others do not."""

LISTS = ("formats", "models", "layers", "index", "ignore_tokens", "judge")  # also with commas

NO_MODEL = "none/none"  # Inspect's model that is never asked
EMBEDDING = "embedding"  # the way to simulate that asks the embedder


@dataclass(frozen=True, slots=True)
class Plan:
    """A comparison, checked; made by `make_plan`."""

    formats: tuple[str, ...]  # each once
    models: tuple[str, ...]  # the explainers, each once
    simulator: str | None  # None is the explainer
    embedder: str | None  # None is what `neuron_eval.embedding.embedder.resolve_embedder` takes
    epochs: int  # how often each neuron is explained
    parameters: Mapping[str, Any]  # those of every task that were named, and no others
    choice: Choice
    controls: tuple[str, ...] = ()  # beside the formats, see `neuron_eval.given.controls`
    batch: Batch | None = None  # how requests are put into batches, where models can
    until: float | None = None  # the half-width of the intervals at which it stops
    shards: int = 1  # parts of the neurons, each of which is an eval set of its own

    @property
    def control_cells(self) -> tuple[tuple[str, str], ...]:
        """Each control, once with a named simulator, and else with each explainer as simulator."""
        alone = self.simulator is not None or not asks_model(self.simulation)
        models = (NO_MODEL,) if alone else self.models
        return tuple((control, model) for control in self.controls for model in models)

    @property
    def cells(self) -> tuple[tuple[str, str], ...]:
        return tuple((format, model) for format in self.formats for model in self.models)

    @property
    def every_cell(self) -> tuple[tuple[str, str], ...]:
        return (*self.cells, *self.control_cells)

    def epochs_of(self, format: str) -> int:
        """How often each neuron is scored: a control's explanation stays the same."""
        return 1 if format in self.controls else self.epochs

    @property
    def roles(self) -> dict[str, str]:
        named = {ROLE: self.simulator, "embedder": self.embedder}
        return {role: model for role, model in named.items() if model is not None}

    @property
    def excerpts(self) -> int:
        return int(self.parameters.get("excerpts", EXCERPTS))

    @property
    def simulation(self) -> str:
        return str(self.parameters.get("simulation", "auto"))

    @property
    def calibrated(self) -> bool:
        return bool(self.parameters.get("calibration", CALIBRATION) != "none")

    def simulates(self, explainer: str) -> str:
        return self.simulator or explainer

    def ways(self, explainer: str, pack: Pack) -> tuple[str, ...]:
        """The ways to simulate, the likeliest first; several where only asking can tell."""
        if self.simulation == NO_SIMULATION:
            return ()
        if self.simulation != "auto":
            return (self.simulation,)
        if self.simulator is None and is_baseline(explainer):
            return (EMBEDDING,)
        simulator = self.simulates(explainer)
        return _likeliest_first(auto_ways(pack, reasoning=thinks(simulator)), provider(simulator))


def cell_of(log: EvalLog) -> tuple[str, str]:
    return log.eval.task.rpartition("/")[2], log.eval.model


def texts(value: object) -> list[str]:
    """One value or several as texts; one text may hold several, separated by commas."""
    values = value.split(",") if isinstance(value, str) else value
    return [str(v) for v in (values if isinstance(values, list | tuple) else [values])]


def planned(options: Mapping[str, Any], epochs: int) -> tuple[Plan, Pack]:
    """The plan and its prompt pack, from the command's options; None where one was left out."""
    options = {n: texts(v) if n in LISTS and v is not None else v for n, v in options.items()}
    roles = ("formats", "models", "simulator", "embedder", "controls", "batch", "until")
    parameters = {name: value for name, value in options.items() if name not in roles}
    for name in ("layers", "index"):
        if parameters.get(name):
            parameters[name] = ",".join(parameters[name])
    if str(parameters.get("window") or "").isdecimal():
        parameters["window"] = int(parameters["window"])
    pack, formats = load_pack(parameters.get("pack")), options.get("formats")
    plan = make_plan(
        formats=worded_formats(pack) if formats is None else formats,
        models=options.get("models") or (),
        simulator=options.get("simulator"),
        embedder=options.get("embedder"),
        epochs=epochs,
        parameters=named(parameters),
        controls=bool(options.get("controls")),
        batch=read_batch(options.get("batch")),
        until=options.get("until"),
    )
    for model in (*plan.models, *plan.roles.values()):
        name = provider(model)
        if name not in (known := provider_packages()):
            meant = near_miss([name], known)
            raise InputError(
                f"{model}: {name} is no provider that Inspect or a plugin of it has{meant}"
            )
    return plan, pack


def make_plan(
    *,
    formats: Sequence[str],
    models: Sequence[str],
    simulator: str | None,
    embedder: str | None,
    epochs: int,
    parameters: Parameters,
    controls: bool = False,
    batch: Batch | None = None,
    until: float | None = None,
) -> Plan:
    """Check what the user asked for; an InputError names option, value and what is allowed.

    A format or model that is repeated counts once. ``parameters`` are what every task is given,
    only what differs from its default.
    """
    for format in formats:
        check_choice("format", format, format_names())
    if not formats:
        raise InputError(f"formats: name at least one of {', '.join(format_names())}")
    if not models:
        raise InputError("models: name at least one explainer, such as openai/gpt-4.1-mini")
    for model in (*models, simulator, embedder):
        if model is not None and not all(model.partition("/")):
            raise InputError(f"{model!r}: expected PROVIDER/MODEL, such as openai/gpt-4.1-mini")
    check_number("epochs", epochs, least=1)
    check_number("excerpts", parameters.get("excerpts", EXCERPTS), least=1)
    scored = check_scored(parameters.get("excerpts_scored", SCORED))
    check_calibration(parameters.get("calibration", CALIBRATION), scored)
    check_headline(parameters.get("headline", HEADLINE))
    check_excerpts_per_call(parameters.get("excerpts_per_call"))
    judging = bool(judges(parameters.get("judge"), parameters.get("pack")))
    if GENERATION in judge_names(parameters.get("judge")):
        raise InputError(
            "judge=generation: no comparison runs a subject; score its logs with inspect score "
            "LOG --scorer neuron_eval/generation --model-role subject=…"
        )
    _check_simulation(parameters.get("simulation", "auto"), models, simulator, judging)
    chosen = {name: value for name, value in parameters.items() if name in CHOOSING}
    choice = parse_choice(parameters.get("neurons", "smollm2"), **chosen)
    # Puzzles have false explanations too.
    every_control = (*CONTROLS, "false") if choice.neurons.startswith("puzzles") else CONTROLS
    return Plan(
        formats=tuple(dict.fromkeys(formats)),
        models=tuple(dict.fromkeys(models)),
        simulator=simulator,
        embedder=embedder,
        epochs=epochs,
        parameters=dict(parameters),
        choice=choice,
        controls=every_control if controls else (),
        batch=batch,
        until=_until(until, parameters),
    )


def _until(until: object, parameters: Parameters) -> float | None:
    if until is None:
        return None
    if check_real("until", until, "0.02") <= 0:
        raise InputError(f"until={until}: expected a number above 0, such as 0.02")
    if parameters.get("shard"):
        raise InputError(f"until={until}: a shard would stop by its own neurons; name one of both")
    return float(cast(float, until))


def named(parameters: Mapping[str, Any]) -> Parameters:
    """Without defaults, so that the same comparison has the same logs if one was written out."""
    known = signature(explanation_task).parameters
    given = {name: value for name, value in parameters.items() if value is not None}
    return cast(Parameters, {n: v for n, v in given.items() if v != known[n].default})


def _check_simulation(
    simulation: str, models: Sequence[str], simulator: str | None, judging: bool
) -> None:
    if simulation != NO_SIMULATION:
        check_way(simulation, also=(NO_SIMULATION,))
    if judging and any(map(is_baseline, (simulator,) if simulator else models)):
        raise InputError("judge: the baseline cannot judge; name another model as the simulator")
    if not asks_model(simulation):
        if simulator is not None and not judging:
            raise InputError(f"simulator={simulator}: has no part in simulation={simulation}")
        return
    simulators = (() if simulation == "auto" else models) if simulator is None else (simulator,)
    if cannot := list(filter(is_baseline, simulators)):
        raise InputError(
            f"{cannot[0]} cannot simulate: name a simulator, or use simulation={EMBEDDING}, or "
            f"simulation={NO_SIMULATION} for AdaCS alone"
        )


def _likeliest_first(ways: tuple[str, ...], server: str) -> tuple[str, ...]:
    """The ways without `all_at_once` where the provider cannot do it; last where it seldom can."""
    others = tuple(way for way in ways if way != "all_at_once")
    if others == ways or not others or server in READS_PROMPTS:
        return ways
    if provider_packages().get(server) == "inspect_ai" and server not in MAY_READ_PROMPTS:
        return others
    return (*others, "all_at_once")


def provider(model: str) -> str:
    return model.partition("/")[0]


def thinks(model: str) -> bool:
    info = model_info_by_name(model)
    return bool(info and info.reasoning)
