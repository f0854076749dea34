"""`neuron-eval record`: what needs no model, and whole recordings of tiny models."""

import json
import re
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from tiny_models import TEXT, needs_record, save_model

from neuron_eval.cli.main import main
from neuron_eval.sources import schema


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--neurons", "L0N0"], "give either --text or --dataset"),
        (["--neurons", "L0N0", "--text", "T", "--dataset", "x"], "give either --text or --dataset"),
        (["--neurons", "L0N0", "--text", "T", "--dataset-config", "x"], "goes with --dataset"),
        (["--text", "T"], "give --neurons (ids, a file, or all) or --per-layer"),
        (["--text", "T", "--per-layer", "0"], "0 is not in the range x>=1"),
        (["--text", "T", "--per-layer", "1", "--quantiles", "0.9,0.5"], "levels must ascend"),
        (["--text", "T", "--per-layer", "1", "--quantiles", "0.5,1"], "between 0 and 1"),
        (["--text", "T", "--per-layer", "1", "--quantiles", "a"], "not a comma list of numbers"),
        (["--text", "T", "--neurons", "L0"], "'L0' is neither 'all', nor a list of ids"),
        (["--text", "T", "--per-layer", "1", "--layers", "x"], "--layers 'x'"),
    ],
)
def test_bad_options_are_refused_before_any_model_is_loaded(tmp_path, text, arguments, message):
    named = [str(text) if word == "T" else word for word in arguments]
    result = invoke(tmp_path / "no-model", "--out", tmp_path / "n.jsonl", *named)
    assert result.exit_code != 0
    assert message in re.sub(r"[\s│]+", " ", result.output)


@pytest.mark.parametrize(
    ("out", "message"),
    [("n.json", "must end in .jsonl or .jsonl.gz"), ("no/n.jsonl", "does not exist")],
)
def test_a_bad_out_is_refused(tmp_path, text, out, message):
    result = invoke("m", "--out", tmp_path / out, "--text", text, "--per-layer", 1)
    assert result.exit_code == 2
    assert message in result.output


def test_an_unfinished_recording_is_not_overwritten(tmp_path, text):
    (tmp_path / "n.jsonl.checkpoint.npz").write_bytes(b"")
    result = invoke("m", "--out", tmp_path / "n.jsonl", "--text", text, "--per-layer", 1)
    assert result.exit_code == 1
    assert "pass --resume to go on with it" in result.output


def test_without_torch_the_command_says_what_to_install(tmp_path, text, monkeypatch):
    for name in ("torch", "transformers"):
        monkeypatch.setitem(sys.modules, name, None)
    result = invoke("m", "--out", tmp_path / "n.jsonl", "--text", text, "--per-layer", 1)
    assert result.exit_code == 1
    assert "pip install 'neuron_eval[record]'" in result.output


@pytest.fixture
def llama(tmp_path):
    return save_model(tmp_path / "tiny-llama", "llama")


def by_hand(folder, excerpt, layer, prefix):
    """One excerpt's activations of a whole layer, shape [T, N]: every piece's row is computed in
    a forward pass of its own, and a token gets the highest of its pieces."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    block = model.base_model.get_submodule("layers" if "llama" in folder.name else "h")[layer]
    module = block.mlp.down_proj if "llama" in folder.name else block.mlp.c_proj
    seen = []
    module.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0][0]))
    whole = tokenizer(TEXT, add_special_tokens=False, return_offsets_mapping=True)
    at = TEXT.index(excerpt.text)
    rows = []
    for token in excerpt.tokens:
        inside = [
            i
            for i, (left, right) in enumerate(whole["offset_mapping"])
            if left >= at and right <= at + len(token)
        ]
        rows.append(inside)
        at += len(token)
    first = rows[0][0]
    ids = [prefix, *whole["input_ids"][first : rows[-1][-1] + 1]]
    with torch.no_grad():
        model(torch.tensor([ids]))
    values = seen[0].numpy()
    return np.stack([values[[1 + i - first for i in row]].max(axis=0) for row in rows])


def options(text, out, *more):
    return ["--text", text, "--out", out, "--length", LENGTH, "--top", 5, "--random", 4, *more]


@needs_record
@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_recorded_activations_are_those_computed_by_hand(tmp_path, text, kind):
    folder = save_model(tmp_path / f"tiny-{kind}", kind)
    out = tmp_path / "n.jsonl.gz"
    result = invoke(folder, *options(text, out), "--neurons", "L1N3,L0N30", "--batch-size", 5)
    assert result.exit_code == 0, result.output
    records = list(schema.read(out))
    assert [r.id for r in records] == [f"tiny-{kind}/L1N3", f"tiny-{kind}/L0N30"]
    merged = 0
    for record in records:
        for excerpt in (*record.top, *record.random):
            assert len(excerpt.tokens) == LENGTH
            assert excerpt.text in TEXT
            merged += not excerpt.text.isascii()
            expected = by_hand(folder, excerpt, record.layer, prefix=0)[:, record.neuron]
            assert np.allclose(excerpt.activations, expected, rtol=1e-3, atol=1e-5)
    assert merged > 10


@needs_record
def test_the_top_excerpts_are_the_best_of_all_windows(tmp_path, text, llama):
    few, all_but_two = tmp_path / "few.jsonl", tmp_path / "many.jsonl"
    more = ["--neurons", "L1N3", "--max-tokens", 100 * LENGTH]
    assert invoke(llama, *options(text, few, *more)).exit_code == 0
    result = invoke(llama, *options(text, all_but_two, *more), "--top", 98, "--random", 2)
    assert result.exit_code == 0, result.output
    (short,), (long,) = schema.read(few), schema.read(all_but_two)
    assert short.top == long.top[:5]
    everything = {excerpt.text: excerpt for excerpt in (*long.top, *long.random)}
    assert len(everything) == 100
    assert all(everything[excerpt.text] == excerpt for excerpt in short.random)


@needs_record
def test_given_and_drawn_neurons_are_recorded_in_groups(tmp_path, text, llama):
    chosen = tmp_path / "neurons.txt"
    chosen.write_text("L1N3 clear # a comment\nL0N7\n", encoding="utf-8")
    out = tmp_path / "n.jsonl"
    more = ["--neurons", chosen, "--group", "picked", "--per-layer", 3, "--layers", "1"]
    result = invoke(llama, *options(text, out, *more), "--name", "tiny", "--quantiles", "0.1,0.9")
    assert result.exit_code == 0, result.output
    records = list(schema.read(out))
    assert [r.group for r in records] == ["clear", "picked", "random", "random", "random"]
    drawn = [r.id.removeprefix("tiny/") for r in records[2:]]
    assert f"drawn with seed 0: {', '.join(drawn)}\n" in result.output
    assert {r.layer for r in records[2:]} == {1}
    assert all(r.quantiles == (0.1, 0.9) for r in records)


@needs_record
def test_all_neurons_of_a_layer_can_be_recorded(tmp_path, text, llama):
    out = tmp_path / "n.jsonl"
    more = ["--neurons", "all", "--layers", "0", "--max-tokens", 200]
    result = invoke(llama, *options(text, out, *more))
    assert result.exit_code == 0, result.output
    assert [r.id for r in schema.read(out)] == [f"tiny-llama/L0N{n}" for n in range(32)]
    assert "200 tokens in 25 windows" in result.output


@needs_record
def test_boundaries_are_quantiles_over_every_token(tmp_path, text, llama):
    out = tmp_path / "n.jsonl"
    more = ["--neurons", "L1N3", "--max-tokens", 80, "--quantiles", "0.1,0.5,0.9"]
    result = invoke(llama, *options(text, out, *more), "--top", 6)
    assert result.exit_code == 0, result.output
    (record,) = schema.read(out)
    seen = [value for e in (*record.top, *record.random) for value in e.activations]
    assert len(seen) == 80
    exact = np.quantile(seen, record.quantiles, method="inverted_cdf")
    assert np.allclose(record.quantile_boundaries, exact, rtol=0.006, atol=1e-5)


@needs_record
def test_a_tokenizer_without_a_start_token_starts_windows_with_its_end_token(tmp_path, text):
    folder = save_model(tmp_path / "tiny-llama", "llama", bos=False)
    out = tmp_path / "n.jsonl"
    assert invoke(folder, *options(text, out, "--neurons", "L1N3")).exit_code == 0
    (record,) = schema.read(out)
    expected = by_hand(folder, record.top[0], 1, prefix=1)[:, 3]
    assert np.allclose(record.top[0].activations, expected, rtol=1e-3, atol=1e-5)


@needs_record
def test_a_special_token_spelled_out_in_the_text_is_text(tmp_path, llama):
    text = tmp_path / "text.txt"
    text.write_text("a <s> b </s> c " + TEXT, encoding="utf-8")
    out = tmp_path / "n.jsonl"
    more = ["--neurons", "L0N1", "--top", 100, "--random", 0]
    assert invoke(llama, *options(text, out), *more).exit_code == 0
    (record,) = schema.read(out)
    assert all("<s>" not in e.tokens and "</s>" not in e.tokens for e in record.top)


@needs_record
@pytest.mark.parametrize("kind", ["text", "dataset"])
def test_an_interrupted_recording_resumes_to_identical_bytes(
    tmp_path, text, llama, monkeypatch, kind
):
    from neuron_eval.recording.subject import HuggingFaceSubject

    rows = tmp_path / "rows.jsonl"
    lines = (json.dumps({"body": TEXT[i : i + 500]}) for i in range(0, len(TEXT), 500))
    rows.write_text("\n".join(lines), encoding="utf-8")
    given = ["--text", text] if kind == "text" else ["--dataset", f"{rows}:train:body"]
    common = [llama, *given, "--length", LENGTH, "--top", 5, "--random", 4, "--per-layer", 2]
    common += ["--batch-size", 4, "--checkpoint-every", 3, "--resume"]
    whole, broken = tmp_path / "whole.jsonl.gz", tmp_path / "broken.jsonl.gz"
    assert invoke(*common, "--out", whole).exit_code == 0

    inner, calls = HuggingFaceSubject.activations, []

    def stopping(self, windows):
        calls.append(len(windows))
        if len(calls) == 9:
            raise KeyboardInterrupt
        return inner(self, windows)

    monkeypatch.setattr(HuggingFaceSubject, "activations", stopping)
    assert invoke(*common, "--out", broken).exit_code == 1
    assert not broken.exists()
    calls.clear()
    calls.extend([0] * 10)
    result = invoke(*common, "--out", broken, "--seed", 1)
    assert "belongs to another recording" in result.output
    result = invoke(*common, "--out", broken)
    assert result.exit_code == 0, result.output
    assert broken.read_bytes() == whole.read_bytes()
    windows = int(re.search(r"in (\d+) windows", result.output)[1])
    assert sum(calls) == windows - 6 * 4
    assert not list(tmp_path.glob("*.npz"))


@needs_record
@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--neurons", "L0N32"], "layer 0 has neurons 0 to 31"),
        (["--per-layer", "1", "--layers", "0-2"], "the model has no layer 2, only 0 to 1"),
        (["--per-layer", "1", "--max-tokens", "40"], "the text gives 5 distinct windows"),
        (["--per-layer", "1", "--length", "63"], "the model has 64 positions; use a smaller"),
    ],
)
def test_what_does_not_fit_the_model_or_the_text_is_refused(tmp_path, text, llama, more, message):
    out = tmp_path / "n.jsonl"
    result = invoke(llama, *options(text, out), *more)
    assert result.exit_code == 1
    assert message in result.output
    assert not out.exists()


@needs_record
def test_bfloat16_is_close_to_float32(tmp_path, text, llama):
    peaks = []
    for dtype in ("float32", "bfloat16"):
        out = tmp_path / f"{dtype}.jsonl"
        more = ["--neurons", "L0N1", "--dtype", dtype]
        assert invoke(llama, *options(text, out, *more)).exit_code == 0
        peaks.append([record.top[0].peak for record in schema.read(out)])
    assert peaks[0] == pytest.approx(peaks[1], rel=0.05)
    assert peaks[0] != peaks[1]


@needs_record
def test_leaving_the_last_layers_out_changes_no_activation(tmp_path, text, llama):
    found = {}
    for neurons in ("L0N1", "L0N1,L1N1"):
        out = tmp_path / "n.jsonl"
        assert invoke(llama, *options(text, out, "--neurons", neurons)).exit_code == 0
        found[neurons] = next(iter(schema.read(out)))
    assert found["L0N1"] == found["L0N1,L1N1"]


@needs_record
def test_a_folder_without_a_model_and_a_missing_gguf_file_are_refused(tmp_path, text):
    more = options(text, tmp_path / "n.jsonl", "--per-layer", 1)
    result = invoke(tmp_path, *more)
    assert result.exit_code == 1
    assert f"{tmp_path}: cannot be loaded" in result.output
    result = invoke(tmp_path / "no.gguf", *more)
    assert result.exit_code == 1
    assert "no.gguf: no such file" in result.output


LENGTH = 8


def invoke(*arguments):
    return CliRunner().invoke(main, ["record", *map(str, arguments)])


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text(TEXT, encoding="utf-8", newline="\n")
    return path
