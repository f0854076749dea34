"""Which logs were run with the same settings."""

from __future__ import annotations

import inspect
import json
from typing import Any

from inspect_ai.log import EvalLog, EvalSpec

from neuron_eval.rating.asking import is_person
from neuron_eval.report.table import format_of

RUNTIME = {
    "adaptive_connections",
    "attempt_timeout",
    "batch",
    "cache",
    "cache_prompt",
    "max_connections",
    "max_retries",
    "stream_idle_timeout",
    "timeout",
}
"""Settings of how models are reached, on which no score depends."""


def identity(log: EvalLog) -> str:
    """All settings that a score depends on, as a text: equal for what was run twice.

    How many neurons and epochs were run is not among them.
    """
    from neuron_eval.task import explanation_task

    spec = log.eval
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(explanation_task).parameters.items()
        if parameter.default is not parameter.empty
    }
    settings = {
        "format": format_of(log),
        "arguments": {**defaults, **spec.task_args, "limit": None},
        "solver": [spec.solver, spec.solver_args],
        **_models(spec),
        "about": {
            name: value
            for name, value in (spec.metadata or {}).items()
            if name.endswith("sha256") or name == "neurons"
        },
    }
    return json.dumps(settings, sort_keys=True, default=str)


def rater_identity(log: EvalLog) -> str:
    """As `identity`, of a log of ratings: equal if a rater was asked the same twice."""
    spec, about = log.eval, log.eval.metadata or {}
    settings = {
        "arguments": {**spec.task_args, "explanations": None, "limit": None},
        "about": {name: about.get(name) for name in RATING},
        **_models(spec),
    }
    if is_person(spec.model):
        # Where the page was served is no part of it; elsewhere kept answers are answers anew.
        settings["explainer"] = [spec.model, spec.model_args.get("answers")]
    return json.dumps(settings, sort_keys=True, default=str)


RATING = ("rated_columns", "explanations", "explanations_sha256", "neurons", "rating_pack_sha256")
"""What a rater was asked about, in the header's metadata."""


def _models(spec: EvalSpec) -> dict[str, Any]:
    """The models of an eval with all settings that what they say depends on."""
    return {
        "explainer": [spec.model, spec.model_base_url, spec.model_args],
        "settings": spec.model_generate_config.model_dump(exclude_none=True, exclude=RUNTIME),
        "roles": {
            role: [
                one.model_dump(exclude_none=True, exclude={"config": RUNTIME})
                for one in _listed(bound)
            ]
            for role, bound in (spec.model_roles or {}).items()
        },
    }


def _listed(bound: Any) -> list[Any]:
    return bound if isinstance(bound, list) else [bound]
