r"""Prompt packs: every literal string of every prompt, and the few-shot neurons, as a YAML file.

A format (`neuron_eval.formats`) decides how activations are shown; a pack decides what is said
around them. So new wording, or another project's, is a file and no code. The file:

    name: my-wording              # shown in the log, with the SHA-256 of the file
    version: 1
    shared:                       # strings that all formats use unless they say otherwise
      header: "Neuron {number}\n"
    formats:
      summary:                    # one section a format, with the keys of `Wording`
        system: "…"
    few_shot:                     # shown before the neuron at hand, in this order; may be []
      - explanation: "…"          # without a full stop: the answer template adds it
        excerpts:
          - [" a", [" token", 7], " list"]     # a bare token has activation 0
        revealed_from: [1]        # optional, for simulation=all_at_once, one number an excerpt:
                                  # the first token whose activation it shows, or null to leave
                                  # the excerpt out; without the key, half of each is hidden
    simulation:
      chat: {system: "…", …}      # the keys of `ChatWording`
      sparse: {system: "…", …}    # the keys of `SparseWording`
      per_token: {system: "…", …} # the keys of `PerTokenWording`
      all_at_once: {system: "…"}  # the keys of `AllAtOnceWording`
    rating: {system: "…", …}      # optional, the keys of `RatingWording`

A prompt made with it is: the system message; for each few-shot neuron a user and an assistant
message; the user message of the neuron at hand. A user message is

    header, then each excerpt, then (Original only, see there) repeat_heading and each excerpt
    again, then opening

and an excerpt is ``heading start BODY end``, followed in formats with a list by
``list_heading ITEM list_separator ITEM … list_end``. ``{number}`` is the neuron's place in the
prompt from 1, ``{letter}`` the excerpt's (A … Z, AA, AB, …); nothing else is replaced, and not a
byte is added or trimmed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import fields
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from neuron_eval.bounded import TooLong, read_whole
from neuron_eval.bounded_yaml import FILE, load_yaml
from neuron_eval.prompts.rating import RatingWording
from neuron_eval.prompts.wording import (
    AllAtOnceWording,
    ChatWording,
    FewShotNeuron,
    Pack,
    PackError,
    PerTokenWording,
    SparseWording,
    Wording,
)
from neuron_eval.records import ActivationRecord
from neuron_eval.shown import listed, shortened, shown
from neuron_eval.surrogates import replace_surrogates

W = TypeVar("W")

LABEL = 200
"""The longest name or version, in characters."""

LARGEST = 1e300
"""An activation is nearer to 0 than this."""


def default_pack() -> Pack:
    """The pack that ships with the package."""
    return _parse(resources.files("neuron_eval.prompts").joinpath("default.yaml").read_bytes(), "")


def load_pack(path: str | None) -> Pack:
    """Read and check a pack; ``None`` is the one that ships.

    Raises:
        PackError: The file cannot be read or breaks the schema.
    """
    if path is None:
        return default_pack()
    if not isinstance(path, str):
        raise PackError(f"pack={shown(path)}: expected a file")
    if replace_surrogates(path) != path:
        raise PackError(f"pack={shown(path)}: holds bytes that are not UTF-8; rename the file")
    try:
        content = read_whole(Path(path), FILE)
    except OSError as error:
        raise PackError(f"prompt pack {path}: {error.strerror or error}") from error
    except TooLong as error:
        raise PackError(f"prompt pack {error}") from error
    return _parse(content, path)


@lru_cache(maxsize=16)
def _parse(content: bytes, path: str) -> Pack:
    at = f"prompt pack {path}" if path else "the bundled prompt pack"
    try:
        data = load_yaml(content)
    except ValueError as error:
        raise PackError(f"{at}: {error}") from error
    _keys(data, at, required={"name", "formats", "few_shot"}, allowed=_TOP_LEVEL)
    shared = data.get("shared", {})
    _keys(shared, f"{at}: shared", required=set(), allowed={f.name for f in fields(Wording)})
    sections = data["formats"]
    if not isinstance(sections, Mapping) or not sections:
        raise PackError(f"{at}: formats: expected a section for at least one format")
    formats = {}
    for name, section in sections.items():
        here = f"{at}: formats.{shortened(str(name))}"
        if not isinstance(section, Mapping):
            raise PackError(f"{here}: expected keys with strings, got {shown(section)}")
        formats[str(name)] = _strings(Wording, {**shared, **section}, here)
    simulation = data.get("simulation") or {}
    _keys(simulation, f"{at}: simulation", required=set(), allowed=_SIMULATION)
    rating = data.get("rating")
    return Pack(
        name=_label(data["name"], f"{at}: name"),
        version=_label(data.get("version", ""), f"{at}: version"),
        sha256=hashlib.sha256(content).hexdigest(),
        formats=formats,
        few_shot=_few_shot(data["few_shot"], at),
        chat=_section(ChatWording, simulation, "chat", at),
        sparse=_section(SparseWording, simulation, "sparse", at),
        per_token=_section(PerTokenWording, simulation, "per_token", at),
        all_at_once=_all_at_once(simulation, at),
        rating=None if rating is None else _strings(RatingWording, rating, f"{at}: rating"),
    )


_TOP_LEVEL = {"name", "version", "shared", "formats", "few_shot", "simulation", "rating"}
_SIMULATION = {"chat", "sparse", "per_token", "all_at_once"}


def _keys(data: object, at: str, required: set[str], allowed: set[str]) -> None:
    if not isinstance(data, Mapping):
        raise PackError(f"{at}: expected keys and values, got {type(data).__name__}")
    missing, unknown = sorted(required - set(data)), sorted(map(str, set(data) - allowed))
    if missing:
        raise PackError(f"{at}: missing key(s) {', '.join(missing)}")
    if unknown:
        raise PackError(
            f"{at}: unknown key(s) {listed(unknown, quoted=False)}; allowed are "
            f"{', '.join(sorted(allowed))}"
        )


def _label(value: object, at: str) -> str:
    if isinstance(value, Mapping | list | tuple | set | bytes) or len(str(value)) > LABEL:
        raise PackError(f"{at}: expected a text of at most {LABEL} characters, got {shown(value)}")
    return str(value)


def _section(kind: type[W], simulation: Mapping[str, Any], name: str, at: str) -> W | None:
    section = simulation.get(name)
    return None if section is None else _strings(kind, section, f"{at}: simulation.{name}")


def _all_at_once(simulation: Mapping[str, Any], at: str) -> AllAtOnceWording | None:
    wording = _section(AllAtOnceWording, simulation, "all_at_once", at)
    if wording and (not "!" <= wording.unknown[:1] <= "~" or wording.unknown[0].isdigit()):
        raise PackError(
            f"{at}: simulation.all_at_once.unknown: expected a text that begins with a visible "
            f"ASCII character other than a digit, got {shown(wording.unknown)}"
        )
    return wording


_MARKS: Mapping[type, Mapping[str, str]] = {
    ChatWording: {"explanation": "{explanation}", "heading": "{letter}"},
    SparseWording: {"explanation": "{explanation}", "start": "{letter}"},
    PerTokenWording: {"explanation": "{explanation}"},
    AllAtOnceWording: {"neuron": "{explanation}"},
    RatingWording: {"title": "{title}", "option": "{explanation}"},
}
"""What a string must hold, or the prompt would lack it."""


def _strings(kind: type[W], data: Mapping[str, Any], at: str) -> W:
    names = {f.name for f in fields(kind)}  # type: ignore[arg-type]
    _keys(data, at, required=names - {"answer"}, allowed=names)
    for key, value in data.items():
        if not isinstance(value, str):
            raise PackError(f"{at}.{key}: expected a string, got {shown(value)}")
    for key, mark in _MARKS.get(kind, {}).items():
        # Without its explanation a simulation would measure nothing, and look like any other.
        if mark not in data.get(key, mark):
            raise PackError(f"{at}.{key}: must hold {mark}, got {shown(data[key])}")
    return kind(**data)


def _few_shot(data: object, at: str) -> tuple[FewShotNeuron, ...]:
    if not isinstance(data, list):
        raise PackError(f"{at}: few_shot: expected a list (it may be empty), got {shown(data)}")
    neurons = []
    for i, neuron in enumerate(data):
        here = f"{at}: few_shot[{i}]"
        required = {"explanation", "excerpts"}
        _keys(neuron, here, required, required | {"revealed_from"})
        if not isinstance(neuron["explanation"], str) or not isinstance(neuron["excerpts"], list):
            raise PackError(f"{here}: expected a string 'explanation' and a list 'excerpts'")
        excerpts = tuple(
            _excerpt(excerpt, f"{here}.excerpts[{j}]")
            for j, excerpt in enumerate(neuron["excerpts"])
        )
        revealed = _revealed_from(neuron.get("revealed_from"), excerpts, here)
        neurons.append(FewShotNeuron(neuron["explanation"], excerpts, revealed))
    return tuple(neurons)


def _revealed_from(
    data: object, excerpts: tuple[ActivationRecord, ...], at: str
) -> tuple[int | None, ...]:
    if data is None:
        return tuple(len(excerpt.tokens) // 2 for excerpt in excerpts)
    if not isinstance(data, list) or len(data) != len(excerpts):
        raise PackError(
            f"{at}.revealed_from: expected a list of {len(excerpts)}, one an excerpt, got "
            f"{shown(data)}"
        )
    for i, (value, excerpt) in enumerate(zip(data, excerpts, strict=True)):
        last = len(excerpt.tokens) - 1
        if value is not None and (type(value) is not int or not 0 <= value <= last):
            raise PackError(
                f"{at}.revealed_from[{i}]: expected a token's index from 0 to {last}, or null, "
                f"got {shown(value)}"
            )
    return tuple(data)


def _excerpt(items: object, at: str) -> ActivationRecord:
    if not isinstance(items, list) or not items:
        raise PackError(f"{at}: expected a list of tokens, got {shown(items)}")
    pairs: list[tuple[str, float]] = []
    for i, item in enumerate(items):
        token, value = item if isinstance(item, list) and len(item) == 2 else (item, 0)
        if (
            not isinstance(token, str)
            or isinstance(value, bool)
            or not isinstance(value, (int, float))
        ):
            raise PackError(
                f"{at}[{i}]: expected a token or [token, activation], got {shown(item)}"
            )
        if not -LARGEST < value < LARGEST:
            raise PackError(f"{at}[{i}]: expected a finite activation, got {shown(value)}")
        pairs.append((token, float(value)))
    return ActivationRecord(tuple(t for t, _ in pairs), tuple(a for _, a in pairs))
