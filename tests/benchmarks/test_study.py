"""The study: its page says what its results say, and it goes on where it was stopped."""

import csv
import gzip
import importlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from listening import listen

from neuron_eval.prompts.pack import default_pack, load_pack

ROOT = Path(__file__).parents[2]
STUDY = ROOT / "benchmarks" / "study"
PAGE = (ROOT / "docs" / "study.md").read_text(encoding="utf-8")


@pytest.fixture
def study(monkeypatch):
    """A module of the study by its name; they are programs, and no package."""
    monkeypatch.syspath_prepend(str(STUDY))
    monkeypatch.chdir(ROOT)
    yield importlib.import_module
    for name in ("results", "packs", "jobs", "cells", "ways", "explanations", "tables", "run"):
        sys.modules.pop(name, None)


def test_the_tables_are_those_of_the_results(study):
    tables = study("tables")
    results = tables.Results(study("results").read_rows())
    assert tables.readme(results) in (ROOT / "README.md").read_text(encoding="utf-8")
    assert tables.power(results) in (ROOT / "docs" / "cookbook.md").read_text(encoding="utf-8")
    for table in (
        tables.formats(results, "neuron_eval-3"),
        tables.formats(results, "neuron_eval-2"),
        tables.puzzles(results),
        tables.temperature(results),
        tables.packs(results, "AdaCS"),
        tables.packs(results, "embedding simulation"),
        tables.copying(results),
        tables.readings(),
        tables.listing(results),
        tables.ways(results),
        tables.costs(results),
        tables.agreement(results),
        tables.simulated(results),
        tables.simulated_agreement(results).rstrip("\n"),
    ):
        assert table in PAGE


def test_every_result_is_of_a_job_and_whole(study):
    jobs = {job.name: job for job in study("jobs").jobs()}
    counts = {}
    for row in study("results").read_rows():
        assert row.explanation
        counts[row.job] = counts.get(row.job, 0) + 1
    for name, count in counts.items():
        job = jobs[name]
        limits = [int(said.removeprefix("limit=")) for said in job.parameters if "limit=" in said]
        neurons = limits[0] if limits else 28 if "puzzles" in name else 80
        assert count == neurons * job.epochs, name


def test_rows_come_back_as_they_were(study, tmp_path):
    results = study("results")
    row = results.Row(
        "m", "j", "n", 'a "b",\n\u2028c', 2, "x, y", None, -0.5, "why", 1, 2, 3, 4, 5, 6
    )
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


def test_a_table_that_cannot_be_read_is_named(study, tmp_path):
    results = study("results")
    path = tmp_path / "table.csv.gz"
    path.write_bytes(gzip.compress(b"model,job,neuron\nm,j,n\n"))
    with pytest.raises(SystemExit, match=r"table.csv.gz: cannot be read behind row 0: KeyError"):
        results.read_rows(path)
    path.write_bytes(b"no gzip")
    with pytest.raises(SystemExit, match=r"table.csv.gz: cannot be read behind row 0: BadGzip"):
        results.read_rows(path)


def run(program, *arguments, cwd):
    return subprocess.run(
        [sys.executable, "-W", "ignore", str(STUDY / program), *arguments],
        cwd=cwd, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip


def test_a_job_is_run_once_and_its_rows_are_kept(tmp_path):
    model, job = "neuron-baseline/lexical", "explain/neuron_eval-2/puzzles/summary"
    first = run("run.py", model, "--only", job, cwd=tmp_path)
    assert first.returncode == 0, first.stdout + first.stderr
    assert f"{job}: " in first.stdout
    again = run("run.py", model, "--only", job, cwd=tmp_path)
    assert (again.returncode, again.stdout) == (0, "")
    listed = run("run.py", model, "--list", cwd=tmp_path).stdout.split()
    assert job not in listed
    assert "explain/neuron_eval-3/puzzles/summary" in listed
    tables = run("tables.py", model, cwd=tmp_path)
    assert tables.returncode == 0, tables.stderr
    assert "| neuron_eval-2, AdaCS | – | 0." in tables.stdout


def test_first_explanations_are_written_as_they_are(study, tmp_path, monkeypatch):
    runs, results = study("run"), study("results")
    monkeypatch.setattr(runs, "RUNS", tmp_path)
    runs.write_explained(results.MODEL)
    with (tmp_path / runs.EXPLAINED).open(encoding="utf-8", newline="") as file:
        written = {row["id"]: row for row in csv.DictReader(file)}
    assert len(written) == 80 + 28
    found = results.Results(results.read_rows())
    for format in study("jobs").FORMATS:
        for neurons in ("smollm2", "puzzles"):
            for row in found.explained("neuron_eval-3", format, neurons):
                same = written[row.neuron][format] == row.explanation
                assert same or row.epoch > 1


def test_what_no_format_explained_cannot_be_simulated(tmp_path):
    job = "simulate/sparse-5/puzzles/summary"
    done = run("run.py", "neuron-baseline/lexical", "--only", job, cwd=tmp_path)
    assert done.returncode == 1
    assert f"{job}: " in done.stdout
    assert "failed: explain/neuron_eval-3/smollm2/original comes first" in done.stdout


def test_a_job_that_fails_says_why_and_is_run_again(tmp_path):
    job = "judge/sparse-1/neuron_eval-3/puzzles/false"
    for _ in range(2):
        done = run("run.py", "neuron-baseline/lexical", "--only", job, cwd=tmp_path)
        assert done.returncode == 1
        assert f"{job}: " in done.stdout
        assert "failed: " in done.stdout
        assert "neuron-baseline/lexical cannot simulate" in done.stdout
        assert "the same command goes on" in done.stderr
    assert not (tmp_path / "logs" / "study").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing/such"], "nothing/such: "),
        (["openai-api/nowhere/m"], "No NOWHERE_API_KEY"),
        (["m/m", "--only", "explian"], "--only explian: no job's name begins so"),
    ],
)
def test_what_cannot_be_run_is_refused_before_anything_is(tmp_path, arguments, message):
    done = run("run.py", *arguments, cwd=tmp_path)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_study_that_is_stopped_ends_at_once_and_says_how_to_go_on(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", str(STUDY / "run.py"), "neuron-baseline/lexical"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True, preexec_fn=listen,
    )  # fmt: skip
    try:
        folder = tmp_path / "logs" / "study-runs" / "explain" / "neuron_eval-2"
        for _ in range(1200):
            if folder.exists():
                break
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGINT)  # as from a keyboard, to it and the eval
        printed, said = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 1
    assert "the same command goes on" in said
    assert "Traceback" not in said
    assert printed.endswith(" s, stopped\n")
    assert "failed" not in printed
    assert len(list(folder.glob("*/*"))) == 1
