"""Long excerpts are cut around the peak, random ones somewhere, and the log says so."""

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner
from odd_neurons import lengthened, under_bos

from neuron_eval.cli.main import main
from neuron_eval.explain.prompting import cutoff, explainer_prompt
from neuron_eval.formats.base import Shown
from neuron_eval.models.tokencount import counter
from neuron_eval.prompts.pack import default_pack
from neuron_eval.records import ActivationRecord
from neuron_eval.records.splits import deal, from_metadata
from neuron_eval.records.treatment import LENGTH, LONG, parse_treatment, window_length, windowed
from neuron_eval.sources import schema
from neuron_eval.sources.loading import load_neurons
from neuron_eval.tasks import formats
from neuron_eval.testing import make_neuron
from neuron_eval.usage_error import UsageError

LONG_ONE = lengthened(make_neuron())
ASKED = [(None, 64), (64, 64), (30, 30), (2000, 1024), (0, 1024), ("none", 1024)]


@pytest.mark.parametrize(("window", "length"), ASKED)
def test_every_excerpt_has_the_window_that_is_asked_for(window, length):
    neuron = parse_treatment(None, window)(LONG_ONE)
    assert {len(e.record.tokens) for e in neuron.excerpts} == {length}
    assert [r.peak for r in neuron.top] == [r.peak for r in LONG_ONE.top]


def test_the_peak_is_in_the_middle_of_its_window():
    for record in windowed(LONG_ONE, 64).top:
        assert record.tokens[32] == " cat"
        assert record.activations[32] == record.peak


@pytest.mark.parametrize(("at", "place"), [(0, 3), (20, 23), (1010, 53)])
def test_at_the_ends_of_a_text_the_window_stays_inside(at, place):
    record = windowed(lengthened(make_neuron(), at=at), 64).top[0]
    assert len(record.tokens) == 64
    assert record.activations[place] == record.peak


def test_the_windows_of_random_excerpts_are_drawn_and_the_same_every_time():
    once, again = windowed(LONG_ONE, 64), windowed(LONG_ONE, 64)
    assert once == again
    begins = {r.tokens[0].rpartition("w")[2] for r in once.random}
    assert len(begins) > 15
    other = windowed(replace(LONG_ONE, id="test/L0N9"), 64)
    assert [r.tokens for r in other.random] != [r.tokens for r in once.random]


def test_the_windows_of_random_excerpts_avoid_what_is_ignored():
    """Padding would be drawn most of the time."""
    padded = [
        ActivationRecord(r.tokens[:20] + ("<pad>",) * 1004, r.activations[:20] + (0.0,) * 1004)
        for r in LONG_ONE.random
    ]
    neuron = parse_treatment("special", 64)(replace(LONG_ONE, random=tuple(padded)))
    assert len(neuron.random) == len(padded)
    assert all(len(r.ignored) < 64 for r in neuron.random)


def test_a_window_is_cut_around_the_peak_that_is_not_ignored():
    neuron = under_bos()
    neuron = parse_treatment("special", 6)(neuron)
    for record in neuron.top:
        assert record.tokens[3] == " cat"
        assert record.activations[3] == record.peak
        assert [record.tokens[i] for i in record.ignored] == ["<bos>"] * len(record.ignored)


def test_windows_with_the_same_text_become_one():
    made = make_neuron()
    neuron = windowed(made, 1)
    assert [r.tokens for r in neuron.top] == [(" cat",)]
    assert neuron.repeated >= len(made.top) - 1
    assert len({r.text for r in (*neuron.top, *neuron.random)}) == len(neuron.excerpts)


def test_unless_asked_neurons_with_an_excerpt_of_more_than_128_tokens_are_cut():
    at_limit, beyond = (lengthened(make_neuron(), size, at=20) for size in (LONG, LONG + 1))
    assert window_length(at_limit, None) == 0
    assert window_length(beyond, None) == LENGTH == 64
    assert parse_treatment(None, None)(at_limit) is at_limit


@pytest.mark.parametrize("source", ["smollm2", "puzzles"])
def test_what_is_bundled_stays_as_it_is(source):
    treatment = parse_treatment(None, None)
    assert all(treatment(neuron) is neuron for neuron in load_neurons(source))


def test_sentences_of_puzzles_are_cut_around_their_peaks():
    puzzle = next(iter(load_neurons("puzzles")))
    neuron = windowed(puzzle, 3)
    assert [name for name, _ in neuron.given_splits] == [name for name, _ in puzzle.given_splits]
    for before, after in zip(puzzle.excerpts, neuron.excerpts, strict=True):
        assert len(after.record.tokens) <= 3
        assert after.record.peak == before.record.peak
        assert (after.name, after.record.text in before.record.text) == (before.name, True)


@pytest.mark.parametrize("window", [1, 2, 3])
def test_no_window_of_a_puzzle_is_both_shown_and_held_out(window):
    for puzzle in load_neurons("puzzles"):
        neuron = windowed(puzzle, window)
        texts = [excerpt.record.text for excerpt in neuron.excerpts]
        assert len(texts) == len(set(texts))
        assert deal(neuron, 5).train


def test_a_window_that_leaves_too_few_texts_is_named(tmp_path):
    path = tmp_path / "n.jsonl"
    schema.write(path, [make_neuron()])
    lost = "ignore_tokens and window have left"
    with pytest.raises(UsageError, match=rf"one text: .*'cat'; of its \d+ excerpts {lost} \d+"):
        formats.summary(neurons=str(path), window=1)
    with pytest.raises(UsageError, match=rf"'top' holds 1 excerpts.* excerpts {lost} \d+ \(-T on"):
        formats.summary(neurons=str(path), window=1, on_dead="keep")


@pytest.mark.parametrize("window", [-1, 1.5, "all", True, [64]])
def test_a_window_that_is_no_length_is_refused(window):
    with pytest.raises(UsageError, match=r"window=.*0 or none for whole excerpts"):
        formats.summary(window=window)


def test_prompts_of_long_excerpts_are_those_of_short_ones():
    def tokens(neuron):
        dealt = deal(neuron, 5)
        shown = Shown(dealt.shown, cutoff(dealt.neuron, dealt.shown))
        prompt = explainer_prompt("original", shown, default_pack())
        return sum(counter("cl100k_base").count_text(message.content) for message in prompt)

    whole, cut = (tokens(parse_treatment(None, w)(LONG_ONE)) for w in ("none", None))
    assert whole > 20_000
    assert cut < 5_000


def test_the_header_says_what_was_cut(tmp_path):
    path = tmp_path / "n.jsonl"
    schema.write(path, [LONG_ONE, make_neuron("t/L0N1", neuron=1)])
    cut = formats.summary(neurons=str(path), simulation="none")
    assert cut.metadata["window"] == {"tokens": 64, "neurons": 1}
    dealt = from_metadata(cut.dataset[0].metadata, "x")
    assert {len(e.record.tokens) for e in (*dealt.train, *dealt.valid)} == {64}
    assert json.loads(cut.dataset[0].metadata["record"])["train"][0][0] == "top"
    whole = formats.summary(neurons=str(path), simulation="none", window="none")
    assert "window" not in whole.metadata
    done = CliRunner().invoke(main, ["validate", str(path)])
    assert (
        "1 of 2 have excerpts of more than 128 tokens, which are cut to 64 around the peak; "
        "window=none keeps them whole" in done.output
    )
