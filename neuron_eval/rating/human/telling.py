"""What a person at the terminal is told while an eval runs."""

from __future__ import annotations

import sys


def tell(text: str) -> None:
    """Print to standard error; Inspect's display shows it in its console.

    Not by click, which also writes empty bytes: the display breaks on them.
    """
    print(text, file=sys.stderr, flush=True)  # noqa: T201
