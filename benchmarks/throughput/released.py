"""The work of one neuron after the other, with the requests that the released pipeline makes.

Written from what the pipeline of Bills et al. 2023, on which Lee et al. 2023 built, does on the
wire: a request for an explanation; a request for each of ten excerpts, whose prompt is echoed with
15 alternatives a token; a request for the embeddings of explanation and reference. Each request
opens a client of its own, as there. Prompts are built by this package, which costs less.
"""

from __future__ import annotations

import asyncio
import math
from typing import Any

import httpx

from neuron_eval.dataset import NeuronSet
from neuron_eval.embedding.embedder import cosine
from neuron_eval.explain.prompting import cutoff, explainer_prompt
from neuron_eval.formats.base import Shown
from neuron_eval.prompts.pack import default_pack
from neuron_eval.records import Excerpt
from neuron_eval.records.splits import DealtNeuron
from neuron_eval.simulation.all_at_once import all_at_once_prompt
from neuron_eval.stats import pearson

PACK = default_pack()
LEVELS = {str(level): level for level in range(11)}


def prompt_of(dealt: DealtNeuron) -> list[dict[str, str]]:
    """The messages of Summary for a neuron."""
    shown = Shown(dealt.shown, cutoff(dealt.neuron, dealt.shown))
    messages = explainer_prompt("summary", shown, PACK)
    return [{"role": message.role, "content": message.content} for message in messages]


async def post(url: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    async with httpx.AsyncClient(timeout=60) as client:
        response = await client.post(f"{url}/{path}", json=body)
        response.raise_for_status()
        return dict(response.json())


async def explain(url: str, dealt: DealtNeuron) -> str:
    body = {"model": "explainer", "messages": prompt_of(dealt), "max_tokens": 60, "temperature": 1}
    reply = await post(url, "chat/completions", body)
    return str(reply["choices"][0]["message"]["content"])


async def simulate(url: str, explanation: str, excerpt: Excerpt) -> list[float]:
    """The expected activations of an excerpt's tokens."""
    wording = PACK.simulation["all_at_once"]
    parts = all_at_once_prompt(explanation, excerpt.record.tokens, wording, PACK.few_shot)
    body = {
        **{"model": "simulator", "prompt": "".join(parts), "echo": True, "logprobs": 15},
        **{"max_tokens": 0, "temperature": 0},
    }
    logprobs = (await post(url, "completions", body))["choices"][0]["logprobs"]
    places, at, starts = {}, 0, set()
    for part in parts[:-1]:
        at += len(part)
        starts.add(at)
    at = 0
    for index, token in enumerate(logprobs["tokens"]):
        places[at] = index
        at += len(token)
    return [expectation(logprobs["top_logprobs"][places[start]]) for start in sorted(starts)]


def expectation(candidates: dict[str, float]) -> float:
    masses = {LEVELS[c]: math.exp(value) for c, value in candidates.items() if c in LEVELS}
    return sum(level * mass for level, mass in masses.items()) / sum(masses.values())


async def embed(url: str, pair: list[str]) -> float:
    import numpy as np

    reply = await post(url, "embeddings", {"model": "embedder", "input": pair})
    one, other = (np.asarray(item["embedding"]) for item in reply["data"])
    return cosine(one, other)


async def run(url: str, chosen: NeuronSet, connections: int) -> int:
    """Explain, simulate and compare each neuron; how many have a score."""
    limit, scored = asyncio.Semaphore(connections), 0

    async def simulated(explanation: str, excerpt: Excerpt) -> list[float]:
        async with limit:
            return await simulate(url, explanation, excerpt)

    for neuron in chosen.neurons:
        dealt, own = neuron.dealt, neuron.identity
        explanation = await explain(url, dealt)
        expected = await asyncio.gather(*(simulated(explanation, e) for e in dealt.valid))
        true = [value for e in dealt.valid for value in e.record.activations]
        correlation = pearson(true, [value for values in expected for value in values])
        reference = own.reference.explanation if own.reference else "none"
        await embed(url, [explanation, reference])
        scored += correlation is not None
    return scored
