"""Requests and tokens by role and model, counted from the events of a log's samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from inspect_ai.event import ModelEvent
from inspect_ai.log import EvalSample

from neuron_eval.logs.runs import EXPLAINER, Spent


class Spending:
    """Adds up samples, one after another."""

    def __init__(self) -> None:
        """Nothing yet."""
        self._counts: dict[tuple[str, str], Counter[str]] = {}

    def add(self, samples: Iterable[EvalSample]) -> None:
        """Count the model events of samples."""
        for sample in samples:
            for event in sample.events:
                if isinstance(event, ModelEvent):
                    self._event(event)

    def spent(self) -> tuple[Spent, ...]:
        """The sums: the explainer first, then by role and model."""
        order = sorted(self._counts, key=lambda at: (at[0] != EXPLAINER, at))
        return tuple(Spent(model, role, **self._counts[role, model]) for role, model in order)

    def _event(self, event: ModelEvent) -> None:
        counts = self._counts.setdefault((event.role or EXPLAINER, event.model), Counter())
        counts["requests"] += 1
        counts["retries"] += event.retries or 0
        if event.cache == "read":
            counts["cached"] += 1
            return
        usage = event.output.usage
        if usage is not None:
            counts["input_tokens"] += usage.input_tokens
            counts["output_tokens"] += usage.output_tokens
            counts["cache_read_tokens"] += usage.input_tokens_cache_read or 0
            counts["cache_write_tokens"] += usage.input_tokens_cache_write or 0
