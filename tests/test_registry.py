"""What Inspect finds: everything that is decorated, and nothing but imports."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DECORATED = re.compile(
    r"^@(solver|scorer|metric|modelapi|task)\b.*\n(?:@.*\n)*(?:def|class) (\w+)", re.MULTILINE
)


def decorated():
    for folder in ("neuron_eval", "scorers", "tasks"):
        for path in (ROOT / folder).rglob("*.py"):
            if path.name == "testing.py":
                continue
            for kind, name in DECORATED.findall(path.read_text(encoding="utf-8")):
                yield kind, name, path


def test_everything_that_users_name_is_imported_by_the_registry(tmp_path):
    found = subprocess.run(
        [
            sys.executable, "-W", "ignore", "-c",
            "import neuron_eval._registry\n"
            "from inspect_ai._util.registry import _registry\n"
            "print('\\n'.join(k for k in _registry if 'neuron' in k or 'embed' in k))",
        ],
        capture_output=True, text=True, check=True, cwd=tmp_path,
    ).stdout.split()  # fmt: skip
    names = {entry.split(":")[-1].split("/")[-1] for entry in found}
    expected = {name for kind, name, _ in decorated() if kind != "modelapi"}
    assert {"original", "summary", "explain", "simulation_correlation", "adacs"} <= expected
    assert expected <= names
    assert {"neuron-baseline", "embed-openai", "embed-local"} <= names


def test_the_registry_holds_imports_only():
    tree = ast.parse((ROOT / "neuron_eval" / "_registry.py").read_text(encoding="utf-8"))
    for node in tree.body:
        assert isinstance(node, (ast.ImportFrom, ast.Expr, ast.Assign)), ast.dump(node)[:80]


def test_the_pure_middle_imports_no_inspect():
    """Records, formats, statistics and wording know nothing of models."""
    pure = [
        *(ROOT / "neuron_eval" / "formats").glob("*.py"),
        *(ROOT / "neuron_eval" / "sources").glob("*.py"),
        *(ROOT / "neuron_eval" / "prompts").glob("*.py"),
        *(ROOT / "neuron_eval" / "records").glob("*.py"),
        *((ROOT / "neuron_eval" / f"{name}.py") for name in (
            "stats", "simulation/expected", "explain/cleaning", "explain/prompting",
        )),
    ]  # fmt: skip
    assert len(pure) > 15
    for path in pure:
        assert "inspect_ai" not in path.read_text(encoding="utf-8"), path


def test_one_adapter_alone_imports_private_modules_of_inspect():
    private = re.compile(r"(?:from|import) inspect_ai(?:\.\w+)*\._")
    paths = [p for d in ("neuron_eval", "scorers", "tasks") for p in (ROOT / d).rglob("*.py")]
    using = [p.name for p in paths if private.search(p.read_text(encoding="utf-8"))]
    assert using == ["inspect_private.py"]


def test_starting_inspect_imports_nothing_heavy():
    """Every start of Inspect imports the registry of every plugin."""
    heavy = ("torch", "transformers", "onnxruntime", "datasets", "sklearn", "scipy", "tiktoken")
    found = subprocess.run(
        [
            sys.executable, "-W", "ignore", "-c",
            "import sys, inspect_ai, inspect_ai.model, inspect_ai.scorer\n"
            "before = set(sys.modules)\n"
            "import neuron_eval._registry\n"
            "print(' '.join(set(sys.modules) - before))",
        ],
        capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    assert not [name for name in heavy if name in found]


@pytest.mark.parametrize("path", sorted((ROOT / "neuron_eval").rglob("*.py")), ids=lambda p: p.name)
def test_modules_stay_readable(path):
    assert path.read_text(encoding="utf-8").count("\n") <= 260
