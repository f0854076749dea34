"""The rows per run and neuron, written and read back by pandas (which comes with datasets)."""

import json
import math
from dataclasses import replace

import pandas
import pytest
from made_up_runs import five_formats, neuron, run

from neuron_eval.given.reading import read_table
from neuron_eval.logs.spending import Spent
from neuron_eval.reporting.collecting import Collected
from neuron_eval.reporting.exports.rows import ENDINGS, neuron_rows, row_fields, write_rows
from neuron_eval.reporting.page import write_report
from neuron_eval.reporting.tables import all_tables

ODD = 'a "quoted", text\nof two lines; =1+1, café 漢字 🙂'
READ = {
    ".csv": lambda path: pandas.read_csv(path, keep_default_na=False, na_values=[""]),
    ".jsonl": lambda path: pandas.read_json(path, lines=True, dtype=False, precise_float=True),
    ".parquet": pandas.read_parquet,
}


def written(path, *runs):
    write_rows(path, row_fields(runs), neuron_rows(runs))
    return READ[path.suffix](path)


@pytest.mark.parametrize("ending", ENDINGS)
def test_pandas_reads_every_score_back_in_full_and_none_where_there_is_none(tmp_path, ending):
    runs = five_formats(6).runs
    frame = written(tmp_path / f"n{ending}", *runs)
    assert len(frame) == 5 * 6
    rows = iter(frame.to_dict("records"))
    for one in runs:
        for id in sorted(one.results, key=lambda id: (one.results[id].layer, id)):
            row, result = next(rows), one.results[id]
            assert (row["id"], row["run"], row["layer"]) == (id, one.format, result.layer)
            assert row["simulation_correlation"] == result.scores["simulation_correlation"]
            if "adacs" in result.scores:
                assert row["adacs"] == result.scores["adacs"]
                assert pandas.isna(row["unscored"])
            else:
                assert math.isnan(row["adacs"])
                assert row["unscored"] == "adacs: no reference explanation"
            assert pandas.isna(row["neuron"])
            assert (row["simulator"], row["simulation"]) == ("maker/simulator", "all_at_once")


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("text", [ODD, "=SUM(A1)", "+1", "-1", "@x", "NA", "nan", "a\r\nb", " x "])
def test_texts_survive_as_they_are(tmp_path, ending, text):
    neurons = [neuron(1, explanation=text), neuron(2, explanation="dogs")]
    frame = written(tmp_path / f"n{ending}", run(neurons=neurons))
    assert list(frame["explanation"]) == [text, "dogs"]
    table = read_table(str(tmp_path / f"n{ending}"))
    assert table.columns == ("explanation",)
    assert table.texts["explanation"] == {"toy/L1N1": text, "toy/L2N2": "dogs"}


def test_half_a_character_is_written_as_the_sign_for_it(tmp_path):
    frame = written(tmp_path / "n.csv", run(neurons=[neuron(1, explanation="x\ud800")]))
    assert list(frame["explanation"]) == ["x\ufffd"]


def test_an_empty_explanation_is_a_reply_and_no_reference_is_none(tmp_path):
    written(tmp_path / "n.jsonl", run(neurons=[neuron(1, explanation="")]))
    row = json.loads((tmp_path / "n.jsonl").read_text())
    assert (row["explanation"], row["reference"]) == ("", None)


def test_further_scores_have_columns_and_one_that_takes_a_fields_name_is_told_apart():
    scores = {"simulation_correlation": 0.5, "simulation_correlation_gpt-4o": 0.25, "group": 1.0}
    one = run(neurons=[neuron(1, scores=scores, unscored={})])
    (row,) = neuron_rows([one])
    assert row["simulation_correlation_gpt-4o"] == 0.25
    assert (row["group"], row["score_group"]) == ("clear", 1.0)
    assert list(row_fields([one])).count("group") == 1


def test_each_reason_and_what_broke_stands_there_once():
    reasons = {"adacs": ("no reference explanation", "no reference explanation", "other")}
    one = run(neurons=[neuron(1, unscored=reasons, errors=("the server said no",))])
    (row,) = neuron_rows([one])
    assert row["unscored"] == (
        "adacs: no reference explanation; adacs: other; error: the server said no"
    )


def test_tokens_are_those_of_the_role_and_missing_where_nobody_counts_them():
    asked = Spent("maker/a", "explainer", requests=2, input_tokens=70, output_tokens=9,
                  cache_read_tokens=30)  # fmt: skip
    again = Spent("maker/b", "simulator", requests=3, cached=3)
    silent = Spent("maker/b", "simulator", requests=3)
    for simulated, expected in ((again, 0), (silent, None)):
        (row,) = neuron_rows([run(neurons=[neuron(1, spent=(asked, simulated), epochs=2)])])
        assert (row["explainer_input_tokens"], row["explainer_output_tokens"]) == (100, 9)
        assert row.get("simulator_input_tokens") == expected
        assert row["epochs"] == 2


def test_neurons_come_by_layer_and_index_as_numbers():
    ten, two, last = (
        neuron(i, id=f"t/L{layer}N{index}", layer=layer, neuron=index)
        for i, (layer, index) in enumerate([(10, 3), (2, 40), (2, 5)])
    )
    rows = neuron_rows([run(neurons=[ten, two, last])])
    assert [row["id"] for row in rows] == ["t/L2N5", "t/L2N40", "t/L10N3"]


def test_every_report_has_the_rows_beside_its_tables(tmp_path):
    runs = five_formats(2).runs
    second = replace(runs[1], log="file:///logs/other.eval", explainer="maker/other")
    collected = Collected((*runs, second))
    write_report(collected, all_tables(collected), tmp_path, "original", bundle=False)
    as_csv = READ[".csv"](tmp_path / "tables" / "neurons.csv")
    as_json = READ[".jsonl"](tmp_path / "tables" / "neurons.jsonl")
    assert list(as_csv.columns) == list(as_json.columns)
    assert list(as_csv["explanation"]) == list(as_json["explanation"])
    assert "summary, other" in set(as_csv["run"])
