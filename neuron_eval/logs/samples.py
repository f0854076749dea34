"""The samples of one log, with an account of those that cannot be read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from inspect_ai.log import (
    EvalSample,
    read_eval_log_sample,
    read_eval_log_sample_summaries,
    read_eval_log_samples_by_id,
)

from neuron_eval.logs.files import line, short, wrong

UNUSED = frozenset({"messages", "attachments", "store", "timelines", "files", "sandbox", "setup"})
"""What a report needs of no sample."""

AT_ONCE = 25
"""Samples in memory at a time."""

NAMED = 3
"""So many of the samples that cannot be read are named; the others are counted."""


@dataclass(frozen=True, slots=True)
class Unread:
    """A sample that the log names and that is of no use."""

    id: str
    """Its id."""

    epoch: int
    """Its epoch."""

    why: str
    """What is wrong with it."""


class Samples:
    """Reads the samples of a log, few in memory at a time."""

    def __init__(self, location: str, unused: frozenset[str] = UNUSED) -> None:
        """Read no sample yet.

        Args:
            location: Where the log is.
            unused: The fields of a sample that are not wanted.

        Raises:
            Exception: The list of its samples cannot be read; anything that Inspect raises.
        """
        self._location, self._unused = location, set(unused)
        self._listed = read_eval_log_sample_summaries(location)
        self._unread: list[Unread] = []

    def by_neuron(self, epoch: int | None = None) -> Iterator[list[EvalSample]]:
        """The epochs of one neuron after the other, those that can be read; at least one of each.

        Args:
            epoch: Only this one; None for all.
        """
        epochs: dict[str, list[tuple[str | int, int]]] = {}
        for one in self._listed:
            if epoch in (None, one.epoch):
                epochs.setdefault(str(one.id), []).append((one.id, one.epoch))
        waiting = iter(epochs.values())
        while group := list(islice(waiting, AT_ONCE)):
            found = iter(self._read([key for neuron in group for key in neuron]))
            for neuron in group:
                samples = [one for one in islice(found, len(neuron)) if one is not None]
                if samples:
                    yield samples

    def leave_out(self, samples: Sequence[EvalSample], error: Exception) -> None:
        """Count samples of a neuron as unreadable, for what they hold."""
        self._unread += [Unread(str(one.id), one.epoch, wrong(error)) for one in samples]

    @property
    def note(self) -> str:
        """A sentence on what could not be read so far; nothing if all could."""
        if not self._unread:
            return ""
        total, several = len(self._listed), any(one.epoch > 1 for one in self._listed)
        named = [
            f"{line(one.id)}{f' epoch {one.epoch}' if several else ''} ({one.why})"
            for one in self._unread[:NAMED]
        ]
        more = len(self._unread) - len(named)
        return (
            f"{short(self._location)}: {len(self._unread)} of {total} samples cannot be read and "
            f"are left out: {'; '.join(named)}{f'; and {more} more' if more else ''}"
        )

    def _read(self, keys: Sequence[tuple[str | int, int]]) -> list[EvalSample | None]:
        try:
            return list(
                read_eval_log_samples_by_id(self._location, keys, exclude_fields=self._unused)
            )
        except Exception:  # of one among them; a file may hold anything
            return [self._read_one(*key) for key in keys]

    def _read_one(self, id_: str | int, epoch: int) -> EvalSample | None:
        try:
            return read_eval_log_sample(self._location, id_, epoch, exclude_fields=self._unused)
        except IndexError:
            self._unread.append(Unread(str(id_), epoch, "the log names it and does not hold it"))
        except Exception as error:  # of a file that may hold anything
            self._unread.append(Unread(str(id_), epoch, wrong(error)))
        return None
