"""Excerpts by stratum: what must hold of them, which are scored, and what the weights are for."""

import json
import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from inspect_ai import eval

from neuron_eval.comparison.plan import make_plan
from neuron_eval.dataset import neuron_set
from neuron_eval.logs.runs import models
from neuron_eval.records import (
    ActivationRecord,
    Excerpt,
    NeuronRecord,
    RecordError,
    Stratum,
    TooFewExcerptsError,
)
from neuron_eval.records.checks import check_record
from neuron_eval.records.splits import DealtNeuron, deal, from_metadata, stratified, to_text
from neuron_eval.records.treatment import Treatment
from neuron_eval.rescore import CannotScoreError, rescore
from neuron_eval.simulation import Failed, Simulated
from neuron_eval.simulation.headline import measured
from neuron_eval.simulation.measure import excerpt_weights, measure, token_weights
from neuron_eval.sources import open_source, parquet, schema
from neuron_eval.stats import pearson
from neuron_eval.tasks import formats
from neuron_eval.usage_error import UsageError


def record(name, *values):
    return ActivationRecord((f"{name} ", *("x" * len(values[1:]))), values)


def layered(count=6, per_split=1):
    """A neuron of three strata of ``count`` excerpts, of half, 40 % and 10 % of all text."""
    return NeuronRecord(
        id="m/L0N0",
        model="m",
        layer=0,
        neuron=0,
        top=tuple(record(f"top{i}", 9.0 - i / 10, 0.0) for i in range(4 * per_split)),
        random=tuple(record(f"random{i}", 1.0, 0.0) for i in range(3 * per_split)),
        strata=tuple(
            Stratum(share, tuple(record(f"s{s}e{i}", peak, 0.0) for i in range(count)))
            for s, (share, peak) in enumerate([(0.5, 0.0), (0.4, 2.0), (0.1, 8.0)])
        ),
    )


@pytest.mark.parametrize("ending", ["jsonl", "jsonl.gz", "parquet"])
def test_strata_are_written_and_read_back(tmp_path, ending):
    path = tmp_path / f"n.{ending}"
    neurons = [layered(), replace(layered(), id="m/L0N1", neuron=1, strata=())]
    (parquet.write_parquet if ending == "parquet" else schema.write)(path, neurons)
    assert list(open_source(str(path)).read()) == neurons


@pytest.mark.parametrize(
    ("strata", "message"),
    [
        ([{"share": 1.5, "excerpts": []}], "stratum 0 has the share 1.5; expected the part of all"),
        ([{"share": 0, "excerpts": []}], "stratum 0 has the share 0; expected the part of all"),
        ([{"share": 1, "excerpts": []}], "stratum 0 holds no excerpts"),
        ([{"share": 1}], "field 'strata': stratum 0 is {'share': 1}; expected an object with"),
        ([{"share": "a", "excerpts": []}], "stratum 0: field 'share' is 'a'"),
        (["ab"], "the shares sum to 0.6; the strata must be the parts of all text, so expected 1"),
        (["aa", "b"], "hold the same text 'a'; excerpts must be distinct"),
        (["a", "a"], "excerpts '0 of stratum 0' and '0 of stratum 1' hold the same text 'a'"),
    ],
)
def test_unsound_strata_are_refused_with_the_place(tmp_path, strata, message):
    made = [
        {"share": 0.6, "excerpts": [{"tokens": [t], "activations": [0.0]} for t in stratum]}
        if isinstance(stratum, str)
        else stratum
        for stratum in strata
    ]
    if len(made) == 2:
        made[0]["share"] = 0.4
    path = tmp_path / "n.jsonl"
    line = {**schema.to_json(replace(layered(), strata=())), "strata": made}
    path.write_text(json.dumps(line))
    with pytest.raises(RecordError) as error:
        list(schema.read(path))
    assert f"{path}, line 1: neuron m/L0N0" in str(error.value)
    assert message in str(error.value)


def test_an_activation_of_a_stratum_must_be_finite():
    bad = replace(layered(), strata=(Stratum(1.0, (record("a", float("nan")),)),))
    with pytest.raises(RecordError, match="excerpt 0 of stratum 0: field 'activations': value 0"):
        check_record(bad, "x")


def test_quantiles_scores_so_many_of_each_stratum_and_nothing_that_was_shown():
    neuron = layered()
    seen = neuron.strata[2].excerpts[0]
    neuron = replace(neuron, top=(seen, *neuron.top[1:]))
    assert [e.record for e in deal(neuron, 1).train] == [seen]
    dealt = [deal(replace(neuron, id=f"m/{i}"), 1, "quantiles") for i in range(60)]
    for each in dealt:
        assert each.calibration == ()
        assert [(e.kind, e.stratum, e.share) for e in each.valid] == [
            ("quantile", 0, 0.5),
            ("quantile", 0, 0.5),  # as many of the commonest as of the others together
            ("quantile", 1, 0.4),
            ("quantile", 2, 0.1),
        ]
        assert not {e.record.text for e in each.train} & {e.record.text for e in each.valid}
    # All that may be is drawn for one neuron or another, and the same for the same.
    assert {e.index for each in dealt for e in each.valid} == {*range(18)} - {12}
    assert deal(dealt_again := replace(neuron, id="m/3"), 1, "quantiles") == dealt[3]
    assert len(stratified(dealt_again, 99, ())) == 18
    assert Counter(e.stratum for e in stratified(neuron, 3, ())) == {0: 6, 1: 3, 2: 3}


def test_a_stratum_that_was_shown_altogether_is_left_out():
    neuron = layered(count=1)
    shown = {neuron.strata[2].excerpts[0].text}
    assert [e.stratum for e in stratified(neuron, 5, shown)] == [0, 1]
    every = {r.text for stratum in neuron.strata for r in stratum.excerpts}
    with pytest.raises(TooFewExcerptsError, match="the explainer sees every excerpt of field"):
        stratified(neuron, 5, every)


def test_random_scores_the_held_out_random_excerpts_alone():
    neuron = layered(per_split=2)
    both, alone = deal(neuron, 2), deal(neuron, 2, "random")
    assert alone.train == both.train
    assert alone.valid == tuple(e for e in both.valid if e.kind == "random") != ()
    assert alone.calibration == tuple(e for e in both.calibration if e.kind == "random") != ()


def test_a_puzzle_without_random_excerpts_says_so():
    with pytest.raises(UsageError, match="no random excerpt that is held out"):
        formats.summary(neurons="puzzles", excerpts_scored="random")


def test_a_sample_holds_what_is_scored_with_its_strata():
    dealt = deal(layered(), 2 - 1, "quantiles")
    again = from_metadata({"record": to_text(dealt)}, "x")
    assert again == dealt
    plain = json.loads(to_text(deal(layered(), 1)))
    assert {len(excerpt) for use in ("train", "valid") for excerpt in plain[use]} == {5}


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"excerpts_scored": "quantile"}, "did you mean quantiles"),
        (
            {"excerpts_scored": "quantiles", "calibration": "linear"},
            "calibration=linear: a fit needs excerpts like those that are scored",
        ),
    ],
)
def test_what_cannot_be_scored_is_refused_in_a_sentence(tmp_path, parameters, message):
    path = tmp_path / "n.jsonl"
    schema.write(path, [layered()])
    with pytest.raises(UsageError) as error:
        formats.summary(neurons=str(path), excerpts=1, simulation="embedding", **parameters)
    assert message in str(error.value)
    with pytest.raises(ValueError, match=message[:40]):
        make_plan(
            formats=["summary"], models=["a/b"], simulator="a/c", embedder=None, epochs=1,
            parameters=parameters,
        )  # fmt: skip


def test_a_neuron_without_strata_is_an_error_or_skipped(tmp_path):
    path = tmp_path / "n.jsonl"
    schema.write(path, [replace(layered(), strata=(), id="m/bare"), layered()])
    with pytest.raises(TooFewExcerptsError) as error:
        neuron_set(str(path), 1, excerpts_scored="quantiles")
    for part in ("m/bare: it has no excerpts by quantile", "OpenAI's", "on_short=skip leaves"):
        assert part in str(error.value)
    chosen = neuron_set(str(path), 1, "skip", excerpts_scored="quantiles")
    assert [each.identity.id for each in chosen.neurons] == ["m/L0N0"]
    assert len(chosen.skipped) == 1


def test_strata_are_cut_and_ignored_as_random_excerpts_are():
    long = ActivationRecord(tuple(f"{i} " for i in range(200)), (9.0, *[0.0] * 199))
    neuron = replace(layered(), strata=(Stratum(0.5, (long,)), Stratum(0.5, (record("<s>", 3.0),))))
    treated = Treatment(frozenset({"<s> "}), 64)(neuron)
    assert [len(r.tokens) for stratum in treated.strata for r in stratum.excerpts] == [64]
    starts = {
        Treatment(window=64)(replace(neuron, id=f"m/{i}")).strata[0].excerpts[0].tokens[0]
        for i in range(8)
    }
    assert len(starts) > 1  # and not around the peak


def test_the_excerpts_of_a_stratum_share_its_weight():
    excerpts = [
        Excerpt("quantile", i, record("a", 1.0), stratum, share)
        for i, (stratum, share) in enumerate([(0, 0.5), (1, 0.4), (1, 0.4), (2, 0.1)])
    ]
    assert excerpt_weights(excerpts) == pytest.approx((2.0, 0.8, 0.8, 0.4))
    assert excerpt_weights(excerpts[1:3]) is None
    assert excerpt_weights([Excerpt("top", 0, record("a", 1.0))] * 3) is None


def test_a_stratum_that_was_not_simulated_leaves_no_score():
    pairs = [
        (Excerpt("quantile", i, record(f"e{i}", float(i), 1.0), i, share), Simulated((i, 2.0), "b"))
        for i, share in enumerate((0.9, 0.1))
    ]
    assert measure(pairs, []).correlation is not None
    dealt = DealtNeuron(layered(), (), (), tuple(excerpt for excerpt, _ in pairs))
    assert measured(dealt, pairs)["pearson"] == measure(pairs, []).correlation
    assert set(measured(dealt, pairs[:1]).values()) == {None}
    lost = measure([pairs[0], (pairs[1][0], Failed("no reply"))], [])
    assert lost.correlation is None
    assert lost.unscored_reason == (
        "no excerpt was simulated of stratum 1, which stands for 10.00% of all text"
    )


def test_the_tokens_of_a_stratum_that_have_values_stand_for_those_without():
    tokens = ActivationRecord(tuple("abcd"), (0.0, 1.0, 2.0, 3.0))
    excerpts = [Excerpt("quantile", i, tokens, i, share) for i, share in enumerate((0.9, 0.1))]
    values = [(0.0, 1.0, 2.0, 3.0), (3.0, math.nan, 1.0, math.nan)]
    simulated = [Simulated(row, "values", problem="why") for row in values]
    result = measure(list(zip(excerpts, simulated, strict=True)), [])
    by_token = token_weights(result.scored, result.weights)
    assert by_token == pytest.approx([1.8] * 4 + [0.4] * 2)
    assert result.tokens == 6


def population():
    """All text of a neuron: 5,000 windows, of which one in 50 has a hit; and what is predicted.

    The explanation is too broad: it also fits windows in which the neuron is silent.
    """
    rng = np.random.default_rng(7)
    true = np.zeros((5000, 8))
    true[:100, 3] = rng.uniform(0.5, 10, 100)
    predicted = np.zeros((5000, 8))
    predicted[:90, 3] = 8
    predicted[100:1100, 5] = 8
    return true, predicted


def estimates(true, predicted, seed, count=40):
    """Of a sample by three strata: Pearson, weighted and not; the weighted mean of the truth."""
    rng = np.random.default_rng(seed)
    peaks = true.max(axis=1)
    parts = [np.flatnonzero(part) for part in (peaks == 0, (peaks > 0) & (peaks < 5), peaks >= 5)]
    drawn = [
        rng.choice(part, n, replace=False) for part, n in zip(parts, (80, 40, 40), strict=True)
    ]
    strata = tuple(
        Stratum(len(part) / len(true), tuple(record(f"w{w}", *true[w].tolist()) for w in windows))
        for part, windows in zip(parts, drawn, strict=True)
    )
    windows = np.concatenate(drawn)
    neuron = check_record(replace(layered(), strata=strata), "made up")
    excerpts = stratified(neuron, count, ())
    pairs = [(e, Simulated(tuple(predicted[windows[e.index]].tolist()), "b")) for e in excerpts]
    result = measure(pairs, [])
    flat = pearson(true[windows].ravel(), predicted[windows].ravel())
    means = [np.mean(e.record.activations) for e, _ in result.scored]
    return result.correlation, flat, np.average(means, weights=result.weights)


def test_the_weighted_estimate_is_unbiased_where_the_unweighted_one_is_not():
    true, predicted = population()
    natural = pearson(true.ravel(), predicted.ravel())
    assert natural == pytest.approx(0.2427, abs=5e-5)
    samples = np.array([estimates(true, predicted, seed) for seed in range(200)])
    weighted, unweighted, mean = samples.mean(axis=0)
    # Of 160 of 5,000 windows; a correlation is no sum, so that it is unbiased for many only.
    assert weighted == pytest.approx(natural, abs=0.01)
    assert unweighted > natural + 0.5
    assert true.mean() == pytest.approx(0.01274, abs=5e-6)
    assert mean == pytest.approx(true.mean(), rel=0.01)


def test_an_eval_weighs_strata_and_its_log_says_so(tmp_path):
    path = tmp_path / "n.jsonl"
    schema.write(path, [layered(per_split=1)])
    (log,) = eval(
        formats.summary(
            neurons=str(path), excerpts=1, simulation="embedding", excerpts_scored="quantiles"
        ),
        model="neuron-baseline/lexical",
        display="none",
        log_dir=str(tmp_path / "logs"),
    )
    assert log.status == "success"
    assert log.eval.metadata["excerpts_scored"] == "quantiles"
    metadata = log.samples[0].scores["simulation_correlation"].metadata
    assert metadata["held_out"] == "quantiles"
    # As the name of what measured, so that no report compares it with other excerpts' scores.
    assert models(log.samples)[0] == f"{metadata['simulator']} (embedding, excerpts by quantile)"
    with pytest.raises(CannotScoreError, match="excerpts_scored=quantiles leaves none for it"):
        rescore(log, None, "again", simulation="embedding", calibration="linear")
    again = rescore(log, None, "again", simulation="embedding").samples[0].scores
    assert again["again"].value == again["simulation_correlation"].value
    weights = [excerpt["weight"] for excerpt in metadata["excerpts"]]
    assert weights == pytest.approx([1.0, 1.0, 1.6, 0.4])
