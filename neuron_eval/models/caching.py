"""What Inspect's cache must tell apart, and for how long it may answer."""

from __future__ import annotations

import hashlib
import json

from inspect_ai.event import ModelEvent
from inspect_ai.log import transcript
from inspect_ai.model import CachePolicy, Model, ModelOutput


def cache_policy(model: Model, **scopes: str) -> CachePolicy:
    """The same question to the same model has the same answer, in every epoch, eval and scoring.

    Inspect's own key holds a model's name, but neither its arguments (a path to weights, say) nor
    an address that its client took from the environment; here they are part of it.

    Args:
        model: The model that is asked.
        scopes: What else the answer depends on.
    """
    address = getattr(getattr(model.api, "client", None), "base_url", "")
    # An object's own text may hold where it lies in memory; its type does not.
    told_apart = json.dumps(
        [model.model_args, str(address)], sort_keys=True, default=lambda o: type(o).__qualname__
    )
    # A digest, since arguments may hold secrets.
    digest = hashlib.sha256(told_apart.encode()).hexdigest()[:16]
    return CachePolicy(expiry=None, per_epoch=False, scopes={"model": digest, **scopes})


def came_from_cache(output: ModelOutput) -> bool:
    """Whether Inspect's cache answered; its event for the reply says so."""
    ids = {choice.message.id for choice in output.choices}
    for event in reversed(transcript().events):
        if isinstance(event, ModelEvent) and ids & {c.message.id for c in event.output.choices}:
            return event.cache == "read"
    return False
