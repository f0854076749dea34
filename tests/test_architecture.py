"""docs/architecture.md and the names in the package, against the files."""

import ast
import re
import tomllib
from collections import Counter
from itertools import chain
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
FOLDERS = ("neuron_eval", "scorers", "tasks")


def test_every_path_that_the_page_names_exists():
    paths = re.findall(r"`((?:neuron_eval|scorers|tasks|docs|tests)/[\w./]*)`", PAGE)
    assert len(paths) > 20
    for path in paths:
        assert (ROOT / path).exists(), path


def test_the_page_has_the_rooms_of_the_import_contract_in_its_order():
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = config["tool"]["importlinter"]["contracts"]
    layers = [layer.replace(" ", "").split("|") for layer in contract["layers"]]
    rooms = [
        room
        for layer in layers
        for room in dict.fromkeys(
            name.replace("scorers.rating", "scorers/rating") for name in layer
        )
    ]
    contracted = list(
        dict.fromkeys("scorers" if room.startswith("scorers.") else room for room in rooms)
    )
    section = PAGE.split("## The rooms")[1].split("##")[0]
    blocks = re.findall(r"^    (\S.*?)(?:  .*)?$", section, re.MULTILINE)
    assert list(chain.from_iterable(line.split() for line in blocks)) == [
        room for room in contracted if room != "__main__"
    ]


def test_the_page_has_a_line_for_every_file_and_folder_of_the_package():
    section = PAGE.split("## The rooms")[1].split("## The way")[0]
    package = ROOT / "neuron_eval"
    real = {path.stem for path in package.glob("*.py") if not path.stem.startswith("__")}
    real |= {path.parent.name for path in package.glob("*/__init__.py")}
    for name in real:
        assert re.search(rf"\b{name}\b", section), name


def test_no_two_classes_of_the_package_have_one_name():
    names = Counter(
        node.name
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
    )
    assert {name: count for name, count in names.items() if count > 1} == {}


VAGUE = {"said", "told", "asked", "done", "elsewhere", "held", "seat", "whole", "found", "mine"}
"""Words that name no thing and no act."""


def test_no_name_in_the_package_is_vague():
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*.py"):
            assert path.stem not in VAGUE, path
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                name = getattr(node, "name", None)
                if isinstance(node, ast.arg):
                    name = node.arg
                if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
                    name = node.id if isinstance(node, ast.Name) else node.attr
                assert str(name).strip("_").lower() not in VAGUE, f"{path}:{node.lineno}: {name}"
