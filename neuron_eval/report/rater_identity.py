"""Which logs of ratings were made with the same settings."""

from __future__ import annotations

import json

from inspect_ai.log import EvalLog

from neuron_eval.logs.identity import defaults, models, place
from neuron_eval.rating.asking import is_person
from neuron_eval.tasks.rate import rate


def rater_identity(log: EvalLog) -> str:
    """As `identity`, of a log of ratings: equal if a rater was asked the same twice."""
    spec, about = log.eval, log.eval.metadata or {}
    told_by_header = ("explanations", "neurons", "columns", "pack", "limit")
    arguments = {**defaults(rate), **spec.task_args}
    settings = {
        "arguments": {k: v for k, v in arguments.items() if k not in told_by_header},
        "about": {name: about.get(name) for name in RATING},
        "neurons": place(about.get("neurons")),
        **models(spec, explains=False, roles=tuple(spec.model_roles or ())),
    }
    if is_person(spec.model):
        # Where the page was served is no part of it; elsewhere kept answers are answers anew.
        settings["explainer"] = [spec.model, spec.model_args.get("answers")]
    return json.dumps(settings, sort_keys=True, default=str)


RATING = ("rated_columns", "explanations", "explanations_sha256", "rating_pack_sha256")
"""What a rater was asked about, in the header's metadata."""
