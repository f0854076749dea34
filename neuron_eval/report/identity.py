"""Which logs were run with the same settings."""

from __future__ import annotations

import inspect
import json
from typing import Any

from inspect_ai.log import EvalLog

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
        "explainer": [spec.model, spec.model_base_url, spec.model_args],
        "settings": spec.model_generate_config.model_dump(exclude_none=True, exclude=RUNTIME),
        "roles": {
            role: [
                one.model_dump(exclude_none=True, exclude={"config": RUNTIME})
                for one in _listed(bound)
            ]
            for role, bound in (spec.model_roles or {}).items()
        },
        "about": {
            name: value
            for name, value in (spec.metadata or {}).items()
            if name.endswith("sha256") or name == "neurons"
        },
    }
    return json.dumps(settings, sort_keys=True, default=str)


def _listed(bound: Any) -> list[Any]:
    return bound if isinstance(bound, list) else [bound]
