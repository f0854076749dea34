"""docs/extending.md: the package of the page is installed, and each of its commands is run."""

import os
import re
import subprocess
import sys
from pathlib import Path

import documented
import pytest
from inspect_ai.log import list_eval_logs, read_eval_log


def test_a_format_of_ones_own_is_one_function_and_a_section_of_a_pack(ran):
    folder, printed = ran
    log = read(folder / "logs" / "firing")
    assert log.eval.task_args["format"] == "firing"
    prompt = log.samples[0].messages[1].text
    assert re.match(r"Neuron 1\nExcerpt A: (\[[^\]]+\])+\nExcerpt B: ", prompt)
    assert -1 <= log.samples[0].scores["simulation_correlation"].as_float() <= 1
    assert re.search(r"firing\W+\d+\.\d", printed)
    compared = read(folder / "logs" / "compared")
    assert compared.eval.task.rpartition("/")[2] == "firing"


def test_a_format_of_ones_own_is_a_task_that_another_process_finds_to_retry_its_log(ran):
    folder, _ = ran
    task = read(folder / "logs" / "compared").eval.task_registry_name
    assert task == "neuron_eval/firing"
    looked_up = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LOOK_UP, task],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder / "site-packages")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert looked_up.stdout == "neuron_eval/firing\n"


def test_a_source_of_ones_own_is_one_class_and_an_opener(ran):
    folder, _ = ran
    log = read(folder / "logs" / "cats")
    assert [sample.id for sample in log.samples] == ["cats", "stops"]
    assert '"cat"' in log.samples[0].output.completion


def test_a_way_to_simulate_of_ones_own_is_one_class(ran):
    folder, _ = ran
    log = read(folder / "logs" / "literal")
    score = log.samples[0].scores["simulation_correlation"]
    assert score.metadata["simulation"] == "literal"
    assert score.as_float() > 0.1


def test_a_scorer_of_ones_own_is_found_by_inspect(ran):
    folder, _ = ran
    log = read(folder / "logs" / "brief")
    assert {"simulation_correlation", "adacs", "scored", "brevity"} == set(log.samples[0].scores)
    assert 0 < log.samples[0].scores["brevity"].as_float() < 1
    assert "brevity" in read(folder / "logs" / "firing").samples[0].scores


def test_a_table_of_ones_own_is_in_every_form_of_the_report(ran):
    folder, printed = ran
    assert "Length of explanations" in printed
    rows = (folder / "report" / "tables" / "lengths.csv").read_text(encoding="utf-8").splitlines()
    assert rows[0] == "run,words,words lower,words upper,words n"
    assert len(rows) == 3
    for name in ("tables/lengths.md", "tables/lengths.tex", "index.html"):
        assert "Length of explanations" in (folder / "report" / name).read_text(encoding="utf-8")


def test_what_there_is_is_listed_with_ones_own(ran):
    _, printed = ran
    formats, ways, sources = (printed.split(f"$ neuron-eval {name}\n")[1] for name in LISTS)
    assert re.search(r"^firing +from \w", formats, re.MULTILINE)
    assert re.search(r"^literal +from \w", ways, re.MULTILINE)
    assert re.search(r"^FILE\.tsv +neurons in our lab's format$", sources, re.MULTILINE)


LISTS = ("formats", "ways", "sources")

ROOT = Path(__file__).parents[1]

PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")

BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


LOOK_UP = """
import sys
from inspect_ai._util.entrypoints import ensure_entry_points
from inspect_ai._util.registry import registry_info, registry_lookup
ensure_entry_points("neuron_eval")
print(registry_info(registry_lookup("task", sys.argv[1])).name)
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """The folder in which the page's commands ran, and what they printed."""
    folder = tmp_path_factory.mktemp("extending")
    for _, text in BLOCKS:
        named = re.match(r"# ([\w./]+)\n", text)
        if named:
            path = folder / "source" / named[1]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text[named.end() :], encoding="utf-8")
    site = folder / "site-packages"  # by that name Inspect knows what is installed
    options = ("--no-build-isolation", "--no-deps", "--quiet", "--disable-pip-version-check")
    install = (sys.executable, "-m", "pip", "install", *options, "--target", str(site), ".")
    subprocess.run(install, cwd=folder / "source", check=True, capture_output=True)
    for path in (folder / "source").glob("*.[yt][as][mv]*"):
        path.rename(folder / path.name)
    commands = documented.runnable(PAGE, kinds=("sh",)).commands
    commands += [["neuron-eval", name] for name in LISTS]
    return folder, documented.run([(folder, commands)], PYTHONPATH=str(site))


def read(folder):
    (info,) = list_eval_logs(str(folder))
    log = read_eval_log(info)
    assert log.status == "success"
    return log
