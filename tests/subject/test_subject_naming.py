"""Whose neurons a subject has: names, and sentences for what it lacks."""

import pytest

from neuron_eval.subject.exchange import NeuronPlace
from neuron_eval.subject.provider import own_name, plain_name, why_lacking

SIZES = {0: 32, 1: 32}


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("openai-community/gpt2-xl", "gpt2-xl"),
        ("/models/SmolLM2-135M-Instruct.Q4_1.gguf", "smollm2-135m-instruct"),
        ("SmolLM2-135M-Instruct-Q4_K_M.gguf", "smollm2-135m-instruct"),
        ("Llama-3.2-1B.IQ4_XS.gguf", "llama-3.2-1b"),
        ("Qwen2.5-0.5B-bf16.gguf", "qwen2.5-0.5b"),
        ("Qwen/Qwen2.5-0.5B", "qwen2.5-0.5b"),
        ("smollm2", "smollm2-135m-instruct"),
        ("gpt2-small", "gpt2"),
        ("folder/", "folder"),
    ],
)
def test_a_model_is_compared_by_its_last_name_without_quantisation(name, plain):
    assert plain_name(name) == plain


def test_a_folder_has_the_name_of_where_it_is(tmp_path, monkeypatch):
    (tmp_path / "Pythia-70m").mkdir()
    monkeypatch.chdir(tmp_path / "Pythia-70m")
    assert own_name(".") == "pythia-70m"


def lacking(id_, model="gpt2-xl", layer=0, index=0, sizes=SIZES, hook=""):
    place = NeuronPlace(id_, model, layer, index)
    return why_lacking(place, "neuron-subject/x/gpt2-xl", "gpt2-xl", sizes, hook)


@pytest.mark.parametrize(
    "id_", ["gpt2-xl/L0N1", "gpt2-xl/0/1", "gpt2-xl/0-neurons/1", "gpt2-xl/0-mlp-neurons/1", "x"]
)
def test_its_own_neurons_are_not_refused(id_):
    assert lacking(id_, "GPT2-XL", 1, 31) == ""


@pytest.mark.parametrize(
    ("place", "why"),
    [
        (
            {"id_": "smollm2/L0N1", "model": "smollm2"},
            "is of the model 'smollm2', but the subject neuron-subject/x/gpt2-xl is gpt2-xl; name "
            "that model, or say so if it is the same one: --model-role 'subject={model: "
            "neuron-subject/x/gpt2-xl, model_args: {neurons: smollm2}}'",
        ),
        ({"id_": "a/L2N0", "layer": 2}, "is in layer 2, but gpt2-xl has layers 0 to 1"),
        (
            {"id_": "a/L2N0", "layer": 2, "sizes": {1: 5, 3: 5}},
            "is in layer 2, but gpt2-xl has MLP neurons in the layers 1, 3",
        ),
        ({"id_": "a/L1N32", "layer": 1, "index": 32}, "index 32, but layer 1 has neurons 0 to 31"),
        (
            {"id_": "gpt2-xl/0-res-jb/7", "index": 7},
            "is a latent of a dictionary, and the subject shows MLP neurons; name the folder of "
            "its SAE: --model-role 'subject={model: neuron-subject/x/gpt2-xl, model_args: "
            "{sae: FOLDER}}'",
        ),
        (
            {"id_": "a/L0N1", "hook": "blocks.0.hook_resid_pre"},
            "is an MLP neuron, and the subject shows latents of an SAE; leave out its sae",
        ),
        (
            {"id_": "a/1-res/5", "layer": 1, "sizes": {0: 9}, "hook": "blocks.0.hook_resid_pre"},
            "is in layer 1, but the SAE's hook point is blocks.0.hook_resid_pre",
        ),
        (
            {"id_": "a/0-res/9", "index": 9, "sizes": {0: 9}, "hook": "blocks.0.hook_resid_pre"},
            "index 9, but layer 0 has latents 0 to 8",
        ),
    ],
)
def test_what_it_lacks_is_refused_with_what_would_be_right(place, why):
    assert lacking(**place).removeprefix("has ") == why


def test_a_latent_at_delphi_is_no_mlp_neuron():
    assert "is a latent" in lacking("gpt2-xl/layers.0.mlp/12", index=12)
