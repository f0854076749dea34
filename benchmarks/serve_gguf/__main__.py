"""A server of OpenAI's protocol for a GGUF of the Qwen2 architecture, many requests at once.

    python benchmarks/serve_gguf qwen.gguf 8091

What the study needs and llama.cpp's server does not have: log-probabilities of prompts (echo, for
``simulation=all_at_once``), and many requests in one batch. The weights are read into bfloat16 on a
GPU and on a CPU with AMX or AVX512-BF16, into float32 on others. Needs the extra ``[record]``,
and aiohttp.
"""

from __future__ import annotations

import argparse
import asyncio
import threading
import time
from pathlib import Path
from typing import Any

import torch
from aiohttp import web
from engine import Engine, Job


class Server:
    """The engine's routes."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    async def _ask(self, said: dict[str, Any], prompt: list[int], echo: bool = False) -> Job:
        engine, loop = self.engine, asyncio.get_running_loop()
        if len(prompt) + 16 > engine.context:
            raise web.HTTPBadRequest(
                text=f'{{"error": {{"message": "{len(prompt)} tokens are too many: the context '
                f'is {engine.context} tokens", "code": "context_length_exceeded"}}}}',
                content_type="application/json",
            )
        future = loop.create_future()
        most = said.get("max_completion_tokens", said.get("max_tokens"))
        stops = said.get("stop") or []
        job = Job(
            prompt=prompt,
            most=engine.context if most is None else most,
            temperature=1.0 if said.get("temperature") is None else said["temperature"],
            stops=[s.encode() for s in ([stops] if isinstance(stops, str) else stops)],
            echo=echo,
            done=lambda job: loop.call_soon_threadsafe(_answer, future, job),
        )
        engine.waiting.put(job)
        try:
            return await future
        except asyncio.CancelledError:
            job.why = "nobody waits"  # so that its next token is its last
            raise

    def _text(self, job: Job) -> str:
        ends = [at for stop in job.stops if (at := job.written.find(stop)) >= 0]
        return job.written[: min(ends, default=len(job.written))].decode(errors="replace")

    def _usage(self, job: Job) -> dict[str, int]:
        read, written = len(job.prompt), len(job.ids)
        return {
            "prompt_tokens": read,
            "completion_tokens": written,
            "total_tokens": read + written,
        }

    def _shown(self, token: int, score: float) -> dict[str, Any]:
        raw = self.engine.bytes_of[token]
        text = raw.decode(errors="replace")
        return {"token": text, "logprob": score, "bytes": list(raw)}

    async def chat(self, request: web.Request) -> web.Response:
        """``POST /v1/chat/completions``."""
        said = await request.json()
        messages = [
            {"role": m["role"], "content": _plain(m.get("content"))} for m in said["messages"]
        ]
        rendered = self.engine.tokenizer.apply_chat_template(
            messages, add_generation_prompt=True, tokenize=False
        )
        prompt = self.engine.tokenizer.encode(rendered, add_special_tokens=False)
        job = await self._ask(said, prompt)
        choice = {
            "index": 0,
            "finish_reason": job.why,
            "message": {"role": "assistant", "content": self._text(job)},
        }
        if said.get("logprobs"):
            count = said.get("top_logprobs") or 0
            choice["logprobs"] = {
                "content": [
                    self._shown(token, score)
                    | {
                        "top_logprobs": [
                            self._shown(i, v)
                            for i, v in zip(ids[:count], values[:count], strict=True)
                        ]
                    }
                    for token, (score, ids, values) in zip(job.ids, job.tops, strict=True)
                ]
            }
        return web.json_response(_reply("chat.completion", said, choice, self._usage(job)))

    async def completions(self, request: web.Request) -> web.Response:
        """``POST /v1/completions``."""
        said = await request.json()
        prompt = self.engine.tokenizer.encode(said["prompt"], add_special_tokens=False)
        echo = bool(said.get("echo"))
        job = await self._ask(said, prompt, echo)
        tokens = (job.prompt if echo else []) + job.ids
        tops = ([None, *job.read] if echo else []) + job.tops
        choice = {
            "index": 0,
            "finish_reason": job.why,
            "text": (said["prompt"] if echo else "") + self._text(job),
        }
        if (count := said.get("logprobs")) is not None:
            choice["logprobs"] = {
                "tokens": [self._shown(t, 0)["token"] for t in tokens],
                "token_logprobs": [top and top[0] for top in tops],
                "top_logprobs": [
                    top
                    and {
                        self._shown(i, 0)["token"]: v
                        for i, v in zip(top[1][:count], top[2][:count], strict=True)
                    }
                    for top in tops
                ],
            }
        return web.json_response(_reply("text_completion", said, choice, self._usage(job)))

    async def models(self, request: web.Request) -> web.Response:
        """``GET /v1/models``."""
        return web.json_response({"object": "list", "data": [{"id": "qwen", "object": "model"}]})

    async def stats(self, request: web.Request) -> web.Response:
        """``GET /stats``: what was asked since the start."""
        return web.json_response(self.engine.counts | {"active": len(self.engine.active)})


def _answer(future: asyncio.Future[Job], job: Job) -> None:
    if not future.done():
        future.set_result(job)


def _plain(content: Any) -> str:
    if isinstance(content, str) or content is None:
        return content or ""
    return "".join(part.get("text", "") for part in content)


def _reply(
    kind: str, said: dict[str, Any], choice: dict[str, Any], usage: dict[str, int]
) -> dict[str, Any]:
    return {
        "id": "reply",
        "object": kind,
        "created": int(time.time()),
        "model": said.get("model"),
        "choices": [choice],
        "usage": usage,
    }


def main() -> None:
    """Read the model and serve until stopped."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("port", type=int)
    parser.add_argument("--slots", type=int, default=192 if torch.cuda.is_available() else 8)
    parser.add_argument("--context", type=int, default=6144)
    asked = parser.parse_args()
    if not asked.file.is_file():
        parser.error(f"{asked.file}: no such file")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    begun = time.monotonic()
    engine = Engine(asked.file.resolve(), asked.slots, asked.context, device)
    threading.Thread(target=engine.run, daemon=True).start()
    server = Server(engine)
    app = web.Application(client_max_size=1 << 26)
    app.add_routes(
        [
            web.post("/v1/chat/completions", server.chat),
            web.post("/v1/completions", server.completions),
            web.get("/v1/models", server.models),
            web.get("/stats", server.stats),
        ]
    )
    print(f"ready after {time.monotonic() - begun:.0f} s on {device}", flush=True)
    web.run_app(app, host="127.0.0.1", port=asked.port, print=None, handler_cancellation=True)


if __name__ == "__main__":
    main()
