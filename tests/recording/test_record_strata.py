"""Strata of a stream: exact shares and uniform samples, whatever the order and the batches."""

from functools import partial

import numpy as np
import pytest

from neuron_eval.recording.collect import Collector, memory, priorities
from neuron_eval.recording.recorder import assemble, run, take_here
from neuron_eval.recording.select import PickedNeuron
from neuron_eval.recording.strata import STRATA, StratifiedExcerpts
from neuron_eval.recording.texts import windows
from neuron_eval.records.activations import round_significant

WINDOWS, LENGTH, NEURONS = 300, 4, 5


def stream(seed):
    """Peaks over many powers of two; one neuron is silent, one negative, one rises to the end."""
    rng = np.random.default_rng(seed)
    data = np.exp2(rng.uniform(-9, 5, (WINDOWS, LENGTH, NEURONS))).astype(np.float32)
    data[rng.random(data.shape) < 0.7] = 0
    data[:, :, 1] = 0
    data[:, :, 2] *= -1
    data[:, :, 3] = np.exp2(np.linspace(-9, 5, WINDOWS))[:, None]
    return data


def collected(data, batch, seed=3, each=4):
    strata = StratifiedExcerpts(NEURONS, LENGTH, each)
    for first in range(0, len(data), batch):
        part = data[first : first + batch]
        strata.update(first, part, priorities(seed, first, len(part)))
    return strata


def by_hand(peaks):
    """The stratum of each window of a neuron, the highest 0."""
    if peaks.max() <= 0:
        return np.zeros(len(peaks), dtype=int)
    floor = 2.0 ** np.floor(np.log2(peaks.max()))
    bounds = [floor / 2**i for i in range(STRATA - 1)]
    return np.array([sum(peak < bound for bound in bounds) for peak in peaks])


NOTHING = (np.full(1, np.inf), np.full(1, -1), np.zeros((1, LENGTH), dtype=np.float32))


@pytest.mark.parametrize("batch", [1, 7, 64, WINDOWS])
def test_strata_are_those_of_the_whole_text_whatever_the_batches(batch):
    data, drawn = stream(0), priorities(3, 0, WINDOWS)
    strata = collected(data, batch)
    for n in range(NEURONS):
        stratum = by_hand(round_significant(data[:, :, n].max(axis=1)))
        expected = []
        for s in range(STRATA - 1, -1, -1):
            (inside,) = np.nonzero(stratum == s)
            if len(inside):
                lowest = sorted(inside, key=lambda w: drawn[w])[:4]
                expected.append((len(inside) / WINDOWS, lowest))
        found = strata.of(n, *NOTHING)
        assert [(share, [i for i, _ in sample]) for share, sample in found] == expected
        for _, sample in found:
            assert all((values == data[i, :, n]).all() for i, values in sample)


def test_the_commonest_stratum_is_filled_up_from_the_sample_of_all_windows():
    data, drawn = stream(1), priorities(3, 0, WINDOWS)
    order = np.argsort(drawn)[:200]
    for n in range(NEURONS):
        stratum = by_hand(round_significant(data[:, :, n].max(axis=1)))
        commonest = np.bincount(stratum).argmax()
        expected = [w for w in np.argsort(drawn) if stratum[w] == commonest]
        found = collected(data, 16).of(n, drawn[order], order, data[order, :, n])
        room = 4 * max(1, len(found) - 1)
        sizes = [len(sample) for _, sample in found]
        most = max(range(len(found)), key=lambda i: found[i][0])
        assert [i for i, _ in found[most][1]] == expected[:room]
        assert all(size <= 4 for i, size in enumerate(sizes) if i != most)


def test_every_window_of_a_stratum_is_equally_likely_to_be_kept():
    data = stream(2)[:60]
    stratum = by_hand(round_significant(data[:, :, 3].max(axis=1)))
    kept = np.zeros(60)
    for seed in range(500):
        for _, sample in collected(data, 8, seed, each=2).of(3, *NOTHING):
            kept[[i for i, _ in sample]] += 1
    for s in set(stratum):
        inside = kept[stratum == s]
        # Each count is binomial; its mean is the share of the stratum's windows that is kept.
        p = min(1, 2 / len(inside))
        assert inside.sum() == 500 * min(2, len(inside))
        assert (np.abs(inside - 500 * p) <= 4.5 * np.sqrt(500 * p * (1 - p))).all()


def test_a_restored_collector_keeps_its_strata():
    data, shape = stream(4), (NEURONS, LENGTH, 3, 2, 1, 2)
    straight, before, after = (Collector(*shape) for _ in range(3))
    straight.update(data)
    before.update(data[:150])
    after.restore(before.state())
    after.update(data[150:])
    ours, theirs = straight.state(), after.state()
    assert (ours["strata_counts"] == theirs["strata_counts"]).all()
    assert all(np.sort(ours[n], axis=None).tolist() == np.sort(theirs[n], axis=None).tolist()
               for n in ours)  # fmt: skip
    assert straight.live() == after.live()


def test_the_memory_stated_includes_that_of_strata():
    strata = Collector(NEURONS, LENGTH, 3, 2, 1, 2).strata
    arrays = (strata.priority, strata.index, strata.activations)
    more = memory(NEURONS, LENGTH, 3, 2, 2) - memory(NEURONS, LENGTH, 3, 2)
    assert more == sum(array.nbytes for array in arrays)


def test_a_record_holds_its_strata_lowest_first():
    class Subject:
        def activations(self, batch):
            return np.stack([[[float(ord(t) - 96)] for t in w.tokens] for w in batch]).astype("f4")

    def tokenise(text):
        return [ord(char) for char in text], [(i, i + 1) for i in range(len(text))]

    text = "".join(np.random.default_rng(0).choice(list("aaaaaaabbcdhpz"), 800))
    column = PickedNeuron(0, 0)
    every = list(windows([text], tokenise, 3))
    collector = Collector(1, 3, 2, 2, 0, 2)
    recording = run(partial(take_here, Subject()), iter(every), collector, 4)
    (record,) = assemble(recording, [column], [column], "m", (0.5,), 2, 0)
    counts = [0] * 5
    for window in every:
        counts[int(np.log2(max(ord(t) - 96 for t in window.tokens)))] += 1
    assert [round(s.share * len(every)) for s in record.strata] == counts
    highest = [{int(np.log2(r.peak)) for r in s.excerpts} for s in record.strata]
    assert highest == [{0}, {1}, {2}, {3}, {4}]
    assert {r.text for s in record.strata for r in s.excerpts} <= {"".join(w.tokens) for w in every}
