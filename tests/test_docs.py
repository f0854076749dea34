"""What the README and the pages in docs/ state, against the code, the logs and each other."""

import importlib.util
import inspect
import re
import subprocess
from pathlib import Path

import documented
import pytest
from inspect_ai.log import list_eval_logs, read_eval_log

from neuron_eval.task import Parameters, explanation_task

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in (ROOT / "README.md", *sorted(DOCS.rglob("*.md")))
}


def test_the_readme_is_short():
    assert len(PAGES["README.md"].splitlines()) <= 120


def test_the_table_of_the_baseline_is_that_of_the_logs():
    assert imported("results").of_folder(str(ROOT / "logs" / "readme")) in PAGES["docs/concepts.md"]


def test_the_logs_name_no_machine():
    logs = list_eval_logs(str(ROOT / "logs" / "readme"))
    assert len(logs) == 5
    for info in logs:
        text = read_eval_log(info).model_copy(update={"location": ""}).model_dump_json()
        assert not re.search(r"/(?:work|root|home|tmp)/", text)


def test_the_reference_is_what_the_code_says(reference):
    """`make docs` writes it anew."""
    assert PAGES["docs/reference.md"] == reference.page()


def test_every_row_of_the_reference_has_a_meaning():
    page = PAGES["docs/reference.md"]
    rows = re.findall(r"^\| `.*\|$", page, re.MULTILINE)
    assert len(rows) > 150
    assert not [row for row in rows if re.search(r"\| *\|$", row)]


def test_the_reference_has_every_parameter_of_the_tasks_that_explain():
    for name in (*defaults(explanation_task), *Parameters.__annotations__):
        assert f"\n| `{name}` | " in PAGES["docs/reference.md"], name


@pytest.fixture(scope="module")
def reference():
    return imported("reference")


def imported(name):
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_links_to_exists(page):
    for target in re.findall(r"\]\(((?!http)[^)]+)\)", PAGES[page]):
        name, _, anchor = target.partition("#")
        path = (ROOT / page).parent / name if name else ROOT / page
        assert path.exists(), target
        # In the site there is nothing but docs/.
        assert page == "README.md" or path.resolve().is_relative_to(DOCS), target
        assert not anchor or anchor in anchors(path.read_text(encoding="utf-8")), target


@pytest.mark.parametrize("page", PAGES)
def test_the_files_that_a_page_names_exist(page):
    for name in re.findall(
        r"`(?:python )?((?:neuron_eval|benchmarks|tests|docs)/[\w./]+\.\w+)", PAGES[page]
    ):
        assert (ROOT / name).exists(), name


@pytest.mark.parametrize("page", PAGES)
def test_no_block_of_commands_is_wider_than_the_page(page):
    for block in documented.blocks(PAGES[page], "sh"):
        assert max(map(len, block.text.splitlines())) <= 80, block.text


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_exist(page):
    """Programs, subcommands, options, tasks, solvers, parameters and model providers."""
    for line in documented.commands(PAGES[page]):
        documented.check(line)


@pytest.mark.parametrize("page", PAGES)
def test_the_parameters_and_options_that_a_page_names_exist(page):
    known = set().union(*(documented.parameters("task", task) for task in documented.TASKS))
    for name in re.findall(r"`-T (\w+)=?[^`]*`", PAGES[page]):
        assert name in known, name
    options = documented.every_option() | OTHER_PROGRAMS
    for name in re.findall(r"`(--[\w-]+)[^`]*`", PAGES[page]):
        assert name in options, name


def test_the_commands_without_a_title_run_from_an_empty_folder(tmp_path):
    # The Python of the reference are signatures, and docs/extending.md has a test of its own.
    scripts = {
        page: documented.runnable(
            text, ("sh",) if page == "docs/reference.md" else ("sh", "python")
        )
        for page, text in PAGES.items()
        if page != "docs/extending.md"
    }
    assert sum(len(script.commands) for script in scripts.values()) > 25
    jobs = [documented.laid_out(tmp_path / page, script) for page, script in scripts.items()]
    documented.run(jobs, PYTHONPATH="", **documented.OFFLINE)


def test_the_project_speaks_of_no_machine():
    names = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert len(names) > 50
    for name in names:
        if name.endswith((".py", ".md", ".toml", ".yaml", ".txt", "Makefile")):
            text = (ROOT / name).read_text(encoding="utf-8")
            assert not re.search(r"/(?:work|root|home)/", text), name


OTHER_PROGRAMS = {
    *("--reasoning-parser", "--reasoning-format"),  # the servers of vLLM and llama.cpp
    *("--servers", "--jobs", "--connections"),  # benchmarks/study/run.py
}


def defaults(function):
    return {name: p.default for name, p in inspect.signature(function).parameters.items()}


def anchors(text):
    """What the headings of a page are called in links."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", h).strip().lower()) for h in headings}
