"""Which logs a report is made of, and what it leaves alone in its folder."""

from dataclasses import replace
from itertools import product

import pytest
from inspect_ai import eval
from inspect_ai.log import read_eval_log, write_eval_log
from made_up_runs import five_formats, neuron, run

from neuron_eval.logs.sanity import SanityChecks
from neuron_eval.measures import MEASURES
from neuron_eval.prompts.wording import REWRITINGS
from neuron_eval.reporting.collecting import Collected, collect
from neuron_eval.reporting.differences import Pair
from neuron_eval.reporting.figures import FIGURES, write_figures
from neuron_eval.reporting.page import write_report
from neuron_eval.reporting.raters import Rater
from neuron_eval.reporting.tables import all_tables, table_names
from neuron_eval.sanity import CHECKS, REWRITTEN, SAMPLES, CheckResult
from neuron_eval.sources import schema
from neuron_eval.tasks import formats
from neuron_eval.testing import fake_embedder, make_neuron


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """A log of three neurons."""
    folder = tmp_path_factory.mktemp("files")
    path = folder / "n.jsonl"
    words = (" cat", " dog", " oak")
    schema.write(path, [make_neuron(f"t/L0N{i}", w, neuron=i) for i, w in enumerate(words)])
    task = formats.summary(neurons=str(path), excerpts=2)
    done = eval(
        task,
        model="neuron-baseline/lexical",
        model_roles={"embedder": fake_embedder(lambda text: [float(len(text)), 1.0]).model},
        log_dir=str(folder / "logs"),
        display="none",
    )
    assert done[0].status == "success"
    return done[0].location


def copy(log, path, *, version="1-A", created="2026-01-01T00:00:00+00:00", samples=3):
    """The same log with fewer samples, another version or another date."""
    made = read_eval_log(log)
    made.eval.task_version, made.eval.created = version, created
    made.samples = made.samples[:samples]
    made.results.completed_samples = samples
    write_eval_log(made, str(path))


def test_of_what_was_run_twice_the_log_with_the_most_samples_is_taken(log, tmp_path):
    copy(log, tmp_path / "a.eval")
    copy(log, tmp_path / "b.eval", created="2026-01-02T00:00:00+00:00", samples=2)
    found = collect([str(tmp_path)])
    assert [len(run.results) for run in found.runs] == [3]
    assert found.notes == ("b.eval left out: run again as a.eval with the same settings",)


def test_of_equally_large_logs_the_newest_is_taken(log, tmp_path):
    copy(log, tmp_path / "a.eval")
    copy(log, tmp_path / "b.eval", created="2026-01-02T00:00:00+00:00")
    assert [run.log.rpartition("/")[2] for run in collect([str(tmp_path)]).runs] == ["b.eval"]


def test_a_larger_log_of_an_older_version_does_not_take_the_newer_ones_place(log, tmp_path):
    copy(log, tmp_path / "a.eval")
    copy(log, tmp_path / "b.eval", version="2-A", samples=2)
    found = collect([str(tmp_path)])
    assert [(run.version, len(run.results)) for run in found.runs] == [("2-A", 2)]
    assert found.notes == (
        "a.eval left out: task version 1-A, whose scores cannot be compared with those of "
        "version 2",
    )


def test_a_report_removes_its_own_old_files_and_nobody_elses(tmp_path):
    mine, old = tmp_path / "figures" / "mine.png", tmp_path / "tables" / "scores_by_layer.csv"
    for path in (mine, old):
        path.parent.mkdir()
        path.write_text("kept?")
    one = Collected(five_formats(2).runs[:1])
    write_report(one, all_tables(one), tmp_path, "original", bundle=False)
    assert mine.read_text() == "kept?"
    assert not old.exists()


def test_every_table_and_figure_has_its_name_in_the_list_that_is_cleared(tmp_path):
    collected = five_formats()
    rater = Rater("a.eval", "human/a", ("x",), "train", "0a1b", "{}", ())
    pair = Pair(*collected.runs[:2])
    measured = run("measured", [neuron(0, measures={"f1": 0.5, "f1_random": None})])
    controls = tuple(
        run(name, [neuron(i, level + i / 9) for i in range(9)], given=True, control=name)
        for name, level in (("reference", 0.5), ("shuffled", 0.0), ("false", 0.1))
    )
    checked = {k: CheckResult(9, 9, -0.5) for k in product(MEASURES, SAMPLES, CHECKS)}
    checks = SanityChecks("s.eval", 9, "checks", dict.fromkeys(SAMPLES, "text"), checked)
    judged = {("detection", REWRITTEN, name): CheckResult(9, 9, -0.5) for name in REWRITINGS}
    rewritten = SanityChecks("r.eval", 9, "checks", {REWRITTEN: "text"}, judged)
    rated = Collected(
        (*collected.runs, measured),
        raters=(rater,),
        pair=pair,
        controls=controls,
        checks=(checks, rewritten),
    )
    assert tuple(t.name for t in all_tables(rated, by=("layer", "group"))) == table_names()
    assert tuple(f.name for f in write_figures(rated, tmp_path)[0]) == tuple(FIGURES)


def test_logs_of_one_name_are_not_put_over_each_other_in_the_viewer(tmp_path):
    first, second = five_formats(2).runs[:2]
    runs = replace(first, log="/a/x.eval"), replace(second, log="/b/x.eval")
    with pytest.raises(ValueError, match=r"two logs are named x\.eval"):
        write_report(Collected(runs), [], tmp_path, "original", bundle=True)
    assert list(tmp_path.iterdir()) == []
