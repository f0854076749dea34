"""Controls in the report: rows set apart, the rescaled score, true against false explanations."""

import random
from dataclasses import replace

import numpy as np
import pytest
from made_up_runs import five_formats, neuron, run

from neuron_eval.reporting.collecting import Collected
from neuron_eval.reporting.comparing import compare, label
from neuron_eval.reporting.controls import (
    Ends,
    has_length,
    preferences,
    rescaled,
    scale,
    share_of,
)
from neuron_eval.reporting.figures.by_format import draw_scores
from neuron_eval.reporting.rendering import csv_text, latex, markdown
from neuron_eval.reporting.tables import all_tables
from neuron_eval.reporting.tables.base import MARK
from neuron_eval.reporting.tables.scores import scores_table
from neuron_eval.reporting.verdict import verdict

N = 24
LEVELS = {"reference": 0.8, "lexical": 0.4, "generic": 0.05, "shuffled": 0.0}


def control(name, level, ids=range(N), **more):
    made = [
        neuron(i, level + 0.01 * (i % 5), adacs=1.0 if name == "reference" else 0.2) for i in ids
    ]
    return run(name, made, explainer=name, given=True, control=name, **more)


def with_controls(**more):
    formats = five_formats(N)
    controls = tuple(control(name, level, **more) for name, level in LEVELS.items())
    return replace(formats, controls=controls)


def test_controls_stand_below_the_formats_and_are_never_best():
    collected = with_controls()
    table = scores_table(collected.runs, None, collected.controls)
    plain = scores_table(collected.runs)
    assert table.rows[:5] == plain.rows
    assert table.apart == 4
    assert [row[0].text for row in table.rows[5:]] == [f"{name} (control)" for name in LEVELS]
    assert not any(cell.bold or cell.marked for row in table.rows[5:] for cell in row)
    assert table.rows[5][2].value == pytest.approx(0.82, abs=0.001)
    assert set(plain.notes) <= set(table.notes)
    assert any("shuffled is another neuron's reference" in note for note in table.notes)


def test_controls_change_nothing_for_formats_in_other_tables():
    collected = with_controls()
    plain = {t.name: t for t in all_tables(replace(collected, controls=()))}
    tables = {t.name: t for t in all_tables(collected)}
    assert set(tables) - set(plain) == {"rescaled"}
    for name in ("paired", "tokens", "agreement"):
        assert tables[name] == plain[name]


def test_the_line_that_sets_controls_apart_is_in_latex():
    table = scores_table(with_controls().runs, None, with_controls().controls)
    lines = latex(table).splitlines()
    assert lines.count(r"\midrule") == 2
    assert "reference" in lines[len(lines) - 1 - lines[::-1].index(r"\midrule") + 1]
    assert "shuffled (control)" in markdown(table)
    assert MARK not in csv_text(table)


def test_a_rescaled_score_is_the_ratio_of_means_over_the_neurons_of_all_three():
    collected = with_controls(ids=range(4, N))
    compared = compare(collected.runs, "simulation_correlation")
    ends = scale(collected.runs[2], collected.controls, compared)
    assert ends.scores.size == N - 4
    made = rescaled(ends)
    own, low, high = (array.mean() for array in (ends.scores, ends.shuffled, ends.reference))
    assert made.mean == pytest.approx((own - low) / (high - low))
    assert made.lower < made.mean < made.upper
    (table,) = [t for t in all_tables(collected) if t.name == "rescaled"]
    assert table.rows[2][1].value == made.mean
    assert [row[0].text for row in table.rows[5:]] == ["lexical (control)", "generic (control)"]
    assert any("reference's own AdaCS is 1" in note for note in table.notes)


def test_the_ends_of_the_scale_are_0_and_1_without_any_width():
    ends = Ends(*(np.array([0.1, 0.3, 0.2]) + add for add in (0.0, 0.0, 0.5)))
    assert (rescaled(ends).mean, rescaled(ends).lower, rescaled(ends).upper) == (0, 0, 0)
    top = Ends(ends.reference, ends.shuffled, ends.reference)
    assert rescaled(top).mean == pytest.approx(1) == rescaled(top).lower


@pytest.mark.parametrize("seed", [0, 1])
def test_the_rescaled_score_does_not_change_with_the_scores_unit(seed):
    rng = np.random.default_rng(seed)
    shuffled = rng.normal(0, 0.1, 30)
    ends = Ends(shuffled + rng.uniform(0, 0.5, 30), shuffled, shuffled + rng.uniform(0.3, 0.9, 30))
    other = Ends(*(3 * array + 1 for array in (ends.scores, ends.shuffled, ends.reference)))
    for a, b in zip(
        (rescaled(ends).mean, rescaled(ends).lower, rescaled(ends).upper),
        (rescaled(other).mean, rescaled(other).lower, rescaled(other).upper),
        strict=True,
    ):
        assert a == pytest.approx(b)


def test_the_interval_holds_the_true_ratio_about_as_often_as_it_says():
    held = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        common = rng.normal(0, 0.2, 40)
        ends = Ends(
            0.3 + common + rng.normal(0, 0.1, 40),
            0.1 + rng.normal(0, 0.1, 40),
            0.7 + common + rng.normal(0, 0.1, 40),
        )
        made = rescaled(ends)
        held += made.lower <= 1 / 3 <= made.upper
    assert held >= 17


@pytest.mark.parametrize(
    ("shuffled", "reference"),
    [
        ([0.2, 0.4, 0.1, 0.5], [0.3, 0.2, 0.2, 0.4]),  # its interval holds 0
        ([0.5, 0.6, 0.5], [0.1, 0.2, 0.1]),  # the reference is worse
        ([0.1], [0.9]),  # one neuron has no interval
        ([0.3, 0.3], [0.3, 0.3]),
    ],
)
def test_without_a_scale_there_is_no_rescaled_score(shuffled, reference):
    ends = Ends(np.array(shuffled), np.array(shuffled), np.array(reference))
    assert not has_length(ends)
    assert rescaled(ends) is None


def test_the_table_says_why_a_score_is_not_rescaled():
    flat = tuple(control(name, 0.3) for name in ("reference", "shuffled"))
    (table,) = [
        t for t in all_tables(replace(five_formats(N), controls=flat)) if t.name == "rescaled"
    ]
    assert [row[1].text for row in table.rows] == ["undefined"] * 5
    assert any(
        "simulation correlation: not rescaled, because references are not shown to score above "
        "shuffled explanations: +0.000" in note
        for note in table.notes
    )


def test_a_control_that_another_model_measured_is_no_end_of_the_scale():
    other = with_controls(simulator="maker/other (sparse)")
    compared = compare(other.runs, "simulation_correlation")
    assert scale(other.runs[0], other.controls, compared) is None
    (table,) = [t for t in all_tables(other) if t.name == "rescaled"]
    assert {row[1].text for row in table.rows} == {"undefined"}
    assert {row[2].text for row in table.rows[:5]} != {"undefined"}  # one embedder for all


def test_neurons_without_a_reference_are_counted():
    collected = with_controls()
    few = tuple(replace(c, results=dict(list(c.results.items())[:10])) for c in collected.controls)
    for c in few:
        for result in list(with_controls().controls[0].results.values())[10:]:
            c.results[result.id] = replace(result, scores={}, unscored={})
    table = scores_table(collected.runs, None, few)
    assert any(
        f"simulation correlation: 14 of {N} neurons have no score of reference and lexical and "
        "generic and shuffled" in note
        for note in table.notes
    )


def test_labels_of_formats_do_not_change_beside_controls():
    collected = with_controls()
    assert [label(r, collected.every) for r in collected.every] == [
        *("original", "summary", "highlight", "highlight_summary", "avhs"), *LEVELS,
    ]  # fmt: skip
    two = [*collected.controls, *with_controls(simulator="maker/other", log="b").controls]
    assert label(two[0], two) == "reference, simulator (all_at_once)"


def test_the_verdict_warns_where_the_best_is_near_the_shuffled_level():
    collected = with_controls()
    above = verdict(collected)
    assert verdict(replace(collected, controls=())).answers == above.answers
    assert not any("shuffled" in caution for caution in above.cautions)
    near = replace(collected, controls=(control("shuffled", 0.7),))
    (caution,) = [c for c in verdict(near).cautions if "shuffled" in c]
    assert caution.startswith("The simulation correlation of avhs, 0.730, is near the level of ")
    assert caution.endswith("shuffled explanations, 0.719, and not shown to be above it.")


def test_the_figure_has_a_labelled_line_per_control():
    drawn = draw_scores(with_controls())
    assert "reference (control) 0.82" in drawn.alt
    names = [text.get_text() for legend in drawn.figure.legends for text in legend.get_texts()]
    assert names == list(LEVELS)
    for panel in drawn.figure.axes:
        upright = [line for line in panel.lines if len(set(line.get_xdata())) == 1
                   and len(line.get_xdata()) == 2 and line.get_linestyle() is not None]  # fmt: skip
        assert len(upright) >= 4
    fewer = draw_scores(with_controls(ids=range(10)))
    names = [text.get_text() for legend in fewer.figure.legends for text in legend.get_texts()]
    assert "shuffled (5 neurons)" in names or "shuffled (10 neurons)" in names


def false_run(name, scores):
    made = [neuron(i, score) for i, score in enumerate(scores)]
    return run(name, made, explainer="false", given=True, control="false", log=name)


def test_how_often_a_score_prefers_the_true_explanation():
    true = control("reference", 0.5, range(4))  # 0.50, 0.51, 0.52, 0.53
    wrong = (false_run("false", [0.1, 0.51, 0.9, 0.2]), false_run("false 1", [0.2, 0.1, 0.9, 0.6]))
    (preference,) = preferences([true, *wrong], "simulation_correlation")
    assert preference.prefers.mean == pytest.approx((1 + 0.75 + 0 + 0.5) / 4)
    assert preference.false == 2
    assert preference.differences[0] == pytest.approx(0.35)
    (table,) = [t for t in all_tables(Collected((true, *wrong))) if t.name == "preference"]
    assert [cell.text for cell in table.rows[0][:3]] == [
        "simulation correlation", "maker/simulator (all_at_once)", "4",
    ]  # fmt: skip
    assert table.rows[0][3].text.startswith("56 % [")
    assert not preferences([true, replace(wrong[0], simulator="other")], "simulation_correlation")


def test_a_share_has_the_interval_of_clopper_and_pearson():
    from scipy.stats import binomtest

    for right, n in ((7, 10), (10, 10), (0, 5), (1, 1)):
        made = share_of([1.0] * right + [0.0] * (n - right))
        interval = binomtest(right, n).proportion_ci()
        assert (made.lower, made.upper) == pytest.approx((interval.low, interval.high))


def test_a_preference_does_not_depend_on_the_order_of_neurons():
    scores = [0.1, 0.51, 0.9, 0.2]
    true, wrong = control("reference", 0.5, range(4)), false_run("false", scores)
    shuffled = list(true.results.items())
    random.Random(1).shuffle(shuffled)
    (first,) = preferences([true, wrong], "simulation_correlation")
    (second,) = preferences(
        [replace(true, results=dict(shuffled)), wrong], "simulation_correlation"
    )
    assert first.prefers == second.prefers
