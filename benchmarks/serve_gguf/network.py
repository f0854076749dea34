"""A network of the Qwen2 architecture, read from a GGUF, with a cache for many requests."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
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
        return tensor.name, torch.from_numpy(values).to(dtype).to(device)

    with ThreadPoolExecutor(16) as pool:
        return dict(pool.map(read, reader.tensors))


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
