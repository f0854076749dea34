"""Neurons that there is nothing to explain of are left out, and named."""

from dataclasses import replace

import pytest
from click.testing import CliRunner
from inspect_ai import eval
from neuronpedia_files import activation, feature, write_json
from odd_neurons import changed, valued

from neuron_eval.cli.main import main
from neuron_eval.dataset import neuron_set
from neuron_eval.records import ActivationRecord, with_excerpts
from neuron_eval.records.activations import UnfitNeuronError, why_unfit
from neuron_eval.records.treatment import parse_treatment
from neuron_eval.sources import schema
from neuron_eval.sources.loading import load_neurons
from neuron_eval.tasks import formats
from neuron_eval.testing import fake_embedder, fake_explainer, make_neuron
from neuron_eval.usage_error import UsageError

DEAD = valued([0.0], "t/L0N1")
EVERYWHERE = valued([3.0, 2.0, 5.0], "t/L0N2")
SOUND = make_neuron("t/L0N0")


@pytest.mark.parametrize(
    ("neuron", "why"),
    [
        (DEAD, "dead: none of its 410 activations is above 0"),
        (valued([-1.0, -2.0]), "dead: none of its 410 activations is above 0"),
        (EVERYWHERE, "fires everywhere: each of its 410 activations is at least a tenth of the "
                     "highest, 5"),
        (valued([4.0]), "fires everywhere: each of its 410 activations is at least a tenth of the "
                        "highest, 4"),
        (valued([1.0, 0.09]), None),
        (valued([1e-30, 0.0]), None),
        (SOUND, None),
    ],
)  # fmt: skip
def test_a_neuron_is_unfit_that_is_silent_or_never_silent(neuron, why):
    if why is not None:
        count = sum(len(e.record.tokens) for e in neuron.excerpts)
        why = why.replace("410", str(count))
    assert why_unfit(neuron) == why


def test_what_is_bundled_is_fit():
    assert not [n.id for s in ("smollm2", "puzzles") for n in load_neurons(s) if why_unfit(n)]


def test_random_excerpts_on_which_it_is_silent_make_a_neuron_fit():
    quiet = [replace(r, activations=(0.0,) * len(r.tokens)) for r in EVERYWHERE.random]
    assert why_unfit(replace(EVERYWHERE, random=tuple(quiet))) is None


def test_a_neuron_of_one_text_is_unfit():
    record = ActivationRecord((" one", " text"), (1.0, 0.0))
    others = make_neuron().random
    twice = with_excerpts(replace(SOUND, top=(), random=()), [record, record, record], others)
    assert (len(twice.top), twice.repeated) == (1, 2)
    assert why_unfit(twice) == "one text: its top excerpts all read 'one text'"
    assert why_unfit(with_excerpts(SOUND, [record], others)) is None
    spaced = [ActivationRecord((" one", " " * i + "text"), (1.0, 0.0)) for i in (1, 2, 3)]
    assert why_unfit(with_excerpts(SOUND, spaced, others)) is not None


def test_below_special_tokens_a_neuron_may_be_dead():
    only_bos = changed(DEAD, lambda t, a: (("<bos>", *t), (9.0, *a)))
    assert why_unfit(only_bos) is None
    assert why_unfit(parse_treatment("special", None)(only_bos)).startswith("dead")


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "n.jsonl"
    schema.write(path, [SOUND, DEAD, EVERYWHERE])
    return str(path)


def test_a_feature_whose_activations_all_are_of_one_text_is_left_out(tmp_path):
    same = feature(activations=[activation(650, 7) for _ in range(45)])
    sound = feature(index=651)
    path = write_json(tmp_path, [same, sound])
    chosen = neuron_set(path)
    assert [each.identity.id for each in chosen.neurons] == ["gpt2-small/6-res-jb/651"]
    (why,) = chosen.skipped
    assert why.startswith("neuron gpt2-small/6-res-jb/650: one text: its top excerpts all read ")
    copy = str(tmp_path / "copy.parquet")
    assert CliRunner().invoke(main, ["convert", path, copy]).exit_code == 0
    assert neuron_set(copy).skipped == chosen.skipped


def test_they_are_left_out_named_and_not_paid_for(path):
    explainer = fake_explainer("cats")
    roles = {"embedder": fake_embedder(lambda text: [1.0, len(text)]).model}
    task = formats.summary(neurons=path, simulation="none")
    (log,) = eval(task, model=explainer.model, model_roles=roles)
    assert [sample.id for sample in log.samples] == ["t/L0N0"]
    assert len(explainer.requests) == 1
    about = log.eval.metadata
    assert (about["neurons_used"], about["neurons_skipped"]) == (1, 2)
    assert [why.partition(": ")[2].partition(":")[0] for why in about["skipped"]] == [
        "dead", "fires everywhere",
    ]  # fmt: skip


def test_they_are_kept_or_refused_on_demand(path):
    kept = formats.summary(neurons=path, on_dead="keep", simulation="none")
    assert len(kept.dataset) == 3
    assert kept.metadata["warnings"] == [
        "of 1 neurons, the first t/L0N1, nothing that the explainer sees activates highly: no "
        "activation is above the cutoff and above 0"
    ]
    with pytest.raises(UsageError) as error:
        formats.summary(neurons=path, on_dead="error", simulation="none")
    assert "neuron t/L0N1: dead: " in str(error.value)
    assert "on_dead=skip leaves such neurons out" in str(error.value)
    with pytest.raises(UsageError, match="on_dead='drop': allowed are skip, error, keep"):
        formats.summary(neurons=path, on_dead="drop")
    with pytest.raises(UnfitNeuronError):
        neuron_set(path, on_dead="error")


def test_where_none_is_left_the_reason_is_said(tmp_path):
    path = tmp_path / "n.jsonl"
    schema.write(path, [DEAD])
    with pytest.raises(UsageError, match=r"no neuron is left, 1 were skipped.*t/L0N1: dead"):
        formats.summary(neurons=str(path))


def test_validate_counts_them(path):
    done = CliRunner().invoke(main, ["validate", path])
    assert done.exit_code == 0, done.output
    assert "3 neurons, 0 bad" in done.output
    why = "1 of 3 are left out unless on_dead=keep:"
    assert f"{why} dead (the first: t/L0N1)" in done.output
    assert f"{why} fires everywhere (the first: t/L0N2)" in done.output
