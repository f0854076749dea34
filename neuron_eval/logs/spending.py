"""What a run took: requests and tokens by role and model, from the events of samples."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from inspect_ai.event import ModelEvent
from inspect_ai.log import EvalSample
from inspect_ai.model import ModelUsage

from neuron_eval.models.batching import in_batches

EXPLAINER = "explainer"
"""The role of the model that explains; others have the name of their Inspect model role."""


@dataclass(frozen=True, slots=True)
class Spent:
    """Requests and tokens of one model in one role."""

    model: str
    role: str
    requests: int = 0  # those that Inspect's cache answered included
    cached: int = 0  # how many of them Inspect's cache answered, so that they cost nothing
    retries: int = 0  # requests that the provider refused and that were sent again
    # Tokens; those of requests that Inspect's cache answered are left out.
    input_tokens: int = 0  # charged at the full rate
    output_tokens: int = 0
    cache_read_tokens: int = 0  # of prompts, which the provider had cached
    cache_write_tokens: int = 0  # of prompts, which the provider wrote to its cache
    batched: bool = False  # whether the provider got them in batches

    @property
    def prompt_tokens(self) -> int:
        return self.input_tokens + self.cache_read_tokens + self.cache_write_tokens


def spent_on(samples: Sequence[EvalSample]) -> tuple[Spent, ...]:
    events = (event for sample in samples for event in sample.events)
    return added_up(_spent(event) for event in events if isinstance(event, ModelEvent))


def added_up(parts: Iterable[Spent]) -> tuple[Spent, ...]:
    sums: defaultdict[tuple[str, str, bool], Counter[str]] = defaultdict(Counter)
    for part in parts:
        counts = asdict(part)
        sums[counts.pop("role"), counts.pop("model"), counts.pop("batched")].update(counts)
    return tuple(
        Spent(model, role, batched=batched, **sums[role, model, batched])
        for role, model, batched in sorted(sums, key=lambda at: (at[0] != EXPLAINER, at))
    )


def _spent(event: ModelEvent) -> Spent:
    cached = event.cache == "read"
    usage = (None if cached else event.output.usage) or ModelUsage()
    return Spent(
        event.model,
        event.role or EXPLAINER,
        requests=1,
        cached=int(cached),
        retries=event.retries or 0,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.input_tokens_cache_read or 0,
        cache_write_tokens=usage.input_tokens_cache_write or 0,
        batched=bool(event.config.batch) and in_batches(event.model),
    )
