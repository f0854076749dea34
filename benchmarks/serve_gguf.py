"""A server of OpenAI's protocol for a GGUF of the Qwen2 architecture, many requests at once.

    python benchmarks/serve_gguf.py qwen.gguf 8091

What the study needs and llama.cpp's server does not have: log-probabilities of prompts (echo, for
``simulation=all_at_once``), and a GPU's worth of requests in one batch. The weights are read into
bfloat16 on a GPU, into float32 on a CPU. A sampled token is one of the 40 likeliest, within a mass
of .95, and at least .05 times as likely as the likeliest: the defaults of llama.cpp's server.

Needs the extra ``[record]``, and aiohttp.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import queue
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from aiohttp import web
from gguf import GGUFReader
from gguf.quants import dequantize
from torch import Tensor
from transformers import AutoTokenizer
from transformers.convert_slow_tokenizer import bytes_to_unicode

TOP = 40
MASS = 0.95
LEAST = 0.05
PREFILL = 32_768
"""Tokens of prompts, with padding, that are read in one go."""


def weights(reader: GGUFReader, device: str, dtype: torch.dtype) -> dict[str, Tensor]:
    """The GGUF's tensors by name."""

    def read(tensor: Any) -> tuple[str, Tensor]:
        values = dequantize(tensor.data, tensor.tensor_type)
        return tensor.name, torch.from_numpy(values).to(dtype).to(device)

    with ThreadPoolExecutor(16) as pool:
        return dict(pool.map(read, reader.tensors))


class Qwen2:
    """The network, with a cache of keys and values for each of N slots."""

    def __init__(
        self, reader: GGUFReader, slots: int, context: int, device: str, dtype: torch.dtype
    ) -> None:
        field_of = {name: item.contents() for name, item in reader.fields.items()}
        said = {k[6:]: v for k, v in field_of.items() if k.startswith("qwen2.")}
        self.layers = said["block_count"]
        self.heads, self.kv = said["attention.head_count"], said["attention.head_count_kv"]
        self.eps = said["attention.layer_norm_rms_epsilon"]
        self.size = said["embedding_length"] // self.heads
        self.w = weights(reader, device, dtype)
        self.w.setdefault("output.weight", self.w["token_embd.weight"])
        shape = (self.layers, slots, self.kv, context, self.size)
        self.keys = torch.zeros(shape, device=device, dtype=dtype)
        self.values = torch.zeros(shape, device=device, dtype=dtype)
        turns = said["rope.freq_base"] ** (-torch.arange(0, self.size, 2).float() / self.size)
        angles = torch.outer(torch.arange(context).float(), turns).repeat(1, 2)
        self.cos, self.sin = (f(angles).to(device, dtype) for f in (torch.cos, torch.sin))
        self.graphs = {} if device == "cuda" else None

    def _norm(self, x: Tensor, name: str) -> Tensor:
        return F.rms_norm(x, x.shape[-1:], self.w[name], self.eps)

    def _linear(self, x: Tensor, name: str) -> Tensor:
        return F.linear(x, self.w[name + ".weight"], self.w.get(name + ".bias"))

    def _turned(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        a, b = x.chunk(2, -1)
        return x * cos + torch.cat((-b, a), -1) * sin

    def next(self, ids: Tensor, starts: Tensor, longest: int) -> Tensor:
        """Scores [B, V] behind one more token [B] in each of the first B slots."""
        if self.graphs is None:
            return self.logits(self.hidden(ids[:, None], starts, None, longest)[:, 0])
        slots = self.keys.shape[1]
        size = min(self.keys.shape[3], -(-longest // 512) * 512)
        count = len(ids)
        if size not in self.graphs:
            inputs = [torch.zeros(slots, dtype=torch.long, device=ids.device) for _ in range(2)]
            inputs[1].fill_(self.keys.shape[3] - 1)
            inputs[0][:count], inputs[1][:count] = ids, starts
            run = lambda: self.logits(self.hidden(inputs[0][:, None], inputs[1], None, size)[:, 0])  # noqa: E731
            stream = torch.cuda.Stream()
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                run()
            torch.cuda.current_stream().wait_stream(stream)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                output = run()
            self.graphs[size] = graph, inputs, output
        graph, inputs, output = self.graphs[size]
        inputs[1].fill_(self.keys.shape[3] - 1)
        inputs[0][:count], inputs[1][:count] = ids, starts
        graph.replay()
        return output[:count]

    def hidden(self, ids: Tensor, starts: Tensor, slots: Tensor | None, longest: int) -> Tensor:
        """Read tokens [B, T] that follow starts [B] tokens in slots [B]; [B, T, hidden].

        ``slots`` is None for the first B slots; no position reaches ``longest``.
        """
        b, t = ids.shape
        where = starts[:, None] + torch.arange(t, device=ids.device)
        mask = torch.arange(longest, device=ids.device) <= where[:, :, None]
        rows = torch.arange(b, device=ids.device) if slots is None else slots
        cos, sin = self.cos[where][:, None], self.sin[where][:, None]
        x = self.w["token_embd.weight"][ids]
        for i in range(self.layers):
            n = self._norm(x, f"blk.{i}.attn_norm.weight")
            q, k, v = (
                self._linear(n, f"blk.{i}.attn_{c}").view(b, t, -1, self.size).transpose(1, 2)
                for c in "qkv"
            )
            q, k = self._turned(q, cos, sin), self._turned(k, cos, sin)
            self.keys[i][rows[:, None], :, where] = k.transpose(1, 2)
            self.values[i][rows[:, None], :, where] = v.transpose(1, 2)
            if slots is None:
                ks, vs = self.keys[i, :b, :, :longest], self.values[i, :b, :, :longest]
            else:
                ks, vs = self.keys[i][slots, :, :longest], self.values[i][slots, :, :longest]
            out = self._attention(q, ks, vs, mask)
            x = x + self._linear(out.transpose(1, 2).reshape(b, t, -1), f"blk.{i}.attn_output")
            n = self._norm(x, f"blk.{i}.ffn_norm.weight")
            gate = F.silu(self._linear(n, f"blk.{i}.ffn_gate"))
            x = x + self._linear(gate * self._linear(n, f"blk.{i}.ffn_up"), f"blk.{i}.ffn_down")
        return self._norm(x, "output_norm.weight")

    def _attention(self, q: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Tensor:
        b, h, t, d = q.shape
        group = h // self.kv
        if t == 1:  # the heads of a group as so many queries, so that nothing is copied
            q = q.view(b, self.kv, group, d)
            mask = mask[:, None].expand(b, 1, group, -1)
            return F.scaled_dot_product_attention(q, keys, values, mask).reshape(b, h, 1, d)
        keys, values = (x.repeat_interleave(group, 1) for x in (keys, values))
        return F.scaled_dot_product_attention(q, keys, values, mask[:, None])

    def logits(self, x: Tensor) -> Tensor:
        """Scores of the next token, [..., V]."""
        return self._linear(x, "output").float()


Top = tuple[float, list[int], list[float]]
"""A token's log-probability, and the likeliest tokens with theirs."""


@dataclass
class Job:
    """A request on its way."""

    prompt: list[int]
    most: int
    temperature: float
    stops: list[bytes]
    echo: bool
    done: Callable[[Job], object]
    written: bytearray = field(default_factory=bytearray)
    ids: list[int] = field(default_factory=list)
    tops: list[Top] = field(default_factory=list)
    """Of each token of the reply."""
    read: list[Top] = field(default_factory=list)
    """The same for each token of the prompt but the first."""
    why: str = ""


Placed = tuple[Job, int, int]
"""A job, its slot, and how many tokens of its prompt are known there."""


class Engine:
    """Batches what is asked at the same time."""

    def __init__(self, path: Path, slots: int, context: int, device: str) -> None:
        reader = GGUFReader(path)
        self.tokenizer = AutoTokenizer.from_pretrained(str(path.parent), gguf_file=path.name)
        letters = {c: b for b, c in bytes_to_unicode().items()}
        self.bytes_of = [
            bytes(letters[c] for c in token) if all(c in letters for c in token) else token.encode()
            for token in self.tokenizer.convert_ids_to_tokens(range(len(self.tokenizer)))
        ]
        self.ends = {
            self.tokenizer.convert_tokens_to_ids(t) for t in ("<|im_end|>", "<|endoftext|>")
        }
        dtype = torch.bfloat16 if device == "cuda" else torch.float32
        self.model = Qwen2(reader, slots, context, device, dtype)
        self.device, self.context, self.slots = device, context, slots
        self.kept = np.zeros((slots, context), dtype=np.int32)
        self.valid = np.zeros(slots, dtype=np.int64)
        self.used = np.zeros(slots)
        self.active = {}
        self.waiting = queue.SimpleQueue()
        self.counts = {"requests": 0, "read": 0, "found": 0, "written": 0, "steps": 0}

    def run(self) -> None:
        """Serve for ever."""
        try:
            with torch.inference_mode():
                while True:
                    self._admit()
                    if self.active:
                        self._step()
        except BaseException:
            traceback.print_exc()
            os._exit(1)

    def _admit(self) -> None:
        jobs = []
        while len(self.active) + len(jobs) < self.slots:
            try:
                jobs.append(self.waiting.get(block=not (self.active or jobs)))
                if len(jobs) == 1 and not self.active:
                    time.sleep(0.005)
            except queue.Empty:
                break
        placed = sorted((self._place(job) for job in jobs), key=lambda p: len(p[0].prompt) - p[2])
        while placed:
            count = 1
            while (
                count < len(placed)
                and (count + 1) * (len(placed[count][0].prompt) - placed[count][2]) <= PREFILL
            ):
                count += 1
            self._prefill(placed[:count])
            placed = placed[count:]

    def _place(self, job: Job) -> Placed:
        """Give a job a slot, with what is already known of its prompt."""
        ids = np.asarray(job.prompt, dtype=np.int32)
        same = self.kept[:, : len(ids)] == ids
        common = np.where(same.all(1), len(ids), same.argmin(1))
        common = np.minimum(common, np.minimum(self.valid, len(ids) - 1))
        source = int(common.argmax())
        known = 0 if job.echo else int(common[source])
        free = [s for s in range(self.slots) if s not in self.active]
        slot = min(free, key=lambda s: self.used[s])
        if known and slot != source:
            for cache in (self.model.keys, self.model.values):
                cache[:, slot, :, :known] = cache[:, source, :, :known]
        self.used[[slot, source]] = time.monotonic()
        self.kept[slot, : len(ids)] = ids
        self.valid[slot] = known
        self.active[slot] = job
        self.counts["requests"] += 1
        self.counts["read"] += len(ids)
        self.counts["found"] += known
        return job, slot, known

    def _prefill(self, placed: Sequence[Placed]) -> None:
        longest = max(len(job.prompt) - known for job, _, known in placed)
        ids = torch.zeros((len(placed), longest), dtype=torch.long)
        for row, (job, _, known) in enumerate(placed):
            ids[row, : len(job.prompt) - known] = torch.tensor(job.prompt[known:])
        starts = torch.tensor([known for _, _, known in placed])
        slots = torch.tensor([slot for _, slot, _ in placed])
        end = max(known for _, _, known in placed) + longest
        inputs = (t.to(self.device) for t in (ids, starts, slots))
        x = self.model.hidden(*inputs, min(self.context, -(-end // 64) * 64))
        last = torch.tensor([len(job.prompt) - known - 1 for job, _, known in placed])
        for row, (job, slot, _) in enumerate(placed):
            self.valid[slot] = len(job.prompt)
            if job.echo:
                self._read_prompt(job, x[row])
        ends = x[torch.arange(len(placed)), last.to(self.device)]
        self._take([slot for _, slot, _ in placed], self.model.logits(ends))

    def _read_prompt(self, job: Job, x: Tensor) -> None:
        for at in range(0, len(job.prompt) - 1, 512):
            following = torch.tensor(job.prompt[at + 1 : at + 513], device=self.device)
            scores = torch.log_softmax(self.model.logits(x[at : at + len(following)]), -1)
            own = scores.gather(1, following[:, None])[:, 0].tolist()
            tops = scores.topk(20)
            job.read += zip(own, tops.indices.tolist(), tops.values.tolist(), strict=True)

    def _step(self) -> None:
        count = max(self.active) + 1
        ids = torch.zeros(count, dtype=torch.long)
        # an idle slot writes where nothing is ever read, so that its prompt stays
        starts = torch.full((count,), self.context - 1)
        for slot, job in self.active.items():
            ids[slot], starts[slot] = job.ids[-1], int(self.valid[slot])
        longest = int(max(self.valid[slot] for slot in self.active)) + 1
        scores = self.model.next(ids.to(self.device), starts.to(self.device), longest)
        for slot, job in self.active.items():
            self.kept[slot, self.valid[slot]] = job.ids[-1]
            self.valid[slot] += 1
        slots = list(self.active)
        self.counts["steps"] += 1
        self._take(slots, scores[torch.tensor(slots, device=self.device)])

    def _take(self, slots: Sequence[int], logits: Tensor) -> None:
        """Choose the next token of each slot, and end what is at its end."""
        jobs = [self.active[slot] for slot in slots]
        scores = torch.log_softmax(logits, -1)
        tops = scores.topk(TOP)
        heat = torch.tensor([max(j.temperature, 1e-4) for j in jobs], device=self.device)
        # as in llama.cpp: what is cut off is decided before the temperature is applied
        likely = tops.values.softmax(-1)
        before = likely.cumsum(-1) - likely
        out = (before >= MASS) | (likely < LEAST * likely[:, :1])
        chances = (tops.values / heat[:, None]).masked_fill(out, -torch.inf).softmax(-1)
        picks = chances.multinomial(1)[:, 0]
        picks[torch.tensor([j.temperature == 0 for j in jobs], device=self.device)] = 0
        rows = zip(slots, picks.tolist(), tops.indices.tolist(), tops.values.tolist(), strict=True)
        for slot, pick, ids, values in rows:
            self._accept(slot, ids[pick], (values[pick], ids, values))

    def _accept(self, slot: int, token: int, top: Top) -> None:
        job = self.active[slot]
        if job.most == 0:
            job.why = "length"
        elif token in self.ends:
            job.why = "stop"
        else:
            job.ids.append(token)
            job.tops.append(top)
            job.written += self.bytes_of[token]
            self.counts["written"] += 1
            if any(stop in job.written[-len(stop) - 64 :] for stop in job.stops):
                job.why = "stop"
            elif len(job.ids) >= job.most or self.valid[slot] + 2 >= self.context:
                job.why = "length"
        if job.why:
            del self.active[slot]
            job.done(job)


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
        engine.waiting.put(
            Job(
                prompt=prompt,
                most=engine.context if most is None else most,
                temperature=1.0 if said.get("temperature") is None else said["temperature"],
                stops=[s.encode() for s in ([stops] if isinstance(stops, str) else stops)],
                echo=echo,
                done=lambda job: loop.call_soon_threadsafe(future.set_result, job),
            )
        )
        return await future

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
    web.run_app(app, host="127.0.0.1", port=asked.port, print=None)


if __name__ == "__main__":
    main()
