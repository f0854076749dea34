"""Random models of two layers with 32 neurons each, and their tokenizers, made in a moment."""

import importlib.util

import pytest

MISSING = [
    name
    for name in ("torch", "transformers", "tokenizers", "tqdm")
    if importlib.util.find_spec(name) is None
]


def needs_record(test):
    """Mark a test that runs a transformer."""
    reason = f"needs {', '.join(MISSING)}: pip install 'neuron_eval[record]'"
    return pytest.mark.record(pytest.mark.skipif(bool(MISSING), reason=reason)(test))


WORDS = "keep stay remain café naïve übel 🙂 🙃🙂 日本語 東京 the a of and ,. \n\n"

TEXT = "".join(
    f"{WORDS.split()[(i * i) % 15]} {i} {WORDS[i % 40 : i % 40 + 7]}" for i in range(150)
)


def save_tokenizer(folder, bos):
    """A small byte-level tokenizer: most characters beyond ASCII take several tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    inner.train_from_iterator([TEXT], trainer)
    names = {"bos_token": "<s>"} if bos else {}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="</s>", **names)
    tokenizer.save_pretrained(folder)
    return tokenizer


def save_model(folder, kind, bos=True):
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

    size = len(save_tokenizer(folder, bos))
    torch.set_num_threads(1)  # threads that wait for each other take longer than a tiny model
    torch.manual_seed(0)
    common = {"vocab_size": size, "bos_token_id": 0, "eos_token_id": 1}
    if kind == "llama":
        model = LlamaForCausalLM(
            LlamaConfig(
                hidden_size=16,
                intermediate_size=32,
                num_hidden_layers=2,
                num_attention_heads=2,
                max_position_embeddings=64,
                initializer_range=0.5,
                **common,
            )
        )
    else:
        model = GPT2LMHeadModel(
            GPT2Config(
                n_embd=16, n_layer=2, n_head=2, n_positions=64, initializer_range=0.5, **common
            )
        )
    model.save_pretrained(folder)
    return folder
