"""Says that answers are taken from an earlier run, so that nobody wonders who gave them."""

from __future__ import annotations

from pathlib import Path

import anyio

from neuron_eval.rating.human.telling import tell

SETTLE_SECONDS = 0.3
"""When no sample came for so long, all that had an answer already are counted."""


class Reused:
    """One rater's answers that nobody is asked for again; told once."""

    def __init__(self, rater: str, path: Path) -> None:
        """Count from 0.

        Args:
            rater: Whose answers they are.
            path: The file that holds them.
        """
        self._rater, self._path = rater, path
        self._count = 0

    async def count(self) -> None:
        """Count one more; of several at once the first waits for the others and tells."""
        self._count += 1
        if self._count > 1:
            return
        before = 0
        try:
            while self._count > before:
                before = self._count
                await anyio.sleep(SETTLE_SECONDS)
        finally:
            tell(
                f"{self._rater}: answers handed over in an earlier run are used again and not "
                f"asked for, {self._count} so far\n  from {self._path}; -M answers=DIR with a new "
                "folder starts anew"
            )
