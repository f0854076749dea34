"""What Inspect's cache must tell apart, and for how long it may answer."""

from __future__ import annotations

import hashlib

from inspect_ai.model import CachePolicy, Model


def cache_policy(model: Model, **scopes: str) -> CachePolicy:
    """The same question to the same model has the same answer, in every epoch, eval and scoring.

    Inspect's own key holds a model's name, but neither its arguments (a path to weights, say) nor
    an address that its client took from the environment; here they are part of it.

    Args:
        model: The model that is asked.
        scopes: What else the answer depends on.
    """
    address = getattr(getattr(model.api, "client", None), "base_url", "")
    told_apart = repr((sorted(model.model_args.items(), key=lambda item: item[0]), str(address)))
    # A digest, since arguments may hold secrets.
    digest = hashlib.sha256(told_apart.encode()).hexdigest()[:16]
    return CachePolicy(expiry=None, per_epoch=False, scopes={"model": digest, **scopes})
