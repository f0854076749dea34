"""What a run took: requests and tokens by role and model, from the events of samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict

from inspect_ai.event import ModelEvent
from inspect_ai.log import EvalSample

from neuron_eval.logs.runs import EXPLAINER, Spent
from neuron_eval.models.batching import in_batches


def spent_on(samples: Sequence[EvalSample]) -> tuple[Spent, ...]:
    """What one neuron took, over its epochs."""
    spending = Spending()
    spending.add(samples)
    return spending.spent()


class Spending:
    """Requests and tokens by role and model, added up from the events of samples."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str, bool], Counter[str]] = {}

    def add(self, samples: Sequence[EvalSample]) -> None:
        for sample in samples:
            for event in sample.events:
                if isinstance(event, ModelEvent):
                    self._count(event)

    def add_spent(self, spent: Spent) -> None:
        counts = asdict(spent)
        at = counts.pop("role"), counts.pop("model"), counts.pop("batched")
        self._counts.setdefault(at, Counter()).update(counts)

    def spent(self) -> tuple[Spent, ...]:
        """The sums: the explainer first, then by role and model."""
        order = sorted(self._counts, key=lambda at: (at[0] != EXPLAINER, at))
        return tuple(
            Spent(model, role, batched=batched, **self._counts[role, model, batched])
            for role, model, batched in order
        )

    def _count(self, event: ModelEvent) -> None:
        batched = bool(event.config.batch) and in_batches(event.model)
        counts = self._counts.setdefault((event.role or EXPLAINER, event.model, batched), Counter())
        counts["requests"] += 1
        counts["retries"] += event.retries or 0
        if event.cache == "read":
            counts["cached"] += 1
        elif usage := event.output.usage:
            counts["input_tokens"] += usage.input_tokens
            counts["output_tokens"] += usage.output_tokens
            counts["cache_read_tokens"] += usage.input_tokens_cache_read or 0
            counts["cache_write_tokens"] += usage.input_tokens_cache_write or 0
