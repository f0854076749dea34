"""Which excerpts are judged, and which of their tokens are marked."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuron_eval.judging.choosing import (
    FIRES,
    IN_ROUND,
    LEAST,
    SILENT,
    SharedExcerptError,
    TooFewError,
    detection_cases,
    fuzzing_cases,
    held_out,
    intruder_rounds,
)
from neuron_eval.records import ActivationRecord, Excerpt
from neuron_eval.records.splits import deal
from neuron_eval.testing import make_neuron

LEVELS = st.lists(st.integers(0, 10), min_size=1, max_size=12)


def dealt(*levels, shown=10, **changes):
    """A neuron whose held-out random excerpts have tokens of these levels."""
    neuron = deal(make_neuron(), 5)
    seen = Excerpt("top", 0, ActivationRecord((" shown",), (float(shown),)))
    excerpts = tuple(
        Excerpt("random", i, ActivationRecord(tuple(f" w{i}.{j}" for j in range(len(row))), row))
        for i, row in enumerate(tuple(map(float, row)) for row in levels)
    )
    return replace(neuron, train=(seen,), valid=excerpts, calibration=(), **changes)


@settings(max_examples=40)
@given(st.lists(LEVELS, max_size=12))
def test_what_fires_and_what_is_silent_is_told_by_the_level_of_the_peak(rows):
    neuron = dealt(*rows)
    peaks = [max(row) for row in rows]
    firing, silent = sum(p >= FIRES for p in peaks), sum(p <= SILENT for p in peaks)
    if min(firing, silent) < LEAST:
        with pytest.raises(TooFewError, match=f"of {len(rows)} held-out excerpts"):
            held_out(neuron)
        return
    found = held_out(neuron)
    assert [e.record.peak for e in found.firing] == sorted(
        (p for p in peaks if p >= FIRES), reverse=True
    )
    assert [e.record.peak for e in found.silent] == [p for p in peaks if p <= SILENT]


def test_a_top_excerpt_is_no_silent_one_and_calibration_is_held_out_too():
    neuron = deal(make_neuron(), 5)
    found = held_out(neuron)
    assert {e.kind for e in found.silent} == {"random"}
    names = {e.name for e in found.firing + found.silent}
    assert names & {e.name for e in neuron.valid}
    assert names & {e.name for e in neuron.calibration}
    assert not names & {e.name for e in neuron.train}


@pytest.mark.parametrize("use", ["valid", "calibration"])
def test_a_text_that_the_explainer_saw_is_refused_whatever_its_place(use):
    neuron = deal(make_neuron(), 5)
    text = neuron.train[1].record.text
    planted = Excerpt("random", 77, ActivationRecord((f" {text}", "\n"), (0.0, 0.0)))
    with pytest.raises(SharedExcerptError, match=r"random 77 would be judged .* of excerpt top 4"):
        held_out(replace(neuron, **{use: (*getattr(neuron, use), planted)}))


@settings(max_examples=40)
@given(st.lists(LEVELS, min_size=6, max_size=30), st.integers(LEAST, 12), st.integers(0, 99))
def test_detection_takes_each_excerpt_once_and_firing_ones_over_all_quantiles(rows, count, seed):
    neuron = held_out(dealt([9], [5, 9], [0], [0, 1], *rows))
    cases = detection_cases(neuron, count)
    names = [case.excerpt.name for case in cases]
    assert len(set(names)) == len(names)
    right = [c.excerpt for c in cases if c.right]
    assert len(right) == min(count, len(neuron.firing))
    assert len(cases) - len(right) == min(count, len(neuron.silent))
    assert set(right) <= set(neuron.firing)
    assert {c.excerpt for c in cases if not c.right} <= set(neuron.silent)
    ranks = sorted(neuron.firing.index(excerpt) for excerpt in right)
    parts = [rank * len(right) // len(neuron.firing) for rank in ranks]
    assert len(neuron.firing) % len(right) or parts == list(range(len(right)))
    assert cases == detection_cases(neuron, count)


def test_another_neuron_has_another_order_and_another_run_the_same():
    neuron = held_out(deal(make_neuron(), 5))
    order = [c.excerpt.name for c in detection_cases(neuron)]
    assert order == [c.excerpt.name for c in detection_cases(held_out(deal(make_neuron(), 5)))]
    assert order != [c.excerpt.name for c in detection_cases(replace(neuron, neuron="other"))]


def test_hard_negatives_are_the_nearest_half_of_the_silent_ones():
    neuron = held_out(dealt([9], [8], *([0],) * 6))
    nearness = {e.record.text: float(i) for i, e in enumerate(neuron.silent)}
    wrong = {c.excerpt for c in detection_cases(neuron, 10, nearness) if not c.right}
    assert wrong == set(neuron.silent[3:])


@settings(max_examples=40)
@given(st.lists(LEVELS, min_size=2, max_size=12))
def test_wrong_marks_are_as_many_as_right_ones_and_never_on_a_firing_token(rows):
    neuron = held_out(dealt([9, 0], [0, 8], [0], [1], *rows))
    first, second = fuzzing_cases(neuron, 30)
    assert {c.excerpt for c in first} == {c.excerpt for c in second}
    assert len({c.excerpt for c in first}) == len(first) == len(second)
    other = {c.excerpt: c for c in second}
    for case in first:
        right, wrong = sorted((case, other[case.excerpt]), key=lambda c: not c.right)
        assert (right.right, wrong.right) == (True, False)
        assert len(right.marks) == len(wrong.marks) > 0
        levels = neuron.levels(case.excerpt.record)
        assert right.marks == tuple(i for i, level in enumerate(levels) if level >= FIRES)
        assert wrong.marks == tuple(sorted(set(wrong.marks)))
        assert all(levels[i] <= SILENT for i in wrong.marks)
    assert abs(sum(c.right for c in first) - sum(c.right for c in second)) <= 1


def test_no_wrong_mark_is_on_an_ignored_or_blank_token():
    record = ActivationRecord(("<s>", "\n", " cat", " sat"), (-1.0, 0.0, 9.0, 0.0), (0,))
    neuron = dealt([9, 0], [0, 9], [0], [0])
    neuron = held_out(replace(neuron, valid=(*neuron.valid, Excerpt("random", 9, record))))
    marks = {c.marks for cs in fuzzing_cases(neuron) for c in cs if c.excerpt.record == record}
    assert marks == {(2,), (3,)}


def test_where_nearly_all_tokens_fire_nothing_can_be_marked_wrongly():
    with pytest.raises(TooFewError, match="0 of 2 excerpts that fire have as many silent tokens"):
        fuzzing_cases(held_out(dealt([9, 9, 0], [9], [0], [0])))


def test_a_round_has_one_silent_excerpt_and_no_two_rounds_the_same():
    neuron = held_out(deal(make_neuron(), 5))
    rounds = intruder_rounds(neuron)
    assert len(rounds) == 5
    assert len({r.excerpts[r.intruder] for r in rounds}) == 5
    for shown in rounds:
        assert len(set(shown.excerpts)) == IN_ROUND
        silent = [i for i, e in enumerate(shown.excerpts) if e in neuron.silent]
        assert silent == [shown.intruder]
    assert len({r.intruder for r in rounds}) > 1
    assert len(intruder_rounds(neuron, 2)) == 2
    few = replace(neuron, firing=neuron.firing[:3])
    with pytest.raises(TooFewError, match="3 held-out excerpts fire; a round needs 4"):
        intruder_rounds(few)
