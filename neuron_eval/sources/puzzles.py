"""Neuron puzzles: synthetic neurons with a known explanation, in the field's schema.

    {NAME: {"name": NAME, "explanation": "…", "sentences": [[TOKEN | [TOKEN, ACTIVATION], …], …],
            "false_explanations": ["…", …], "further_sentences": […]}}

A bare token has activation 0. The explainer sees every one of ``sentences``, as Bills et al.
(2023) show them. ``further_sentences``, a key of ours, are dealt in turn to calibration and to
the held-out split, so half of them are scored.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib import resources
from typing import Any

from neuron_eval.checks import check_record
from neuron_eval.records import ActivationRecord, Excerpt, NeuronRecord, RecordError, Reference

CUTOFF = 1.0
"""Tokens of a puzzle activate highly above this."""

REQUIRED = ("name", "explanation", "sentences", "false_explanations")


def bundled_puzzles() -> Iterator[NeuronRecord]:
    """The puzzles that ship."""
    name = "puzzles.json"
    text = resources.files("neuron_eval.data").joinpath(name).read_text("utf-8")
    return read_puzzles(text, name)


def read_puzzles(text: str, where: str) -> Iterator[NeuronRecord]:
    """The puzzles of a JSON text, each checked.

    Args:
        text: The JSON.
        where: The file's name, for messages.

    Raises:
        RecordError: Names the file, the puzzle, the sentence and what is wrong.
    """
    try:
        data = json.loads(text)
    except ValueError as error:
        raise RecordError(f"{where}: not valid JSON ({error})") from error
    if not isinstance(data, Mapping):
        raise RecordError(f"{where}: expected an object from names to puzzles")
    for name, puzzle in data.items():
        yield check_record(_neuron(name, puzzle, f"{where}: puzzle {name}"), where)


def _neuron(name: str, puzzle: Mapping[str, Any], at: str) -> NeuronRecord:
    missing = [field for field in REQUIRED if field not in puzzle]
    if missing:
        raise RecordError(f"{at}: missing field(s) {', '.join(map(repr, missing))}")
    shown = _sentences(puzzle["sentences"], f"{at}: field 'sentences'")
    further = _sentences(puzzle.get("further_sentences", []), f"{at}: field 'further_sentences'")
    numbered = [Excerpt("further", i, record) for i, record in enumerate(further)]
    return NeuronRecord(
        id=f"puzzles/{name}",
        model="puzzles",
        layer=-1,
        neuron=-1,
        top=(),
        random=(),
        reference=Reference(str(puzzle["explanation"]), "the puzzle's ground truth"),
        false_explanations=tuple(map(str, puzzle["false_explanations"])),
        group="puzzle",
        cutoff=CUTOFF,
        given_splits=(
            ("train", tuple(Excerpt("sentence", i, record) for i, record in enumerate(shown))),
            ("calibration", tuple(numbered[0::2])),
            ("valid", tuple(numbered[1::2])),
            ("test", ()),
        ),
    )


def _sentences(sentences: object, at: str) -> list[ActivationRecord]:
    if not isinstance(sentences, list):
        raise RecordError(f"{at}: expected a list of sentences")
    records = []
    for i, sentence in enumerate(sentences):
        if not isinstance(sentence, list) or not sentence:
            raise RecordError(f"{at}: sentence {i}: expected a list of tokens")
        pairs = [_pair(item, f"{at}: sentence {i}, token {j}") for j, item in enumerate(sentence)]
        records.append(ActivationRecord(tuple(t for t, _ in pairs), tuple(a for _, a in pairs)))
    return records


def _pair(item: object, at: str) -> tuple[str, float]:
    token, value = item if isinstance(item, list) and len(item) == 2 else (item, 0)
    if not isinstance(token, str) or isinstance(value, bool) or not isinstance(value, (int, float)):
        raise RecordError(f"{at}: expected a token or [token, activation], got {item!r}")
    return token, float(value)
