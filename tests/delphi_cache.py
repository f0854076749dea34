"""Writes a cache of latents in delphi's layout."""

import json

import numpy as np
import pytest

numpy_files = pytest.importorskip("safetensors.numpy", reason="needs the extra [delphi]")

WORDS = ["Ġthe", "Ġcat", "Ġdog", "Ċ", "ð", "Ł", "ĺ", "Ģ", *(f"Ġw{i}" for i in range(90))]
END = len(WORDS)
SPACES = END + 1

BYTE_LEVEL = {
    "added_tokens": [
        {"id": END, "content": "<|endoftext|>", "special": True},
        {"id": SPACES, "content": "  ", "special": False},
    ],
    "decoder": {"type": "ByteLevel", "add_prefix_space": False},
    "model": {"type": "BPE", "vocab": {word: i for i, word in enumerate(WORDS)}, "merges": []},
}

ROWS, CONTEXT = 40, 128


def random_tokens(rows=ROWS, context=CONTEXT):
    return np.random.default_rng(0).integers(8, END, (rows, context))


def random_latents(width, rows=ROWS, context=CONTEXT, share=0.05):
    """Every latent of a width but the last, which is never active."""
    rng = np.random.default_rng(1)
    dense = rng.random((rows, context, width)) * (rng.random((rows, context, width)) < share)
    dense[:, :, -1] = 0
    return dense.astype(np.float16)


def save(folder, dense, start, tokens, dtype=np.uint16, changes=()):
    """One split, as `save_splits` writes it: sorted by row, activations in half precision."""
    folder.mkdir(parents=True, exist_ok=True)
    locations = np.argwhere(dense)
    tensors = {
        "locations": np.ascontiguousarray(locations, dtype=dtype),
        "activations": dense[tuple(locations.T)].astype(np.float16),
        "tokens": tokens,
        **dict(changes),
    }
    tensors = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    path = folder / f"{start}_{start + dense.shape[2] - 1}.safetensors"
    numpy_files.save_file(tensors, path)
    return path


def save_config(folder, model="EleutherAI/pythia-160m"):
    config = {"dataset_repo": "some/text", "cache_ctx_len": CONTEXT, "n_tokens": 10_000_000}
    (folder / "config.json").write_text(json.dumps({**config, "model_name": model}))


def save_tokenizer(folder, data=BYTE_LEVEL):
    path = folder / "tokenizer.json"
    path.write_text(json.dumps(data), "utf-8")
    return path
