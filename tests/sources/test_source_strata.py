"""Which sources have excerpts by stratum, with which shares, from files as theirs are laid out."""

import json
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from neuronpedia_files import TOP_BIN, activation, feature, write_json
from openai_layout import neuron as openai_neuron
from openai_layout import record_json

from neuron_eval.records import RecordError
from neuron_eval.sources import open_source
from neuron_eval.sources.openai.records import parse_record


def openai_record(samples, boundaries=(0.1, 0.5, 1.25, 3.0)):
    data = record_json(openai_neuron(0, 1))
    data |= {"random_sample_by_quantile": samples, "quantile_boundaries": list(boundaries)}
    return parse_record(json.dumps(data), "gpt2-xl", 0, 1, "file")


def by_quantile(count=5, each=3):
    return [
        [
            {
                "dataclass_name": "ActivationRecord",
                "tokens": [f"q{q}", f"e{i}"],
                "activations": [0.1 * q, 0.0],
            }
            for i in range(each)
        ]
        for q in range(count)
    ]


def test_openai_s_samples_by_quantile_have_the_shares_of_its_viewer():
    record = openai_record(by_quantile())
    assert [stratum.share for stratum in record.strata] == [0.5, 0.4, 0.09, 0.009, 0.001]
    assert [stratum.excerpts[2].text for stratum in record.strata] == [
        *("q0e2", "q1e2", "q2e2", "q3e2", "q4e2")
    ]


@pytest.mark.parametrize(
    "samples",
    [None, "other", by_quantile(4), [*by_quantile(4), []], [*by_quantile(4), by_quantile(1)[0]]],
)
def test_samples_whose_shares_are_not_known_are_left_aside(samples):
    assert openai_record(samples).strata == ()
    assert openai_record(by_quantile(), (0.1, 0.5, 1.25)).strata == ()


def test_a_bad_sample_by_quantile_is_an_error_with_its_place():
    samples = by_quantile()
    samples[3][1]["activations"] = [1.0]
    with pytest.raises(RecordError, match=r"'random_sample_by_quantile\[3\]', excerpt 1"):
        openai_record(samples)


def binned(*bins, each=3):
    """A feature with top activations and some of each bin, a bin as its lower end and its share."""
    rows = [activation(650, peak, **TOP_BIN) for peak in range(30, 50)]
    for low, share in bins:
        about = {"binMin": low, "binMax": low + 1, "binContains": share}
        rows += [activation(650, low + i / 10, name="low", **about) for i in range(each)]
    return feature(activations=rows)


def test_neuronpedia_s_bins_are_strata_where_their_shares_are_those_of_all_tokens(tmp_path):
    path = write_json(tmp_path, binned((20, 0.0), (10, 0.02), (0, 0.985)))
    (record,) = open_source(path).read()
    assert [stratum.share for stratum in record.strata] == pytest.approx(
        [0.985 / 1.005, 0.02 / 1.005]
    )
    assert [{int(r.peak) for r in stratum.excerpts} for stratum in record.strata] == [{0}, {10}]


@pytest.mark.parametrize(
    "bins", [[(10, 0.3), (0, 0.3)], [(0, 1.0)], [(10, 0.0), (0, 1.0)], [(10, 2.0), (0, 98.0)], []]
)
def test_bins_that_do_not_make_up_all_tokens_are_no_strata(tmp_path, bins):
    (record,) = open_source(write_json(tmp_path, binned(*bins))).read()
    assert record.strata == ()
    assert record.top


def test_saedashboard_s_bins_are_read_too(tmp_path):
    shared = {"model_id": "gpt2-small", "layer": 6, "sae_set": "res-jb"}
    rows = [
        {
            **{"bin_min": low, "bin_max": low + 5, "bin_contains": share},
            **{"tokens": [f" t{low}", f" {i}"], "values": [low, 0.0]},
        }
        for low, share in ((5, 0.001), (0, 0.999))
        for i in range(4)
    ]
    batch = {**shared, "features": [{"feature_index": 3, "activations": rows}]}
    (record,) = open_source(write_json(tmp_path, batch, "batch-0.json")).read()
    assert [stratum.share for stratum in record.strata] == pytest.approx([0.999, 0.001])


def test_a_cache_s_windows_are_strata_by_their_peak_with_exact_shares(tmp_path):
    delphi = pytest.importorskip("delphi_cache")
    dense, tokens = delphi.random_latents(2, share=0.004), delphi.random_tokens()
    folder = tmp_path / "layers.6.mlp"
    delphi.save(folder, dense, 0, tokens)
    delphi.save_config(folder)
    delphi.save_tokenizer(tmp_path)
    (record,) = open_source(str(tmp_path)).read()
    peaks = dense[:, :, 0].reshape(-1, 64).max(axis=1)
    firing = np.sort(peaks[peaks > 0]).astype(float)
    n = len(firing)
    cuts = [0, int(0.5 * n), int(0.9 * n), int(0.99 * n), n]
    parts = [[0.0] * int((peaks == 0).sum())]
    parts += [firing[a:b].tolist() for a, b in pairwise(cuts) if b > a]
    assert [s.share for s in record.strata] == [len(part) / len(peaks) for part in parts]
    sizes = [len(s.excerpts) for s in record.strata]
    assert sizes == [min(len(parts[0]), 5 * (len(parts) - 1)), *(min(5, len(p)) for p in parts[1:])]
    for stratum, part in zip(record.strata, parts, strict=True):
        assert min(part) - 1e-3 <= min(r.peak for r in stratum.excerpts)
        assert max(r.peak for r in stratum.excerpts) <= max(part) + 1e-3


def test_each_window_of_a_cache_s_stratum_is_equally_likely():
    records = pytest.importorskip("neuron_eval.sources.delphi.records")
    windows = records.Windows(rows=40, context=64)
    rows = np.arange(24)
    latent = records.Latent(rows, np.zeros(24, dtype=int), np.linspace(1, 2, 24).astype("f4"))
    first = Counter()
    for seed in range(600):
        for part, count in records.Excerpts(latent, windows).strata(str(seed)):
            first.update(part[:count].tolist())
    strata = records.Excerpts(latent, windows).strata("0")
    assert sorted(w for part, _ in strata for w in part.tolist()) == list(range(40))
    for part, count in strata:
        p = min(1, count / len(part))
        for window in part.tolist():
            assert abs(first[window] - 600 * p) <= 4.5 * np.sqrt(600 * p * (1 - p))
