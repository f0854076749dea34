"""What a log is called in tables, and which logs were run with the same settings."""

import inspect
import json
import os
import posixpath
from collections.abc import Collection, Mapping
from typing import Any

from inspect_ai.log import EvalLog, EvalSpec
from inspect_ai.model import ModelConfig

from neuron_eval.dataset import EXCERPTS
from neuron_eval.explain.prompting import CUTOFF_QUANTILE
from neuron_eval.explain.solvers import generation_settings, reasons_as
from neuron_eval.formats import format_names
from neuron_eval.given.controls import ALL_CONTROLS, control_of
from neuron_eval.given.origin import SHUFFLED_FILE, label
from neuron_eval.logs.runs import headline_of
from neuron_eval.records.activations import parse_ignored
from neuron_eval.records.splits import SCORED
from neuron_eval.simulation import ways
from neuron_eval.simulation.choose import ROLE
from neuron_eval.simulation.measure import CALIBRATION
from neuron_eval.sources import BUNDLED
from neuron_eval.sources.choosing import LAYERED
from neuron_eval.subject.exchange import ROLE as SUBJECT
from neuron_eval.task import NO_SIMULATION

RUNTIME = {
    *("adaptive_connections", "attempt_timeout", "batch", "cache", "cache_prompt"),
    *("max_connections", "max_retries", "stream_idle_timeout", "timeout"),
}
"""Settings of how models are reached, on which no score depends."""

EMBEDDER = "embedder"  # the role of the model that AdaCS and simulation by embedding embed with
PUZZLES = "puzzles:"  # what stands before the path of a file of puzzles

CHOOSING = ("select", "layers", "index", "per_layer", "threshold", "scores", "seed")


def format_of(log: EvalLog) -> str:
    """What ran: a solver named on the command line, else the task's format or column."""
    solver = (log.eval.solver or "").rpartition("/")[2]
    arguments = log.eval.solver_args or {}
    if solver == "explain":
        return str(arguments.get("format", "summary"))
    if solver == "given":
        return label(arguments.get("explanations"), arguments.get("column"))
    if solver in (*format_names(), *ALL_CONTROLS):
        return solver
    return str((log.eval.metadata or {}).get("task_format", log.eval.task))


def explainer_of(log: EvalLog) -> str:
    return str((log.eval.metadata or {}).get("explanations") or log.eval.model)


def control_name(spec: EvalSpec) -> str:
    """Which control a log is of, see `neuron_eval.given.controls`; empty if of none."""
    about = spec.metadata or {}
    if spec.solver is None:
        return control_of(about.get("explanations"), about.get("column"))
    solver, arguments = _solver(spec), spec.solver_args or {}
    if solver == "given":
        return control_of(arguments.get("explanations"), arguments.get("column"))
    return solver if solver in ALL_CONTROLS else ""


def paper_order(format: str) -> tuple[int, str]:
    names = format_names()
    return (names.index(format) if format in names else len(names)), format


def identity(log: EvalLog, window: object = None) -> str:
    """All settings that a score depends on, as a text: equal for what was run twice.

    Whatever task, solver, default or spelling they come from. Which neurons of a source were run
    is not among them, unless some were drawn, nor how many, and how often; nor what was left out
    of a run that went well. The ``window`` is for a log in which nothing was cut.
    """
    spec = log.eval
    settings = {
        "format": format_of(log),
        "explaining": _explaining(spec),
        "neurons": _neurons(spec, window),
        "scoring": _scoring(spec),
        "headline": headline_of(log),
        **models(spec, explains=_explains(spec), roles=_roles(spec)),
    }
    return json.dumps(settings, sort_keys=True, default=str)


def defaults(function: Any) -> dict[str, Any]:
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty}


def _solver(spec: EvalSpec) -> str | None:
    """The solver that was named in place of the task's own, ours without the package's name."""
    return spec.solver and spec.solver.removeprefix("neuron_eval/")


def _is_given(spec: EvalSpec) -> bool:
    """Whether the solver is one of this project's that takes explanations which exist."""
    return _solver(spec) in ("given", *ALL_CONTROLS)


def _explains(spec: EvalSpec) -> bool:
    """Whether the solver is one of this project's that asks a model; those of tasks are."""
    if spec.solver is None:
        return "explanations" not in (spec.metadata or {})
    return _solver(spec) in ("explain", *format_names())


def _explaining(spec: EvalSpec) -> dict[str, Any]:
    arguments = spec.solver_args or {}
    if _is_given(spec) or (spec.solver is None and not _explains(spec)):
        return _given(spec)
    if not _explains(spec):
        return {"solver": spec.solver, "solver_args": arguments}
    parameters = spec.task_args if spec.solver is None else arguments
    return {
        "cutoff_quantile": parameters.get("cutoff_quantile", CUTOFF_QUANTILE),
        "explaining_pack": _pack(spec, parameters.get("pack")),
    }


def _given(spec: EvalSpec) -> dict[str, Any]:
    about, arguments = spec.metadata or {}, spec.solver_args or {}
    parameters = spec.task_args if spec.solver is None else arguments
    name = control_name(spec)
    settings: dict[str, Any] = {}
    if name == "generic":
        settings["generic"] = about.get("generic") or place(parameters.get("pack"))
    if name == "lexical":
        settings["cutoff_quantile"] = parameters.get("cutoff_quantile", CUTOFF_QUANTILE)
    if name == "shuffled":
        settings["seed"] = (about.get("neurons_choice") or parameters).get("seed")
    if spec.solver is None and (digest := about.get("explanations_sha256")):
        settings["explanations_sha256"] = digest
    elif not name or SHUFFLED_FILE in str(arguments.get("explanations")):
        settings["explanations"] = place(arguments.get("explanations"))
    return settings


def _pack(spec: EvalSpec, path: object) -> object:
    """The digest of a pack where the header has it, else where it lay."""
    known = (spec.metadata or {}).get("task_pack_sha256")
    return known if known and path == spec.task_args.get("pack") else place(path)


def _neurons(spec: EvalSpec, window: object) -> dict[str, Any]:
    about, parameters = spec.metadata or {}, spec.task_args
    chosen: Mapping[str, Any] = about.get("neurons_choice") or parameters
    choice = {name: chosen.get(name) for name in CHOOSING}
    if choice["select"] in (None, "all"):
        choice |= {"layers": None, "index": None}  # parts of one run may be of other neurons
    if choice["select"] not in LAYERED or choice["select"] == "top_per_layer":
        choice["seed"] = None  # nothing is drawn
    return {
        **choice,
        "neurons": place(about.get("neurons")),
        "scores": place(choice["scores"]),
        "excerpts": parameters.get("excerpts", EXCERPTS),
        "excerpts_scored": parameters.get("excerpts_scored", SCORED),
        "ignore_tokens": sorted(parse_ignored(parameters.get("ignore_tokens"))),
        # As it came out: a length that cut nothing is no setting of its own.
        "window": (about.get("window") or {}).get("tokens", window),
        "references_sha256": about.get("references_sha256"),
    }


def _scoring(spec: EvalSpec) -> dict[str, Any]:
    parameters = spec.task_args
    way, judge = parameters.get("simulation", "auto"), parameters.get("judge")
    scoring: dict[str, Any] = {"simulation": way}
    if judge:  # only then, so that logs without it are what they were
        scoring["judge"] = sorted(judge.split(",") if isinstance(judge, str) else judge)
    if judge or _needs_model(way):
        scoring["pack"] = _pack(spec, parameters.get("pack"))
    if way != NO_SIMULATION:
        scoring["calibration"] = parameters.get("calibration", CALIBRATION)
    usual = ways()[way].excerpts_per_call if way in ways() else None
    if way == "auto" or usual:
        scoring["excerpts_per_call"] = parameters.get("excerpts_per_call") or usual
    return scoring


def _needs_model(way: str) -> bool:
    """Whether a model simulates; of a way that is not installed here it is taken that one did."""
    return way != NO_SIMULATION and (way not in ways() or ways()[way].needs_model)


def place(name: object) -> object:
    """A path that is there, in full and without links; else as it is written shortest.

    A log does not say from which folder a path was meant: it is taken to be the current one. An
    address and the name of a bundled set stay.
    """
    if not isinstance(name, str) or not name or "://" in name or name in BUNDLED:
        return name
    if name.startswith(PUZZLES):
        return f"{PUZZLES}{place(name.removeprefix(PUZZLES))}"
    # Path.exists raises where a name is too long to be one.
    exists = os.path.exists(name)  # noqa: PTH110
    return os.path.realpath(name) if exists else posixpath.normpath(name)


def _roles(spec: EvalSpec) -> tuple[str, ...]:
    """The roles that have a part; a solver from elsewhere may use any."""
    if spec.solver is not None and not _explains(spec) and not _is_given(spec):
        return tuple(spec.model_roles or ())
    way, judge = spec.task_args.get("simulation", "auto"), spec.task_args.get("judge")
    roles = (EMBEDDER, ROLE) if judge or _needs_model(way) else (EMBEDDER,)
    experiments = "generation" in (judge or "") or spec.task.endswith("investigate")
    return (*roles, SUBJECT) if experiments else roles


def models(spec: EvalSpec, explains: bool, roles: Collection[str]) -> dict[str, Any]:
    """The models of an eval and of these roles, with all settings that count, as it explains."""
    config = spec.model_generate_config
    settings = config.model_dump(exclude_none=True, exclude=RUNTIME)
    if explains:
        settings |= generation_settings(config, reasons_as(spec.model, config))
    # The embedder that has the role where the user named none.
    embedder = (spec.metadata or {}).get("default_embedder")
    bound: dict[str, Any] = {EMBEDDER: ModelConfig(model=str(embedder))} if embedder else {}
    bound |= spec.model_roles or {}
    dumped: dict[str, list[Any]] = {}
    for role in bound.keys() & {*roles}:
        named = bound[role] if isinstance(bound[role], list) else [bound[role]]
        dumped[role] = [m.model_dump(exclude_none=True, exclude={"config": RUNTIME}) for m in named]
    explainer = [spec.model, spec.model_base_url, spec.model_args]
    return {"explainer": explainer, "settings": settings, "roles": dumped}
