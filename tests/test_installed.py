"""The package as users have it: a wheel in an empty folder, and the checkout by file name."""

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
from inspect_ai.log import list_eval_logs, read_eval_log

ROOT = Path(__file__).parents[1]
FORMATS = ("original", "summary", "highlight", "highlight_summary", "avhs")


def run(*command, cwd, python=sys.executable, **environment):
    done = subprocess.run(
        [python, "-W", "ignore", "-m", *command],
        cwd=cwd,
        env={**os.environ, "INSPECT_DISPLAY": "plain", **environment},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The project's wheel, built from a copy so that the checkout stays clean."""
    folder = tmp_path_factory.mktemp("build")
    source = folder / "source"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(source)], check=True, capture_output=True)
    for part in ("neuron_eval", "scorers", "tasks", "pyproject.toml", "README.md"):
        subprocess.run(["cp", "-r", str(ROOT / part), str(source)], check=True)
    options = ("--no-build-isolation", "--no-deps", "--quiet", "--disable-pip-version-check")
    run("pip", "wheel", *options, "-w", str(folder), str(source), cwd=folder)
    (found,) = folder.glob("neuron_eval-*.whl")
    return found


@pytest.fixture(scope="module")
def installed(tmp_path_factory, wheel):
    """A Python in which only the wheel is installed; what it depends on is borrowed."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder / "venv", with_pip=False, symlinks=True)
    site = next((folder / "venv" / "lib").glob("python*/site-packages"))
    # Folders named by a .pth file are searched, but their own .pth files are not read: the
    # editable install of the checkout is out of sight.
    (site / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    options = ("--no-deps", "--quiet", "--disable-pip-version-check", "--target", str(site))
    run("pip", "install", *options, str(wheel), cwd=folder)
    return folder / "venv" / "bin" / "python"


def test_the_wheel_holds_its_data_and_stays_small(wheel):
    from zipfile import ZipFile

    names = set(ZipFile(wheel).namelist())
    for part in (
        "neuron_eval/_registry.py",
        "neuron_eval/tasks/formats.py",
        "neuron_eval/scorers/adacs.py",
        "neuron_eval/prompts/default.yaml",
        "neuron_eval/data/smollm2.jsonl.gz",
        "neuron_eval/data/smollm2-references.yaml",
        "neuron_eval/data/puzzles.json",
        "neuron_eval/data/SOURCES.md",
        "neuron_eval/py.typed",
    ):
        assert part in names
    data = [i for i in ZipFile(wheel).infolist() if i.filename.startswith("neuron_eval/data/")]
    assert sum(i.compress_size for i in data) < 3_000_000


def test_every_format_runs_by_name_from_an_empty_folder(installed, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    where = run("neuron_eval", "--version", cwd=empty, python=installed)
    assert "0.1.0" in where
    names = [f"neuron_eval/{name}" for name in FORMATS]
    options = ("--model", "neuron-baseline/lexical", "--limit", "2", "--log-dir", "logs")
    run("inspect_ai", "eval", *names, *options, cwd=empty, python=installed)
    logs = [read_eval_log(info) for info in list_eval_logs(str(empty / "logs"))]
    assert {log.eval.task for log in logs} == {f"neuron_eval/{name}" for name in FORMATS}
    for log in logs:
        assert log.status == "success"
        assert log.eval.packages["neuron_eval"] == "0.1.0"
        for sample in log.samples:
            assert sample.metadata["group"] == "clear"
            assert -1 <= sample.scores["simulation_correlation"].as_float() <= 1
            assert -1 <= sample.scores["adacs"].as_float() <= 1


def test_the_checkouts_files_give_single_tasks_and_all_five(tmp_path):
    options = (
        "--model", "neuron-baseline/lexical", "--limit", "1", "--no-score", "--log-dir",
        str(tmp_path / "file"),
    )  # fmt: skip
    run("inspect_ai", "eval", "tasks/formats.py@summary", *options, cwd=ROOT)
    (info,) = list_eval_logs(str(tmp_path / "file"))
    assert read_eval_log(info, header_only=True).eval.task.endswith("summary")
    run("inspect_ai", "eval", "tasks/formats.py", *options, cwd=ROOT)
    assert len(list_eval_logs(str(tmp_path / "file"))) == 1 + len(FORMATS)
