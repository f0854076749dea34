"""What tasks take after -T; and checks of what users pass, which Inspect hands on as it came.

Each check raises an InputError that names the parameter, its value and what is allowed.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from sys import float_info
from typing import Any, TypedDict

from neuron_eval.messages import InputError, near_miss, replace_surrogates, shown


class Parameters(TypedDict, total=False):
    """What every task takes after ``-T``; meanings and defaults are `explanation_task`'s."""

    neurons: str
    layers: str | int | list[str | int] | None
    index: str | int | list[str | int] | None
    select: str
    per_layer: int | None
    threshold: float | None
    limit: int | None
    seed: int
    scores: str | None
    shard: str | None
    excerpts: int
    excerpts_scored: str
    cutoff_quantile: int
    pack: str | None
    simulation: str
    calibration: str
    excerpts_per_call: int | None
    headline: str
    judge: str | list[str] | None
    on_short: str
    on_dead: str
    ignore_tokens: str | list[str] | None
    window: int | str | None
    by_layer: bool
    check: bool


CHOOSING = (
    *("layers", "index", "select", "per_layer", "threshold", "limit", "seed", "scores"),
    "shard",
)
"""The parameters that choose neurons of the source."""

READING = ("excerpts", "excerpts_scored", "on_short", "on_dead", "ignore_tokens", "window")
"""The parameters that say which of a neuron's excerpts are used, and how."""

SIMULATING = ("simulation", "calibration", "pack", "excerpts_per_call", "headline", "judge")
"""The parameters that say how explanations are simulated, and judged besides."""


def given_among(names: Iterable[str], parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {name: parameters[name] for name in names if name in parameters}


def check_choice(name: str, value: object, allowed: Sequence[str]) -> str:
    if not isinstance(value, str) or value not in allowed:
        meant = near_miss([value], allowed)
        raise InputError(f"{name}={shown(value)}: allowed are {', '.join(allowed)}{meant}")
    return value


def check_known(names: Iterable[str], known: Sequence[str], where: str = "") -> None:
    """Refuse parameters that there are not; ``where`` is when there are just the known ones."""
    if unknown := sorted(set(names) - set(known)):
        raise InputError(
            f"-T {', '.join(unknown)}: no such parameter{where}; there are "
            f"{', '.join(known)}{near_miss(unknown, known)}"
        )


def check_number(name: str, value: object, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InputError(f"{name}={shown(value)}: expected a whole number of at least {least}")
    return value


def check_text(name: str, value: object) -> str:
    """The value; refuses what is no name of a thing or a file; none holds a NUL."""
    if not isinstance(value, str) or "\0" in value:
        raise InputError(f"{name}={shown(value)}: expected one name or file")
    if replace_surrogates(value) != value:
        # It goes into the log, which could not be written.
        raise InputError(f"{name}={shown(value)}: holds bytes that are not UTF-8; rename the file")
    return value


def check_real(name: str, value: object, example: str) -> float:
    largest = float_info.max  # of which NaN is not less either
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= largest:
        raise InputError(f"{name}={shown(value)}: expected a number such as {example}")
    return float(value)


def check_writable(**parameters: object) -> None:
    """Refuse texts that no log can hold, such as a file's name that is no UTF-8."""
    for name, value in parameters.items():
        text = json.dumps(value, ensure_ascii=False, default=str)
        if text != replace_surrogates(text):
            raise InputError(f"{name}={shown(value)}: expected text that can be written as UTF-8")


def check_flag(name: str, value: object) -> None:
    if not isinstance(value, bool):
        raise InputError(f"{name}={shown(value)}: allowed are true, false")


def check_excerpts_per_call(value: object) -> None:
    if value is not None:
        check_number("excerpts_per_call", value, least=1)
