"""A network of the Qwen2 architecture, read from a GGUF, with a cache for many requests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from gguf import GGUFReader
from gguf.quants import dequantize
from torch import Tensor


def weights(reader: GGUFReader, device: str, dtype: torch.dtype) -> dict[str, Tensor]:
    """The GGUF's tensors by name."""

    def read(tensor: Any) -> tuple[str, Tensor]:
        values = dequantize(tensor.data, tensor.tensor_type)
        return tensor.name, torch.tensor(values, dtype=dtype, device=device)

    with ThreadPoolExecutor(16) as pool:
        return dict(pool.map(read, reader.tensors))


@dataclass(frozen=True)
class Piece:
    """Tokens that follow what a slot knows."""

    ids: Tensor
    """Shape [T]."""

    start: int
    """How many tokens stand before them."""

    slot: int
    """Where."""


class Qwen2:
    """The network, with a cache of keys and values for each of N slots."""

    def __init__(
        self, reader: GGUFReader, slots: int, context: int, device: str, dtype: torch.dtype
    ) -> None:
        field_of = {name: item.contents() for name, item in reader.fields.items()}
        if field_of.get("general.architecture") != "qwen2":
            raise SystemExit(
                f"architecture {field_of.get('general.architecture')}: only qwen2 is served"
            )
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
        """Scores [B, V] behind one more token [B] in each of the first B slots.

        ``starts`` [B] tokens are known there; no position reaches ``longest``.
        """
        if self.graphs is None:
            return self.logits(self._step(ids, starts, longest))
        slots = self.keys.shape[1]
        size = min(self.keys.shape[3], -(-longest // 512) * 512)
        count = len(ids)
        if size not in self.graphs:
            inputs = [torch.zeros(slots, dtype=torch.long, device=ids.device) for _ in range(2)]
            inputs[1].fill_(self.keys.shape[3] - 1)
            inputs[0][:count], inputs[1][:count] = ids, starts
            run = lambda: self.logits(self._step(*inputs, size))  # noqa: E731
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

    def _step(self, ids: Tensor, starts: Tensor, longest: int) -> Tensor:
        count = len(ids)
        mask = (torch.arange(longest, device=ids.device) <= starts[:, None])[:, None, None]
        mask = mask.expand(count, 1, self.heads // self.kv, longest)

        def attend(layer: int, q: Tensor) -> Tensor:
            # the heads of a group as so many queries, so that nothing is copied
            q = q.view(count, self.kv, -1, self.size)
            keys, values = (
                self.keys[layer, :count, :, :longest],
                self.values[layer, :count, :, :longest],
            )
            return F.scaled_dot_product_attention(q, keys, values, mask).reshape(count, -1)

        rows = torch.arange(count, device=ids.device)
        return self._hidden(ids, starts, rows, attend)

    def read(self, pieces: Sequence[Piece]) -> Tensor:
        """Read what follows in some slots, without padding; hidden states [sum of T, hidden]."""
        device = pieces[0].ids.device
        lengths = [len(piece.ids) for piece in pieces]
        where = torch.cat([p.start + torch.arange(len(p.ids), device=device) for p in pieces])
        slots = torch.tensor([piece.slot for piece in pieces], device=device)
        rows = slots.repeat_interleave(torch.tensor(lengths, device=device))
        group = self.heads // self.kv
        masks = [
            (torch.arange(end, device=device) <= torch.arange(p.start, end, device=device)[:, None])
            for p in pieces
            if (end := p.start + len(p.ids))
        ]

        def attend(layer: int, q: Tensor) -> Tensor:
            outputs = []
            for piece, mask, own in zip(pieces, masks, q.split(lengths), strict=True):
                own = own.view(-1, self.kv, group, self.size).permute(1, 2, 0, 3)
                keys, values = (
                    cache[layer, piece.slot, :, : mask.shape[1]]
                    for cache in (self.keys, self.values)
                )
                output = F.scaled_dot_product_attention(
                    own.reshape(1, self.kv, -1, self.size),
                    keys[None],
                    values[None],
                    mask.repeat(group, 1)[None, None],
                )
                output = output.view(self.kv, group, -1, self.size).permute(2, 0, 1, 3)
                outputs.append(output.reshape(len(piece.ids), -1))
            return torch.cat(outputs)

        return self._hidden(torch.cat([p.ids for p in pieces]), where, rows, attend)

    def _hidden(
        self,
        ids: Tensor,
        where: Tensor,
        rows: Tensor,
        attend: Callable[[int, Tensor], Tensor],
    ) -> Tensor:
        """Hidden states [N, hidden] of tokens [N] at positions [N] in slots [N]."""
        cos, sin = self.cos[where][:, None], self.sin[where][:, None]
        x = self.w["token_embd.weight"][ids]
        for i in range(self.layers):
            n = self._norm(x, f"blk.{i}.attn_norm.weight")
            q, k, v = (
                self._linear(n, f"blk.{i}.attn_{c}").view(len(ids), -1, self.size) for c in "qkv"
            )
            self.keys[i][rows, :, where] = self._turned(k, cos, sin)
            self.values[i][rows, :, where] = v
            out = attend(i, self._turned(q, cos, sin))
            x = x + self._linear(out, f"blk.{i}.attn_output")
            n = self._norm(x, f"blk.{i}.ffn_norm.weight")
            gate = F.silu(self._linear(n, f"blk.{i}.ffn_gate"))
            x = x + self._linear(gate * self._linear(n, f"blk.{i}.ffn_up"), f"blk.{i}.ffn_down")
        return self._norm(x, "output_norm.weight")

    def logits(self, x: Tensor) -> Tensor:
        """Scores of the next token, [..., V]."""
        return self._linear(x, "output").float()
