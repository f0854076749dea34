"""Further measures in the report, also of a log that was written before there were any.

``tests/kept/demo_2026-11-28.eval`` is of task version 5-A: three bundled neurons, two excerpts of
a kind, explained by the baseline and simulated by embeddings.
"""

import json
from pathlib import Path

import numpy as np
import pandas
import pytest
from click.testing import CliRunner
from inspect_ai.log import read_eval_log
from made_up_runs import five_formats, neuron, run
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import average_precision_score, roc_auc_score

from neuron_eval import report
from neuron_eval.cli.main import main
from neuron_eval.measures import MEASURES
from neuron_eval.messages import InputError
from neuron_eval.reporting.collecting import Collected
from neuron_eval.reporting.exports.rows import row_fields
from neuron_eval.reporting.tables import all_tables
from neuron_eval.reporting.tables.measures import check_measures

KEPT = Path(__file__).parents[1] / "kept" / "demo_2026-11-28.eval"


def independent(sample):
    """The measures over all and over random excerpts, by scipy, scikit-learn and numpy alone."""
    excerpts = sample.scores["simulation_correlation"].metadata["excerpts"]
    true, expected = (np.concatenate([e[name] for e in excerpts]) for name in ("true", "expected"))
    random = np.concatenate(
        [[e["excerpt"].startswith("random")] * len(e["true"]) for e in excerpts]
    )
    # Of 40 random tokens one is a larger share than 0.5 %: above the second highest value.
    above = max(sorted(set(true[random]))[-2], 0.0)
    numbers = {}
    for suffix, kept in (("", np.ones_like(random)), ("_random", random)):
        t, e, a = true[kept], expected[kept], true[kept] > above
        p = e.clip(0, 1)
        hits, either = (a * p).sum(), a.sum() + p.sum()
        numbers |= {
            f"pearson{suffix}": pearsonr(t, e).statistic,
            f"spearman{suffix}": spearmanr(t, e).statistic,
            f"cosine{suffix}": t @ e / np.sqrt((t @ t) * (e @ e)),
            f"auprc{suffix}": average_precision_score(a, e),
            f"auroc{suffix}": roc_auc_score(a, e),
            f"f1{suffix}": 2 * hits / either,
            f"iou{suffix}": hits / (either - hits),
            f"recall{suffix}": hits / a.sum(),
            f"precision{suffix}": hits / p.sum(),
            f"accuracy{suffix}": np.where(a, p, 1 - p).mean(),
            f"balanced_accuracy{suffix}": (p[a].mean() + (1 - p[~a]).mean()) / 2,
        }
    return numbers


LITERAL = {
    "pearson": (0.7589, -0.1158),
    "spearman": (0.0180, -0.0928),
    "cosine": (0.5402, -0.0776),
    "auprc": (0.4267, 0.0512),
    "f1": (0.2002, 0.0359),
    "iou": (0.1115, 0.0183),
    "auroc": (0.6623, 0.3846),
    "recall": (0.2433, 0.1105),
    "precision": (0.1710, 0.0215),
    "accuracy": (0.8155, 0.8609),
    "balanced_accuracy": (0.5595, 0.4953),
}
"""Means over the three neurons, over all excerpts and over random ones."""


@pytest.fixture(scope="module")
def kept():
    return report(KEPT, measures="all")


def test_a_log_written_before_is_reported_on_with_every_measure(kept):
    samples = read_eval_log(str(KEPT)).samples
    assert not any("measures" in s.scores["simulation_correlation"].metadata for s in samples)
    table = kept["measures"]
    assert list(table["measure"]) == [measure.label for measure in MEASURES.values()]
    expected = [independent(sample) for sample in samples]
    for row, name in zip(table.to_dict("records"), MEASURES, strict=True):
        sets = (("", "all excerpts"), ("_random", "random excerpts"))
        for literal, (suffix, heading) in zip(LITERAL[name], sets, strict=True):
            values = [numbers[name + suffix] for numbers in expected]
            assert row[heading] == pytest.approx(np.mean(values), abs=1e-9), name
            assert row[heading] == pytest.approx(literal, abs=1e-4), name
            assert row[f"{heading} n"] == 3
            assert row[f"undefined on {heading}"] == 0


def test_each_measure_has_a_footnote_that_says_what_it_does_not_notice(kept):
    (table,) = (table for table in kept.tables if table.name == "measures")
    for measure in MEASURES.values():
        (note,) = (note for note in table.notes if note.startswith(f"{measure.label}: "))
        assert note.endswith(f"It hardly notices {measure.unnoticed}.")
        assert measure.formula in note


def test_only_the_measures_asked_for_are_columns_of_the_rows_too(tmp_path):
    done = CliRunner().invoke(
        main, ["report", str(KEPT), "--measures", "auprc, f1", "--out", str(tmp_path)]
    )
    assert done.exit_code == 0, done.output
    assert "Simulations by further measures" in done.output
    # As text, since older versions of pandas do not read every number to its last digit.
    rows = pandas.read_csv(tmp_path / "tables" / "neurons.csv", dtype=str)
    added = [c for c in rows.columns if c.startswith("simulation_") and "correlation" not in c]
    assert added == [f"simulation_{n}" for n in ("auprc", "auprc_random", "f1", "f1_random")]
    of = {sample.id: independent(sample) for sample in read_eval_log(str(KEPT)).samples}
    with (tmp_path / "tables" / "neurons.jsonl").open(encoding="utf-8") as lines:
        for row, line in zip(rows.to_dict("records"), map(json.loads, lines), strict=True):
            for name in added:
                expected = of[row["id"]][name.removeprefix("simulation_")]
                assert float(row[name]) == line[name] == pytest.approx(expected, abs=1e-9)
    assert "Simulations by further measures" in (tmp_path / "index.html").read_text()


def test_no_table_and_no_column_unless_asked_for():
    assert "measures" not in [table.name for table in all_tables(five_formats())]
    assert not any("f1" in field for field in row_fields(five_formats().runs))


def test_means_are_over_the_neurons_for_which_every_run_has_the_measure():
    values = {"a": (0.2, 0.4, None), "b": (0.6, None, None)}
    runs = tuple(
        run(name, [neuron(i, measures={"f1": v, "f1_random": None}) for i, v in enumerate(of)])
        for name, of in values.items()
    )
    table = all_tables(Collected(runs))[1]
    assert table.name == "measures"
    assert [[cell.value for cell in row] for row in table.rows] == [
        ["F1", "a", 0.2, 1, None, 3],
        ["F1", "b", 0.6, 2, None, 3],
    ]
    assert (
        "Means are over the neurons for which the measure is defined in every run." in table.notes
    )


def test_measures_are_chosen_by_name_or_all():
    assert check_measures("") == check_measures(()) == ()
    assert check_measures("f1,iou") == check_measures(["f1", "iou"])
    assert check_measures("f1,iou") == ("f1", "f1_random", "iou", "iou_random")
    assert len(check_measures("all")) == 2 * len(MEASURES)
    refused = r"measures='auprcs': allowed are all, pearson.*did you mean auprc\?"
    with pytest.raises(InputError, match=refused):
        check_measures("f1,auprcs")
