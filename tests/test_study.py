"""The study: its page says what its results say, and it goes on where it was stopped."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from neuron_eval.prompts.pack import default_pack, load_pack

ROOT = Path(__file__).parents[1]
STUDY = ROOT / "benchmarks" / "study"
PAGE = (ROOT / "docs" / "study.md").read_text(encoding="utf-8")


@pytest.fixture
def study(monkeypatch):
    """A module of the study by its name; they are programs, and no package."""
    monkeypatch.syspath_prepend(str(STUDY))
    monkeypatch.chdir(ROOT)
    yield importlib.import_module
    for name in ("results", "packs", "jobs", "tables"):
        sys.modules.pop(name, None)


def test_the_tables_are_those_of_the_results(study):
    tables = study("tables")
    results = tables.Results(study("results").read_rows())
    assert tables.readme(results) in (ROOT / "README.md").read_text(encoding="utf-8")
    for table in (
        tables.formats(results, "neuron_eval-3"),
        tables.formats(results, "neuron_eval-2"),
        tables.puzzles(results),
        tables.packs(results, "AdaCS"),
        tables.packs(results, "embedding simulation"),
        tables.copying(results),
        tables.readings(),
        tables.listing(results),
        tables.ways(results).rstrip("\n"),
    ):
        assert table in PAGE


def test_every_result_is_of_a_job_and_whole(study):
    jobs = {job.name: job for job in study("jobs").jobs()}
    counts = {}
    for row in study("results").read_rows():
        assert row.explanation
        counts[row.job] = counts.get(row.job, 0) + 1
    for name, count in counts.items():
        neurons = 28 if "puzzles" in name else 40 if "/clear/" in name else 80
        assert count == neurons * jobs[name].epochs, name


def test_rows_come_back_as_they_were(study, tmp_path):
    results = study("results")
    row = results.Row("m", "j", "n", 'a "b",\n\u2028c', 2, "x, y", None, -0.5, "why", 1, 2, 3, 4, 5)
    path = tmp_path / "table.csv.gz"
    results.write_rows([row, row], path)
    first = path.read_bytes()
    assert results.read_rows(path) == [row, row]
    results.write_rows(results.read_rows(path), path)
    assert path.read_bytes() == first


def test_packs_differ_in_words_and_neurons_as_they_say(study, tmp_path):
    packs = study("packs")
    made = {name: load_pack(packs.write_pack(name, tmp_path) or None) for name in packs.NAMES}
    assert {name: len(pack.few_shot) for name, pack in made.items()} == {
        "neuron_eval-2": 3, "neuron_eval-3": 6, "none": 0, "words": 3, "words-none": 0,
        "words-six": 6,
    }  # fmt: skip
    assert made["neuron_eval-3"] == default_pack()
    for name, pack in made.items():
        other = pack.wording("summary") != default_pack().wording("summary")
        assert other == name.startswith("words")


def test_a_job_is_run_once_and_its_rows_are_kept(tmp_path):
    job = "explain/neuron_eval-2/puzzles/summary"
    command = [sys.executable, "-W", "ignore", str(STUDY / "run.py"), "neuron-baseline/lexical"]
    for said in (f"{job}: ", ""):
        done = subprocess.run(
            [*command, "--only", job], cwd=tmp_path, capture_output=True, text=True, timeout=600,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        assert (said in done.stdout) if said else (done.stdout == "")
    listed = subprocess.run(
        [*command, "--list"], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=600
    ).stdout.split()
    assert job not in listed
    assert "explain/neuron_eval-3/puzzles/summary" in listed


def test_a_job_that_fails_is_said_and_run_again(tmp_path):
    job = "explain/neuron_eval-3/puzzles/avhs"
    command = [sys.executable, "-W", "ignore", str(STUDY / "run.py"), "nothing/such"]
    done = subprocess.run(
        [*command, "--only", job], cwd=tmp_path, capture_output=True, text=True, timeout=600,
        check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert f"{job}: " in done.stdout
    assert "the same command goes on" in done.stderr
    output = tmp_path / "logs" / "study-runs" / job / "output.txt"
    assert "nothing" in output.read_text(encoding="utf-8")
