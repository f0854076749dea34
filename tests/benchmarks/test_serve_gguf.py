"""The server of the study answers as the network that transformers makes of the same file."""

import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
gguf = pytest.importorskip("gguf")
transformers = pytest.importorskip("transformers")

FOLDER = Path(__file__).parents[2] / "benchmarks" / "serve_gguf"
VOCABULARY, WIDTH, HEADS, GROUPS, INNER, LAYERS = 50, 32, 4, 2, 48, 2
SHAPES = {
    "attn_q.weight": (WIDTH, WIDTH),
    "attn_q.bias": (WIDTH,),
    "attn_k.weight": (WIDTH // HEADS * GROUPS, WIDTH),
    "attn_k.bias": (WIDTH // HEADS * GROUPS,),
    "attn_v.weight": (WIDTH // HEADS * GROUPS, WIDTH),
    "attn_v.bias": (WIDTH // HEADS * GROUPS,),
    "attn_output.weight": (WIDTH, WIDTH),
    "attn_norm.weight": (WIDTH,),
    "ffn_norm.weight": (WIDTH,),
    "ffn_gate.weight": (INNER, WIDTH),
    "ffn_up.weight": (INNER, WIDTH),
    "ffn_down.weight": (WIDTH, INNER),
}
HUGGING_FACE = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


@pytest.fixture(scope="module")
def tensors():
    """Weights by GGUF's names."""
    random = np.random.default_rng(0)
    shapes = {"token_embd.weight": (VOCABULARY, WIDTH), "output_norm.weight": (WIDTH,)}
    shapes |= {f"blk.{i}.{name}": shape for i in range(LAYERS) for name, shape in SHAPES.items()}
    return {name: random.normal(0, 0.3, shape).astype(np.float32) for name, shape in shapes.items()}


@pytest.fixture(scope="module")
def network(tensors, tmp_path_factory):
    """The study's network, read from a file."""
    path = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    writer = gguf.GGUFWriter(path, "qwen2")
    writer.add_block_count(LAYERS)
    writer.add_embedding_length(WIDTH)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(GROUPS)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(10_000.0)
    for name, values in tensors.items():
        writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    sys.path.insert(0, str(FOLDER))
    try:
        from network import Piece, Qwen2
    finally:
        sys.path.remove(str(FOLDER))
    made = Qwen2(gguf.GGUFReader(path), 3, 32, "cpu", torch.float32)
    yield made, Piece
    del sys.modules["network"]


@pytest.fixture(scope="module")
def expected(tensors):
    """Log-probabilities behind each of some tokens, by transformers."""
    config = transformers.Qwen2Config(
        vocab_size=VOCABULARY,
        hidden_size=WIDTH,
        num_attention_heads=HEADS,
        num_key_value_heads=GROUPS,
        intermediate_size=INNER,
        num_hidden_layers=LAYERS,
        rms_norm_eps=1e-6,
        rope_theta=10_000.0,
        tie_word_embeddings=True,
    )
    model = transformers.Qwen2ForCausalLM(config).eval()
    state = {
        "model.embed_tokens.weight": tensors["token_embd.weight"],
        "lm_head.weight": tensors["token_embd.weight"],
        "model.norm.weight": tensors["output_norm.weight"],
    }
    for name, values in tensors.items():
        if name.startswith("blk."):
            _, layer, part, kind = name.split(".")
            state[f"model.layers.{layer}.{HUGGING_FACE[part]}.{kind}"] = values
    model.load_state_dict({name: torch.from_numpy(values) for name, values in state.items()})

    def log_probabilities(ids):
        with torch.inference_mode():
            return model(torch.tensor([ids])).logits[0].log_softmax(-1)

    return log_probabilities


LONG, SHORT = [3, 14, 15, 9, 26, 5, 35], [8, 9, 7]


def test_prompts_of_several_lengths_are_read_at_once(network, expected):
    model, Piece = network
    with torch.inference_mode():
        pieces = [Piece(torch.tensor(LONG), 0, 2), Piece(torch.tensor(SHORT), 0, 0)]
        found = model.logits(model.read(pieces)).log_softmax(-1).split([len(LONG), len(SHORT)])
    for ids, mine in zip((LONG, SHORT), found, strict=True):
        torch.testing.assert_close(mine, expected(ids), atol=1e-4, rtol=1e-4)


def test_a_prompt_is_gone_on_with_where_its_beginning_is_known(network, expected):
    model, Piece = network
    with torch.inference_mode():
        model.read([Piece(torch.tensor(LONG[:4]), 0, 1)])
        rest = model.logits(model.read([Piece(torch.tensor(LONG[4:]), 4, 1)])).log_softmax(-1)
    torch.testing.assert_close(rest, expected(LONG)[4:], atol=1e-4, rtol=1e-4)


def test_a_token_more_in_each_slot(network, expected):
    model, Piece = network
    with torch.inference_mode():
        model.read([Piece(torch.tensor(LONG), 0, 0), Piece(torch.tensor(SHORT), 0, 1)])
        starts = torch.tensor([len(LONG), len(SHORT)])
        found = model.next(torch.tensor([41, 42]), starts, len(LONG) + 1).log_softmax(-1)
    for ids, mine in zip(([*LONG, 41], [*SHORT, 42]), found, strict=True):
        torch.testing.assert_close(mine, expected(ids)[-1], atol=1e-4, rtol=1e-4)
