"""Does a test fail if what makes a number is changed?

    python benchmarks/mutate.py [MODULE …]

Makes every module of ``mutants.yaml`` wrong in one place after another: a comparison turned
round, a number one higher, a mean made a maximum, an argument left out. Runs the tests that the
file names for the module, the quick ones first, and prints each change that none of them
notices and that has no reason in the file. Exits with status 1 if there are any, or if a reason
has no survivor.

A process that has imported what is slow forks for each change, so one costs about a second; the
whole takes about an hour of CPU. Texts are never changed, nor what only makes the message of an
error.
"""

from __future__ import annotations

import ast
import copy
import gc
import importlib
import os
import resource
import shlex
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib.machinery import SourceFileLoader
from itertools import islice
from pathlib import Path
from types import CodeType
from typing import Any, NamedTuple

import yaml

HERE = Path(__file__).resolve().parent
CONFIG = HERE / "mutants.yaml"

CPU_SECONDS = 20
MEMORY = 2 << 30
"""What takes more, in bytes, is an endless loop, and so noticed."""

AT_ONCE = 2

UNSHRUNK = "unshrunk"
"""How Hypothesis looks for examples: one that fails is enough, and need not be the smallest."""

TURNED: dict[type, type] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
    ast.In: ast.NotIn, ast.NotIn: ast.In,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult, ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
    ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip

CALLED = {
    "min": "max", "max": "min", "any": "all", "all": "any", "sum": "max", "mean": "max",
    "fmean": "max", "nanmean": "nanmax", "median": "max", "std": "var", "var": "std",
    "sorted": "list", "floor": "ceil", "ceil": "floor", "abs": "float", "argmax": "argmin",
}  # fmt: skip


class Mutant(NamedTuple):
    """A module that is wrong in one place."""

    name: str  # the function, and the expression before and after; numbered where one stands twice
    line: int
    tree: ast.Module  # the whole module


def changes(node: ast.AST) -> Iterator[ast.AST]:
    """What a node can be replaced by."""
    match node:
        case ast.Compare(ops=ops):
            for i, op in enumerate(ops):
                if other := TURNED.get(type(op)):
                    yield _copied(node, ops=[*ops[:i], other(), *ops[i + 1 :]])
        case ast.BinOp(op=op) | ast.BoolOp(op=op) | ast.AugAssign(op=op):
            if other := TURNED.get(type(op)):
                yield _copied(node, op=other())
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            yield operand
        case ast.If(test=test) | ast.IfExp(test=test):
            if not isinstance(test, ast.Compare | ast.BoolOp | ast.UnaryOp):
                yield _copied(node, test=ast.UnaryOp(ast.Not(), test))
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value) | float(value)):
            yield ast.Constant(value + 1)
        case ast.Call(func=function, keywords=keywords):
            field = "attr" if isinstance(function, ast.Attribute) else "id"
            name = getattr(function, field, "")
            if name in CALLED:
                yield _copied(node, func=_copied(function, **{field: CALLED[name]}))
            if name[:1].islower():
                for i, keyword in enumerate(keywords):
                    if keyword.arg:
                        yield _copied(node, keywords=keywords[:i] + keywords[i + 1 :])
        case ast.Continue():
            yield ast.Break()
        case ast.Break():
            yield ast.Continue()


def _copied(node: ast.AST, **fields: Any) -> ast.AST:
    changed = copy.copy(node)
    vars(changed).update(fields)
    return changed


def places(node: ast.AST, function: str = "") -> Iterator[tuple[str, ast.AST, ast.AST]]:
    """What can be changed in a node, and in those in it: in which function, and what to what."""
    if isinstance(node, ast.Raise | ast.JoinedStr | ast.Import | ast.ImportFrom):
        return
    for changed in changes(node):
        yield function or "module", node, changed
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        function = f"{function}.{node.name}".lstrip(".")
    for name, field in ast.iter_fields(node):
        if name not in ("annotation", "returns", "decorator_list"):
            for child in field if isinstance(field, list) else [field]:
                if isinstance(child, ast.AST):
                    yield from places(child, function)


def mutants(source: str) -> list[Mutant]:
    """Every change of a module, one at a time."""
    tree = ast.parse(source)
    made: list[Mutant] = []
    times: Counter[str] = Counter()
    for where, node, changed in places(tree):
        name = f"{where}: {_change(node, changed)}"
        times[name] += 1
        number = f" ({times[name]})" if times[name] > 1 else ""
        made.append(Mutant(name + number, getattr(node, "lineno", 0), _with(tree, node, changed)))
    return made


def _change(node: ast.AST, changed: ast.AST) -> str:
    if isinstance(node, ast.Call) and isinstance(changed, ast.Call):
        for keyword in node.keywords:
            if keyword not in changed.keywords:
                return f"{_short(node.func)} without {keyword.arg}"
        return f"{_short(node.func)} -> {_short(changed.func)}"
    return f"{_short(node)} -> {_short(changed)}"


def _short(node: ast.AST) -> str:
    """An expression, or what a statement begins with."""
    return ast.unparse(node).split("\n")[0]


def _with(tree: ast.Module, node: ast.AST, changed: ast.AST) -> ast.Module:
    # A copy, so that the other changes are not touched; of the node the copy is what it changes to.
    return ast.fix_missing_locations(copy.deepcopy(tree, {id(node): changed}))


def _load_instead(path: Path, code: CodeType) -> None:
    """Have the module of a file be another one, in this process."""
    as_written = SourceFileLoader.get_code

    def get_code(self: SourceFileLoader, name: str) -> CodeType | None:
        return code if self.path == str(path) else as_written(self, name)

    SourceFileLoader.get_code = get_code  # type: ignore[assignment,method-assign]


def living(path: Path, tried: Sequence[Mutant], tests: Sequence[str]) -> list[Mutant]:
    """Those of a module's changes that tests do not notice, each tried in a process of its own."""
    running: dict[int, str] = {}
    alive: set[str] = set()
    waiting = iter(tried)
    while True:
        for mutant in islice(waiting, AT_ONCE - len(running)):
            running[_start(path, mutant.tree, tests)] = mutant.name
        if not running:
            return [mutant for mutant in tried if mutant.name in alive]
        child, status = os.wait()
        name = running.pop(child)
        if os.waitstatus_to_exitcode(status) == 0:
            alive.add(name)


def _start(path: Path, tree: ast.Module, tests: Sequence[str]) -> int:
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        _load_instead(path.resolve(), compile(tree, str(path), "exec"))
        import pytest

        options = ["-x", "-q", "--assert=plain", "-p", "no:cacheprovider", "-p", "no:xdist"]
        options.append(f"--hypothesis-profile={UNSHRUNK}")
        status = int(pytest.main([*options, *tests]))
    finally:
        os._exit(status)


def survivors(path: Path, tests: Sequence[Sequence[str]]) -> tuple[int, list[Mutant]]:
    """How many changes there are of a module, and those that no test notices.

    Tests come in groups, of which the next is run on what the one before did not notice.
    """
    source = path.read_text()
    unchanged = Mutant("", 0, ast.parse(source))
    for group in tests:
        if not living(path, [unchanged], group):
            raise SystemExit(f"{path}: {' '.join(group)} fail without any change")
    left = found = mutants(source)
    for group in tests:
        left = living(path, left, group)
    return len(found), left


def main(asked: Sequence[str]) -> int:
    """Run the modules asked for, or all, and print what is left."""
    config = yaml.safe_load(CONFIG.read_text())
    _import_what_is_slow()
    failed = 0
    for name, about in config.items():
        if asked and name not in asked:
            continue
        count, left = survivors(Path(name), [shlex.split(group) for group in about["tests"]])
        reasons = {key: why for why, keys in about.get("reasons", {}).items() for key in keys}
        new = [one for one in left if one.name not in reasons]
        stale = reasons.keys() - {one.name for one in left}
        print(
            f"{name}: {count} changes, {count - len(left)} noticed, {len(left) - len(new)} with a "
            f"reason, {len(new)} survive",
            flush=True,
        )
        for one in new:
            print(f"    {name}:{one.line}: {one.name}", flush=True)
        for key in sorted(stale):
            print(f"    no survivor has the reason: {key}", flush=True)
        failed += len(new) + len(stale)
    return min(failed, 1)


def _import_what_is_slow() -> None:
    """Everything but this package, which each process imports anew."""
    for name in (
        "click.testing", "hypothesis", "inspect_ai._eval.task.run", "inspect_ai.viewer", "numpy",
        "openai", "pytest", "scipy.stats", "sklearn.isotonic", "sklearn.linear_model",
    ):  # fmt: skip
        importlib.import_module(name)
    from hypothesis import Phase, settings

    phases = [Phase.explicit, Phase.generate]
    settings.register_profile(UNSHRUNK, derandomize=True, deadline=None, phases=phases)
    loaded = [name for name in sys.modules if name.split(".")[0] == "neuron_eval"]
    if loaded:
        raise SystemExit(f"{loaded[0]} is loaded before it can be changed")
    gc.freeze()  # What all the forks share need not be gone through, and so copied, in each.


if __name__ == "__main__":
    os.chdir(HERE.parent)
    os.nice(19)
    # Threads do not live through a fork.
    os.environ |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    sys.path.insert(0, str(HERE.parent))
    raise SystemExit(main(sys.argv[1:]))
