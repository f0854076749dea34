"""A server with OpenAI's protocol that answers after a fixed delay: chat, completions, embeddings.

What it says depends on the question alone. A simulator's chat reply is the bundled pack's
``sparse``; a completion echoes the prompt with 15 alternatives a token, as OpenAI's did.
"""

from __future__ import annotations

import asyncio
import json
import re
import zlib
from collections import Counter
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

PIECES = re.compile(r"[\t\n]|[^\t\n]{1,4}")  # about as many as a real tokenizer makes
EXCERPT = re.compile(r"<([A-Z])>(.*?)</\1>", re.DOTALL)
WORD = re.compile(r"\w+")
DIMENSIONS = 1536


def alternatives(peak: int) -> str:
    """Fifteen candidates, as JSON, of which the number ``peak`` is the likeliest."""
    levels = {str(n): -0.5 - abs(n - peak) for n in range(11)}
    return json.dumps({**levels, **{f" word{n}": -9.0 - n for n in range(4)}})


ALTERNATIVES = [alternatives(peak) for peak in range(11)]


def completion(body: dict[str, Any]) -> str:
    """The prompt's tokens with log-probabilities; at each, a number that hangs on the tokens."""
    prompt = body["prompt"][0] if isinstance(body["prompt"], list) else body["prompt"]
    pieces = PIECES.findall(prompt)
    seed = zlib.crc32(prompt.encode())
    tops = [
        ALTERNATIVES[max(0, zlib.crc32(piece.encode(), seed) % 23 - 12)]
        for piece in ["", *pieces[:-1]]
    ]
    logprobs = (
        f'{{"tokens": {json.dumps(pieces)}, "token_logprobs": {json.dumps([-1.5] * len(pieces))}, '
        f'"top_logprobs": [{", ".join(tops)}], "text_offset": []}}'
    )
    return (
        f'{{"id": "1", "object": "text_completion", "created": 1, "model": "simulator", '
        f'"choices": [{{"index": 0, "finish_reason": "length", "text": {json.dumps(prompt)}, '
        f'"logprobs": {logprobs}}}], "usage": {usage(len(pieces), 0)}}}'
    )


def chat(body: dict[str, Any]) -> str:
    """An explanation that nobody else has, or a reply of ``sparse``."""
    messages = body["messages"]
    everything = "".join(str(message["content"]) for message in messages)
    case = zlib.crc32(everything.encode())
    last = str(messages[-1]["content"])
    excerpts = EXCERPT.findall(last) if body["model"] == "simulator" else []
    text = "\n".join(
        f"{letter}: "
        + ", ".join(
            f'"{word}":{1 + (case + n) % 10}'
            for n, word in enumerate(dict.fromkeys(WORD.findall(content)))
            if zlib.crc32(word.encode(), case) % 12 == 0
        )
        for letter, content in excerpts
    )
    text = re.sub(r": $", ": none", text, flags=re.MULTILINE)
    text = text or f"words that have to do with number {case} and what is said of it."
    message = {"role": "assistant", "content": text}
    return (
        '{"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": '
        f'[{{"index": 0, "finish_reason": "stop", "message": {json.dumps(message)}}}], '
        f'"usage": {usage(len(everything) // 4, len(text) // 4)}}}'
    )


def embeddings(body: dict[str, Any]) -> str:
    """A vector for each text."""
    texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
    data = [
        f'{{"object": "embedding", "index": {i}, "embedding": {vector(text)}}}'
        for i, text in enumerate(texts)
    ]
    tokens = sum(len(text) // 4 for text in texts)
    return (
        f'{{"object": "list", "model": "embedder", "data": [{", ".join(data)}], '
        f'"usage": {{"prompt_tokens": {tokens}, "total_tokens": {tokens}}}}}'
    )


def vector(text: str) -> str:
    counts = [0.01] * DIMENSIONS
    for word in text.split():
        counts[zlib.crc32(word.encode()) % DIMENSIONS] += 1.0
    return json.dumps(counts)


def usage(prompt: int, output: int) -> str:
    total = prompt + output
    return f'{{"prompt_tokens": {prompt}, "completion_tokens": {output}, "total_tokens": {total}}}'


ANSWERS = {"chat/completions": chat, "completions": completion, "embeddings": embeddings}
USED: Counter[str] = Counter()
"""Requests and tokens since the last time that somebody asked."""


async def answer(request: Request) -> Response:
    body, path = await request.json(), request.path_params["path"]
    reply = ANSWERS[path](body)
    USED["requests"] += 1
    USED[path] += 1
    for kind in ("prompt_tokens", "completion_tokens"):
        counted = re.search(rf'"{kind}": (\d+)', reply[-200:])
        USED[kind] += int(counted[1]) if counted else 0
    await asyncio.sleep(request.app.state.delay)
    return Response(reply, media_type="application/json")


async def tell(_: Request) -> Response:
    used = dict(USED)
    USED.clear()
    return JSONResponse(used)


def serve(port: int, delay: float) -> None:
    """Serve on a port of this machine until killed."""
    routes = [Route("/used", tell), Route("/v1/{path:path}", answer, methods=["POST"])]
    app = Starlette(routes=routes)
    app.state.delay = delay
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="error", timeout_keep_alive=60)
