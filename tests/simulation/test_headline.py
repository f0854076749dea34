"""A simulation by every measure: which tokens are active, over which excerpts; whole evals."""

import math
from dataclasses import replace

import pytest
from inspect_ai import eval
from inspect_ai.analysis import samples_df
from inspect_ai.log import read_eval_log
from sklearn.metrics import average_precision_score

from neuron_eval.logs.columns import explanation_columns
from neuron_eval.logs.identity import identity
from neuron_eval.logs.runs import headline_of, neuron_result
from neuron_eval.measures import MEASURES
from neuron_eval.metrics import viewer_config
from neuron_eval.records import ActivationRecord, Excerpt, NeuronRecord
from neuron_eval.records.splits import DealtNeuron, from_metadata
from neuron_eval.reporting.collecting import collect
from neuron_eval.reporting.comparing import scorer_name, scorers
from neuron_eval.reporting.tables import all_tables
from neuron_eval.simulation import Simulated
from neuron_eval.simulation.headline import (
    HEADLINES,
    check_headline,
    headline_label,
    measured,
    measured_nothing,
)
from neuron_eval.sources import schema
from neuron_eval.stats import pearson
from neuron_eval.tasks import formats
from neuron_eval.testing import fake_embedder, fake_explainer, fake_simulator, make_neuron

TOP, LOW = (0.0, 9.0, 4.0, 0.0), (0.5, 0.0, 0.0, 3.0)
SEEN, GUESSED = (0.0, 10.0, 5.0, 0.0), (2.0, 0.0, 1.0, 6.0)


def dealt(true=((TOP, "top"), (LOW, "random")), ignored=(), **identity):
    valid = tuple(
        Excerpt(kind, i, ActivationRecord(("a", "b", "c", "d"), row, ignored))
        for i, (row, kind) in enumerate(true)
    )
    return DealtNeuron(NeuronRecord("m/L0N0", "m", 0, 0, **identity), (), (), valid)


def simulated(neuron, rows=(SEEN, GUESSED), basis="values"):
    return list(zip(neuron.valid, [Simulated(row, basis) for row in rows], strict=True))


def numbers(neuron, *args, **options):
    return measured(neuron, simulated(neuron, *args, **options))


def test_the_names_are_every_measure_over_all_excerpts_and_over_random_ones():
    assert list(numbers(dealt())) == list(HEADLINES)
    assert (*MEASURES, *(f"{name}_random" for name in MEASURES)) == HEADLINES


def test_pearson_is_what_the_score_is_to_the_last_digit():
    of = numbers(dealt())
    assert of["pearson"] == pearson(TOP + LOW, SEEN + GUESSED)
    assert of["pearson_random"] == pearson(LOW, GUESSED)


def test_the_threshold_is_that_of_the_random_excerpts_for_all_excerpts():
    """Of the random tokens 3.0 alone is among the highest 0.5 %: above 0.5 a token is active."""
    of = numbers(dealt())
    assert of["recall"] == pytest.approx((1 + 0.5 + 0.6) / 3)
    assert of["recall_random"] == pytest.approx(0.6)
    active = [0, 1, 1, 0, 0, 0, 0, 1]
    assert of["auprc"] == pytest.approx(average_precision_score(active, SEEN + GUESSED))


def test_a_recorded_quantile_beats_it_and_may_leave_nothing_active():
    recorded = {"quantiles": (0.9, 0.995), "quantile_boundaries": (1.0, 5.0)}
    of = numbers(dealt(**recorded))
    assert (of["recall"], of["recall_random"], of["auroc_random"]) == (1, None, None)
    assert of["pearson_random"] is not None
    short = {"quantiles": (0.9,), "quantile_boundaries": (1.0,)}
    assert numbers(dealt(**short)) == numbers(dealt()) == numbers(dealt(quantile_boundaries=(9.0,)))


def test_without_random_excerpts_all_are_natural_and_nothing_is_random():
    of = numbers(dealt(((TOP, "sentence"), (LOW, "sentence"))))
    assert of["recall"] == 1
    assert {value for name, value in of.items() if name.endswith("_random")} == {None}


def test_nothing_of_a_silent_neuron_is_active():
    of = numbers(dealt((((0.0,) * 4, "top"), ((0.0,) * 4, "random"))))
    assert {value for name, value in of.items() if name != "cosine"} == {None}


def test_cosines_are_shares_and_what_is_below_0_is_none():
    rows = ((0.0, 1.0, 0.5, 0.0), (0.2, -0.4, 0.1, 0.6))
    of = numbers(dealt(), rows, basis="cosine")
    assert of["recall"] == pytest.approx((1 + 0.5 + 0.6) / 3)
    assert of["precision"] == pytest.approx(2.1 / 2.4)
    assert of["pearson"] == pearson(TOP + LOW, rows[0] + rows[1])


def test_ignored_tokens_count_nowhere():
    kept = slice(1, None)
    of = numbers(dealt(ignored=(0,)))
    assert of["pearson"] == pearson(TOP[kept] + LOW[kept], SEEN[kept] + GUESSED[kept])


def test_no_excerpt_at_all_measures_nothing():
    assert set(measured(dealt(), []).values()) == {None}


def test_predicting_nothing_gets_0_or_what_chance_gets_and_never_a_value_that_nobody_can_get():
    of = measured_nothing(dealt())
    for name in ("pearson", "spearman", "cosine", "f1", "recall", "precision"):
        assert of[name] == 0
    assert (of["auroc"], of["auprc"], of["balanced_accuracy"]) == (0.5, 3 / 8, 0.5)
    recorded = {"quantiles": (0.995,), "quantile_boundaries": (100.0,)}
    assert measured_nothing(dealt(**recorded))["f1"] is None


def test_a_headline_is_named_by_measure_and_excerpts():
    assert headline_label("f1") == "F1"
    assert headline_label("auprc_random") == "AUPRC, random excerpts"
    assert check_headline("balanced_accuracy_random") == "balanced_accuracy_random"
    with pytest.raises(ValueError, match=r"auroc_random.*did you mean auroc_random"):
        check_headline("auroc_randm")


def test_the_viewer_labels_the_score_by_its_headline():
    def label(*args):
        return viewer_config(*args).task_samples_view.score_labels["simulation_correlation"]

    assert label() == "Simulation"
    assert label(True, "f1_random") == "Simulation: F1, random excerpts"


@pytest.fixture(scope="module")
def neurons(tmp_path_factory):
    path = tmp_path_factory.mktemp("neurons") / "n.jsonl"
    silent = tuple(1000.0 + i for i in range(3))
    made = [make_neuron("t/L0N0", " cat", neuron=0), make_neuron("t/L0N1", " dog", neuron=1)]
    made += [
        replace(
            make_neuron("t/L0N2", " oak", neuron=2),
            quantiles=(0.9, 0.99, 0.999),
            quantile_boundaries=silent,
        )
    ]
    schema.write(path, made)
    return str(path)


def run(tmp_path, explainer="cat", **parameters):
    def fires(explanation, tokens):
        return [9.0 if t.strip() in explanation else 0.3 * (i % 3) for i, t in enumerate(tokens)]

    (log,) = eval(
        formats.summary(simulation="chat", excerpts=2, **parameters),
        model=(fake_explainer(explainer) if isinstance(explainer, str) else explainer).model,
        model_roles={
            "simulator": fake_simulator(fires).model,
            "embedder": fake_embedder(lambda text: [float(len(text)), 1.0]).model,
        },
        log_dir=str(tmp_path),
    )
    assert log.status == "success", log.error
    return read_eval_log(log.location)


def score_of(log, neuron):
    (sample,) = (sample for sample in log.samples if sample.id == f"t/L0N{neuron}")
    return sample.scores["simulation_correlation"]


@pytest.mark.filterwarnings("ignore:The inplace keyword:DeprecationWarning")
def test_the_headline_is_the_score_and_no_other_measure_is_compared_with_it(neurons, tmp_path):
    usual, other = run(tmp_path, neurons=neurons), run(tmp_path, neurons=neurons, headline="f1")
    for i in (0, 1):
        score = score_of(other, i)
        assert score.value == score.metadata["measures"]["f1"]
        assert score.metadata["measures"] == score_of(usual, i).metadata["measures"]
        assert score.explanation.startswith(f"F1 {score.value:.3f}; correlation ")
        assert score_of(usual, i).value == score.metadata["measures"]["pearson"]
    unscored = score_of(other, 2)
    assert math.isnan(unscored.value)
    assert unscored.reason == "F1 is undefined: no token is active, or every one is"
    assert not math.isnan(score_of(usual, 2).value)

    assert (usual.eval.metadata["headline"], other.eval.metadata["headline"]) == ("pearson", "f1")
    assert (headline_of(usual), headline_of(other)) == ("pearson", "f1")
    assert identity(usual) != identity(other)
    assert other.eval.viewer.task_samples_view.score_labels["simulation_correlation"] == (
        "Simulation: F1"
    )

    collected = collect([str(tmp_path)])
    names = scorers(collected.runs)
    assert [scorer_name(name) for name in names] == [
        "simulation correlation", "simulation F1", "AdaCS",
    ]  # fmt: skip
    scores, *_ = all_tables(collected)
    cells = [dict(zip((c.heading for c in scores.columns), r, strict=True)) for r in scores.rows]
    for name in ("simulation F1", "simulation correlation"):
        assert sorted(row[name].text == "not scored" for row in cells) == [False, True]

    frame = samples_df(str(tmp_path), columns=explanation_columns(), quiet=True)
    assert list(frame.loc[frame["id"] == "t/L0N0", "simulation_correlation"]) == pytest.approx(
        [score_of(usual, 0).value] * 2
    )


def test_a_refusal_gets_what_predictions_of_0_get_by_the_headline(neurons, tmp_path):
    refuses = fake_explainer("I can't help with that", stop_reason="content_filter")
    log = run(tmp_path, refuses, neurons=neurons, headline="auroc")
    assert [score_of(log, i).value for i in (0, 1)] == [0.5, 0.5]
    assert score_of(log, 0).reason == "refusal"
    assert math.isnan(score_of(log, 2).value)
    usual = run(tmp_path, refuses, neurons=neurons)
    assert [score_of(usual, i).value for i in range(3)] == [0, 0, 0]
    for measured_too in (log, usual):
        (one,) = collect([measured_too.location], measures=("pearson", "auroc")).runs
        assert one.results["t/L0N0"].measures == {"pearson": 0, "auroc": 0.5}
        assert one.results["t/L0N2"].measures == {"pearson": 0, "auroc": None}


def test_the_report_computes_what_the_log_holds(neurons, tmp_path):
    log = run(tmp_path, neurons=neurons)
    (one,) = collect([log.location], measures=HEADLINES).runs
    for i in range(3):
        assert one.results[f"t/L0N{i}"].measures == score_of(log, i).metadata["measures"]


def test_a_measure_of_a_neuron_is_the_mean_over_the_epochs_in_which_it_is_defined(
    neurons, tmp_path
):
    log = run(tmp_path, neurons=neurons)
    epochs = [sample.model_copy(deep=True) for sample in log.samples[:1] * 3]
    held_out = {e.name: e for e in from_metadata(epochs[0].metadata, "t/L0N0").valid}
    for entry in epochs[1].scores["simulation_correlation"].metadata["excerpts"]:
        entry["expected"] = list(held_out[entry["excerpt"]].record.activations)
    for entry in epochs[2].scores["simulation_correlation"].metadata["excerpts"]:
        entry["expected"] = [0.0] * len(entry["expected"])
    of = neuron_result(epochs, measures=("pearson", "recall_random"))
    first = score_of(log, 0).metadata["measures"]
    assert of.measures["pearson"] == pytest.approx((first["pearson"] + 1) / 2)
    full = measured(*arguments(epochs[1]))["recall_random"]
    assert of.measures["recall_random"] == pytest.approx((first["recall_random"] + full + 0) / 3)


def arguments(sample):
    held_out = from_metadata(sample.metadata, sample.id)
    rows = [e["expected"] for e in sample.scores["simulation_correlation"].metadata["excerpts"]]
    return held_out, simulated(held_out, rows)
