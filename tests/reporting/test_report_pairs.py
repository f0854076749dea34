"""Two runs set against each other: by name, or because there are no others."""

from dataclasses import replace

import pytest
from click.testing import CliRunner
from made_up_runs import FORMATS, five_formats, neuron, run

from neuron_eval.cli.main import main
from neuron_eval.messages import InputError
from neuron_eval.reporting.collecting import Collected
from neuron_eval.reporting.differences import Pair, comparisons, pair_of, paired_scores
from neuron_eval.reporting.rendering import csv_text, markdown
from neuron_eval.reporting.tables import all_tables
from neuron_eval.reporting.tables.paired import pair_table, paired_table

SIMULATION = "simulation_correlation"


def scored(format, scores, **more):
    return run(format, [neuron(i, score) for i, score in enumerate(scores)], **more)


def two_models():
    return [
        scored("summary", [0.1 * i for i in range(5)], explainer=f"maker/{model}", log=model)
        for model in ("mini", "large")
    ]


def test_two_runs_are_a_pair_and_the_baseline_is_the_other():
    first, second = scored("original", [0.1]), scored("summary", [0.2])
    assert pair_of([first, second]) == pair_of([second, first]) == Pair(second, first)
    assert pair_of([first, second], "summary") == Pair(first, second)
    assert pair_of([first]) is None
    assert pair_of(five_formats().runs) is None


def test_two_runs_without_the_baseline_are_compared_with_each_other():
    runs = (scored("summary", [0.1, 0.2, 0.4]), scored("avhs", [0.2, 0.4, 0.8]))
    tables = {t.name: t for t in all_tables(Collected(runs, pair=pair_of(runs)))}
    (row,) = tables["paired"].rows
    assert tables["paired"].title == "Difference from summary"
    assert (row[1].text, row[3].text) == ("avhs", "+0.233")


def test_two_models_of_the_baselines_format_are_compared_with_each_other():
    runs = two_models()
    table = paired_table(runs, "summary", pair_of(runs, "summary"))
    assert table.title == "Difference from summary, mini"
    assert [row[1].text for row in table.rows] == ["summary, large"]


@pytest.mark.parametrize("name", ["avhs", "AVHS", " avhs "])
def test_a_pair_is_named_as_the_report_names_runs(name):
    runs = five_formats().runs
    pair = pair_of(runs, names=(name, "summary"))
    assert (pair.run.format, pair.other.format) == ("avhs", "summary")
    (compared,), _ = comparisons(runs, "original", SIMULATION, pair)
    assert compared.paired.mean == pytest.approx(0.3)


def test_the_beginning_of_a_name_will_do_where_only_one_begins_so():
    runs = [*two_models(), scored("avhs", [0.5], explainer="maker/mini")]
    assert pair_of(runs, names=("avhs", "summary, mini")) == Pair(runs[2], runs[0])
    with pytest.raises(InputError, match="could be any of 'summary, mini', 'summary, large'"):
        pair_of(runs, names=("avhs", "summary"))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("sumary", "avhs"), r"'sumary' is the name of no run\. .*; did you mean summary\?"),
        (("nothing like it", "avhs"), r"no run\. The runs are 'original', 'summary', 'highlight'"),
        (("avhs", "AVHS"), "both names are of one run, 'avhs'. The runs are"),
    ],
)
def test_a_name_of_no_run_is_answered_with_the_runs(names, message):
    with pytest.raises(InputError, match=message):
        pair_of(five_formats().runs, names=names)


def test_neurons_that_differ_most_come_first():
    runs = scored("a", [0.5, 0.1, 0.9, 0.4]), scored("b", [0.4, 0.7, 0.8, 0.4])
    neurons = paired_scores(Pair(*runs), SIMULATION)
    assert list(neurons) == ["toy/L1N1", "toy/L0N0", "toy/L2N2", "toy/L0N3"]
    assert [own - other for own, other in neurons.values()] == pytest.approx([-0.6, 0.1, 0.1, 0.0])


def test_a_neuron_that_one_of_them_has_not_got_is_in_no_pair():
    runs = scored("a", [0.5, 0.1]), scored("b", [0.4, 0.7, 0.8])
    assert len(paired_scores(Pair(*runs), SIMULATION)) == 2


def test_scores_of_different_simulators_are_no_pairs_and_a_sentence_says_why():
    runs = scored("a", [0.5, 0.1]), scored("b", [0.4, 0.7], simulator="maker/other (chat)")
    pair = Pair(*runs)
    assert not paired_scores(pair, SIMULATION)
    table = paired_table(runs, "original", pair)
    assert not table.rows
    assert "not compared, because different models measured it: maker/simulator" in table.notes[-1]
    (by_neuron,) = pair_table(runs, pair)
    assert not by_neuron.rows
    assert "have none that can be compared" in by_neuron.notes[0]


def test_the_table_of_neurons_shows_ten_and_its_csv_file_has_all():
    runs = five_formats(25).runs
    (table,) = pair_table(runs, Pair(runs[1], runs[0]))
    assert len(markdown(table).splitlines()) == 2 + 2 + 10 + 2
    assert len(csv_text(table).splitlines()) == 1 + 25
    assert table.notes == ("15 more neurons are in tables/pair.csv.",)


def test_a_long_explanation_is_cut_in_the_table():
    runs = [run(name, [neuron(0, explanation="very\nlong " * 50)]) for name in "ab"]
    (table,) = pair_table(runs, Pair(*runs))
    assert table.rows[0][-1].text == ("very long " * 10) + "…"


def test_only_two_runs_have_a_table_of_neurons():
    collected = five_formats()
    assert "pair" not in [table.name for table in all_tables(collected)]
    pair = replace(collected, pair=Pair(*collected.runs[:2]))
    assert "pair" in [table.name for table in all_tables(pair)]


def test_the_command_takes_two_names(monkeypatch):
    monkeypatch.setattr("neuron_eval.reporting.notebook.collect", lambda *_, **__: five_formats())
    result = CliRunner().invoke(main, ["report", "logs", "--compare", "avhs", "summary"])
    assert result.exit_code == 0, result.output
    assert "Difference from summary" in result.output
    wrong = CliRunner().invoke(main, ["report", "logs", "--compare", "avhs", "sumary"])
    assert wrong.exit_code == 1
    assert "; did you mean summary?" in wrong.output
    assert all(name in wrong.output for name in FORMATS)


def test_a_baseline_that_is_named_and_that_no_run_is_of_is_refused(monkeypatch):
    monkeypatch.setattr("neuron_eval.reporting.notebook.collect", lambda *_, **__: five_formats())
    wrong = CliRunner().invoke(main, ["report", "logs", "--baseline", "sumary"])
    assert wrong.exit_code == 1
    assert "baseline='sumary': no run is of this format; there are" in wrong.output
    assert wrong.output.rstrip().endswith("; did you mean summary?")
    assert CliRunner().invoke(main, ["report", "logs", "--baseline", "Summary"]).exit_code == 0
