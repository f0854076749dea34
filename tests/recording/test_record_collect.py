"""What is kept of a stream of activations, against the whole stream kept."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuron_eval.recording import RecordingError
from neuron_eval.recording import collect as reservoir
from neuron_eval.recording import collect as top
from neuron_eval.recording.collect import Collector, memory, reservoir_size
from neuron_eval.recording.histogram import LARGEST, SMALLEST, Histogram
from neuron_eval.records.activations import round_significant

SINGLE = st.floats(width=32, allow_nan=False, allow_infinity=False)
LEVELS = (0.01, 0.1, 0.5, 0.9, 0.99, 0.999)


def stream(seed, windows=50, length=5, neurons=7):
    """Activations with many ties."""
    draws = np.random.default_rng(seed).integers(-20, 20, (windows, length, neurons))
    return (draws / 7).astype(np.float32)


def dealt(data, batch):
    return [(i, data[i : i + batch]) for i in range(0, len(data), batch)]


@settings(derandomize=True, deadline=None)
@given(st.lists(SINGLE, min_size=1, max_size=20))
def test_rounding_keeps_four_digits_and_the_order(values):
    exact = np.array(values, dtype=np.float32)
    rounded = round_significant(exact)
    assert (np.abs(rounded - exact) <= 0.0005001 * np.abs(exact.astype(np.float64))).all()
    assert rounded.max() == round_significant(exact.max()[None])[0]
    assert (np.diff(rounded[np.argsort(exact)]) >= 0).all()


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.23456, "1.235"), (-0.000123449, "-0.0001234"), (98765.4, "98770.0"), (-0.0, "0.0")],
)
def test_rounded_numbers_are_short_in_json(value, text):
    assert repr(float(round_significant(np.array([value], dtype=np.float32))[0])) == text


@pytest.mark.parametrize("value", [1e-12, 3.3e-7, 0.0456789, 5.0, 999.96, 123456.0, 8e15])
def test_rounding_agrees_with_python(value):
    single = np.array([value], dtype=np.float32)
    assert round_significant(single)[0] == float(f"{single[0]:.4g}")


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(1, 60), st.sampled_from([1, 3, 4096]))
def test_the_top_is_that_of_sorting_everything_whatever_the_batch_size(seed, keep, batch, rows):
    data = stream(seed)
    best = top.TopExcerpts(neurons=7, excerpts=keep, length=5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(top, "ROWS", rows)
        for first, part in dealt(data, batch):
            best.update(first, part)
    for n in range(7):
        peaks = round_significant(data[:, :, n].max(axis=1))
        expected = sorted(range(50), key=lambda i: (-peaks[i], i))[:keep]
        assert best.index[n].tolist() == expected
        assert best.peaks[n].tolist() == peaks[expected].tolist()
        assert (best.activations[n] == data[expected, :, n]).all()


def test_excerpts_that_round_to_the_same_peak_keep_the_order_of_the_text():
    best = top.TopExcerpts(neurons=1, excerpts=2, length=1)
    best.update(0, np.array([[[1.00001]], [[1.00004]], [[0.5]]], dtype=np.float32))
    assert best.index.tolist() == [[0, 1]]


@pytest.mark.parametrize("batch", [1, 7, 50])
def test_the_reservoir_does_not_depend_on_the_batch_size(batch):
    data = stream(1)
    kept = reservoir.Reservoir(size=12, length=5, neurons=7)
    for first, part in dealt(data, batch):
        index = np.arange(first, first + len(part))
        kept.update(index, part, reservoir.priorities(3, first, len(part)))
    lowest = np.argsort(reservoir.priorities(3, 0, 50))[:12]
    assert sorted(kept.index) == sorted(lowest)
    assert (kept.activations == data[kept.index]).all()


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.sets(st.integers(1, 49), max_size=6), st.randoms())
def test_collectors_of_parts_merge_to_that_of_the_whole_in_any_order(seed, cuts, shuffled):
    data, shape = stream(seed), (7, 5, 3, 2, seed, 2)
    data[:, :, 1] = 0
    whole, merged = Collector(*shape), Collector(*shape)
    whole.update(data)
    bounds = [0, *sorted(cuts), 50]
    spans = list(pairwise(bounds))
    shuffled.shuffle(spans)
    for first, last in spans:
        part = Collector(*shape)
        part.windows = first
        part.update(data[first:last])
        merged.merge(part)
    assert all((by_index(merged)[name] == kept).all() for name, kept in by_index(whole).items())


def by_index(collector):
    """The state with the slots of samples, whose order has no meaning, by their windows."""
    state = collector.state()
    for part, axis in (("reservoir", 0), ("strata", 2)):
        order = np.argsort(state[f"{part}_index"], axis=axis)
        for name in ("priority", "index", "activations"):
            values = state[f"{part}_{name}"]
            places = order.reshape(*order.shape, *(1 for _ in values.shape[order.ndim :]))
            state[f"{part}_{name}"] = np.take_along_axis(values, places, axis=axis)
    return state


def test_a_window_s_random_number_depends_on_seed_and_index_alone():
    whole = reservoir.priorities(5, 0, 20)
    assert reservoir.priorities(5, 7, 4).tolist() == whole[7:11].tolist()
    assert reservoir.priorities(6, 0, 20).tolist() != whole.tolist()


def test_every_window_is_equally_likely_to_be_kept():
    counts = np.zeros(20)
    for seed in range(400):
        kept = reservoir.Reservoir(size=5, length=1, neurons=1)
        windows = np.zeros((20, 1, 1), dtype=np.float32)
        kept.update(np.arange(20), windows, reservoir.priorities(seed, 0, 20))
        counts[kept.index] += 1
    # Each count is binomial with mean 100 and standard deviation 8.7.
    assert counts.sum() == 2000
    assert (np.abs(counts - 100) < 40).all()


def test_a_draw_never_takes_an_excluded_or_empty_slot_nor_one_twice():
    pool = np.array([-1, 8, 3, 5, 9, -1, 2])
    drawn = reservoir.draw(pool, np.array([3, 9, 77]), 10, (0, 1, 2))
    assert sorted(drawn) == [2, 5, 8]
    assert reservoir.draw(pool, np.array([3]), 2, (0, 1, 2)).size == 2


def test_draws_of_different_neurons_differ_and_can_be_repeated():
    pool = np.arange(80)
    draws = [reservoir.draw(pool, np.array([]), 20, (0, 4, n)).tolist() for n in (1, 2, 1)]
    assert draws[0] == draws[2] != draws[1]


def check_boundaries(data):
    """Within 0.5 % of numpy's, or 1e-5 beside zero, and ascending."""
    counted = Histogram(data.shape[1])
    for part in np.array_split(data, 3):
        counted.update(part)
    found = counted.boundaries(LEVELS)
    exact = np.quantile(data.astype(np.float64), LEVELS, axis=0, method="inverted_cdf").T
    assert (np.abs(found - exact) <= np.maximum(0.005 * np.abs(exact), SMALLEST)).all()
    assert (np.diff(found, axis=1) >= 0).all()


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_boundaries_of_signed_activations_are_within_half_a_percent(scale):
    draws = np.random.default_rng(0).standard_t(3, (5000, 4)) * scale
    check_boundaries((draws + np.array([-scale, 0, 0.1 * scale, scale])).astype(np.float32))


@settings(derandomize=True, deadline=None, max_examples=60)
@given(
    st.lists(
        st.floats(-LARGEST, LARGEST, width=32) | st.floats(-1, 1, width=32), min_size=3, max_size=50
    )
)
def test_boundaries_of_any_activations_are_within_half_a_percent(values):
    check_boundaries(np.array(values, dtype=np.float32)[:, None])


def test_activations_beyond_the_bins_keep_their_extremes():
    counted = Histogram(1)
    counted.update(np.array([[-3e8], [-2e8], [0.0], [2e8], [3e8]], dtype=np.float32))
    assert counted.boundaries([0.1, 0.5, 0.9]).tolist() == [[-3e8, 0.0, 3e8]]


def test_many_neurons_are_counted_in_pieces_to_the_same_result(monkeypatch):
    data = stream(2).reshape(-1, 7)
    whole, pieces = Histogram(7), Histogram(7)
    whole.update(data)
    monkeypatch.setattr("neuron_eval.recording.histogram.ELEMENTS", 21)
    pieces.update(data)
    assert (whole.counts == pieces.counts).all()
    assert whole.counts.sum(axis=1).tolist() == [250] * 7


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_an_activation_that_is_not_finite_is_refused(bad):
    data = stream(0, windows=3)
    data[1, 2, 4] = bad
    collector = Collector(neurons=7, length=5, top=2, random=2, seed=0)
    collector.update(stream(1, windows=10))
    with pytest.raises(RecordingError, match="window 11, token 2, neuron in column 4"):
        collector.update(data)


def test_a_restored_collector_goes_on_as_if_never_stopped():
    data = stream(4)
    shape = {"neurons": 7, "length": 5, "top": 3, "random": 2, "seed": 1}
    straight, before, after = (Collector(**shape) for _ in range(3))
    straight.update(data)
    before.update(data[:20])
    after.restore(before.state())
    after.update(data[20:])
    ours, theirs = straight.state(), after.state()
    assert ours.keys() == theirs.keys()
    assert all((ours[name] == theirs[name]).all() for name in ours)
    assert straight.live() == after.live()


def test_the_memory_stated_is_the_memory_taken():
    collector = Collector(neurons=7, length=5, top=3, random=2, seed=1)
    large = (collector.top.activations, collector.reservoir.activations, collector.histogram.counts)
    assert memory(7, 5, 3, 2) == sum(array.nbytes for array in large)


@pytest.mark.parametrize(("wanted_top", "wanted_random"), [(20, 20), (100, 20), (1, 0), (20, 1)])
def test_the_reservoir_always_leaves_enough_outside_the_top(wanted_top, wanted_random):
    assert reservoir_size(wanted_top, wanted_random) - wanted_top >= wanted_random
