"""Prompt formats: how excerpts and activations are shown, one file a format.

A new format is one file in this folder with one decorated function (and its wording in a pack):

    @prompt_format("reversed")
    def reversed_tokens(shown: Shown, wording: Wording) -> str: ...
"""

from __future__ import annotations

import importlib
import pkgutil

from neuron_eval.formats.base import FORMATS, Renderer
from neuron_eval.messages import InputError

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")


def format_names() -> tuple[str, ...]:
    """The names of all formats, those of the paper in the paper's order, then the others."""
    paper = ("original", "summary", "highlight", "highlight_summary", "avhs")
    return paper + tuple(sorted(set(FORMATS) - set(paper)))


def get_format(name: str) -> Renderer:
    """The renderer of one format.

    Raises:
        ValueError: There is no such format; the message lists those there are.
    """
    if name not in FORMATS:
        raise InputError(
            f"format={name!r}: no such format; allowed are {', '.join(format_names())}"
        )
    return FORMATS[name]
