"""The sanity checks of scores: on vectors whose verdict is known by hand, and as a task."""

import re
import shutil
from pathlib import Path
from urllib.parse import urlparse

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from inspect_ai import eval
from inspect_ai.log import read_eval_log

from neuron_eval import report
from neuron_eval.logs import sanity as logs_sanity
from neuron_eval.logs.sanity import print_checks, result_text, sanity_checks_of
from neuron_eval.measures import MEASURES
from neuron_eval.sanity import (
    CHECKS,
    SAMPLES,
    TokenSample,
    check_result,
    drawn,
    falls,
    natural_weights,
)
from neuron_eval.sources import schema
from neuron_eval.tasks.formats import summary
from neuron_eval.tasks.sanity import sanity
from neuron_eval.testing import fake_simulator, make_neuron
from neuron_eval.usage_error import UsageError

# 1000 tokens of text, of which ten make the neuron fire.
TRUE = np.array([5.0] * 10 + [0.1 * (i % 3) for i in range(990)])
ACTIVE = TRUE > 1
EVERY = np.ones(1000, dtype=bool)
UNIFORM = np.full(1000, 0.001)


def over_all_text(check, concept=ACTIVE, natural=UNIFORM, scored=EVERY, sample="natural"):
    tokens = TokenSample(TRUE, natural, ACTIVE, scored)
    return falls(tokens, concept, sample, check, seed=0, id_="a")


def noticed(measured):
    return {name for name, fall in measured.items() if fall.noticed}


def test_missing_labels_lower_all_but_precision():
    assert noticed(over_all_text("missing")) == set(MEASURES) - {"precision"}


def test_extra_labels_lower_all_but_recall():
    assert noticed(over_all_text("extra")) == set(MEASURES) - {"recall"}


def test_a_fall_is_a_share_of_the_range():
    pearson, recall = (over_all_text("missing")[name] for name in ("pearson", "recall"))
    assert pearson.difference == pytest.approx((pearson.after - pearson.before) / 2)
    kept = int((drawn(ACTIVE, UNIFORM, 0, "a")["missing"]).sum())
    assert recall.difference == pytest.approx(kept / 10 - 1)


def test_auroc_hardly_falls_where_what_fires_is_rare():
    """Of 10,000 tokens 10 fire: as many labels added are 0.1 % of the silent tokens."""
    true = np.repeat([5.0, 0.0, 0.1], [10, 4990, 5000])
    natural, active = np.full(10_000, 1e-4), true > 1
    tokens = TokenSample(true, natural, active, active)
    extra = falls(tokens, active, "natural", "extra", seed=0, id_="a")
    assert extra["auroc"].difference == pytest.approx(-0.0005, abs=0.0003)
    assert noticed(extra) & {"auroc", "recall", "balanced_accuracy"} == set()
    assert {"pearson", "cosine", "auprc", "f1", "iou", "precision"} <= noticed(extra)


def test_top_and_random_excerpts_that_hold_no_added_label_show_no_fall():
    added = drawn(ACTIVE, UNIFORM, 0, "a")["extra"] & ~ACTIVE
    assert added.any()
    measured = over_all_text("extra", scored=~added, sample="top_random")
    assert noticed(measured) == set()
    assert measured["pearson"].difference == 0


def test_a_draw_that_changes_nothing_is_no_measurement():
    always = np.zeros(1000, dtype=bool)
    for check in ("missing", "extra"):
        measured = over_all_text(check, concept=always)
        assert {fall.difference for fall in measured.values()} == {None}


@given(st.integers(0, 2**32), st.text(max_size=5))
def test_labels_are_only_lost_or_only_gained(seed, id_):
    labels = drawn(ACTIVE, UNIFORM, seed, id_)
    assert not (labels["missing"] & ~ACTIVE).any()
    assert not (ACTIVE & ~labels["extra"]).any()
    assert (drawn(ACTIVE, UNIFORM, seed, id_)["extra"] == labels["extra"]).all()


@pytest.mark.parametrize(("check", "expected"), [("missing", 0.5), ("extra", 2)])
def test_positives_are_halved_or_doubled_on_average(check, expected):
    counts = [drawn(ACTIVE, UNIFORM, seed, "a")[check].sum() for seed in range(500)]
    assert np.mean(counts) / 10 == pytest.approx(expected, abs=0.05)


def test_seed_and_neuron_decide_what_is_drawn():
    draws = [drawn(ACTIVE, UNIFORM, *of)["extra"] for of in ((0, "a"), (1, "a"), (0, "b"))]
    assert len({draw.tobytes() for draw in draws}) == 3


def test_where_most_is_positive_every_negative_is_added():
    concept = ~ACTIVE
    assert drawn(concept, UNIFORM, 0, "a")["extra"].all()


def test_tokens_weigh_what_text_holds_between_the_boundaries():
    true = np.array([0.0, 0.0, 0.5, 2.0, 3.0])
    random = np.array([True, True, True, False, False])
    weights = natural_weights(true, random, (0.5, 0.9), (0.0, 1.0))
    assert weights == pytest.approx([0.25, 0.25, 0.4, 0.05, 0.05])


def test_without_levels_random_excerpts_alone_stand_for_all_text():
    weights = natural_weights(np.arange(4.0), np.array([True, False, True, False]), (), ())
    assert weights == pytest.approx([0.5, 0, 0.5, 0])


def test_without_either_nothing_stands_for_all_text():
    assert not natural_weights(np.arange(2.0), np.zeros(2, dtype=bool), (), ()).any()


@pytest.mark.parametrize(
    ("differences", "text"),
    [
        ([-0.1] * 10, "passes 100 % [72, 100]"),
        ([-0.1] * 9 + [0], "passes  90 % [60, 98]"),
        ([-0.1] * 8 + [0, -0.001], "FAILS   80 % [49, 94]"),
        ([-0.1] * 4, "passes 100 % [51, 100] of 4"),
        ([], "no measurement"),
    ],
)
def test_a_score_passes_if_it_falls_in_nine_of_ten_neurons(differences, text):
    assert result_text(check_result(differences), 10) == text


def run(**parameters):
    (log,) = eval(sanity(**parameters))
    assert log.status == "success", log.error
    return log


def verdicts(log, scorer):
    (result,) = [score for score in log.results.scores if score.name == scorer]
    values = {name: metric.value for name, metric in result.metrics.items()}
    return {name for name in MEASURES if values[f"{name}_passes"] == 1}


@pytest.fixture(scope="module")
def bundled():
    return run()


RELIABLE = {"pearson", "cosine", "auprc", "f1", "iou"}


def test_the_bundled_neurons_give_the_verdicts_of_the_paper(bundled):
    missing, extra = verdicts(bundled, "missing_labels"), verdicts(bundled, "extra_labels")
    assert missing & extra == RELIABLE
    assert extra == {*RELIABLE, "precision"}
    assert missing == {*MEASURES} - {"precision", "accuracy"}
    assert "pearson" not in verdicts(bundled, "extra_labels_top_random")
    assert "pearson" in verdicts(bundled, "missing_labels_top_random")


def test_no_model_is_asked_and_the_log_says_so(bundled):
    assert bundled.eval.model == "none/none"
    assert not bundled.stats.model_usage
    assert bundled.eval.metadata["sanity_concept"] == "truth"


def test_the_table_has_every_score_over_either_sample(bundled, capsys):
    print_checks(sanity_checks_of(read_eval_log(bundled.location, header_only=True)))
    printed = " ".join(capsys.readouterr().out.split())
    assert "Sanity checks of scores on smollm2, 80 neurons;" in printed
    assert "Over all text" in printed
    assert "Over 5 top and 5 random excerpts" in printed
    assert "AUROC passes 100 % [95, 100] FAILS" in printed
    assert printed.count("Balanced accuracy") == 2


def test_the_seed_decides_what_is_drawn():
    first, again, other = (run(limit=2, seed=seed) for seed in (3, 3, 4))
    assert differences(first) == differences(again) != differences(other)


def differences(log):
    return [[score.value for score in sample.scores.values()] for sample in log.samples]


def test_the_page_has_the_results_of_the_command(bundled):
    page = (Path(__file__).parents[1] / "docs" / "believe.md").read_text(encoding="utf-8")
    checks = sanity_checks_of(read_eval_log(bundled.location, header_only=True))
    for sample in SAMPLES:
        for name, measure in MEASURES.items():
            results = (checks.results[name, sample, check] for check in CHECKS)
            texts = (" ".join(result_text(r, checks.neurons).split()) for r in results)
            assert f"| {measure.label} | {' | '.join(texts)} | " in page


@pytest.mark.parametrize(("display", "tables"), [("rich", 1), ("none", 0)])
def test_the_table_is_printed_at_the_end_where_inspect_prints_anything(
    monkeypatch, capsys, display, tables
):
    monkeypatch.setattr(logs_sanity, "display_type", lambda: display)
    run(limit=1)
    assert capsys.readouterr().out.count("Sanity checks of scores on smollm2, 1 neuron;") == tables


@pytest.fixture
def neurons(tmp_path):
    made = [make_neuron(f"test/L0N{i}", neuron=i, reference=r) for i, r in enumerate(("cat", None))]
    schema.write(tmp_path / "few.jsonl", made)
    return str(tmp_path / "few.jsonl")


def test_the_reference_that_a_simulator_knows_gives_the_concept_of_the_truth(neurons):
    simulator = fake_simulator(lambda explanation, tokens: [10 * (t == " cat") for t in tokens])
    parameters = {"neurons": neurons, "limit": 1, "alpha": 0.01}
    (log,) = eval(
        sanity(concept="reference", simulation="chat", **parameters),
        model="none",
        model_roles={"simulator": simulator.model},
    )
    truth = run(**parameters)
    assert log.status == "success"
    assert simulator.requests
    assert differences(log) == differences(truth)


def test_a_neuron_without_a_reference_is_unscored_with_the_reason(neurons):
    log = run(neurons=neurons, concept="reference", simulation="embedding", check=False)
    scores = log.samples[1].scores.values()
    assert [score.reason for score in scores] == ["no explanation given"] * 4
    assert {result.unscored_samples for result in log.results.scores} == {1}


def test_neurons_with_too_few_tokens_for_so_rare_a_concept_are_warned_about(neurons, bundled):
    (warning,) = sanity(neurons=neurons).metadata["warnings"]
    assert warning.startswith("2 of 2 neurons have too few excerpts: a concept that is true of")
    assert "warnings" not in sanity(neurons=neurons, alpha=0.01).metadata
    assert "warnings" not in bundled.eval.metadata


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"neurons": "puzzles"}, "field 'random' holds no excerpts"),
        ({"concept": "true"}, "concept='true': allowed are truth, reference"),
        ({"alpha": 0.5}, "alpha=0.5: expected a share of tokens above 0, below 0.5"),
        ({"alpha": "x"}, "alpha='x': expected a number such as 0.001"),
        ({"calibration": "none"}, "-T calibration: no such parameter for the sanity checks"),
    ],
)
def test_what_cannot_be_checked_is_refused(parameters, message):
    with pytest.raises(UsageError, match=re.escape(message)):
        sanity(**parameters)


def test_the_report_has_the_table_alone_and_beside_other_logs(bundled, tmp_path):
    folder = tmp_path / "logs"
    folder.mkdir()
    shutil.copy(urlparse(bundled.location).path, folder)
    alone = report(folder)
    assert list(alone) == ["sanity"]
    table = alone["sanity"].set_index(["score", "over"])
    auroc = table.loc[("AUROC", "all text")]
    assert auroc["missing labels"] == 1
    assert auroc["extra labels n"] == 76
    assert "There are only sanity checks" in repr(alone)
    explained = run_summary(folder)
    assert {"scores", "sanity"} <= set(report([folder, explained]))
    assert "sanity" not in set(report(explained))


def run_summary(folder):
    (log,) = eval(
        summary(neurons="smollm2", limit=1, simulation="none", check=False),
        model="neuron-baseline/lexical",
        log_dir=str(folder.parent / "explained"),
    )
    return log.location
