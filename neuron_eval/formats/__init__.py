"""Prompt formats: how excerpts and activations are shown.

A new format is one decorated function, in a file of this folder or of a package of the user's (see
docs/extending.md), and its wording in a pack:

    @prompt_format("reversed")
    def reversed_tokens(shown: Shown, wording: Wording) -> str: ...
"""

import importlib
import pkgutil

from neuron_eval.formats import published  # noqa: F401  the paper's come first
from neuron_eval.formats.base import FORMATS, Renderer
from neuron_eval.messages import InputError, near_miss
from neuron_eval.plugins import load_plugins, with_failures
from neuron_eval.prompts.wording import Pack

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")


def format_names() -> tuple[str, ...]:
    """The names of all formats: those of the paper in its order, then others, then plugins'."""
    load_plugins("formats")
    return tuple(FORMATS)


def worded_formats(pack: Pack) -> tuple[str, ...]:
    """The names of the formats that a pack has words for, in the same order."""
    return tuple(name for name in format_names() if name in pack.formats)


def get_format(name: str) -> Renderer:
    """The renderer of one format; an InputError lists those there are."""
    names = format_names()
    if name not in names:
        message = f"format={name!r}: no such format; allowed are {', '.join(names)}"
        message += near_miss([name], names)
        raise InputError(with_failures(message, "formats"))
    return FORMATS[name]
