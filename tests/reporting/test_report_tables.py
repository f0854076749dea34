"""The report's tables: recomputed from logs by hand, edge cases, and golden renderings."""

import csv
import io
import json
import math
import os
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from inspect_ai import eval
from inspect_ai.log import EvalSample, list_eval_logs, read_eval_log
from inspect_ai.model import ModelOutput, ModelUsage
from rich.console import Console
from scipy import stats as scipy_stats

from neuron_eval.logs.runs import NeuronResult, Run, neuron_result
from neuron_eval.logs.spending import Spent
from neuron_eval.reporting import tables
from neuron_eval.reporting.collecting import Collected, collect
from neuron_eval.reporting.comparing import compare, label, rater_label, scorers
from neuron_eval.reporting.cost import Price, PricesError, dollars, price_of, read_prices
from neuron_eval.reporting.differences import baseline_of, comparisons
from neuron_eval.reporting.raters import Rater
from neuron_eval.reporting.rendering import (
    WAYS,
    csv_text,
    latex,
    markdown,
    terminal_table,
    write_tables,
)
from neuron_eval.reporting.tables import all_tables, base
from neuron_eval.reporting.tables.agreement import agreement_table
from neuron_eval.reporting.tables.base import MARK, Cell, Column, Table
from neuron_eval.reporting.tables.cost import tokens_table, usage_table
from neuron_eval.reporting.tables.failures import failures_table, grouped, skeleton
from neuron_eval.reporting.tables.paired import paired_table
from neuron_eval.reporting.tables.scores import scores_table
from neuron_eval.sources import schema
from neuron_eval.stats import widened_level
from neuron_eval.tasks import formats
from neuron_eval.testing import fake, fake_embedder, fake_explainer, fake_simulator, make_neuron

SIMULATION, ADACS = "simulation_correlation", "adacs"


def test_the_logs_of_these_tests_hold_what_can_go_wrong(by_hand):
    assert by_hand.error.sum() == 3 * 2 * 2
    assert set(by_hand.reason.dropna()) > {"no reference explanation"}
    assert by_hand.failed.map(len).sum() > 0
    assert len(by_neuron(by_hand, SIMULATION)) == 5
    assert by_neuron(by_hand, SIMULATION).nunique().min() > 1


@pytest.mark.parametrize(
    ("scorer", "name"), [(SIMULATION, "simulation correlation"), (ADACS, "AdaCS")]
)
def test_scores_are_those_of_the_logs(collected, by_hand, scorer, name):
    table = frame(scores_table(collected.runs)).set_index("run")
    common = by_neuron(by_hand, scorer)
    own = by_hand[by_hand.scorer == scorer].groupby(["run", "id"]).value.mean()
    assert set(table.index) == set(common.columns)
    for run, values in common.items():
        row = table.loc[run]
        assert row["neurons"] == 7
        assert row[name] == pytest.approx(values.mean(), abs=1e-12)
        assert row[f"{name} n"] == len(common)
        assert (row[f"{name} lower"], row[f"{name} upper"]) == pytest.approx(bootstrap(values))
        assert row[f"{name} scored"] == pytest.approx(own[run].notna().sum() / 7)


def test_the_level_of_unrelated_references_is_that_of_the_logs(collected, by_hand):
    table = frame(scores_table(collected.runs)).set_index("run")
    ids = by_neuron(by_hand, ADACS).index
    used = by_hand[(by_hand.scorer == ADACS) & by_hand.id.isin(ids)]
    levels = used.groupby(["run", "id"]).unrelated.mean().groupby("run").mean()
    for run, level in levels.items():
        assert table.loc[run, "AdaCS of unrelated references"] == pytest.approx(level)


def test_scores_by_layer_are_those_of_the_logs(collected, by_hand):
    table = frame(scores_table(collected.runs, "layer")).set_index(["layer", "run"])
    common = by_neuron(by_hand, SIMULATION)
    layers = common.index.str.extract(r"/L(\d)")[0].astype(int).to_numpy()
    assert len(table) == 2 * 6
    for layer in (0, 1):
        for run, mean in common[layers == layer].mean().items():
            assert table.loc[(layer, run), "simulation correlation"] == pytest.approx(mean)


def test_the_neurons_left_out_are_counted_on_each_side(collected, by_hand):
    notes = " ".join(scores_table(collected.runs).notes)
    assert "simulation correlation: compared on the 5 neurons that were scored in every" in notes
    own = by_hand[by_hand.scorer == SIMULATION].groupby(["run", "id"]).value.mean().dropna()
    for run, scored in own.groupby("run").size().items():
        assert (f"{scored - 5} of {scored} in {run}" in notes) == (scored > 5)


@pytest.mark.parametrize(
    ("scorer", "name"), [(SIMULATION, "simulation correlation"), (ADACS, "AdaCS")]
)
def test_paired_differences_are_those_of_the_logs(collected, by_hand, scorer, name):
    table = frame(paired_table(collected.runs, "original"))
    table = table[table.measure == name].set_index("run")
    means = by_hand[by_hand.scorer == scorer].groupby(["run", "id"]).value.mean().unstack("run")
    assert set(table.index) == {
        f"{f}, {e}" for f in ("summary", "avhs") for e in ("strong", "weak")
    }
    ps = {}
    for run in table.index:
        against = f"original, {run.partition(', ')[2]}"
        pair = means[[run, against]].dropna()
        differences = pair[run] - pair[against]
        row = table.loc[run]
        assert row["against"] == against
        assert row["neurons"] == len(pair)
        assert row["mean difference"] == pytest.approx(differences.mean(), abs=1e-12)
        interval = row["95 % interval lower"], row["95 % interval upper"]
        assert interval == pytest.approx(bootstrap(differences))
        assert [row[f"win / tie / loss {name}"] for name in ("wins", "ties", "losses")] == [
            (differences > 1e-12).sum(),
            (differences.abs() <= 1e-12).sum(),
            (differences < -1e-12).sum(),
        ]
        ps[run] = scipy_stats.wilcoxon(differences).pvalue
        assert row["p (Holm) uncorrected"] == pytest.approx(ps[run])
    for explainer in ("strong", "weak"):
        family = [run for run in ps if run.endswith(explainer)]
        highest = 0.0
        for rank, run in enumerate(sorted(family, key=ps.get)):
            highest = max(highest, min(1.0, (len(family) - rank) * ps[run]))
            assert table.loc[run, "p (Holm)"] == pytest.approx(highest)


def test_prompt_tokens_are_those_of_the_logs(collected, by_hand):
    table = frame(tokens_table(collected.runs)).set_index("run")
    once = by_hand[by_hand.scorer == SIMULATION]
    tokens = once.groupby(["run", "id"]).tokens.mean().unstack("run")
    for run in table.index:
        against = f"original, {run.partition(', ')[2]}"
        assert table.loc[run, "prompt tokens per neuron"] == pytest.approx(tokens[run].mean())
        both = tokens[[run, against]].dropna()
        ratio = both[against].sum() / both[run].sum()
        assert table.loc[run, "fewer than original"] == pytest.approx(ratio)


def paid(event, tokens):
    """Tokens of a request, none if the answer came from the cache or there was none."""
    usage = event.output.usage
    return getattr(usage, tokens) if usage and event.cache != "read" else 0


def test_usage_is_that_of_the_logs(folder, collected):
    table = frame(usage_table(collected.runs)).set_index(["role", "model"])
    logs = [read_eval_log(info) for info in list_eval_logs(folder)]
    events = [
        event
        for log in logs
        for sample in log.samples
        for event in sample.events
        if event.event == "model"
    ]
    counted = pd.DataFrame(
        {
            "role": [event.role or "explainer" for event in events],
            "model": [event.model for event in events],
            "cached": [event.cache == "read" for event in events],
            "prompt": [paid(event, "input_tokens") for event in events],
            "output": [paid(event, "output_tokens") for event in events],
        }
    )
    for (role, model), events in counted.groupby(["role", "model"]):
        row = table.loc[(role, model)]
        assert row["requests"] == len(events)
        assert row["from Inspect's cache"] == pytest.approx(events.cached.mean())
        assert row["prompt tokens"] == events.prompt.sum()
        assert row["output tokens"] == events.output.sum()
    assert len(table) == counted.groupby(["role", "model"]).ngroups + 1
    total = table.xs("total", level="role").iloc[0]
    assert (total["requests"], total["prompt tokens"]) == (len(counted), counted.prompt.sum())


def test_agreement_is_that_of_the_logs(collected, by_hand):
    row = frame(agreement_table(collected.runs)).iloc[0]
    means = by_hand.groupby(["scorer", "run", "id"]).value.mean().unstack("scorer").dropna()
    rhos = {
        run: scipy_stats.spearmanr(one[SIMULATION], one[ADACS]).statistic
        for run, one in means.groupby("run")
        if one.nunique().min() > 1
    }
    assert row["over neurons"] == pytest.approx(np.mean(list(rhos.values())))
    assert row["runs"] == len(rhos) >= 4
    wide = means.unstack("run").dropna()
    per_run = wide.mean().unstack("scorer")
    assert row["common neurons"] == len(wide)
    over_runs = scipy_stats.spearmanr(per_run[SIMULATION], per_run[ADACS]).statistic
    assert row["over runs"] == pytest.approx(over_runs)


def test_failures_are_those_of_the_logs(collected, by_hand):
    table = frame(failures_table(collected.runs))
    assert (table["count"] <= table["of"]).all()
    counts = table.groupby("what")["count"].sum()
    reasons = by_hand.dropna(subset="reason")
    assert counts["not scored: AdaCS"] == (reasons.scorer == ADACS).sum()
    assert counts["not scored: simulation correlation"] == (reasons.scorer == SIMULATION).sum()
    once = by_hand[by_hand.scorer == SIMULATION]
    assert counts["excerpt without values"] == once.failed.map(len).sum()
    assert counts["error"] == once.error.sum() == 6
    errors = table[table.what == "error"].iloc[0]
    assert "the server broke" in errors.reason
    assert errors["of"] == 6 * 7 * 2
    assert "strong" not in errors["where"]
    # The excerpts' names and the reply's place differ, the reason does not.
    assert len(table[table.what == "excerpt without values"]) == 1


# Edge cases, from runs made by hand.


def made_run(format="original", scores=None, *, scorer=SIMULATION, **changes):
    """A run with the given scores of neurons m/L0N0, m/L0N1, …; None was not scored."""
    results = {}
    for i, value in enumerate(scores if scores is not None else [0.1, 0.5, 0.3]):
        id = f"m/L{i % 2}N{i}"
        results[id] = NeuronResult(
            id=id,
            layer=i % 2,
            group="random",
            explanation=f"{format} of {i}",
            scores={} if value is None else {scorer: value},
            unscored={scorer: (f"line {i} holds no number",)} if value is None else {},
            prompt_tokens=100.0,
        )
    settings = {
        "log": f"{format}.eval",
        "created": "2026-01-01T00:00:00",
        "explainer": "openai/gpt-4o-mini",
        "simulator": "openai/gpt-4o (chat)",
        "embedder": "",
        "neurons": "smollm2",
        "version": "1-A",
        "identity": "{}",
        "results": results,
    }
    return Run(format=format, **{**settings, **changes})


def cells(table, heading):
    place = [column.heading for column in table.columns].index(heading)
    return {row[0].text: row[place] for row in table.rows}


def texts(tables):
    """Everything that a reader sees, in every rendering."""
    console = Console(width=120, record=True, file=io.StringIO())
    for table in tables:
        console.print(terminal_table(table))
    rendered = [render(table) for table in tables for render in WAYS.values()]
    return "\n".join([console.export_text(), *rendered])


@pytest.mark.parametrize(
    "runs",
    [
        [made_run()],
        [made_run(scores=[0.5])],
        [made_run(scores=[0.5]), made_run("summary", [0.25])],
        [made_run(scores=[0.5] * 5), made_run("summary", [0.5] * 5)],
        [made_run(scores=[None] * 4), made_run("summary", [None] * 4)],
        [made_run(scores=[0.1, None, 0.3]), made_run("summary", [None, 0.2, None])],
        [made_run(scores=[]), made_run("summary")],
        [made_run(), made_run("summary", [0.9, None, 0.4], simulator="other")],
        [],
    ],
    ids=[
        "one format", "one neuron", "one neuron in two", "all tied", "nothing scored",
        "no common neuron", "no neurons", "two simulators", "no runs",
    ],
)  # fmt: skip
def test_whatever_is_missing_every_table_says_so_without_nan(runs):
    tables = all_tables(Collected(tuple(runs)), by=("layer", "group"))
    assert len(tables) == (8 if runs else 0)
    assert all(table.rows or table.notes for table in tables)
    assert "nan" not in texts(tables).lower().replace("explanation", "")
    assert "None" not in texts(tables)


def test_the_best_is_bold_and_what_cannot_be_told_from_it_marked():
    best = [0.5, 0.6, 0.7, 0.8, 0.9, 0.55] * 4
    near = [0.6, 0.5, 0.8, 0.7, 0.8, 0.54] * 4
    far = [value - 0.3 - 0.01 * i for i, value in enumerate(best)]
    runs = [made_run(scores=far), made_run("summary", best), made_run("avhs", near)]
    found = cells(scores_table(runs), "simulation correlation")
    assert {name for name, cell in found.items() if cell.bold} == {"summary"}
    assert {name for name, cell in found.items() if cell.marked} == {"avhs"}


def test_all_that_are_best_are_bold():
    scores = [0.1, 0.5, 0.3, 0.4] * 5
    runs = [made_run(scores=scores), made_run("summary", scores)]
    found = cells(scores_table(runs), "simulation correlation")
    assert [(cell.bold, cell.marked) for cell in found.values()] == [(True, False)] * 2


def test_no_winner_is_marked_below_20_neurons_in_any_rendering():
    for count, marked in ((19, False), (20, True)):
        best = [0.5 + 0.01 * i for i in range(count)]
        runs = [made_run(scores=[b + 0.01 * (-1) ** i - 0.001 for i, b in enumerate(best)])]
        runs += [made_run("summary", best), made_run("avhs", [b - 0.3 for b in best])]
        table = scores_table(runs)
        found = cells(table, "simulation correlation").values()
        assert any(cell.bold for cell in found) == any(cell.marked for cell in found) == marked
        shown = texts([table])
        assert (r"\textbf" in shown) == ("**" in shown) == (MARK in shown) == marked
        assert ("No mean is bold over fewer than 20 neurons" in shown) == (not marked)
        layers = scores_table(runs, "layer")
        assert not any(cell.bold or cell.marked for row in layers.rows for cell in row)


def test_a_run_alone_is_not_the_best_of_anything():
    table = scores_table([made_run()])
    assert not cells(table, "simulation correlation")["original"].bold
    assert not any("Bold" in note for note in table.notes)


def test_scores_of_different_simulators_are_not_compared():
    runs = [made_run(scores=[0.1, 0.2]), made_run("summary", [0.8, 0.9], simulator="other")]
    table = scores_table(runs)
    found = cells(table, "simulation correlation")
    assert not any(cell.bold or cell.marked for cell in found.values())
    assert any("measured by different models" in note for note in table.notes)
    pairs = paired_table(runs, "original")
    assert not pairs.rows
    assert any("has no original run to be compared with" in note for note in pairs.notes)


def test_without_common_neurons_each_mean_is_its_own_and_nothing_is_compared():
    runs = [made_run(scores=[0.1, None, 0.3]), made_run("summary", [None, 0.8, None])]
    table = scores_table(runs)
    found = cells(table, "simulation correlation")
    assert [cell.value for cell in found.values()] == pytest.approx([0.2, 0.8])
    assert not any(cell.bold or cell.marked for cell in found.values())
    assert any("on different neurons, and compared apart" in note for note in table.notes)
    assert not paired_table(runs, "original").rows


def test_runs_on_other_neurons_restrict_the_others_to_nothing():
    mine = [made_run(scores=[0.1, 0.2, 0.3] * 7), made_run("summary", [0.6, 0.8, 0.9] * 7)]
    theirs = replace(
        made_run("Original", [0.5, 0.5, 0.7] * 7, log="given"),
        results={
            f"other/{i}": replace(n, id=f"other/{i}")
            for i, n in enumerate(mine[0].results.values())
        },
    )
    found = cells(scores_table([*mine, theirs]), "simulation correlation")
    assert found["summary"].bold
    assert [cell.extra[-1] for cell in found.values()] == [21, 21, 21]


def test_runs_that_share_neurons_only_through_a_third_are_together():
    runs = [
        made_run(scores=[0.1, None, None]),
        made_run("summary", [None, None, 0.3]),
        made_run("avhs", [0.1, 0.2, 0.3]),
    ]
    found = compare(runs, SIMULATION)
    assert [[run.format for run in group] for group in found.together] == [
        ["original", "summary", "avhs"]
    ]
    assert any("no neuron was scored in every run" in note for note in found.notes)


def test_runs_and_groups_of_runs_stay_in_the_order_given():
    def on(format, *ids):
        return made_run(
            format,
            results={id: NeuronResult(id, 0, "", "", scores={SIMULATION: 0.5}) for id in ids},
        )

    found = compare([on("a", "1"), on("b", "2"), on("c", "1"), on("d", "2")], SIMULATION)
    assert [[run.format for run in group] for group in found.together] == [["a", "c"], ["b", "d"]]
    found = compare([on("a", "1", "2"), on("b", "3"), on("c", "2", "1", "4")], SIMULATION)
    assert found.common == {"a.eval": ("1", "2"), "b.eval": ("3",), "c.eval": ("1", "2")}
    assert found.left_out == {"a.eval": 0, "b.eval": 0, "c.eval": 1}


@pytest.mark.parametrize(
    ("scores", "neurons", "left"),
    [([0.1, None, None], "1 neuron that was", 2), ([0.1, 0.2, None], "2 neurons that were", 1)],
)
def test_a_sentence_counts_what_is_compared_and_what_is_left_out(scores, neurons, left):
    found = compare([made_run(), made_run("summary", scores)], SIMULATION)
    assert found.notes == (
        f"simulation correlation: compared on the {neurons} scored in every run. "
        f"Left out of the scored ones: {left} of 3 in original.",
    )


def test_a_run_in_which_nothing_was_scored_takes_no_neurons_from_the_others():
    runs = [made_run(), made_run("summary"), made_run("avhs", [None] * 3)]
    found = compare(runs, SIMULATION)
    assert {len(ids) for ids in found.common.values()} == {3}
    assert [run.format for run in found.runs] == ["original", "summary"]
    table = scores_table(runs)
    assert cells(table, "simulation correlation")["avhs"].text == "not scored"
    assert "simulation correlation: nothing was scored in avhs." in table.notes


def test_without_the_baseline_a_sentence_says_which_formats_there_are():
    table = paired_table([made_run("summary"), made_run("avhs")], "original")
    assert not table.rows
    assert "no run of the baseline format original; there are summary, avhs" in table.notes[0]
    assert "only format" in paired_table([made_run()], "Original").notes[0]


def test_any_format_can_be_the_baseline_in_any_case():
    table = paired_table([made_run(), made_run("summary", [0.2, 0.6, 0.5])], "Summary")
    assert [row[1].text for row in table.rows] == ["original"]
    assert table.rows[0][3].value == pytest.approx(-(0.1 + 0.1 + 0.2) / 3)


def test_the_only_baseline_serves_explanations_from_elsewhere_and_no_other_explainer():
    other = made_run("reference", [0.4, 0.8, 0.5], explainer="reference", given=True)
    assert len(paired_table([made_run(), other], "original").rows) == 1
    assert not paired_table([made_run(), replace(other, given=False)], "original").rows
    second = made_run(explainer="else", log="b.eval")
    assert not paired_table([made_run(), second, other], "original").rows


def test_of_several_baselines_the_one_with_the_most_settings_in_common_is_taken():
    def settings(excerpts):
        return {"identity": f'{{"arguments": {{"excerpts": {excerpts}}}}}', "log": f"{excerpts}"}

    runs = [
        made_run(**settings(5)),
        made_run(**settings(9)),
        made_run("summary", **{**settings(9), "log": "s"}),
    ]
    (row,) = paired_table(runs, "original").rows
    assert row[1].text == "summary"
    assert label(runs[1], runs) == "original, excerpts=9"


def test_labels_are_as_short_as_they_can_be():
    mini, large = made_run(), made_run(explainer="openai/gpt-4o", log="b")
    assert label(mini, [mini]) == "original"
    assert label(mini, [mini, large]) == "original, gpt-4o-mini"
    azure = made_run(explainer="azure/gpt-4o", log="c")
    assert label(azure, [large, azure]) == "original, azure/gpt-4o"
    again = made_run(log="logs/again.eval")
    assert label(again, [mini, again]) == "original, again.eval"
    unmeasured = made_run("avhs", simulator="")
    assert label(mini, [mini, unmeasured]) == "original"
    other = made_run("summary", simulator="other")
    assert label(unmeasured, [mini, other, unmeasured]) == "avhs"


def test_a_label_names_the_settings_that_differ_and_no_others():
    runs = [
        made_run(log=f"{seed}.eval", identity=json.dumps({"a": {"seed": seed, "way": "chat"}}))
        for seed in (1, 2)
    ]
    assert [label(run, runs) for run in runs] == ["original, seed=1", "original, seed=2"]


def test_a_setting_that_is_a_list_is_named_as_it_is_typed():
    runs = [
        replace(made_run(), identity=json.dumps({"neurons": {"ignore_tokens": tokens}}))
        for tokens in ([], ["<bos>", "<pad>"])
    ]
    assert [label(run, runs) for run in runs] == [
        "original, ignore_tokens=none",
        "original, ignore_tokens=<bos>,<pad>",
    ]


def test_a_rater_is_told_from_others_of_the_name_by_excerpts_or_number():
    def rater(log, excerpts, name="human/ann"):
        return Rater(log, name, (), excerpts, "", "", ())

    ann, again, held_out = rater("a", "train"), rater("b", "train"), rater("c", "valid")
    bob = rater("d", "train", "human/bob")
    assert rater_label(ann, [ann, bob]) == "human/ann"
    assert rater_label(ann, [ann, held_out, bob]) == "human/ann, train"
    assert rater_label(again, [bob, ann, again, held_out]) == "human/ann, log 2"


def test_simulation_and_adacs_come_first_and_others_as_they_appear():
    rated = made_run("a", scorer="people/rating")
    assert scorers([rated, made_run(scorer=ADACS), made_run()]) == (
        SIMULATION,
        ADACS,
        "people/rating",
    )
    headings = [column.heading for column in scores_table([rated]).columns]
    assert headings == ["run", "neurons", "rating", "rating scored"]


def test_a_share_is_whole_only_where_it_is():
    run = made_run(scores=[0.5] * 400 + [None])
    assert cells(scores_table([run]), "simulation correlation scored")["original"].text == ">99 %"


def test_agreement_of_one_measure_is_a_sentence():
    assert "only simulation correlation has scores" in agreement_table([made_run()]).notes[0]
    nothing = agreement_table([made_run(scores=[None])])
    assert nothing.notes == ("No measures to compare: nothing was scored.",)


def test_agreement_with_a_constant_measure_is_undefined():
    run = made_run(scores=[0.5, 0.5, 0.5, 0.5])
    both = {
        id: NeuronResult(id, 0, "", "", scores={**n.scores, "rating": float(i)})
        for i, (id, n) in enumerate(run.results.items())
    }
    (row,) = agreement_table([made_run(results=both)]).rows
    assert [cell.text for cell in row[2:]] == ["undefined", "0", "0", "undefined", "4"]


def test_intervals_of_few_neurons_come_with_a_warning():
    def warned(table):
        return any("fewer than 20 neurons" in note for note in table.notes)

    for count in (19, 20):
        scores = [0.01 * i for i in range(count)]
        runs = [made_run(scores=scores), made_run("summary", scores[::-1])]
        assert warned(scores_table(runs)) == warned(paired_table(runs, "original")) == (count < 20)
    assert warned(scores_table(runs, "layer"))


def test_by_something_else_is_refused():
    with pytest.raises(ValueError, match="by='neuron': expected one of layer, group"):
        scores_table([made_run()], "neuron")


def test_a_layer_that_is_none_is_named_so():
    puzzle = NeuronResult("p", -1, "", "", scores={SIMULATION: 0.5})
    run = made_run(results={"p": puzzle})
    assert scores_table([run], "layer").rows[0][0].text == "no layer"
    assert scores_table([run], "group").rows[0][0].text == "no group"


# Failures.


def test_reasons_that_differ_in_numbers_ids_and_quotes_are_one():
    reasons = [
        ("a", "excerpt top 3: line 12 holds 'cat' where 'dog' was expected"),
        ("a", "excerpt random 14: line 7 holds 'don\\'t' where 'x' was expected"),
        ("b", "test/L3N17 has no explanation"),
        ("b", "test/L3N17 has no explanation"),
    ]
    found = grouped(reasons)
    assert [(reason.count, reason.by) for reason in found] == [(2, {"a": 2}), (2, {"b": 2})]
    assert found[0].text == "excerpt …: line … holds … where … was expected"
    assert found[1].text == "test/L3N17 has no explanation"


def test_reasons_that_say_something_else_stay_apart():
    assert skeleton("the neuron's reference is empty") != skeleton("the reply is cut off")
    assert skeleton("the neuron's reference isn't there") == "the neuron's reference isn't there"


def test_a_reason_is_short_and_holds_nothing_that_moves_a_cursor():
    (reason,) = grouped([("a", "broken\x1b[2J " + "very " * 100)])
    assert len(reason.text) == 160
    assert "\x1b" not in reason.text


def test_nothing_failed_is_a_sentence():
    table = failures_table([made_run()])
    assert table.notes == ("Nothing failed: 1 run, 3 samples, every one scored.",)


def test_retries_and_skipped_neurons_are_counted():
    results = {"m/N0": NeuronResult("m/N0", 0, "", "", scores={SIMULATION: 0.5}, retries=2)}
    spent = (Spent("openai/gpt-4o", "simulator", requests=9, retries=3),)
    run = made_run(results=results, spent=spent, neurons_skipped=4)
    table = failures_table([run])
    rows = {row[0].text: [cell.text for cell in row[1:]] for row in table.rows}
    assert rows["sample run again"][:2] == ["an error", "2"]
    assert rows["request sent again: simulator"][1:3] == ["3", "9"]
    assert "being missing there: original 4." in table.notes[-1]


def test_a_neuron_without_a_score_or_a_reason_is_a_failure():
    silent = NeuronResult("m/L0N9", 0, "", "", epochs=2)
    run = made_run()
    table = failures_table([made_run(results={**run.results, "m/L0N9": silent})])
    assert [(row[1].text, row[2].value) for row in table.rows] == [
        ("no score and no reason in the log", 2)
    ]


# Prices.


def test_prices_come_from_a_file(tmp_path):
    path = tmp_path / "prices.yaml"
    path.write_text(
        "openai/gpt-4o-mini: {input: 0.15, output: 0.6, cache_read: 0.075}\n"
        "neuron-baseline/lexical: {input: 1}\n"
        "anthropic/x: {input: 3, output: 15, input_cache_read: 0.3, input_cache_write: 3.75}\n"
    )
    prices = read_prices(path)
    spent = Spent(
        "openai/gpt-4o-mini",
        "explainer",
        input_tokens=2_000_000,
        output_tokens=500_000,
        cache_read_tokens=4_000_000,
    )
    assert dollars(spent, price_of(spent.model, prices)) == pytest.approx(0.3 + 0.3 + 0.3)
    assert prices["anthropic/x"] == Price("prices file", 3.0, 15.0, 0.3, 3.75)
    assert price_of("neuron-baseline/lexical", prices).input == 1.0


def test_a_cost_with_an_unknown_part_is_unknown():
    spent = Spent("m", "explainer", input_tokens=10, cache_write_tokens=1)
    assert dollars(spent, Price("prices file", 1.0, 1.0)) is None
    assert dollars(spent, None) is None


def test_what_runs_here_is_free_and_what_inspect_does_not_know_is_unknown():
    assert price_of("embed-local/minilm").source == "run here"
    assert price_of("neuron-baseline/lexical").input == 0.0
    assert price_of("neuron-fake/nobody-knows-it") is None


def test_prices_come_from_inspects_model_data_where_it_has_them():
    from inspect_ai.model import ModelCost, ModelInfo, set_model_info
    from inspect_ai.model._model_info import clear_model_info_cache

    cost = ModelCost(input=1, output=2, input_cache_write=3, input_cache_read=4)
    set_model_info("neuron-fake/priced", ModelInfo(cost=cost))
    try:
        assert price_of("neuron-fake/priced") == Price("Inspect", 1, 2, 4, 3)
    finally:
        clear_model_info_cache()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected models with prices"),
        ("- a\n", "expected models with prices"),
        ("a: [1, 2\n", "not valid YAML"),
        ("a: 3\n", "a: expected prices, for instance"),
        ("3: {input: 1}\n", "3 is no model's name"),
        ("a: {prompt: 1}\n", "a: 'prompt' is none of input, output, cache_read, cache_write"),
        ("a: {input: free}\n", "a: input='free': expected a number of dollars"),
        ("a: {input: true}\n", "a: input=True: expected a number of dollars"),
        ("a: {output: -1}\n", "a: output=-1: expected 0 or more"),
        ("a: {output: .nan}\n", "a: output=nan: expected 0 or more"),
        ("a: {cache_read: 1, input_cache_read: 2}\n", "a: cache_read is given twice"),
    ],
)
def test_a_prices_file_that_is_not_right_is_refused(tmp_path, text, message):
    path = tmp_path / "prices.yaml"
    path.write_text(text)
    with pytest.raises(PricesError) as raised:
        read_prices(path)
    assert str(raised.value).startswith(f"{path}: ")
    assert message in str(raised.value)


def spent_by(model, role="explainer"):
    return Spent(model, role, requests=4, cached=1, input_tokens=300_000, output_tokens=10_000)


@pytest.mark.parametrize(
    ("models", "total", "price"),
    [
        (("known", "embed-local/minilm"), "$0.32", ""),
        (("known", "secret"), "at least $0.32", "unknown in part"),
        (("secret", "embed-local/minilm"), "unknown", "unknown"),
    ],
)
def test_a_total_with_an_unknown_part_is_at_least_the_rest(models, total, price):
    run = made_run(spent=tuple(spent_by(model) for model in models))
    table = usage_table([run], {"known": Price("prices file", 1.0, 2.0)})
    last = table.rows[-1]
    assert (last[0].text, last[-2].text, last[-1].text) == ("total", total, price)
    by_model = cells(
        Table("x", "x", table.columns[1:], tuple(r[1:] for r in table.rows)), "dollars"
    )
    assert by_model.get("secret", Cell("unknown")).text == "unknown"
    assert by_model.get("embed-local/minilm", Cell("$0.00")).text == "$0.00"


def test_prompt_tokens_include_what_the_provider_had_cached():
    spent = Spent("known", "explainer", 1, input_tokens=600, cache_read_tokens=400)
    row = usage_table([made_run(spent=(spent,))]).rows[0]
    assert (row[4].value, row[5].text) == (1000, "40 %")


def test_a_neurons_prompt_tokens_include_what_the_provider_had_cached():
    usage = ModelUsage(
        input_tokens=600, input_tokens_cache_read=300, input_tokens_cache_write=100, output_tokens=1
    )
    output = ModelOutput.from_content("m", "cats")
    output.usage = usage
    sample = EvalSample(id="m/L0N0", epoch=1, input="", target="", output=output)
    assert neuron_result([sample]).prompt_tokens == 1000


def test_without_requests_a_sentence_says_so():
    table = usage_table([made_run()])
    assert not table.rows
    assert table.notes == ("No requests to a model are in the logs.",)
    assert cells(tokens_table([made_run(results={})]), "prompt tokens per neuron")[
        "original"
    ].text == ("no model was asked")


# Rendering.


def golden_runs():
    spent = (
        Spent("openai/gpt-4o-mini", "explainer", 4, 1, 1, 300_000, 10_000, 100_000, 0),
        Spent("openai/gpt-4o", "simulator", 40, 10, 2, 900_000, 60_000),
        Spent("embed-local/minilm", "embedder", 4, 0, 0, 3_000),
    )

    def run(format, simulation, adacs, tokens):
        results = {}
        for i, (one, other) in enumerate(zip(simulation, adacs, strict=True)):
            id = f"gpt2-xl/L{i % 2}N{i}"
            values = {SIMULATION: one, ADACS: other}
            results[id] = NeuronResult(
                id=id,
                layer=i % 2,
                group="random_set" if i < 3 else "clear",
                explanation=f"{format} of {i}",
                scores={name: v for name, v in values.items() if v is not None},
                unscored={
                    name: (f"excerpt top {i}: 100 % of 'a|b' & $x_1$ are <unread>",)
                    for name, v in values.items()
                    if v is None
                },
                prompt_tokens=float(tokens),
                unrelated=0.25,
                errors=("RuntimeError: {broken}\\",) if i == 5 else (),
            )
        return made_run(format, results=results, embedder="embed-local/minilm", spent=spent)

    first, adacs = [0.1, 0.5, 0.3, 0.2, 0.4, None], [0.5, None, 0.7, 0.6, 0.8, 0.4]
    return (
        run("original", first, adacs, 3024),
        run("summary", [0.3, 0.6, None, 0.5, 0.5, None], [0.6, 0.9, 0.6, 0.7, 0.7, 0.5], 1097),
        run("highlight_summary", [0.4, 0.5, 0.1, 0.6, 0.3, 0.7], adacs, 1178),
    )


def golden_tables():
    prices = {"openai/gpt-4o-mini": Price("prices file", 0.15, 0.6, 0.075)}
    return all_tables(Collected(golden_runs()), prices=prices, by=("layer", "group"))


def terminal_text(tables):
    console = Console(width=120, record=True, file=io.StringIO())
    for table in tables:
        console.print(terminal_table(table))
    return console.export_text()


RENDERED = {
    "md": lambda tables: "\n".join(map(markdown, tables)),
    "csv": lambda tables: "\n".join(map(csv_text, tables)),
    "tex": lambda tables: "\n".join(map(latex, tables)),
    "txt": terminal_text,
}


@pytest.mark.parametrize("ending", RENDERED)
def test_the_rendered_tables_are_the_golden_ones(ending):
    text = RENDERED[ending](golden_tables())
    path = GOLDEN / f"report_tables.{ending}"
    if os.environ.get("NEURON_EVAL_UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text


def test_tables_are_written_each_in_every_way(tmp_path):
    tables = golden_tables()
    write_tables(tables, tmp_path / "out" / "tables")
    assert len(list((tmp_path / "out/tables").iterdir())) == 3 * len(tables)
    with (tmp_path / "out/tables/scores.csv").open(newline="", encoding="utf-8") as file:
        assert len(list(csv.reader(file))) == 4


def test_csv_holds_the_number_in_full():
    table = Table("x", "x", (Column("a", True),), ((Cell("0.3", 0.1 + 0.2),),))
    assert csv_text(table) == "a\n0.30000000000000004\n"


TRICKY = "a|b *c* _d_ e_f <g> `h` [i](j) $k$ 50 % & # ~ ^ {l} \\m"


def test_markup_in_a_text_stays_text():
    table = Table("x", TRICKY, (Column("a"),), ((Cell(TRICKY),),), (TRICKY,))
    shown = markdown(table)
    assert r"a\|b \*c\* \_d\_ e_f \<g> \`h\` [i\](j) \$k\$" in shown
    typeset = latex(table)
    for escaped in (
        r"\_\allowbreak{}d\_\allowbreak{}",
        r"\$k\$",
        r"50 \% \& \#",
        r"\textasciitilde{} \textasciicircum{}",
    ):
        assert escaped in typeset
    assert r"\{l\} \textbackslash{}m" in typeset


def test_latex_sets_signs_the_best_and_the_mark():
    row = (Cell("-0.5 [-1.0, +0.2]", bold=True), Cell("gpt-4o", marked=True))
    text = latex(Table("x", "x", (Column("a", True), Column("b")), (row,)))
    assert r"\textbf{$-$0.5 [$-$1.0, $+$0.2]} & gpt-4o$^\dagger$ \\" in text
    assert r"\begin{tabular}{@{}rl@{}}" in text
    assert text.index(r"\toprule") < text.index(r"\midrule") < text.index(r"\bottomrule")


def test_a_table_without_rows_is_its_title_and_its_sentences():
    table = Table("x", "Nothing", (Column("a"),), (), ("No run to show.",))
    assert markdown(table) == "## Nothing\n\nNo run to show.\n"
    assert "No run to show." in latex(table)
    assert csv_text(table) == "a\n"
    assert "Nothing" in terminal_text([table])


def test_the_terminals_tables_fit_and_break_no_number():
    text = terminal_text(golden_tables())
    assert max(map(len, text.splitlines())) <= 120
    for table in golden_tables():
        for row in table.rows:
            for column, cell in zip(table.columns, row, strict=True):
                assert not column.numeric or cell.text in text


def test_a_table_is_held_to_its_shape():
    with pytest.raises(ValueError, match="1 cells, 2 columns"):
        Table("x", "x", (Column("a"), Column("b")), ((Cell("1"),),))
    with pytest.raises(ValueError, match="twice"):
        Table("x", "x", (Column("a"), Column("a")), ())


def test_a_baseline_of_another_explainer_is_named_beside_the_difference():
    other = made_run("summary", [0.4, 0.8, 0.5], explainer="reference", given=True)
    table = paired_table([made_run(), other], "original")
    column = [one.heading for one in table.columns].index("against")
    assert [row[column].text for row in table.rows] == ["original, gpt-4o-mini"]
    same = paired_table([made_run(), made_run("summary", [0.4, 0.8, 0.5])], "original")
    assert "against" not in [one.heading for one in same.columns]


def test_of_several_baselines_the_most_alike_is_taken_in_whatever_order_they_come():
    def alike(excerpts, seed):
        settings = {"excerpts": excerpts, "seed": seed, "way": "chat"}
        return {"identity": json.dumps(settings), "log": f"{excerpts}-{seed}"}

    first, second = made_run(**alike(5, 1)), made_run(**alike(9, 1))
    run = made_run("summary", **{**alike(9, 2), "log": "s"})
    for runs in ([first, second, run], [second, first, run]):
        assert baseline_of(run, runs, "original", SIMULATION) is second


def test_a_run_that_cannot_be_compared_stops_no_other():
    unscored = made_run("avhs", [None, None, None])
    elsewhere = made_run("summary", explainer="else", log="else.eval")
    compared = made_run("highlight", [0.2, 0.6, 0.4])
    found, notes = comparisons([made_run(), unscored, elsewhere, compared], "original", SIMULATION)
    assert [one.run.format for one in found] == ["highlight"]
    assert len(notes) == 1


# Tables that register themselves.


@pytest.fixture
def registry(monkeypatch):
    monkeypatch.setattr(base, "MAKERS", dict(base.MAKERS))
    monkeypatch.setattr(tables, "MAKERS", base.MAKERS)


def test_a_table_of_ones_own_comes_after_those_of_the_paper(registry):
    @base.report_table("longest")
    def longest(runs, baseline):
        words = max(n.explanation.count(" ") for run in runs for n in run.results.values())
        return Table("longest", f"Not {baseline}", (Column("words"),), ((Cell(str(words)),),))

    assert tables.table_names()[-1] == "longest"
    made = all_tables(Collected(golden_runs()))
    assert [table.name for table in made][-2:] == ["failures", "longest"]
    assert (made[-1].title, made[-1].rows[0][0].text) == ("Not original", "2")
    rater = Rater("a.eval", "human/a", ("x",), "train", "0a1b", "{}", ())
    assert "longest" not in [table.name for table in all_tables(Collected((), raters=(rater,)))]


def test_a_table_that_cannot_be_made_or_told_from_another_is_refused(registry):
    with pytest.raises(ValueError, match="report table scores is registered twice"):
        base.report_table("other", "scores")(lambda runs: [])
    with pytest.raises(ValueError, match="known for the parameter 'logs'; expected some of runs"):
        base.report_table("other")(lambda logs: [])
    base.report_table("other")(lambda runs: Table("another", "x", (Column("a"),), ()))
    with pytest.raises(ValueError, match="table another is registered as other"):
        all_tables(Collected(golden_runs()))


GOLDEN = Path(__file__).parents[1] / "golden"

WORDS = (" cat", " dog", " oak", " red", " sun", " sea", " ice")


# Real logs: seven neurons, three formats, two explainers, two epochs, and what can go wrong.


def explain(name):
    def answer(prompt):
        word = next(word for word in WORDS if word in prompt)
        if name == "weak" and word == " sun":
            raise RuntimeError("the server broke")
        luck = zlib.crc32(f"{name}{prompt}".encode()) % 4
        return " ".join([word.strip(), "the", "old", "river"][: 1 + luck])

    return fake_explainer(answer, name=name).model


def simulate():
    """Marks an explanation's words; gives up on some excerpts, and on one neuron for good."""
    good = fake_simulator(
        lambda explanation, tokens: [
            9.0 * (token.strip() in explanation.split()) + len(token) % 3 for token in tokens
        ],
        name="good",
    ).model

    def respond(messages, config):
        text = "".join(message.text for message in messages)
        if "of test/L0N6" in text or "top6" in text:
            return ModelOutput.from_content("neuron-fake/simulator", "I would rather not.")
        return good.api._respond(messages, config)

    return fake("simulator", respond).model


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("report")
    neurons = [
        make_neuron(
            f"test/L{i % 2}N{i}",
            word,
            layer=i % 2,
            neuron=i,
            reference=None if i == 2 else f"{word.strip()}s and the like",
        )
        for i, word in enumerate(WORDS)
    ]
    schema.write(path / "n.jsonl", neurons)

    def letters(text):
        return [text.count(c) + 0.1 for c in "abcdefghijklmnopqrstuvwxyz"]

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INSPECT_CACHE_DIR", str(path / "cache"))
        patch.setenv("INSPECT_DISPLAY", "none")
        patch.delenv("OPENAI_API_KEY", raising=False)
        roles = {"embedder": fake_embedder(letters).model, "simulator": simulate()}
        makers = (formats.original, formats.summary, formats.avhs)
        for name in ("strong", "weak"):
            eval(
                [
                    make(
                        neurons=str(path / "n.jsonl"),
                        simulation="chat",
                        excerpts_per_call=1,
                        calibration="none",
                    )
                    for make in makers
                ],
                model=explain(name),
                model_roles=roles,
                log_dir=str(path / "logs"),
                fail_on_error=False,
                epochs=2,
            )
    return str(path / "logs")


@pytest.fixture(scope="module")
def collected(folder):
    return collect([folder])


@pytest.fixture(scope="module")
def by_hand(folder):
    """A row per sample and scorer, straight from the logs."""
    rows = []
    for info in list_eval_logs(folder):
        log = read_eval_log(info)
        for sample in log.samples:
            about = {
                "run": f"{log.eval.metadata['task_format']}, {log.eval.model.partition('/')[2]}",
                "id": sample.id,
                "layer": sample.metadata["layer"],
                "error": sample.error is not None,
                "tokens": sample.output.usage.input_tokens if sample.output.usage else None,
            }
            for name in (SIMULATION, ADACS):
                score = (sample.scores or {}).get(name)
                value = score.value if score else math.nan
                about_score = (score.metadata or {}) if score else {}
                rows.append(
                    {
                        **about,
                        "scorer": name,
                        "value": value,
                        "reason": score.reason if score and math.isnan(value) else None,
                        "unrelated": about_score.get("unrelated_mean"),
                        "failed": about_score.get("failures", []),
                    }
                )
    return pd.DataFrame(rows)


def frame(table):
    return pd.read_csv(io.StringIO(csv_text(table)), keep_default_na=False, na_values=[""])


def by_neuron(samples, scorer):
    """Neurons by runs: epochs averaged, common neurons only."""
    one = samples[samples.scorer == scorer]
    means = one.groupby(["run", "id"]).value.mean().unstack("run")
    return means.dropna(axis="columns", how="all").dropna()


def bootstrap(values):
    found = scipy_stats.bootstrap(
        (np.sort(values),),
        np.mean,
        confidence_level=widened_level(len(values)),
        n_resamples=10_000,
        batch=1_000,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return found.low, found.high
