"""The report's tables of ratings, with raters made up so that every number is known."""

import csv
import io
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_runs import FORMATS, five_formats, neuron, run, simulation

from neuron_eval.rating.judging import Judgement, Planted, places
from neuron_eval.reporting.collecting import Collected
from neuron_eval.reporting.page import write_report
from neuron_eval.reporting.page.data import page_data
from neuron_eval.reporting.raters import (
    RatedNeuron,
    Rater,
    all_people,
    choice_units,
    krippendorff,
    rating_units,
)
from neuron_eval.reporting.rendering import csv_text
from neuron_eval.reporting.statistics import clustered, spearman
from neuron_eval.reporting.tables import all_tables
from neuron_eval.reporting.tables.agreement import rater_agreement_table, rating_agreement_table
from neuron_eval.reporting.tables.ratings import attention_table, raters_table, ratings_table


def test_each_format_has_its_mean_rating_and_its_share_of_choices_for_each_rater():
    rows = read(ratings_table([alice(), bob()]))
    found = {
        (row["rater"], row["explanations"]): (float(row["rating"]), float(row["chosen best"]))
        for row in rows
    }
    assert found == {
        ("human/alice", "original"): (4, pytest.approx(2 / 3)),
        ("human/alice", "summary"): (pytest.approx(8 / 3), pytest.approx(1 / 3)),
        ("human/bob", "original"): (pytest.approx(8 / 3), pytest.approx(1 / 3)),
        ("human/bob", "summary"): (3, pytest.approx(2 / 3)),
        ("all people (2)", "original"): (pytest.approx(20 / 6), pytest.approx(1 / 2)),
        ("all people (2)", "summary"): (pytest.approx(17 / 6), pytest.approx(1 / 2)),
    }
    assert {row["rating n"] for row in rows} == {"3"}
    assert all(float(row["rating lower"]) < float(row["rating upper"]) for row in rows)


def test_a_neuron_that_was_not_rated_counts_in_no_mean_and_is_listed_with_its_reason():
    skipped = rated(3, reason="Skipped: I cannot read this")
    one = rater("human/alice", rated(0, 5, 1), skipped, rated(4, 3, 1, seconds=30.0))
    (row, _) = read(ratings_table([one]))
    assert (row["neurons"], float(row["rating"])) == ("2", 4)
    (row,) = read(raters_table([one]))
    assert (row["neurons"], row["rated"]) == ("3", "2")
    assert row["not rated"] == "1: Skipped: I cannot read this"
    assert row["log"] == "human-alice.eval"
    assert float(row["seconds per neuron"]) == 30


def test_a_rater_who_rated_nothing_has_no_number():
    rows = read(ratings_table([rater("human/alice", rated(0, reason="Skipped: no"))]))
    assert [(row["rating"], row["rating n"]) for row in rows] == [("", "0")] * 2


def test_a_single_person_is_not_called_all_people():
    rows = read(ratings_table([alice(), rater("openai/gpt-4o", rated(0, 1, 2))]))
    assert {row["rater"] for row in rows} == {"human/alice", "openai/gpt-4o"}
    again = alice(log="file:///logs/later.eval")
    assert all_people([alice(), again]) == []


def test_people_who_saw_other_explanations_of_a_neuron_are_not_averaged_and_that_is_said():
    other = replace(rated(0, 1, 1), explanations={"original": "x", "summary": "y"})
    carol = rater("human/carol", other, rated(1, 5, 5))
    ((both, _),) = all_people([alice(), carol])
    means = {one.id: dict(one.judgement.ratings) for one in both.neurons}
    assert means == {
        "toy/L1N1": {"original": 4.5, "summary": 3.5},
        "toy/L2N2": {"original": 3, "summary": 4},
    }
    assert (
        "all people (2): left out for having shown them different explanations: 1 of 3 neurons."
        in ratings_table([alice(), carol]).notes
    )


def test_a_person_with_two_logs_counts_once_among_all_people():
    logs = [rater("human/alice", rated(0, n, 1), log=f"file:///logs/{n}.eval") for n in (5, 3)]
    ((both, _),) = all_people([*logs, rater("human/bob", rated(0, 2, 2))])
    assert both.name == "all people (2)"
    (one,) = both.neurons
    assert dict(one.judgement.ratings) == {"original": 3, "summary": 1.5}


def test_people_who_saw_other_excerpts_or_columns_are_other_people():
    held_out = [replace(one, excerpts="valid") for one in (alice(), bob())]
    assert all_people([alice(), held_out[1]]) == []
    names = [one.name for one, _ in all_people([alice(), bob(), *held_out])]
    assert names == ["all people (2), train", "all people (2), valid"]
    few = [replace(one, columns=("original",)) for one in (alice(), bob())]
    names = [one.name for one, _ in all_people([alice(), bob(), *few])]
    assert names == ["all people (2), original summary", "all people (2), original"]


def test_all_logs_of_a_rater_count_among_all_raters():
    first = rater("human/alice", *(rated(i, 1 + i, 2) for i in range(4)))
    other = rater("human/alice", *(rated(i, 9 - i, 5) for i in range(4, 8)), log="file:///b.eval")
    same = rater("model/m", *first.neurons, *other.neurons)
    (group, *_) = read(rater_agreement_table([first, other, same]))
    assert (group["raters"], group["explanations"]) == ("all raters (2)", "16")
    assert float(group["alpha of ratings"]) == pytest.approx(1)


def test_two_logs_of_a_rater_are_told_apart():
    held_out = alice(log="file:///logs/b.eval", excerpts="valid")
    names = {row["rater"] for row in read(ratings_table([alice(), held_out]))}
    assert names == {"human/alice, train", "human/alice, valid"}
    again = alice(log="file:///logs/c.eval", identity='{"explainer": ["x", "/mine/answers"]}')
    names = {row["rater"] for row in read(ratings_table([held_out, again, alice()]))}
    assert names == {f"human/alice, log {number}" for number in (1, 2, 3)}


def test_alpha_of_ratings_is_the_one_of_the_definition():
    rows = read(rater_agreement_table([alice(), bob()]))
    assert [row["raters"] for row in rows] == ["human/alice and human/bob"]
    units = [(5, 4), (2, 1), (4, 2), (2, 3), (3, 2), (4, 5)]
    assert float(rows[0]["alpha of ratings"]) == pytest.approx(alpha_by_definition(units))
    assert (rows[0]["explanations"], rows[0]["neurons"]) == ("6", "3")
    assert float(rows[0]["rank correlation"]) == pytest.approx(
        spearman([a for a, _ in units], [b for _, b in units])
    )
    low, high = (float(rows[0][f"alpha of ratings {end}"]) for end in ("lower", "upper"))
    assert low <= float(rows[0]["alpha of ratings"]) <= high


@settings(deadline=None, derandomize=True, max_examples=60)
@given(
    st.lists(st.lists(st.integers(1, 5), min_size=2, max_size=4), min_size=1, max_size=8).filter(
        lambda units: len({v for unit in units for v in unit}) > 1
    )
)
def test_alpha_is_the_definitions_for_any_ratings(units):
    found = krippendorff([[unit] for unit in units], "ordinal", interval=False)
    assert found.mean == pytest.approx(alpha_by_definition(units), abs=1e-9)


def test_raters_who_all_say_the_same_of_everything_have_no_alpha():
    one = rater("human/alice", rated(0, 3, 3), rated(1, 3, 3))
    (row,) = read(rater_agreement_table([one, replace(one, name="human/bob")]))
    assert (row["alpha of ratings"], row["alpha of choices"]) == ("", "")
    assert row["rank correlation"] == ""


def test_resamples_in_which_everybody_says_the_same_are_no_perfect_agreement():
    units = [[[3, 3]], [[3, 3]], [[3, 3]], [[1, 5]]]
    found = krippendorff(units, "ordinal")
    assert found.lower is None  # a third of the resamples leave the last neuron out
    found = krippendorff([[[3, 3]], *([[[1, 5]], [[2, 4]]] * 5)], "ordinal")
    assert found.upper < 1


def test_alpha_of_choices_is_nominal_over_neurons():
    (row,) = read(rater_agreement_table([alice(), bob()]))
    # choices: original/original, original/summary, summary/summary: 3 of each among 6
    observed, expected = 2 / 6, 2 * 3 * 3 / (6 * 5)
    assert float(row["alpha of choices"]) == pytest.approx(1 - observed / expected)


def test_an_explanation_is_the_same_for_two_raters_by_its_text_whatever_it_is_called():
    renamed = replace(
        rated(0, 4, 1), explanations={"a": "original on thing 0", "b": "another text"},
        judgement=said(4, 1, columns=("a", "b")),
    )  # fmt: skip
    other = rater("model/m", renamed, columns=("a", "b"))
    assert rating_units([alice(), other]) == [[[5.0, 4.0]]]
    assert choice_units([alice(), other]) == []


def test_explanations_that_say_the_same_are_one_unit():
    same = {"original": "the same", "summary": "the same"}
    one = rater("human/a", replace(rated(0, 4, 4), explanations=same))
    assert rating_units([one, replace(one, name="human/b")]) == [[[4.0, 4.0]]]


def test_all_people_and_models_have_rows_of_their_own_and_every_pair():
    model = rater("openai/gpt-4o", rated(0, 5, 1), rated(1, 3, 3), rated(2, 1, 5))
    rows = read(rater_agreement_table([alice(), bob(), model]))
    assert [row["raters"] for row in rows] == [
        "all raters (3)",
        "all people (2)",
        "human/alice and openai/gpt-4o",
        "human/bob and openai/gpt-4o",
    ]
    three = [(5, 4, 5), (2, 1, 1), (4, 2, 3), (2, 3, 3), (3, 2, 1), (4, 5, 5)]
    assert float(rows[0]["alpha of ratings"]) == pytest.approx(alpha_by_definition(three))
    assert rows[1]["rank correlation"] != ""
    assert (rows[0]["rank correlation"], rows[2]["alpha of ratings lower"]) == ("", "")


def test_raters_without_an_explanation_in_common_are_not_compared():
    other = rater("human/bob", rated(5, 1, 2))
    table = rater_agreement_table([alice(), other])
    assert table.rows == ()
    assert table.notes == ("No raters to compare: no explanation was rated by two raters.",)
    assert rater_agreement_table([alice()]).notes == ("No raters to compare: one rater.",)


def test_scores_are_correlated_with_ratings_over_explanations_neurons_and_runs():
    runs = five_formats(6).runs
    ratings = {0: (5, 4, 3, 2, 1), 1: (1, 2, 2, 4, 5), 2: (2, 2, 3, 4, 4), 3: (1, 3, 3, 3, 5)}
    one = rater("human/alice", *(rated(i, *r, columns=FORMATS) for i, r in ratings.items()))
    rows = read(rating_agreement_table(runs, [replace(one, columns=FORMATS)]))
    assert [(row["score"], row["rater"]) for row in rows] == [
        ("simulation correlation", "human/alice"),
        ("AdaCS", "human/alice"),
    ]
    scores = [simulation(k, i) for i in ratings for k in range(5)]
    told = [ratings[i][k] for i in ratings for k in range(5)]
    assert float(rows[0]["over explanations"]) == pytest.approx(spearman(scores, told))
    assert rows[0]["over explanations n"] == "20"
    by_run = [
        spearman([simulation(k, i) for i in ratings], [ratings[i][k] for i in ratings])
        for k in range(5)
    ]
    assert float(rows[0]["over neurons"]) == pytest.approx(sum(by_run) / 5)
    assert (rows[0]["runs"], rows[0]["neurons"], rows[0]["common neurons"]) == ("5", "4", "4")
    means = [sum(ratings[i][k] for i in ratings) / 4 for k in range(5)]
    assert float(rows[0]["over runs"]) == pytest.approx(spearman(range(5), means))
    assert rows[1]["over explanations n"] == "10"  # AdaCS has the odd neurons only


def test_a_run_whose_explanation_the_rater_did_not_see_is_left_out():
    changed = run("summary", [neuron(0, explanation="said otherwise later")])
    table = rating_agreement_table([changed], [alice()])
    assert table.rows == ()
    assert "none of the logs of explanations" in table.notes[0]


def test_a_rating_goes_with_the_score_of_its_own_text_and_not_of_other_epochs():
    runs = [
        run("original", [
            neuron(i, 0.5, explanation=f"original on thing {i}",
                   scores_of_text={"simulation_correlation": 0.1 * i})
            for i in range(3)
        ])
    ]  # fmt: skip
    (row,) = read(rating_agreement_table(runs, [alice()]))
    assert float(row["over explanations"]) == pytest.approx(-1)


def test_scores_of_different_simulators_are_correlated_apart():
    runs = [
        run(f, [neuron(i, 0.1 * i * k, explanation=f"{f} on thing {i}") for i in range(3)],
            simulator=f"maker/s{k}")
        for k, f in enumerate(COLUMNS, start=1)
    ]  # fmt: skip
    rows = read(rating_agreement_table(runs, [alice()]))
    names = [f"simulation correlation by maker/s{k}" for k in (1, 2)]
    assert [row["score"] for row in rows] == names
    assert [row["over explanations n"] for row in rows] == ["3", "3"]
    assert float(rows[0]["over explanations"]) == pytest.approx(-1)


def test_checks_of_attention_are_a_row_a_rater_and_check():
    one = rater(
        "human/alice",
        rated(0, 5, 2, again=said(4, 2), planted=(Planted(1, True, 0),)),
        rated(1, 4, 1, again=said(1, 3), planted=(Planted(3, False, 1),)),
    )
    rows = read(attention_table([one, bob()]))
    assert {row["rater"] for row in rows} == {"human/alice"}
    assert {row["check"]: float(row["result"]) for row in rows} == {
        "shown twice: difference": (1 + 0 + 3 + 2) / 4,
        "shown twice: same choice": 0.5,
        "planted: mean rating": 2,
        "planted: rated lowest": 0.5,
        "planted: chosen best": 0.5,
    }
    table = attention_table([bob()])
    assert table.rows == ()
    assert table.notes[0].startswith("Nothing was checked.")


def test_the_bias_of_places_is_relative_to_each_question():
    asked = {
        "orders": 2,
        "places": [
            {"ratings": [5, 3], "best": 1},
            {"ratings": [4, 4], "best": 1},
            {"ratings": [1, 2, 3], "best": 3},
            {"ratings": [5], "best": 1},  # nothing to prefer
        ],
    }
    first, second, third = places(
        [asked, {"orders": 1, "places": [{"ratings": [1, 2], "best": 1}]}]
    )
    assert (first.questions, second.questions, third.questions) == (3, 3, 1)
    assert first.rating == pytest.approx((1 + 0 - 1) / 3)
    assert third.rating == pytest.approx(1)
    assert first.chosen == pytest.approx((1 / 2 + 1 / 2 - 1 / 3) / 3)
    assert third.chosen == pytest.approx(1 - 1 / 3)
    assert math.isclose(
        sum(one.chosen * one.questions for one in (first, second, third)), 0, abs_tol=1e-12
    )


def test_a_report_on_raters_alone_has_their_tables_and_a_page(tmp_path):
    collected = Collected((), raters=(alice(), bob()))
    tables = all_tables(collected)
    names = [table.name for table in tables]
    assert names == ["ratings", "rater_agreement", "rating_agreement", "attention", "raters"]
    page, notes = write_report(collected, tables, tmp_path, "original", bundle=False)
    assert notes == []
    assert "the tables are what the raters say" in page.read_text()


def test_the_page_has_each_rating_beside_the_scores_and_says_who_chose_what():
    told = rated(0, 5, 2, comment="a </script> of mine")
    collected = replace(five_formats(2), raters=(rater("human/alice", told),))
    data = page_data(collected)
    assert data["scorers"][-1] == "rating by human/alice"
    first, second = data["neurons"]
    assert [said["scores"][-1] for said in first["runs"]] == [5, 2, None, None, None]
    assert [said.get("chosen") for said in first["runs"][:2]] == [["human/alice"], None]
    assert first["comments"] == ["human/alice: a </script> of mine"]
    assert "comments" not in second


def test_an_interval_over_neurons_is_that_of_whole_neurons_drawn_again():
    counts = [3, 1, 2, 4, 2] * 4
    values = np.sqrt(np.arange(48.0))
    found = clustered(counts, lambda at: float(values[at].mean()), 400)
    points = np.split(np.arange(48), np.cumsum(counts)[:-1])
    drawn = np.random.default_rng(0).integers(20, size=(400, 20))
    means = [values[np.concatenate([points[k] for k in row])].mean() for row in drawn]
    assert found.mean == values.mean()
    assert (found.lower, found.upper) == pytest.approx(tuple(np.percentile(means, (2.5, 97.5))))


def test_an_interval_needs_nine_tenths_of_the_resamples():
    def without(share):
        asked = iter(range(101))
        return lambda at: None if 0 < next(asked) <= share else 1.0

    assert clustered([1] * 3, without(10), 100).lower == 1.0
    assert clustered([1] * 3, without(11), 100).lower is None


COLUMNS = ("original", "summary")


def said(*ratings, best=None, columns=COLUMNS):
    """Ratings by column; the best is the highest, the first of equals, unless named."""
    chosen = columns[ratings.index(max(ratings))] if best is None else best
    return Judgement(
        dict(zip(columns, map(float, ratings), strict=True)),
        {column: float(column == chosen) for column in columns},
    )


def rated(i, *ratings, best=None, columns=COLUMNS, **more):
    """Neuron i, rated; its explanations are those of `five_formats`."""
    explanations = {column: f"{column} on thing {i}" for column in columns}
    judged = said(*ratings, best=best, columns=columns) if ratings else None
    return RatedNeuron(f"toy/L{i % 3}N{i}", explanations, judged, **more)


def rater(name, *neurons, **more):
    filled = {
        "log": f"file:///logs/{name.replace('/', '-')}.eval",
        "name": name,
        "columns": COLUMNS,
        "excerpts": "train",
        "pack": "0a1b",
        "identity": "{}",
        "neurons": neurons,
    }
    return Rater(**filled | more)


def alice(**more):
    return rater("human/alice", rated(0, 5, 2), rated(1, 4, 2), rated(2, 3, 4), **more)


def bob(**more):
    return rater("human/bob", rated(0, 4, 1), rated(1, 2, 3), rated(2, 2, 5), **more)


def read(table):
    return list(csv.DictReader(io.StringIO(csv_text(table))))


def alpha_by_definition(units):
    """Krippendorff 2011, from coincidences, for ordinal values."""
    values = sorted({v for unit in units for v in unit})
    coincidences = {(a, b): 0.0 for a in values for b in values}
    for unit in units:
        for i, a in enumerate(unit):
            for j, b in enumerate(unit):
                if i != j:
                    coincidences[a, b] += 1 / (len(unit) - 1)
    totals = {a: sum(coincidences[a, b] for b in values) for a in values}

    def distance(a, b):
        between = [v for v in values if min(a, b) <= v <= max(a, b)]
        return (sum(totals[v] for v in between) - (totals[a] + totals[b]) / 2) ** 2

    n = sum(totals.values())
    observed = sum(coincidences[a, b] * distance(a, b) for a, b in coincidences)
    expected = sum(totals[a] * totals[b] * distance(a, b) for a in values for b in values)
    return 1 - (n - 1) * observed / expected
