"""Neuron puzzles: synthetic neurons with a known explanation, in the field's schema.

    {NAME: {"name": NAME, "explanation": "…", "sentences": [[TOKEN | [TOKEN, ACTIVATION], …], …],
            "false_explanations": ["…", …], "further_sentences": […]}}

A bare token has activation 0. The explainer sees every one of ``sentences``, as Bills et al.
(2023) show them. ``further_sentences``, a key of ours, are dealt in turn to calibration and to
the held-out split, so half of them are scored. Puzzles without them hold nothing out: they can be
explained and compared with their ground truth, but a simulation of them cannot be scored.
"""

from collections.abc import Iterable, Iterator
from importlib import resources
from typing import Any

from neuron_eval.messages import shown
from neuron_eval.records import ActivationRecord, Excerpt, NeuronRecord, RecordError, Reference
from neuron_eval.records.checks import check_record, named
from neuron_eval.sources.base import (
    NeuronKey,
    Neurons,
    Source,
    SourceError,
    Unreadable,
    Wanted,
    ids_of,
    parsed,
    read_file,
    strict,
)
from neuron_eval.sources.opening import Location, opener

CUTOFF = 1.0  # tokens of a puzzle activate highly above this
REQUIRED = ("name", "explanation", "sentences", "false_explanations")


def bundled_puzzles() -> Iterator[NeuronRecord]:
    """The puzzles that ship."""
    name = "puzzles.json"
    text = resources.files("neuron_eval.data").joinpath(name).read_text("utf-8")
    return read_puzzles(text, name)


def read_puzzles(text: str, where: str) -> Iterator[NeuronRecord]:
    """The puzzles of a JSON text, each checked; ``where`` is the file's name, for messages."""
    return strict(_records(_puzzles(text, where), where))


class PuzzleSource(Source):
    """The puzzles of one file."""

    def __init__(self, path: str) -> None:
        self.name = f"puzzles:{path}"
        self.path = path

    def keys(self) -> Iterator[NeuronKey]:
        return iter(dict.fromkeys(NeuronKey(puzzle_id(name), -1, -1) for name, _ in self._open()))

    def read(self, wanted: Wanted = None) -> Neurons:
        return _records(self._open(), self.path, ids_of(wanted))

    def _open(self) -> list[tuple[str, Any]]:
        try:
            return _puzzles(read_file(self.path), self.path)
        except (RecordError, SourceError) as error:
            raise SourceError(f"neurons={self.name}: {error}") from error


@opener("puzzles:FILE", "puzzles in the field's schema")
def _open_puzzles(place: Location) -> PuzzleSource | None:
    path = place.after("puzzles")
    return PuzzleSource(path) if path else None


class _Object(dict[str, Any]):
    """A JSON object that knows of keys that stand in it twice."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.pairs = pairs


def _puzzles(content: bytes | str, where: str) -> list[tuple[str, Any]]:
    """Name and puzzle, unchecked."""
    data = parsed(content, where, made=_Object)
    if not isinstance(data, _Object):
        raise RecordError(f"{where}: expected an object from names to puzzles")
    return data.pairs


def _records(
    puzzles: Iterable[tuple[str, Any]], where: str, ids: set[str] | None = None
) -> Neurons:
    seen: set[str] = set()
    for name, puzzle in puzzles:
        # Of a name that stands twice the first, so that each one wanted is answered once.
        if ids is not None and (puzzle_id(name) not in ids or name in seen):
            continue
        try:
            at = f"{where}: puzzle {named(name)}"
            if name in seen:
                raise RecordError(f"{at} stands twice; names must be unique")
            seen.add(name)
            yield check_record(_neuron(name, puzzle, at), where)
        except RecordError as error:
            yield Unreadable(puzzle_id(name), error)


def puzzle_id(name: str) -> str:
    return f"puzzles/{name}"


def _neuron(name: str, puzzle: object, at: str) -> NeuronRecord:
    if not isinstance(puzzle, _Object):
        raise RecordError(f"{at}: expected an object")
    missing = [field for field in REQUIRED if field not in puzzle]
    if missing:
        raise RecordError(f"{at}: missing field(s) {', '.join(map(repr, missing))}")
    if puzzle["name"] != name:
        raise RecordError(f"{at}: field 'name' is {shown(puzzle['name'])}; expected {shown(name)}")
    explanation = _text(puzzle["explanation"], f"{at}: field 'explanation'")
    false = puzzle["false_explanations"]
    if not isinstance(false, list):
        raise RecordError(f"{at}: field 'false_explanations': expected a list")
    false = tuple(
        _text(f, f"{at}: field 'false_explanations': item {i}") for i, f in enumerate(false)
    )
    sentences = _sentences(puzzle["sentences"], f"{at}: field 'sentences'")
    if not sentences:
        raise RecordError(f"{at}: field 'sentences' is empty; there is nothing to show")
    further = _sentences(puzzle.get("further_sentences", []), f"{at}: field 'further_sentences'")
    numbered = [Excerpt("further", i, record) for i, record in enumerate(further)]
    return NeuronRecord(
        id=puzzle_id(name),
        model="puzzles",
        layer=-1,
        neuron=-1,
        reference=Reference(explanation, "the puzzle's ground truth"),
        false_explanations=false,
        group="puzzle",
        cutoff=CUTOFF,
        given_splits=(
            ("train", tuple(Excerpt("sentence", i, record) for i, record in enumerate(sentences))),
            ("calibration", tuple(numbered[0::2])),
            ("valid", tuple(numbered[1::2])),
            ("test", ()),
        ),
    )


def _sentences(sentences: object, at: str) -> list[ActivationRecord]:
    if not isinstance(sentences, list):
        raise RecordError(f"{at}: expected a list of sentences")
    records: list[ActivationRecord] = []
    for i, sentence in enumerate(sentences):
        if not isinstance(sentence, list) or not sentence:
            raise RecordError(f"{at}: sentence {i}: expected a list of tokens")
        pairs = [_pair(item, f"{at}: sentence {i}, token {j}") for j, item in enumerate(sentence)]
        records.append(ActivationRecord(tuple(t for t, _ in pairs), tuple(a for _, a in pairs)))
    return records


def _pair(item: object, at: str) -> tuple[str, float]:
    token, value = item if isinstance(item, list) and len(item) == 2 else (item, 0)
    if not isinstance(token, str) or isinstance(value, bool) or not isinstance(value, int | float):
        raise RecordError(f"{at}: expected a token or [token, activation], got {shown(item)}")
    if not token:
        raise RecordError(f"{at}: the token is an empty string")
    # A whole number in JSON may be of any size.
    if not -1e300 < value < 1e300:
        raise RecordError(f"{at}: activation {shown(value)}; expected a finite number")
    return token, float(value)


def _text(value: object, at: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise RecordError(f"{at} is {shown(value)}; expected a text")
    return value
