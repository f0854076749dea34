r"""Reading a reply of ``simulation=sparse``: what it names in which excerpt, and with what value.

One line per excerpt, or several, in any order:

    A: "barked":9, "the"#2:4
    B: none

A name is a JSON string, else it is taken literally. Between name and value may stand a colon, an
equals sign or space, between two names a comma, a semicolon or space; braces around them all are
passed over; the quotes may be missing where a name holds no space or comma. A value counts for all
names in quotes right before it. In a line of names without any value, all of them single words in
quotes, each counts 1. A line without a letter belongs to the letter above it, or to the only
excerpt, if it begins with a double quote or says only ``none``; all other lines are passed over. A
line with a letter must be readable to its end.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from neuron_eval.messages import replace_surrogates
from neuron_eval.records.activations import LEVELS
from neuron_eval.simulation.reading import StatedValue, quoted, stated_value, whole_number
from neuron_eval.simulation.sparse_matching import Finder, Places

# Possessive, so that no part of a reply is gone through twice.
_LETTER = re.compile(
    r"[\s>*\-•\[(<]*+(?:(?i:excerpt)\s++)?+(?P<letter>[A-Z]{1,3})[\])*]*+\s*+[:>][*\s{]*+"
)
_BULLET = re.compile(r"[\s>*\-•]*+")
_TAIL = (
    r"\s*+(?:#\s*+(?P<number>\d++)\s*+)?+(?:[:=]\s*+)?+(?P<value>\d++(?:\.\d++)?+)"
    r"(?=\s*+(?:[,;}\"]|$))(?!\")"
)
_NAME = r'"(?:\\.|[^"\\])++"'
_ENTRIES = (
    re.compile(rf"(?P<names>{_NAME}(?:\s*+[,;]?+\s*+{_NAME})*+)" + _TAIL),
    re.compile(r'"(?P<name>.+?)"' + _TAIL),
    re.compile(r"(?P<name>[^\s\",;#:=]++)(?=[\s#:=])" + _TAIL),
)
_NAME_AT = re.compile(_NAME)
_WORD = r'"[^"\\\s]++"'  # what holds space may be the excerpt itself, copied
_VALUELESS = re.compile(rf"{_WORD}(?:\s*+[,;]?+\s*+{_WORD})*+[\s.}}]*+")
_BETWEEN = re.compile(r"\s*+(?:[,;}]\s*+)?+")
_NOTHING = ("none", "nothing")

WEAK = StatedValue(1.0, None)
"""What a name counts in a line without values: it fires, and the reply claims no more."""


@dataclass(frozen=True, slots=True)
class Named:
    """A token that the reply names."""

    names: tuple[str, ...]  # what was meant, the likeliest first
    number: int | None  # which of its places, from 1; None if the reply does not say
    stated: StatedValue


@dataclass(slots=True)
class SparseAnswer:
    """What a reply says of one excerpt."""

    named: list[Named] = field(default_factory=list)
    answered: bool = False  # whether it says anything, if only that nothing fires
    problem: str = ""  # what cannot be read; empty if all can


def read_answers(reply: str, letters: Sequence[str]) -> tuple[dict[str, SparseAnswer], str | None]:
    """An answer for each letter asked for, and the letter that the last line belongs to."""
    answers = {letter: SparseAnswer() for letter in letters}
    current = letters[0] if len(letters) == 1 else None
    for line in re.finditer(r"[^\n]+", reply):
        head = _LETTER.match(reply, line.start(), line.end())
        if head:
            current = head["letter"] if head["letter"] in answers else None
            start = head.end()
        else:
            start = _BULLET.match(reply, line.start(), line.end()).end()  # type: ignore[union-attr]
            if not reply.startswith('"', start) and not _is_nothing(reply[start : line.end()]):
                continue
        if current is not None:
            answer = answers[current]
            answer.problem = answer.problem or _read_line(reply, start, line.end(), answer)
    return answers, current


def place(tokens: Sequence[str], named: Sequence[Named]) -> tuple[dict[int, int], int]:
    """From each token that a reply names to the index of its name; how many stand for no token.

    A name that comes once without a number counts for all places that it means. One that comes
    several times without a number counts for the first of them, the second, and so on. Where
    names meet on a token, one with a number beats one without, and among the latter the token
    itself beats what covers several tokens; of equals the last counts.
    """
    finder = Finder(tokens)
    claims: list[tuple[int, range, int]] = []
    unplaced = 0
    unnumbered: dict[tuple[range, ...], list[int]] = {}
    for i, item in enumerate(named):
        meanings = (finder.find(name) for name in item.names)
        places = next((meant for meant in meanings if meant.numbered), Places((), ()))
        if item.number is None and places.numbered:
            unnumbered.setdefault(places.meant, []).append(i)
        elif item.number is not None and 1 <= item.number <= len(places.numbered):
            claims.append((2, places.numbered[item.number - 1], i))
        else:
            unplaced += 1
    for meant, items in unnumbered.items():
        unplaced += max(0, len(items) - len(meant))
        owners = items * len(meant) if len(items) == 1 else items
        claims += [(int(len(p) == 1), p, i) for p, i in zip(meant, owners, strict=False)]
    by_weight = sorted(claims, key=lambda claim: (claim[0], claim[2]))
    return {token: i for _, cover, i in by_weight for token in cover}, unplaced


def _read_line(reply: str, at: int, end: int, answer: SparseAnswer) -> str:
    """Take what a line names, up to what cannot be read: what is wrong with that, or nothing."""
    if _is_nothing(reply[at:end]):
        answer.answered = True
        return ""
    if _VALUELESS.fullmatch(reply, at, end):
        names = _NAME_AT.findall(reply, at, end)
        answer.named += [Named(_meanings(name[1:-1]), None, WEAK) for name in names]
        answer.answered = True
        return ""
    while at < end:
        entry = next((m for p in _ENTRIES if (m := p.match(reply, at, end))), None)
        if entry is None:
            return f"cannot read {quoted(reply[at:end].strip())}"
        if "names" in entry.re.groupindex:
            names = [name[1:-1] for name in _NAME_AT.findall(entry["names"])]
        else:
            names = [entry["name"]]
        name, digits = quoted(names[-1]), entry["number"]
        value = stated_value(entry.start("value"), entry["value"])
        if value is None:
            written = quoted(entry["value"])
            return f"the value of {name} is {written}, not a number from 0 to {LEVELS}"
        number = None if digits is None else whole_number(digits)
        if number is None and digits is not None:
            return f"the number behind {name} has {len(digits)} digits"
        answer.named += [Named(_meanings(other), None, value) for other in names[:-1]]
        answer.named.append(Named(_meanings(names[-1]), number, value))
        answer.answered = True
        at = _BETWEEN.match(reply, entry.end(), end).end()  # type: ignore[union-attr]
    return ""


def _is_nothing(text: str) -> bool:
    return text.strip(" \t\r.*_`\"'").lower() in _NOTHING


def _meanings(written: str) -> tuple[str, ...]:
    try:
        decoded = replace_surrogates(json.loads(f'"{written}"', strict=False))
    except ValueError:
        return (written,)
    return (decoded,) if decoded == written else (decoded, written)
