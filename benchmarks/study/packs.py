"""Prompt packs of the study: the bundled ones with other words, or other few-shot neurons."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

import yaml

WORDS = Path(__file__).with_name("words.yaml")

NAMES = ("neuron_eval-2", "neuron_eval-3", "none", "words", "words-none", "words-six")
"""What is compared: the bundled pack of before and of now, the former without few-shot neurons,
and all three with other words."""


def write_pack(name: str, folder: Path) -> str:
    """What stands after ``pack=`` for one of `NAMES`; written to a folder if it does not ship.

    Empty for the pack that is used unless another is named.
    """
    if name == "neuron_eval-2":
        return name
    if name == "neuron_eval-3":
        return ""
    data = _read("default" if name == "words-six" else "neuron_eval-2")
    data["name"] = name
    if name.endswith("none"):
        data["few_shot"] = []
    if name.startswith("words"):
        words = yaml.safe_load(WORDS.read_text("utf-8"))
        for format, shown in words["formats"].items():
            data["formats"][format]["system"] = words["task"].rstrip() + "\n\n" + shown
        for way, said in words["simulation"].items():
            data["simulation"][way] |= said
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(data, sort_keys=False, allow_unicode=True), "utf-8")
    return str(path)


def _read(name: str) -> dict[str, Any]:
    text = resources.files("neuron_eval.prompts").joinpath(f"{name}.yaml").read_text("utf-8")
    data: dict[str, Any] = yaml.safe_load(text)
    return data
