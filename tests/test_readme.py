"""What the README states, against the code and the logs."""

import inspect
import re
from pathlib import Path

from inspect_ai.log import list_eval_logs, read_eval_log

from neuron_eval.reporting.summary import of_folder
from neuron_eval.task import explanation_task

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def defaults(function):
    return {name: p.default for name, p in inspect.signature(function).parameters.items()}


def test_the_table_is_that_of_the_logs():
    assert of_folder(str(ROOT / "logs" / "readme")) in README


def test_the_logs_name_no_machine():
    logs = list_eval_logs(str(ROOT / "logs" / "readme"))
    assert len(logs) == 5
    for info in logs:
        text = read_eval_log(info).model_copy(update={"location": ""}).model_dump_json()
        assert not re.search(r"/(?:work|root|home|tmp)/", text)


def test_the_parameters_are_those_of_the_tasks():
    section = README.split("### Parameters")[1].split("###")[0]
    stated = dict(re.findall(r"^\| `(\w+)` \| (\S+) \|", section, re.MULTILINE))
    real = {
        name: "none" if value is None else f"`{str(value).lower()}`"
        for name, value in defaults(explanation_task).items()
        if name != "format"
    }
    assert stated == real


def test_the_file_tree_names_every_module():
    tree = README.split("## The files")[1].split("##")[0]
    stated = set(re.findall(r"^      ([\w.]+/?) ", tree, re.MULTILINE))
    package = ROOT / "neuron_eval"
    real = {p.name for p in package.glob("*.py") if not p.name.startswith("__")}
    real |= {f"{p.parent.name}/" for p in package.glob("*/__init__.py")}
    assert stated == real


def test_files_that_the_readme_links_to_exist():
    for target in re.findall(r"\]\(((?!http|#)[^)]+)\)", README):
        assert (ROOT / target).exists(), target


def test_the_project_speaks_of_no_machine():
    import subprocess

    names = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert len(names) > 50
    for name in names:
        if name.endswith((".py", ".md", ".toml", ".yaml", ".txt", "Makefile")):
            text = (ROOT / name).read_text(encoding="utf-8")
            assert not re.search(r"/(?:work|root|home)/", text), name
