"""What each way to simulate and each judgement costs, and what its cheapness costs.

    python benchmarks/simulation.py [NEURONS]

Simulates bundled neurons with the pack as it ships: 10 held-out excerpts of 64 tokens each, no
calibration. The simulator is a fake that answers every question, so requests and tokens are what
a real one would be asked and would write; tokens are counted with cl100k_base. "Again" is what is
left of the prompts after the part that an earlier request of the same neuron began with, which a
prefix cache does not bill in full. The published way (Bills et al. 2023) took 10 requests and
10,870 prompt tokens.

Judgements ask about up to 20 excerpts, valid and calibration ones, 5 a request. What `intruder`
asks it asks once a neuron, not for each explanation.

Below, the fake knows the truth but for noise of known size, the same for every way. If packing and
naming only what fires changed anything on this side of the wire, the correlations would differ.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import numpy as np

from neuron_eval.dataset import neuron_set
from neuron_eval.judging.asking import ask_cases, ask_rounds
from neuron_eval.judging.choosing import (
    detection_cases,
    fuzzing_cases,
    held_out,
    intruder_rounds,
)
from neuron_eval.models.tokencount import TokenCounter, counter
from neuron_eval.prompts.pack import default_pack
from neuron_eval.prompts.wording import JUDGEMENTS
from neuron_eval.records.activations import highest, normalise
from neuron_eval.records.splits import DealtNeuron
from neuron_eval.simulation import Simulation
from neuron_eval.simulation.all_at_once import all_at_once_prompt
from neuron_eval.simulation.asking import Asker
from neuron_eval.simulation.chat import EXCERPTS_PER_CALL as CHAT_PACK
from neuron_eval.simulation.chat import ChatSimulation
from neuron_eval.simulation.measure import measure
from neuron_eval.simulation.per_token import PerTokenSimulation
from neuron_eval.simulation.sparse import EXCERPTS_PER_CALL as SPARSE_PACK
from neuron_eval.simulation.sparse import SparseSimulation
from neuron_eval.testing import Fake, fake_judge, fake_simulator

PUBLISHED_REQUESTS, PUBLISHED_TOKENS = 10, 10_870
NOISE = 3.0
"""Standard deviation of what the fake adds, in levels of 0 to 10."""

FALSE_ALARMS = 0.01
"""The share of silent tokens that it takes for firing ones; each costs sparse some 7 tokens."""

PACK = default_pack()


@dataclass
class Cost:
    """What one neuron's simulation took."""

    requests: int
    prompt: int
    again: int
    output: int
    correlation: float | None


def truth_with_noise(neuron: DealtNeuron) -> Callable[[str, Sequence[str]], list[float]]:
    """The neuron's activations, 0 to 10, with noise that depends on text and position only."""
    top = highest([excerpt.record for excerpt in neuron.valid])
    known = {e.record.tokens: normalise(e.record.activations, top) for e in neuron.valid}

    def predict(_: str, tokens: Sequence[str]) -> list[float]:
        tokens = tuple(tokens)
        whole = next(k for k in known if k[: len(tokens)] == tokens)
        seed = int.from_bytes(hashlib.sha256("".join(whole).encode()).digest()[:4], "little")
        rng = np.random.default_rng(seed)
        levels = np.asarray(known[whole])
        touched = (levels > 0) | (rng.random(len(whole)) < FALSE_ALARMS)
        noise = touched * np.abs(rng.normal(scale=NOISE, size=len(whole)))
        noisy = np.clip(np.round(levels + noise), 0, 10)
        return [float(v) for v in noisy[: len(tokens)]]

    return predict


def explanation(neuron: DealtNeuron) -> str:
    """Some explanation, of common length, that no other neuron has."""
    return f"words of some kind and what they mean in their context, as in {neuron.neuron.id}"


def asker(fake: Fake) -> Asker:
    """The fake as a simulator without log-probabilities."""
    return Asker(fake.model, named=True, reasoning=False)


WAYS: dict[str, Callable[[Fake], Simulation]] = {
    "chat, 1 a request": lambda fake: ChatSimulation(asker(fake), PACK.simulation["chat"], 1),
    f"chat, {CHAT_PACK} a request": lambda fake: ChatSimulation(
        asker(fake), PACK.simulation["chat"], CHAT_PACK
    ),
    "sparse, 1 a request": lambda fake: SparseSimulation(asker(fake), PACK.simulation["sparse"], 1),
    f"sparse, {SPARSE_PACK} a request": lambda fake: SparseSimulation(
        asker(fake), PACK.simulation["sparse"], SPARSE_PACK
    ),
    "per_token": lambda fake: PerTokenSimulation(asker(fake), PACK.simulation["per_token"]),
}


def prompt_cost(prompts: Sequence[str], count: Callable[[str], int]) -> tuple[int, int]:
    """Tokens of all prompts, and of what does not repeat an earlier prompt's beginning."""
    cold, again, seen = 0, 0, ""
    for prompt in prompts:
        shared = os.path.commonprefix([seen, prompt]) if seen else ""  # noqa: RUF071
        cold += count(prompt)
        again += count(prompt) - count(shared)
        seen = prompt
    return cold, again


async def simulated(name: str, neuron: DealtNeuron, tokens: TokenCounter) -> Cost:
    """Simulate one neuron one way, and count."""
    wants_logprobs = name == "per_token"
    fake = fake_simulator(
        truth_with_noise(neuron),
        logprobs=wants_logprobs,
        excerpts=[excerpt.record.tokens for excerpt in neuron.valid],
    )
    outcomes = await WAYS[name](fake)(explanation(neuron), neuron.valid)
    result = measure(list(zip(neuron.valid, outcomes, strict=True)), [])
    assert not result.failures, result.failures[0]
    prompts = ["\n".join(m.text for m in request) for request in fake.requests]
    cold, again = prompt_cost(prompts, tokens.count_text)
    written = sum(map(tokens.count_text, fake.replies))
    return Cost(len(fake.requests), cold, again, written, result.correlation)


async def all_at_once(neuron: DealtNeuron, tokens: TokenCounter) -> Cost:
    """Count the prompts of the published way; nothing is generated."""
    prompts = [
        "".join(
            all_at_once_prompt(
                "words of some kind", e.record.tokens, PACK.simulation["all_at_once"], PACK.few_shot
            )
        )
        for e in neuron.valid
    ]
    cold, again = prompt_cost(prompts, tokens.count_text)
    return Cost(len(prompts), cold, again, 0, None)


async def judged(name: str, dealt: DealtNeuron, tokens: TokenCounter) -> Cost:
    """Have one neuron judged, and count."""
    fake = fake_judge(lambda _, text: 0.0, logprobs=False)
    neuron, wording = held_out(dealt), PACK.judging[name]
    if name == "intruder":
        await ask_rounds(asker(fake), intruder_rounds(neuron), wording)
    else:
        cases = [detection_cases(neuron)] if name == "detection" else fuzzing_cases(neuron)
        await ask_cases(asker(fake), explanation(dealt), cases, wording)
    prompts = ["\n".join(m.text for m in request) for request in fake.requests]
    cold, again = prompt_cost(prompts, tokens.count_text)
    return Cost(len(prompts), cold, again, sum(map(tokens.count_text, fake.replies)), None)


async def main(count: int) -> None:
    """Print a row per way."""
    tokens = counter("cl100k_base")
    neurons = [neuron.dealt for neuron in neuron_set("smollm2").neurons][:count]
    ways: dict[str, Callable[[DealtNeuron], Awaitable[Cost]]] = {
        "all_at_once": lambda neuron: all_at_once(neuron, tokens),
        **{
            name: (lambda neuron, name=name: simulated(name, neuron, tokens))  # type: ignore[misc]
            for name in WAYS
        },
        **{
            name: (lambda neuron, name=name: judged(name, neuron, tokens))  # type: ignore[misc]
            for name in JUDGEMENTS
        },
    }
    print(f"{count} neurons, mean a scored explanation of 10 excerpts of 64 tokens, {tokens.label}")
    print(f"{'':<22}{'requests':>9}{'prompt':>9}{'again':>9}{'output':>8}{'of published':>14}"
          f"{'correlation':>13}")  # fmt: skip
    print(f"{'published':<22}{PUBLISHED_REQUESTS:>9}{PUBLISHED_TOKENS:>9}{'':>9}{0:>8}{'1.00':>14}")
    for name, run in ways.items():
        costs = [await run(neuron) for neuron in neurons]
        requests, prompt, again, output = (
            float(np.mean([getattr(cost, field) for cost in costs]))
            for field in ("requests", "prompt", "again", "output")
        )
        found = [cost.correlation for cost in costs if cost.correlation is not None]
        correlation = f"{np.mean(found):>13.4f}" if found else f"{'':>13}"
        print(f"{name:<22}{requests:>9.1f}{prompt:>9.0f}{again:>9.0f}{output:>8.0f}"
              f"{prompt / PUBLISHED_TOKENS:>14.2f}{correlation}")  # fmt: skip


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as cache:
        os.environ["INSPECT_CACHE_DIR"] = cache
        asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 8))
