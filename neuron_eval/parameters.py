"""Checking what users pass after -T and -S, which Inspect hands on as it came."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

from neuron_eval.messages import InputError, replace_surrogates, shown


def check_choice(name: str, value: object, allowed: Sequence[str]) -> str:
    """The value, if it is one of those allowed.

    Raises:
        ValueError: Names the parameter, the value and what is allowed.
    """
    if not isinstance(value, str) or value not in allowed:
        raise InputError(f"{name}={shown(value)}: allowed are {', '.join(allowed)}")
    return value


def check_number(name: str, value: object, least: int) -> None:
    """Refuse a parameter that is not a whole number of at least ``least``.

    Raises:
        ValueError: Names the parameter and the value.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InputError(f"{name}={shown(value)}: expected a whole number of at least {least}")


def check_text(name: str, value: object) -> None:
    """Refuse a parameter that is not a text.

    Raises:
        ValueError: Names the parameter and the value.
    """
    if not isinstance(value, str):
        raise InputError(f"{name}={shown(value)}: expected one name or file")
    if replace_surrogates(value) != value:
        # It goes into the log, which could not be written.
        raise InputError(f"{name}={shown(value)}: holds bytes that are not UTF-8; rename the file")


def check_real(name: str, value: object, example: str) -> float:
    """The value, if it is a number other than NaN and the infinities.

    Args:
        name: The parameter.
        value: What the user typed.
        example: A number that would be right.

    Raises:
        ValueError: Names the parameter and the value.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not _finite(value):
        raise InputError(f"{name}={shown(value)}: expected a number such as {example}")
    return float(value)


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def check_writable(**parameters: object) -> None:
    """Refuse texts that no log can hold, such as a file's name that is no UTF-8.

    Raises:
        ValueError: Names the parameter and the value.
    """
    for name, value in parameters.items():
        text = json.dumps(value, ensure_ascii=False, default=str)
        if text != replace_surrogates(text):
            raise InputError(f"{name}={shown(value)}: expected text that can be written as UTF-8")


def check_flag(name: str, value: object) -> None:
    """Refuse a parameter that is not a truth value.

    Raises:
        ValueError: Names the parameter and the value.
    """
    if not isinstance(value, bool):
        raise InputError(f"{name}={shown(value)}: allowed are true, false")


def check_excerpts_per_call(value: object) -> None:
    """Refuse an ``excerpts_per_call`` that is neither left out nor a whole number from 1.

    Raises:
        ValueError: Names the value.
    """
    if value is not None:
        check_number("excerpts_per_call", value, least=1)
