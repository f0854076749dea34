"""``neuron-subject/NAME``: what it computes, how it is shared, and how it refuses and fails."""

import re
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from inspect_ai import Task, eval
from inspect_ai._cli.util import parse_model_role_cli_args
from inspect_ai.dataset import Sample
from inspect_ai.model import ChatMessageUser, get_model
from inspect_ai.scorer import Score, mean, scorer
from inspect_ai.solver import solver
from llm_server import INSTALL, model_file
from tiny_models import TEXT, needs_record, save_model

from neuron_eval import load_neurons
from neuron_eval.inspect_private import PrerequisiteError
from neuron_eval.messages import InputError
from neuron_eval.subject.exchange import NeuronPlace, SubjectError, resolve_subject
from neuron_eval.usage_error import UsageError

TEXTS = ["keep", "a café of 🙂🙃 the", TEXT[:40], "日本語 and , 東京.\n", "x"]
PLACES = [NeuronPlace("m/L1N3", "m", 1, 3), NeuronPlace("m/L0N30", "m", 0, 30)]


@pytest.fixture
def loaded(monkeypatch):
    """What this test loads is let go of afterwards."""
    from neuron_eval.subject import engine

    monkeypatch.setattr(engine, "_loaded", {})
    return engine


@pytest.fixture
def gpt2(tmp_path, loaded):
    return save_model(tmp_path / "tiny-gpt2", "gpt2")


def tiny(loaded, folder, dtype="float32"):
    return loaded.load_engine(str(folder), dtype, "cpu", "")


def by_hand(folder, place, record):
    """A record's activations from a forward pass of its own, the highest of each token's pieces."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    seen = []
    block = model.base_model.h[place.layer]
    block.mlp.c_proj.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0][0]))
    encoded = AutoTokenizer.from_pretrained(folder)(
        record.text, add_special_tokens=False, return_offsets_mapping=True
    )
    with torch.no_grad():
        model(torch.tensor([[0, *encoded["input_ids"]]]))
    values = seen[0][1:, place.index].tolist()
    pieces = [(left, v) for (left, _), v in zip(encoded["offset_mapping"], values, strict=True)]
    highest, at = [], 0
    for token in record.tokens:
        highest.append(max(v for left, v in pieces if at <= left < at + len(token)))
        at += len(token)
    return highest


@needs_record
@pytest.mark.parametrize("place", PLACES)
def test_activations_are_those_computed_by_hand(gpt2, loaded, place):
    records, read = tiny(loaded, gpt2).records(place, TEXTS)
    assert ["".join(record.tokens) for record in records] == TEXTS
    for record in records:
        expected = by_hand(gpt2, place, record)
        assert record.activations == pytest.approx(expected, rel=1e-3, abs=1e-5)
        assert all(value == float(f"{value:.4g}") for value in record.activations)
    assert read > sum(len(record.tokens) for record in records)


@needs_record
def test_texts_run_together_give_what_they_give_alone(gpt2, loaded, monkeypatch):
    together, _ = tiny(loaded, gpt2).records(PLACES[0], TEXTS)
    monkeypatch.setattr(loaded, "TOKENS", 1)
    for record, text in zip(together, TEXTS, strict=True):
        ((alone,), _) = tiny(loaded, gpt2).records(PLACES[0], [text])
        assert alone.tokens == record.tokens
        assert alone.activations == pytest.approx(record.activations, rel=2e-3, abs=1e-5)


class Announcing(list):
    """A list that says when it is added to."""

    def __init__(self, added):
        super().__init__()
        self.added = added

    def __iadd__(self, more):
        self.extend(more)
        self.added.release()
        return self


@needs_record
def test_what_comes_during_a_forward_pass_is_run_in_the_next_one(gpt2, loaded, monkeypatch):
    engine = tiny(loaded, gpt2)
    expected = [engine.records(place, [text])[0] for place in PLACES for text in TEXTS]
    look, passes, come = engine.network.look, [], threading.Semaphore(0)
    pool = ThreadPoolExecutor(10)
    answers = []

    def looking(windows, probes):
        passes.append((len(windows), len(probes)))
        if len(passes) == 1:
            engine._waiting = Announcing(come)
            for place in PLACES:
                for text in TEXTS:
                    answers.append(pool.submit(engine.records, place, [text]))
                    assert come.acquire(timeout=60)
        return look(windows, probes)

    monkeypatch.setattr(engine.network, "look", looking)
    engine.records(PLACES[0], ["first"])
    with pool:
        found = [answer.result(timeout=60)[0] for answer in answers]
    assert passes == [(1, 1), (10, 2)]
    for (record,), (right,) in zip(found, expected, strict=True):
        assert record.tokens == right.tokens
        assert record.activations == pytest.approx(right.activations, rel=2e-3, abs=1e-5)


def test_a_batch_holds_texts_of_like_length_up_to_its_tokens(loaded, monkeypatch):
    monkeypatch.setattr(loaded, "TOKENS", 20)
    runs = [loaded._Run((0, 0), None, size) for size in (9, 3, 50, 4, 10, 3, 11)]
    sizes = [[run.size for run in batch] for batch in loaded.batches(runs)]
    assert sizes == [[3, 3, 4], [9, 10], [11], [50]]
    assert list(loaded.batches([])) == []


@needs_record
def test_a_model_is_loaded_once_and_two_of_them_do_not_mix(tmp_path, gpt2, loaded, monkeypatch):
    import torch

    made = []
    inner = loaded.HuggingFaceSubject
    monkeypatch.setattr(loaded, "HuggingFaceSubject", lambda *a: made.append(a) or inner(*a))
    other = save_model(tmp_path / "tiny-llama", "llama")
    monkeypatch.chdir(tmp_path)
    first = get_model(f"neuron-subject/{gpt2}", memoize=False)
    again = get_model("neuron-subject/tiny-gpt2", memoize=False)
    second = get_model(f"neuron-subject/{other}", memoize=False)
    rough = get_model(f"neuron-subject/{gpt2}", memoize=False, dtype="bfloat16")
    assert len(made) == 3
    assert first.api._engine is again.api._engine
    assert first.api.revision == again.api.revision
    assert len({m.api.revision for m in (first, second, rough)}) == 3
    assert rough.api._engine.network._base.dtype == torch.bfloat16
    values = [m.api._engine.records(PLACES[0], ["keep"])[0][0] for m in (first, second, rough)]
    assert len(set(values)) == 3


@needs_record
def test_the_revision_is_of_the_weights_and_the_tokenizer(tmp_path, gpt2, loaded):
    import torch
    from transformers import AutoModelForCausalLM

    before = tiny(loaded, gpt2).revision
    loaded._loaded.clear()
    assert tiny(loaded, gpt2).revision == before
    loaded._loaded.clear()
    vocabulary = gpt2 / "tokenizer.json"
    text = vocabulary.read_text(encoding="utf-8")
    vocabulary.write_text(text.replace('"add_prefix_space":false', '"add_prefix_space":true')
                              .replace('"add_prefix_space": false', '"add_prefix_space": true'),
                          encoding="utf-8")  # fmt: skip
    with_space = tiny(loaded, gpt2).revision
    loaded._loaded.clear()
    model = AutoModelForCausalLM.from_pretrained(gpt2)
    with torch.no_grad():
        model.base_model.h[1].mlp.c_proj.weight[0, 0] += 1
    model.save_pretrained(gpt2)
    assert len({before, with_space, tiny(loaded, gpt2).revision}) == 3


@needs_record
def test_out_of_memory_together_is_tried_alone(gpt2, loaded, monkeypatch):
    import torch

    engine = tiny(loaded, gpt2)
    expected, _ = engine.records(PLACES[0], TEXTS)
    look = engine.network.look

    def small(windows, probes):
        if len(windows) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return look(windows, probes)

    monkeypatch.setattr(engine.network, "look", small)
    records, _ = engine.records(PLACES[0], TEXTS)
    for record, right in zip(records, expected, strict=True):
        assert record.activations == pytest.approx(right.activations, rel=2e-3, abs=1e-5)


@needs_record
def test_a_text_that_fails_alone_is_named_and_no_other_one_is_lost(gpt2, loaded, monkeypatch):
    import torch

    engine = tiny(loaded, gpt2)
    look = engine.network.look

    def failing(windows, probes):
        if any("x" in window.tokens for window in windows):
            raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate 2 GiB")
        return look(windows, probes)

    monkeypatch.setattr(engine.network, "look", failing)
    said = r"a text of 2 model tokens: OutOfMemoryError: CUDA out of memory\.; try dtype: bfloat16"
    with pytest.raises(SubjectError, match=rf"tiny-gpt2 failed on {said}, or device: cpu"):
        engine.records(PLACES[0], TEXTS)
    assert len(engine.records(PLACES[0], TEXTS[:4])[0]) == 4


@needs_record
def test_an_interruption_leaves_nobody_waiting(gpt2, loaded, monkeypatch):
    engine = tiny(loaded, gpt2)

    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(engine.network, "look", interrupted)
        with pytest.raises(KeyboardInterrupt):
            engine.records(PLACES[0], ["keep"])
    assert not engine._waiting
    assert engine.records(PLACES[0], ["keep"])


@needs_record
def test_a_text_beyond_the_models_positions_is_refused_before_any_is_run(gpt2, loaded):
    with pytest.raises(InputError, match=r"text 2 \('x x.*…\) takes \d+ model tokens, but .*"
                       "tiny-gpt2 has 64 positions"):  # fmt: skip
        tiny(loaded, gpt2).records(PLACES[0], ["keep", "x " * 99])
    assert not tiny(loaded, gpt2)._waiting


@needs_record
def test_an_activation_that_is_not_finite_is_an_error(gpt2, loaded):
    import torch

    engine = tiny(loaded, gpt2)
    with torch.no_grad():
        engine.network._base.h[0].mlp.c_fc.bias[30] = float("nan")
    with pytest.raises(
        SubjectError, match="not finite in layer 0; it overflows, try dtype: float32"
    ):
        engine.records(PLACES[1], ["keep"])


@needs_record
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dtyp": "float32"}, "has no argument 'dtyp'; expected neurons, dtype, device, sae; did"),
        ({"dtype": "float16"}, "dtype='float16': expected float32 or bfloat16"),
        ({"dtype": 16}, "dtype=16: expected float32 or bfloat16"),
        ({"neurons": ""}, "neurons='': expected the name that records call the model by"),
        ({"device": "gpu"}, "device='gpu': expected cpu, cuda, or a name such as cuda:1"),
    ],
)
def test_wrong_arguments_are_refused(tmp_path, arguments, message):
    with pytest.raises(PrerequisiteError, match=re.escape(message)):
        get_model(f"neuron-subject/{tmp_path}", **arguments)


@needs_record
def test_what_is_no_model_is_refused_when_the_subject_is_made(tmp_path):
    with pytest.raises(PrerequisiteError, match="cannot be loaded"):
        get_model(f"neuron-subject/{tmp_path}")
    with pytest.raises(PrerequisiteError, match=r"no\.gguf: no such file"):
        get_model("neuron-subject/no.gguf")
    with pytest.raises(PrerequisiteError, match="needs a model's name, a folder or"):
        get_model("neuron-subject/")


def test_without_torch_the_subject_says_what_to_install(monkeypatch):
    for name in ("torch", "transformers"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(PrerequisiteError) as raised:
        get_model("neuron-subject/gpt2")
    assert "pip install 'neuron_eval[record]'" in str(raised.value)


@scorer(metrics=[mean()])
def peak_scorer(place):
    """The neuron's peak on the sample's input; errors in words."""

    async def score(state, target):
        try:
            records = await resolve_subject().activations(place, [state.input_text, "the"])
        except (UsageError, SubjectError) as error:
            return Score.unscored(reason="unavailable", explanation=str(error))
        return Score(value=max(records[0].activations), explanation=str(records[1].tokens))

    return score


@solver
def nothing():
    async def solve(state, generate):
        return state

    return solve


def peaks(place, texts, subject):
    dataset = [Sample(text) for text in texts]
    task = Task(dataset, solver=nothing(), scorer=peak_scorer(place))
    (log,) = eval(task, model="mockllm/model", model_roles={"subject": subject})
    assert log.status == "success", log.error
    return [sample.scores["peak_scorer"] for sample in log.samples], log


@needs_record
@pytest.mark.parametrize("relative", [False, True])
def test_an_eval_asks_the_role_subject(tmp_path, gpt2, loaded, monkeypatch, relative):
    monkeypatch.chdir(tmp_path)
    name = "tiny-gpt2" if relative else str(gpt2)
    place = NeuronPlace("tiny-gpt2/L1N3", "Tiny-GPT2", 1, 3)
    scores, log = peaks(place, TEXTS, f"neuron-subject/{name}")
    expected, _ = tiny(loaded, gpt2).records(place, TEXTS)
    for score, record in zip(scores, expected, strict=True):
        assert score.value == pytest.approx(max(record.activations), rel=2e-3)
    usage = log.stats.model_usage[f"neuron-subject/{name}"]
    assert usage.input_tokens > len(TEXTS)
    assert usage.output_tokens == 0


@needs_record
def test_a_second_eval_finds_the_activations_in_the_cache(gpt2, loaded, monkeypatch):
    place = NeuronPlace("tiny-gpt2/L1N3", "tiny-gpt2", 1, 3)
    first, _ = peaks(place, TEXTS, f"neuron-subject/{gpt2}")
    monkeypatch.setattr(tiny(loaded, gpt2).network, "look", None)
    second, _ = peaks(place, TEXTS, f"neuron-subject/{gpt2}")
    assert [s.value for s in first] == [s.value for s in second]


@needs_record
def test_in_an_eval_one_samples_failure_is_its_own(gpt2, loaded, monkeypatch):
    engine = tiny(loaded, gpt2)
    look = engine.network.look

    def failing(windows, probes):
        if any("x" in window.tokens for window in windows):
            raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")
        return look(windows, probes)

    monkeypatch.setattr(engine.network, "look", failing)
    place = NeuronPlace("tiny-gpt2/L1N3", "tiny-gpt2", 1, 3)
    scores, _ = peaks(place, TEXTS, f"neuron-subject/{gpt2}")
    assert "failed on a text of 2 model tokens: RuntimeError: mat1" in scores[-1].explanation
    assert all(score.value == score.value for score in scores[:-1])


@needs_record
def test_in_an_eval_another_models_neuron_is_refused_unless_it_is_said_to_be_the_same(gpt2, loaded):
    place = NeuronPlace("gpt2-xl/L1N3", "gpt2-xl", 1, 3)
    (score,), _ = peaks(place, ["keep"], f"neuron-subject/{gpt2}")
    assert "neuron gpt2-xl/L1N3: is of the model 'gpt2-xl', but the subject" in score.explanation
    role = f"subject={{model: neuron-subject/{gpt2}, model_args: {{neurons: GPT2-XL}}}}"
    (score,), _ = peaks(place, ["keep"], parse_model_role_cli_args((role,))["subject"])
    assert score.value == pytest.approx(
        max(tiny(loaded, gpt2).records(place, ["keep"])[0][0].activations)
    )


@needs_record
def test_as_a_model_of_its_own_it_says_that_it_is_a_role(gpt2, loaded):
    import anyio

    model = get_model(f"neuron-subject/{gpt2}", memoize=False)
    with pytest.raises(InputError, match="name it as --model-role subject="):
        anyio.run(model.generate, [ChatMessageUser(content="hello")])


@needs_record
@pytest.mark.skipif(model_file() is None, reason=f"no GGUF model: {INSTALL}")
def test_the_bundled_neurons_activate_as_recorded(loaded):
    """Recorded in bfloat16, in other batches: nearly all are the same to the last digit."""
    import torch

    torch.set_num_threads(1)  # threads that wait for each other on a busy machine take far longer
    engine = loaded.load_engine(str(model_file()), "bfloat16", "cpu", "")
    same, errors = [], []
    for neuron in load_neurons("smollm2")[::16]:
        recorded = [*neuron.top[:6:2], *neuron.random[:2]]
        place = NeuronPlace.of(neuron)
        found, _ = engine.records(place, [record.text for record in recorded])
        assert [record.tokens for record in found] == [record.tokens for record in recorded]
        for a, b in zip(found, recorded, strict=True):
            difference = np.abs(np.subtract(a.activations, b.activations))
            same += (difference == 0).tolist()
            errors.append(difference.max() / neuron.top[0].peak)
    assert np.mean(same) > 0.9
    assert max(errors) < 0.05
