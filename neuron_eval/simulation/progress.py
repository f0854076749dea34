"""How far the simulation is, for who watches an eval."""

from __future__ import annotations

from time import monotonic

from inspect_ai.util import display_counter

_PAUSE = 0.5
"""Seconds between two counts on the screen, which is drawn anew for each."""

_replies = 0
_shown = 0.0


def count_reply() -> None:
    """Count a simulator's reply, and show how many there were in this process.

    Inspect's own progress counts samples, and one sample may take hundreds of requests.
    """
    global _replies, _shown
    _replies += 1
    if monotonic() - _shown >= _PAUSE:
        _shown = monotonic()
        display_counter("simulator replies", f"{_replies:,}")
