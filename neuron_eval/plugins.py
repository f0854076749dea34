"""What a user's own package adds: the modules that its entry points name, each imported once.

A package that has a format of its own says so in its ``pyproject.toml``, and the module registers
it with the same decorator as the ones in this package do, see docs/extending.md:

    [project.entry-points."neuron_eval.formats"]
    mine = "my_package.my_format"

Inspect's own group ``inspect_ai``, which it loads itself, is the place for scorers, solvers, model
providers and tasks, and for whatever is named as ``my_package/name``.
"""

import logging
from functools import cache
from importlib.metadata import entry_points
from typing import Literal

from neuron_eval.messages import message_of

logger = logging.getLogger(__name__)

Group = Literal["formats", "ways", "sources", "tables"]
"""What there may be more of; the group of entry points is ``neuron_eval.`` and this."""


def plugin_names(group: Group) -> tuple[str, ...]:
    """What users' packages call their entry points in a group; none is imported."""
    return tuple(sorted(entry_points(group=f"neuron_eval.{group}").names))


@cache
def load_plugins(group: Group) -> tuple[str, ...]:
    """Import what users' packages name in a group, and say of each that failed why.

    At a look-up, so that starting stays fast. One that fails is warned of once, and hides neither
    the others nor what ships.
    """
    failures = []
    for entry in sorted(entry_points(group=f"neuron_eval.{group}")):
        try:
            entry.load()
        except Exception as error:
            package = entry.dist.name if entry.dist else "a package"
            failures.append(
                f"plugin {entry.name} = {entry.value} of {package} ({entry.group}) cannot be used: "
                f"{type(error).__name__}: {message_of(error)}"
            )
            logger.warning(failures[-1])
    return tuple(failures)


def with_failures(message: str, group: Group) -> str:
    return "; ".join((message, *load_plugins(group)))
