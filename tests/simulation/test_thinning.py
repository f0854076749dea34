"""Alternatives that nobody reads are gone before Inspect makes objects of them."""

import anyio
import pytest
from completions_server import APART, CompletionsServer
from inspect_ai.model import get_model

from neuron_eval.prompts.pack import default_pack
from neuron_eval.simulation.all_at_once import all_at_once_prompt, read_prompt
from neuron_eval.simulation.expected import align
from neuron_eval.simulation.prompt_logprobs import decide, read_prompt_logprobs

PACK = default_pack()
TOKENS = (" the", " cat", " sat")
PARTS = all_at_once_prompt("cats", TOKENS, PACK.simulation["all_at_once"], PACK.few_shot)
PROMPT = "".join(PARTS)


def places(pieces):
    return {place.piece for place in align(PARTS, pieces)}


@pytest.mark.parametrize("provider", ["openai-api-completions/test", "vllm-completions"])
@pytest.mark.parametrize("refused", [{}, {"prompt_logprobs": "refused"}], ids=["vllm", "echo"])
def test_only_what_is_read_comes_with_alternatives(provider, refused):
    seen = []

    def read(logprobs):
        seen.append(logprobs)
        return read_prompt(PARTS, TOKENS, logprobs)

    async def both(server):
        name = f"{provider}/thin-{len(refused)}"
        model = get_model(name, base_url=server.url, api_key="x", memoize=False)
        dialect = await decide(model, f"{PROMPT}\n", read)
        seen.clear()
        thin = await read_prompt_logprobs(model, PROMPT, dialect, read, places)
        everywhere = await read_prompt_logprobs(model, f"{PROMPT} ", dialect, read, range_of_all)
        return thin, everywhere

    def range_of_all(pieces):
        return range(len(pieces))

    with CompletionsServer(tokenizer=APART, **refused) as server:
        thin, everywhere = anyio.run(both, server)
    assert thin == everywhere
    kept, full = seen
    at = places([token.token for token in kept])
    assert len(at) == len(TOKENS)
    assert {i for i, token in enumerate(kept) if token.top_logprobs} == at
    assert sum(1 for token in full if token.top_logprobs) > 10 * len(at)


def test_a_reply_that_cannot_be_aligned_is_left_to_its_reader():
    def misplaced(pieces):
        return places(pieces[:5])

    seen = []

    async def ask(server):
        model = get_model(
            "openai-api-completions/test/left", base_url=server.url, api_key="x", memoize=False
        )
        dialect = await decide(model, f"{PROMPT}\n", lambda logprobs: [])
        await read_prompt_logprobs(
            model, PROMPT, dialect, lambda found: seen.append(found) or [], misplaced
        )

    with CompletionsServer(tokenizer=APART) as server:
        anyio.run(ask, server)
    assert sum(1 for token in seen[0] if token.top_logprobs) > 10 * len(TOKENS)
