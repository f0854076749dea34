"""What Python users import from neuron_eval; the examples of the docstrings are run."""

import doctest
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

import neuron_eval
from neuron_eval import compare, load_neurons, report, show
from neuron_eval.cli.compare import compare as compare_command
from neuron_eval.cli.report import report as report_command
from neuron_eval.comparison.calling import UnfinishedError
from neuron_eval.messages import InputError
from neuron_eval.records import ActivationRecord, NeuronRecord
from neuron_eval.reporting.collecting import Collected
from neuron_eval.reporting.notebook import Report
from neuron_eval.reporting.tables.base import Cell, Column, Table
from neuron_eval.reporting.verdict import Verdict
from neuron_eval.task import Parameters

ROOT = Path(__file__).parents[1]
BASELINE = "neuron-baseline/lexical"


class Printed(doctest.OutputChecker):
    """What an eval prints of its progress is no part of an example."""

    def check_output(self, want, got, optionflags):
        return not want or super().check_output(want, got, optionflags)


def run_example(name):
    """Run the example of a public function's docstring, in the working folder."""
    (example,) = doctest.DocTestFinder(recurse=False).find(getattr(neuron_eval, name), name)
    assert example.examples
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    failed = []
    doctest.DocTestRunner(Printed(), optionflags=flags).run(example, out=failed.append)
    assert not failed, "".join(failed)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder in which the example of `compare` has been run."""
    made = tmp_path_factory.mktemp("examples")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(made)
        run_example("compare")
    return made


@pytest.mark.parametrize("name", ["load_neurons", "show", "report"])
def test_the_examples_of_the_docstrings_give_what_they_say(name, folder, monkeypatch):
    monkeypatch.chdir(folder)
    run_example(name)


def test_every_public_name_is_there_and_has_a_docstring():
    for name in neuron_eval.__all__:
        assert getattr(neuron_eval, name).__doc__, name
        assert name in dir(neuron_eval)
    assert {name for names in neuron_eval._PLACES.values() for name in names} == set(
        neuron_eval.__all__
    )
    with pytest.raises(AttributeError, match="no attribute 'sumary'"):
        neuron_eval.sumary  # noqa: B018


def test_importing_the_package_imports_nothing_else():
    code = "import sys, neuron_eval; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    names = done.stdout.split()
    assert "neuron_eval" in names
    assert not [name for name in names if name.startswith(("neuron_eval.", "inspect_ai"))]


def test_functions_name_their_arguments_as_the_commands_name_their_options():
    import inspect

    def options(command):
        return {p.name for p in command.params} - {"help", "config"}

    ours = set(inspect.signature(report).parameters)
    assert ours <= options(report_command)
    ours = set(inspect.signature(compare).parameters) - {"parameters"}
    assert ours <= options(compare_command)
    assert options(compare_command) - ours - {"dry_run", "report", "pilot", "shards", "on"} <= set(
        Parameters.__annotations__
    )


def test_a_neuron_is_drawn_in_html_in_which_no_token_is_markup():
    tokens = ("<script>", " &amp;", "\n", ' "x"')
    record = ActivationRecord(tokens, (0.0, 2.0, 1.0, 0.4))
    neuron = replace(load_neurons("smollm2", limit=1)[0], top=(record,) * 20, cutoff=1.5)
    html = show(neuron, excerpts=2)._repr_html_()
    assert "<script" not in html
    assert html.count("&lt;script&gt;") == 2
    assert html.count(' title="2">') == 2
    assert "&amp;amp;</b>" in html
    assert "⏎</span>" in html
    assert "top: 2 of 20" in html


def test_a_neuron_as_text_marks_what_activates_highly():
    record = ActivationRecord(("a", " b", " c"), (0.0, 2.0, 1.0))
    text = repr(show(NeuronRecord("m/L0N0", "m", 0, 0, top=(record,), cutoff=1.5)))
    assert text.endswith("top: 1 of 1\n2  a[ b] c")
    assert "random" not in text


def test_showing_no_excerpt_is_an_error():
    with pytest.raises(InputError, match="excerpts=0: expected a whole number of at least 1"):
        show(load_neurons("puzzles", limit=1)[0], excerpts=0)


def test_neurons_are_chosen_as_the_tasks_choose_them():
    neurons = load_neurons("smollm2", layers=[2, "20-27"], select="random", per_layer=1)
    assert [neuron.layer for neuron in neurons] == [2, 20, 24, 27]
    with pytest.raises(InputError, match="per_layer=1: has a part in select=random"):
        load_neurons(per_layer=1)


def test_a_report_is_tables_for_people_and_dataframes(folder, tmp_path):
    result = report(folder / "logs" / "compare", out=tmp_path / "out")
    for name in result:
        assert isinstance(result[name], pd.DataFrame)
    assert len(result) == len(result.tables)
    assert (tmp_path / "out" / "index.html") == result.page
    html = result._repr_html_()
    assert html.count("<table>") == sum(bool(table.rows) for table in result.tables)
    assert "index.html" in html
    assert "Scores by run" in repr(result)
    with pytest.raises(KeyError, match="no table 'score'; there are scores, paired"):
        result["score"]


def test_no_text_of_a_report_is_markup_in_a_notebook():
    cell = Cell("<i>a&b</i>", bold=True)
    table = Table("t", "<b>T</b>", (Column("<u>"),), ((cell,),), ("<s>note</s>",))
    html = Report(Collected(()), (table,), Verdict(("<h1>",)), ("<p>",))._repr_html_()
    assert not re.findall(r"<(?:i|u|s|h1)\b[^>]*>(?!&lt;p&gt;)", html)
    assert "<b>&lt;i&gt;a&amp;b&lt;/i&gt;</b>" in html


def test_what_costs_too_much_or_nobody_knows_what_needs_a_yes(tmp_path):
    with pytest.raises(InputError, match=r"not known: no price for openai/nobody.*yes=True"):
        compare("openai/nobody", limit=1, simulation="none", log_dir=str(tmp_path / "logs"))
    assert not (tmp_path / "logs").exists()


def test_an_argument_that_does_not_exist_is_pythons_error(tmp_path):
    with pytest.raises(TypeError, match="unexpected keyword argument 'layer'"):
        compare(BASELINE, layer=3, log_dir=str(tmp_path / "logs"))


def test_a_comparison_that_is_not_finished_says_what_failed(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "neuron_eval.comparison.calling.running.unfinished", lambda logs: ["summary: 1 of 1 failed"]
    )
    with pytest.raises(UnfinishedError, match="summary: 1 of 1 failed"):
        compare(
            BASELINE, formats="summary", limit=1, simulation="none",
            log_dir=str(tmp_path / "logs"),
        )  # fmt: skip


def test_the_models_are_asked_first_unless_check_is_false(tmp_path, monkeypatch):
    monkeypatch.setenv("LOCAL_API_KEY", "none")
    monkeypatch.setenv("LOCAL_BASE_URL", "http://127.0.0.1:9/v1")
    options = {"formats": "summary", "simulation": "none", "limit": 1, "retries": 0, "yes": True}
    with pytest.raises(InputError, match=r"cannot be reached.*check=False") as raised:
        compare("openai-api/local/m", **options, log_dir=str(tmp_path / "logs"))
    assert "--no-check" not in str(raised.value)
