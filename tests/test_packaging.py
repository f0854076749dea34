"""What the files that describe the package say of it."""

import re
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest
import yaml
from test_registry import decorated

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
HEAVY = {
    *("inspect_ai", "openai", "datasets", "pandas", "pyarrow", "scipy", "sklearn", "matplotlib"),
    *("torch", "tiktoken", "fsspec", "httpx", "jinja2"),
}


def test_each_task_of_the_listing_exists_with_as_many_samples():
    listing = yaml.safe_load((ROOT / "eval.yaml").read_text(encoding="utf-8"))
    listed = {}
    for entry in listing["tasks"]:
        module = import_module(f"neuron_eval.{entry['task_path'][:-3].replace('/', '.')}")
        task = getattr(module, entry["name"])()
        assert len(task.dataset) == entry["dataset_samples"], entry
        assert task.version == listing["version"]
        listed[entry["name"]] = entry["task_path"]
    ours = {
        name: f"tasks/{path.name}"
        for kind, name, path in decorated()
        if kind == "task" and path.parent == ROOT / "tasks"
    }
    for name in ("given", "rate"):  # nothing to run without what the user brings
        del ours[name]
    assert listed == ours


def test_the_citation_is_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["title"] == PROJECT["name"]
    assert citation["version"] == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]
    assert [a["name"] for a in citation["authors"]] == [a["name"] for a in PROJECT["authors"]]


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        (["--help"], {}),
        (["record", "--help"], {}),
        ([], {"_NEURON_EVAL_COMPLETE": "bash_complete", "COMP_CWORD": "1",
              "COMP_WORDS": "neuron-eval re"}),
    ],
    ids=["help", "help of a command", "completion"],
)  # fmt: skip
def test_help_and_completion_load_nothing_heavy(arguments, environment):
    code = (
        "import sys\nfrom neuron_eval.cli.main import main\n"
        "try:\n    main(prog_name='neuron-eval')\n"
        "finally:\n    print('LOADED', *sys.modules)"
    )
    output = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={"PATH": "", **environment}, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    shown, loaded = output.split("LOADED")
    assert re.search(r"\brecord\b|--layers", shown)
    assert not HEAVY & set(loaded.split())
