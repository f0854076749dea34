"""Requests on their way, and the engine that answers those of one moment in one batch."""

from __future__ import annotations

import os
import queue
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from gguf import GGUFReader
from network import Piece, Qwen2
from torch import Tensor
from transformers import AutoTokenizer
from transformers.convert_slow_tokenizer import bytes_to_unicode

TOP = 40
MASS = 0.95
LEAST = 0.05
"""What is sampled from: so many tokens, within this mass, and at least so likely in proportion to
the likeliest, as llama.cpp's server does unless it is told otherwise."""

PREFILL = 2_048
"""Tokens of prompts after which no other prompt is read in the same go."""

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
        # other CPUs are slower at bfloat16 than at float32
        able = torch.cpu.get_capabilities()
        quick = device == "cuda" or any(able.get(name) for name in ("amx_bf16", "avx512_bf16"))
        dtype = torch.bfloat16 if quick else torch.float32
        self.model = Qwen2(reader, slots, context, device, dtype)
        self.device, self.context, self.slots = device, context, slots
        self.kept = np.zeros((slots, context), dtype=np.int32)
        self.valid = np.zeros(slots, dtype=np.int64)
        self.used = np.zeros(slots)
        self.reads: list[list[Top]] = [[] for _ in range(slots)]
        self.active = {}
        self.owed = 0.0
        """Seconds for which replies are written before the next prompt is read. Else they would
        stand still as long as prompts come in, and their clients give up."""
        self.waiting = queue.SimpleQueue()
        self.counts = {"requests": 0, "read": 0, "found": 0, "written": 0, "steps": 0}

    def run(self) -> None:
        """Serve for ever."""
        try:
            with torch.inference_mode():
                while True:
                    self._admit()
                    if self.active:
                        begun = time.monotonic()
                        self._step()
                        self.owed -= time.monotonic() - begun
        except BaseException:
            traceback.print_exc()
            os._exit(1)

    def _admit(self) -> None:
        if len(self.active) > self.slots // 2 and self.waiting.qsize() < self.slots // 8:
            return  # reading one prompt takes about as long as reading eight
        if self.active and self.owed > 0:
            return
        placed: list[Placed] = []
        tokens = 0
        while len(self.active) < self.slots and tokens < PREFILL:
            try:
                job = self.waiting.get(block=not self.active)
            except queue.Empty:
                break
            if not self.active:
                time.sleep(0.005)  # others may be asked at the same moment
            placed.append(self._place(job))
            tokens += len(job.prompt) - placed[-1][2]
        if placed:
            begun = time.monotonic()
            self._prefill(placed)
            self.owed = time.monotonic() - begun

    def _place(self, job: Job) -> Placed:
        """Give a job a slot, with what is already known of its prompt."""
        ids = np.asarray(job.prompt, dtype=np.int32)
        same = self.kept[:, : len(ids)] == ids
        common = np.where(same.all(1), len(ids), same.argmin(1))
        common = np.minimum(common, np.minimum(self.valid, len(ids) - 1))
        source = int(common.argmax())
        known = int(common[source])
        if job.echo:  # what follows the last known token has to be read from it once more
            known = max(0, min(known, len(self.reads[source])) - 1)
        free = [s for s in range(self.slots) if s not in self.active]
        slot = min(free, key=lambda s: self.used[s])
        if known and slot != source:
            for cache in (self.model.keys, self.model.values):
                cache[:, slot, :, :known] = cache[:, source, :, :known]
        self.used[[slot, source]] = time.monotonic()
        self.kept[slot, : len(ids)] = ids
        self.valid[slot] = known
        self.reads[slot] = self.reads[source][:known] if job.echo else []
        self.active[slot] = job
        self.counts["requests"] += 1
        self.counts["read"] += len(ids)
        self.counts["found"] += known
        return job, slot, known

    def _prefill(self, placed: Sequence[Placed]) -> None:
        rests = [job.prompt[known:] for job, _, known in placed]
        pieces = [
            Piece(torch.tensor(rest, device=self.device), known, slot)
            for rest, (_, slot, known) in zip(rests, placed, strict=True)
        ]
        states = self.model.read(pieces).split([len(rest) for rest in rests])
        for state, (job, slot, known) in zip(states, placed, strict=True):
            self.valid[slot] = len(job.prompt)
            if job.echo:
                self._read_prompt(job, state, slot, known)
        ends = torch.stack([state[-1] for state in states])
        self._take([slot for _, slot, _ in placed], self.model.logits(ends))

    def _read_prompt(self, job: Job, x: Tensor, slot: int, known: int) -> None:
        job.read = self.reads[slot]
        for at in range(known, len(job.prompt) - 1, 512):
            following = torch.tensor(job.prompt[at + 1 : at + 513], device=self.device)
            here = x[at - known : at - known + len(following)]
            scores = torch.log_softmax(self.model.logits(here), -1)
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
