"""OpenAI's public container of GPT-2 neurons and explanations, or a mirror of it."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass

from neuron_eval.sources.base import SourceError
from neuron_eval.sources.openai.fetching import FetchSettings, HttpStore, cache_folder

ADDRESS = "https://openaipublic.blob.core.windows.net/neuron-explainer"
"""The public container."""

MIRROR_VARIABLE = "NEURON_EVAL_OPENAI_URL"
"""The environment variable that names another address to use in place of `ADDRESS`."""


@dataclass(frozen=True, slots=True)
class Published:
    """A model in the public container."""

    folder: str
    """Its folder there."""

    layers: int
    """How many it has."""

    neurons: int
    """How many each layer has."""

    author: str
    """Who wrote the explanations, as far as was said."""


PUBLISHED: dict[str, Published] = {
    "gpt2-xl": Published("data", 48, 6400, "released by OpenAI (GPT-4)"),
    "gpt2-small": Published("gpt2_small_data", 12, 3072, "released by OpenAI"),
}
"""The models in the public container, by the name that users type after ``openai:``."""


def container_store(name: str, settings: FetchSettings | None = None) -> HttpStore:
    """The files of a model in the container; nothing is asked for yet.

    Args:
        name: A name in `PUBLISHED`.
        settings: How patient to be.

    Raises:
        SourceError: There is no such model, or the mirror is no HTTP address.
    """
    if name not in PUBLISHED:
        known = ", ".join(f"openai:{model}" for model in PUBLISHED)
        raise SourceError(f"neurons=openai:{name}: not published there; known are {known}")
    published = PUBLISHED[name]
    base = (os.environ.get(MIRROR_VARIABLE) or ADDRESS).rstrip("/")
    if not base.startswith(("https://", "http://")) or set("?#@ ") & set(base):
        folders = " and ".join(f"{p.folder}/" for p in PUBLISHED.values())
        raise SourceError(
            f"{MIRROR_VARIABLE}={base}: expected an address such as {ADDRESS}, without query or "
            f"password, below which are {folders}"
        )
    # A mirror has a folder of its own, so that a wrong one leaves nothing behind for the next run.
    mirror = "" if base == ADDRESS else f"-{hashlib.sha256(base.encode()).hexdigest()[:12]}"
    return HttpStore(
        address=f"{base}/{published.folder}",
        cache=cache_folder() / f"openai{mirror}" / name,
        shape=(published.layers, published.neurons),
        advice=f"{MIRROR_VARIABLE} names a mirror to use in place of {ADDRESS}.",
        settings=settings,
    )
