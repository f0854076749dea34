"""Latents of an SAE as a subject: against SAELens's formulas, computed from the hidden states."""

import json
import re

import numpy as np
import pytest
from inspect_ai.model import get_model
from tiny_models import TEXT, needs_record, save_model

from neuron_eval.inspect_private import PrerequisiteError
from neuron_eval.recording import RecordingError
from neuron_eval.subject.exchange import NeuronPlace
from neuron_eval.subject.sae import read_sae

WIDTH, LATENTS = 16, 24
TEXTS = ["keep", "a café of 🙂🙃 the", TEXT[:40], "x"]
INDEX = (0, 7, 23)
CONFIG = {
    "architecture": "standard",
    "d_in": WIDTH,
    "d_sae": LATENTS,
    "apply_b_dec_to_input": False,
    "metadata": {"hook_name": "blocks.1.hook_resid_pre", "model_name": "tiny-gpt2"},
}
SHAPES = {
    "W_enc": (WIDTH, LATENTS),
    "W_dec": (LATENTS, WIDTH),
    "b_dec": (WIDTH,),
    **dict.fromkeys(("b_enc", "threshold", "b_gate", "b_mag", "r_mag"), (LATENTS,)),
}


def save_sae(folder, shapes=SHAPES, **changes):
    import torch
    from safetensors.torch import save_file

    folder.mkdir(exist_ok=True)
    torch.manual_seed(1)
    weights = {name: torch.randn(shape) for name, shape in shapes.items()}
    save_file(weights, folder / "sae_weights.safetensors")
    config = {name: value for name, value in {**CONFIG, **changes}.items() if value is not None}
    (folder / "cfg.json").write_text(json.dumps(config), encoding="utf-8")
    return folder, weights


@pytest.fixture
def loaded(monkeypatch):
    from neuron_eval.subject import engine

    monkeypatch.setattr(engine, "_loaded", {})
    return engine


@pytest.fixture
def gpt2(tmp_path, loaded):
    return save_model(tmp_path / "tiny-gpt2", "gpt2")


def hidden_states(folder, text, hook):
    """What the model's hook point holds, without the start token, shape [P, D]; and offsets."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    encoded = AutoTokenizer.from_pretrained(folder)(
        text, add_special_tokens=False, return_offsets_mapping=True
    )
    layer, point = re.fullmatch(r"blocks\.(\d)\.hook_(\w+)", hook).groups()
    base, added = model.base_model, []
    layers = base.layers if "llama" in folder.name else base.h
    layers[int(layer)].mlp.register_forward_hook(lambda _, inputs, output: added.append(output))
    with torch.no_grad():
        states = model(
            torch.tensor([[0, *encoded["input_ids"]]]), output_hidden_states=True
        ).hidden_states
    place = {"resid_pre": int(layer), "resid_post": int(layer) + 1}
    hidden = added[0] if point == "mlp_out" else states[place[point]]
    return hidden[0, 1:], [left for left, _ in encoded["offset_mapping"]]


def check(folder, sae, loaded, encode, hook="blocks.1.hook_resid_pre"):
    """Compare the subject with a formula from hidden states to all latents, shape [P, N]."""
    engine = loaded.load_engine(str(folder), "float32", "cpu", str(sae))
    layer, firing = int(hook.split(".")[1]), 0
    for index in INDEX:
        records, _ = engine.records(NeuronPlace("t/1-res/0", "t", layer, index), TEXTS)
        for record in records:
            hidden, lefts = hidden_states(folder, record.text, hook)
            values = encode(hidden)[:, index].tolist()
            highest, at = [], 0
            for token in record.tokens:
                inside = zip(lefts, values, strict=True)
                highest.append(max(v for left, v in inside if at <= left < at + len(token)))
                at += len(token)
            assert record.activations == pytest.approx(highest, rel=2e-3, abs=1e-4)
            firing += sum(np.array(highest) > 0)
    assert firing > 5


@needs_record
@pytest.mark.parametrize(
    "hook", ["blocks.1.hook_resid_pre", "blocks.0.hook_resid_post", "blocks.1.hook_mlp_out"]
)
@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_a_standard_sae_sees_its_hook_point(tmp_path, loaded, hook, kind):
    folder = save_model(tmp_path / f"tiny-{kind}", kind)
    sae, w = save_sae(tmp_path / "sae", metadata={"hook_name": hook})
    check(folder, sae, loaded, lambda h: (h @ w["W_enc"] + w["b_enc"]).relu(), hook)


@needs_record
@pytest.mark.parametrize("old", [False, True])
def test_the_decoders_bias_is_taken_off_unless_the_sae_says_otherwise(tmp_path, gpt2, loaded, old):
    changes = {"apply_b_dec_to_input": None if old else True}
    if old:  # before SAELens 6, everything stood side by side
        changes |= {"metadata": None, "architecture": None, **CONFIG["metadata"]}
        changes |= {"activation_fn_str": "relu"}
    sae, w = save_sae(tmp_path / "sae", **changes)
    check(gpt2, sae, loaded, lambda h: ((h - w["b_dec"]) @ w["W_enc"] + w["b_enc"]).relu())


def topk(before, k):
    left = before.clone()
    left[before < before.sort(dim=-1, descending=True).values[:, k - 1 : k]] = 0
    return left.relu()


@needs_record
@pytest.mark.parametrize("old", [False, True])
def test_topk_leaves_the_highest_latents_of_a_token(tmp_path, gpt2, loaded, old):
    new = {"architecture": "topk", "k": 6}
    before = {"activation_fn_str": "topk", "activation_fn_kwargs": {"k": 6}}
    sae, w = save_sae(tmp_path / "sae", **(before if old else new))
    check(gpt2, sae, loaded, lambda h: topk(h @ w["W_enc"] + w["b_enc"], 6))


@needs_record
def test_topk_may_weigh_latents_by_their_decoders_norm(tmp_path, gpt2, loaded):
    sae, w = save_sae(tmp_path / "sae", architecture="topk", k=6, rescale_acts_by_decoder_norm=True)
    norms = (w["W_dec"] ** 2).sum(dim=1).sqrt()
    check(gpt2, sae, loaded, lambda h: topk((h @ w["W_enc"] + w["b_enc"]) * norms, 6))


@needs_record
def test_jumprelu_is_nought_up_to_the_threshold(tmp_path, gpt2, loaded):
    sae, w = save_sae(tmp_path / "sae", architecture="jumprelu")

    def encode(hidden):
        before = hidden @ w["W_enc"] + w["b_enc"]
        return before.relu() * (before > w["threshold"])

    check(gpt2, sae, loaded, encode)


@needs_record
def test_a_gated_latent_has_a_size_where_its_gate_is_open(tmp_path, gpt2, loaded):
    sae, w = save_sae(tmp_path / "sae", architecture="gated")

    def encode(hidden):
        size = (hidden @ (w["W_enc"] * w["r_mag"].exp()) + w["b_mag"]).relu()
        return size * (hidden @ w["W_enc"] + w["b_gate"] > 0)

    check(gpt2, sae, loaded, encode)


@needs_record
@pytest.mark.parametrize("how", ["layer_norm", "constant_norm_rescale", "centred", "old"])
def test_the_input_is_normalised_as_the_sae_says(tmp_path, gpt2, loaded, how):
    centred = {"center_writing_weights": True}
    changes = {"normalize_activations": how}
    if how == "centred":
        changes = {"metadata": {**CONFIG["metadata"], "model_from_pretrained_kwargs": centred}}
    if how == "old":
        changes = {"metadata": None, "hook_point": "blocks.1.hook_resid_pre"}
    sae, w = save_sae(tmp_path / "sae", **changes)

    def encode(h):
        mean, norm = h.mean(dim=1, keepdim=True), (h**2).sum(dim=1, keepdim=True).sqrt()
        deviation = ((h - mean) ** 2).sum(dim=1, keepdim=True).div(WIDTH - 1).sqrt()
        inputs = {
            "layer_norm": (h - mean) / (deviation + 1e-5),
            "constant_norm_rescale": h / norm * WIDTH**0.5,
        }.get(how, h - mean)
        return (inputs @ w["W_enc"] + w["b_enc"]).relu()

    check(gpt2, sae, loaded, encode)


@needs_record
def test_latents_run_together_are_those_run_alone(tmp_path, gpt2, loaded):
    sae, _ = save_sae(tmp_path / "sae")
    engine = loaded.load_engine(str(gpt2), "float32", "cpu", str(sae))
    runs = [engine._run_of((1, i), 1, text) for i in (7, 0, 23) for text in TEXTS]
    engine._run(runs)
    for run in runs:
        alone = engine._run_of(run.column, 1, "".join(run.window.tokens))
        engine._run([alone])
        assert run.end.result() == pytest.approx(alone.end.result(), rel=1e-3, abs=1e-4)


@needs_record
def test_as_a_role_it_refuses_what_the_sae_lacks_and_another_models_sae(tmp_path, gpt2, loaded):
    sae, _ = save_sae(tmp_path / "sae")
    name = f"neuron-subject/{gpt2}"
    api = get_model(name, memoize=False, sae=str(sae)).api
    plain = get_model(name, memoize=False).api
    assert api.refusal(NeuronPlace("tiny-gpt2/1-res/23", "tiny-gpt2", 1, 23)) == ""
    assert "has latents 0 to 23" in api.refusal(
        NeuronPlace("tiny-gpt2/1-res/24", "tiny-gpt2", 1, 24)
    )
    assert "blocks.1.hook_resid_pre" in api.refusal(NeuronPlace("t/0-res/1", "tiny-gpt2", 0, 1))
    assert "MLP neuron" in api.refusal(NeuronPlace("tiny-gpt2/L1N3", "tiny-gpt2", 1, 3))
    assert api.revision.startswith(plain.revision)
    assert api.revision != plain.revision
    other, _ = save_sae(tmp_path / "other", metadata={**CONFIG["metadata"], "model_name": "gpt2"})
    with pytest.raises(PrerequisiteError, match="the SAE is of the model 'gpt2', but neuron-subj"):
        get_model(name, memoize=False, sae=str(other))
    assert get_model(name, memoize=False, sae=str(other), neurons="gpt2-small")


@needs_record
@pytest.mark.parametrize(
    ("shapes", "changes", "message"),
    [
        ({**SHAPES, "W_enc": (8, LATENTS)}, {}, "W_enc has the shape [8, 24]; expected [16, 24]"),
        ({"W_enc": (16, 24)}, {}, "no b_enc, which standard needs; there are W_enc"),
        (
            SHAPES,
            {"metadata": {"hook_name": "blocks.2.hook_resid_pre"}},
            "the model has no layer 2",
        ),
    ],
)
def test_weights_that_do_not_fit_are_refused(tmp_path, gpt2, shapes, changes, message):
    sae, _ = save_sae(tmp_path / "sae", shapes, **changes)
    with pytest.raises(PrerequisiteError, match=re.escape(message)):
        get_model(f"neuron-subject/{gpt2}", memoize=False, sae=str(sae))


def configured(folder, text):
    folder.mkdir()
    (folder / "cfg.json").write_text(text, encoding="utf-8")
    (folder / "sae_weights.safetensors").write_bytes(b"")
    return folder


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architecture": "temporal"}, "the architecture is temporal with relu; known here are st"),
        ({"activation_fn_str": "tanh-relu"}, "the architecture is standard with tanh-relu"),
        (
            {"metadata": {"hook_name": "blocks.1.attn.hook_z"}},
            "the hook point is 'blocks.1.attn.hook_z'; expected blocks.LAYER.hook_resid_pre, block",
        ),
        ({"metadata": 3}, "the hook point is None"),
        ({"normalize_activations": "expected_average_only_in"}, "known here are none, layer_norm"),
        ({"architecture": "topk"}, "topk needs a whole number k above 0; there is None"),
    ],
)
def test_a_kind_of_sae_that_is_not_known_is_refused_by_name(tmp_path, changes, message):
    folder = configured(tmp_path / "sae", json.dumps({**CONFIG, **changes}))
    with pytest.raises(RecordingError, match=re.escape(message)):
        read_sae(folder)


def test_what_is_no_saes_folder_is_refused(tmp_path):
    with pytest.raises(
        RecordingError, match=r"no file cfg\.json; an SAE's folder has cfg\.json and"
    ):
        read_sae(tmp_path)
    with pytest.raises(RecordingError, match=r"cfg\.json: not JSON"):
        read_sae(configured(tmp_path / "a", "{"))
    with pytest.raises(RecordingError, match=r"cfg\.json: holds \[\]; expected an object"):
        read_sae(configured(tmp_path / "b", "[]"))
