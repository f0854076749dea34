"""Special tokens that hold the peaks: said, and on demand left out of all but the text."""

from dataclasses import replace

import pytest
from click.testing import CliRunner
from inspect_ai import eval
from odd_neurons import BOS, changed, lengthened, under_bos

from neuron_eval.cli.main import main
from neuron_eval.comparison.plan import planned
from neuron_eval.comparison.present import counted_neurons
from neuron_eval.dataset import neuron_set
from neuron_eval.explain.prompting import cutoff, explainer_prompt
from neuron_eval.formats import format_names
from neuron_eval.formats.base import Shown
from neuron_eval.logs.identity import identity
from neuron_eval.prompts.pack import default_pack
from neuron_eval.records import ActivationRecord, Excerpt
from neuron_eval.records.activations import WELL_KNOWN, ignoring, parse_ignored, special_peak
from neuron_eval.records.splits import deal, from_metadata, to_text
from neuron_eval.records.treatment import parse_treatment
from neuron_eval.simulation import Simulated
from neuron_eval.simulation.measure import measure
from neuron_eval.sources import schema
from neuron_eval.tasks import formats
from neuron_eval.testing import fake_embedder, make_neuron
from neuron_eval.usage_error import UsageError

SPECIAL = frozenset({"special"})


def prompt_of(neuron, format):
    dealt = deal(neuron, 5)
    shown = Shown(dealt.shown, cutoff(dealt.neuron, dealt.shown))
    return explainer_prompt(format, shown, default_pack())[-1].content


@pytest.mark.parametrize("format", format_names())
def test_an_ignored_token_stays_in_the_text_and_is_marked_nowhere(format):
    text = prompt_of(ignoring(under_bos(), SPECIAL), format)
    assert BOS in text
    assert f"[{BOS}]" not in text
    assert f"{BOS}\t10" not in text
    # Without the special token above them, the words of the neuron reach the full scale.
    assert (" cat\t10" if format in ("original", "avhs") else "cat") in text
    assert f"{BOS}," not in text


@pytest.mark.parametrize("format", ["original", "avhs"])
def test_unless_it_is_ignored_it_is_the_peak_as_published(format):
    assert f"{BOS}\t10" in prompt_of(under_bos(), format)
    assert " cat\t10" not in prompt_of(under_bos(), format)


def test_top_excerpts_are_sorted_by_the_peaks_that_are_left():
    made = make_neuron()
    peaks = iter(range(1, 99))
    upside_down = changed(made, lambda t, a: ((BOS, *t), (float(next(peaks)), *a)))
    assert [r.tokens[1] for r in upside_down.top] != [r.tokens[0] for r in made.top]
    clean = ignoring(upside_down, SPECIAL)
    assert [r.tokens[1] for r in clean.top] == [r.tokens[0] for r in made.top]
    assert [r.peak for r in clean.top] == [r.peak for r in made.top]


def test_an_excerpt_of_nothing_else_is_left_out():
    made = under_bos()
    bare = ActivationRecord((BOS, BOS), (60.0, 60.0))
    neuron = ignoring(replace(made, top=(bare, *made.top)), SPECIAL)
    assert [r.tokens for r in neuron.top] == [r.tokens for r in made.top]


def test_ignored_positions_are_not_scored():
    record = ActivationRecord((BOS, " a", " cat", " b"), (50.0, 0.0, 4.0, 0.0))
    neuron = ignoring(replace(make_neuron(), top=(record,)), SPECIAL)
    excerpt = Excerpt("top", 0, neuron.top[0])
    found = measure([(excerpt, Simulated((10.0, 0.0, 2.0, 0.0), "text"))], [])
    assert found.correlation == pytest.approx(1.0)
    assert found.tokens == 3
    whole = measure([(Excerpt("top", 0, record), Simulated((0.0, 0.0, 2.0, 0.0), "text"))], [])
    assert whole.correlation < 0


def test_what_is_ignored_survives_the_log():
    dealt = deal(ignoring(under_bos(), SPECIAL), 5)
    assert dealt.train[0].record.ignored == (0,)
    back = from_metadata({"record": to_text(dealt)}, "x")
    assert (back.train, back.valid) == (dealt.train, dealt.valid)
    assert "[0]" not in to_text(deal(under_bos(), 5))


@pytest.mark.parametrize(
    "token", ["<bos>", "<s>", "</s>", "<|endoftext|>", "<|begin_of_text|>", "<|im_start|>", "[CLS]",
              "[SEP]", "[PAD]", " <pad>", "<unk>", "<｜begin▁of▁sentence｜>"],
)  # fmt: skip
def test_well_known_special_tokens_are_ignored_where_the_source_says_nothing(token):
    assert ignoring(under_bos(token=token), SPECIAL).top[0].ignored == (0,)


def test_where_the_source_says_what_is_special_that_alone_is():
    named = replace(under_bos(token="@begin"), special_tokens=("@begin",))
    assert ignoring(named, SPECIAL).top[0].ignored == (0,)
    assert special_peak(named) == "@begin"
    other = replace(under_bos(), special_tokens=("@begin",))
    assert ignoring(other, SPECIAL).top[0].ignored == ()
    assert special_peak(other) is None
    assert ignoring(under_bos(token="@begin"), SPECIAL).top[0].ignored == ()


def test_tokens_are_named_as_they_stand():
    neuron = ignoring(under_bos(), frozenset({" cat"}))
    assert {neuron.top[0].tokens[i] for i in neuron.top[0].ignored} == {" cat"}
    assert neuron.top[0].peak == 50


def test_by_default_nothing_is_ignored():
    made = under_bos()
    assert parse_treatment(None, None)(made) is made


@pytest.mark.parametrize("value", [7, "", [], ["<bos>", 1], True])
def test_names_that_are_no_tokens_are_refused(value):
    with pytest.raises(ValueError, match="ignore_tokens="):
        parse_ignored(value)


def test_a_neuron_is_told_by_where_most_of_its_peaks_are():
    assert special_peak(under_bos()) == BOS
    assert special_peak(make_neuron()) is None
    assert special_peak(ignoring(under_bos(), SPECIAL)) is None
    assert BOS in WELL_KNOWN


def test_validate_warns_of_peaks_on_a_special_token(tmp_path):
    path = tmp_path / "n.jsonl"
    schema.write(path, [under_bos("t/L0N0"), make_neuron("t/L0N1", neuron=1)])
    done = CliRunner().invoke(main, ["validate", str(path)])
    assert done.exit_code == 0
    assert "2 neurons, 0 bad" in done.output
    assert (
        "1 of 2 have most peaks of their top excerpts on the special token '<bos>' (the first: "
        "t/L0N0); ignore_tokens=special leaves such tokens out" in done.output
    )


@pytest.mark.parametrize("space", ["Ġ", "▁"])
def test_tokens_as_a_tokenizer_stores_them_are_said(tmp_path, space):
    path = tmp_path / "n.jsonl"
    words = make_neuron("t/L0N0")
    raw = changed(words, lambda t, a: ([token.replace(" ", space) for token in t], a))
    schema.write(path, [raw, make_neuron("t/L0N1", neuron=1)])
    what = "tokens as a tokenizer stores them (Ġ or ▁ for a space); models read them so, and so"
    done = CliRunner().invoke(main, ["validate", str(path)])
    assert f"1 of 2 (the first: t/L0N0) have {what}" in done.output
    (warning,) = neuron_set(str(path)).treated.warnings()
    assert warning.startswith(f"1 of 2 neurons, the first t/L0N0, have {what}")


@pytest.mark.parametrize("source", ["smollm2", "puzzles"])
def test_what_is_bundled_is_text(source):
    assert neuron_set(source).treated.warnings() == []


def test_a_name_that_stands_nowhere_is_said(tmp_path):
    path = tmp_path / "n.jsonl"
    schema.write(path, [under_bos()])
    (warning,) = neuron_set(str(path), ignore_tokens=["<bos>", "CLS"]).treated.warnings()
    assert "no excerpt holds 'CLS'; a token is named as it stands there" in warning
    with pytest.raises(UsageError, match="ignore_tokens=3: expected special"):
        formats.summary(neurons=str(path), ignore_tokens=3)


def names(text):
    return [float("bos" in text), float("cat" in text), 0.1]


def test_an_eval_explains_and_scores_what_is_below_the_special_token(tmp_path):
    path = tmp_path / "n.jsonl"
    schema.write(path, [under_bos(peak=200.0)])
    options = {
        "model": "neuron-baseline/lexical",
        "model_roles": {"embedder": fake_embedder(names).model},
    }
    parameters = {"neurons": str(path), "simulation": "embedding"}
    (published,) = eval(formats.avhs(**parameters), **options)
    (sample,) = published.samples
    assert sample.output.completion == 'the word "<bos>".'
    assert sample.scores["simulation_correlation"].as_float() > 0.9
    assert published.eval.metadata["warnings"] == [
        "1 of 1 neurons, the first test/L0N0, have the peak of most of their top excerpts on the "
        "special token '<bos>'; ignore_tokens=special leaves such tokens out"
    ]
    assert "ignored_tokens" not in published.eval.metadata
    (log,) = eval(formats.avhs(**parameters, ignore_tokens="special"), **options)
    (sample,) = log.samples
    assert sample.output.completion.startswith('the word "cat"')
    score = sample.scores["simulation_correlation"]
    assert score.as_float() > 0.9
    assert all(e["ignored"] == [0] for e in score.metadata["excerpts"])
    tokens = [len(e["expected"]) for e in score.metadata["excerpts"]]
    assert score.metadata["tokens"] == sum(tokens) - len(tokens)
    assert log.eval.metadata["ignored_tokens"] == {BOS: 40}
    assert "warnings" not in log.eval.metadata
    assert identity(log) != identity(published)


def test_a_comparison_takes_what_its_tasks_take(tmp_path):
    path = tmp_path / "n.jsonl"
    schema.write(path, [lengthened(under_bos())])
    asked = {"neurons": str(path), "models": ["neuron-baseline/lexical"], "formats": ["summary"]}
    asked |= {"simulation": "none", "ignore_tokens": ("special",), "window": "32"}
    plan, pack = planned({**asked, "on_dead": "keep"}, 1)
    assert plan.parameters["ignore_tokens"] == ["special"]
    assert (plan.parameters["window"], plan.parameters["on_dead"]) == (32, "keep")
    (cell,) = plan.cells
    counts = [
        sum(counted_neurons(one, pack, may_fetch=True).prompts[cell].values())
        for one in (plan, planned({**asked, "window": "none"}, 1)[0])
    ]
    assert counts[1] > 5 * counts[0]
