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
    simulation:
      chat: {system: "…", …}      # the keys of `ChatWording`

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

import yaml

from neuron_eval.prompts.wording import ChatWording, FewShotNeuron, Pack, PackError, Wording
from neuron_eval.records import ActivationRecord

W = TypeVar("W")


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
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise PackError(f"prompt pack {path}: {error.strerror or error}") from error
    return _parse(content, path)


@lru_cache(maxsize=16)
def _parse(content: bytes, path: str) -> Pack:
    at = f"prompt pack {path}" if path else "the bundled prompt pack"
    try:
        data = yaml.safe_load(content)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise PackError(f"{at}: not valid YAML: {error}") from error
    _keys(data, at, required={"name", "formats", "few_shot"}, allowed=_TOP_LEVEL)
    shared = data.get("shared", {})
    _keys(shared, f"{at}: shared", required=set(), allowed={f.name for f in fields(Wording)})
    sections = data["formats"]
    if not isinstance(sections, Mapping) or not sections:
        raise PackError(f"{at}: formats: expected a section for at least one format")
    formats = {}
    for name, section in sections.items():
        here = f"{at}: formats.{name}"
        if not isinstance(section, Mapping):
            raise PackError(f"{here}: expected keys with strings, got {section!r}")
        formats[str(name)] = _strings(Wording, {**shared, **section}, here)
    chat = (data.get("simulation") or {}).get("chat")
    return Pack(
        name=str(data["name"]),
        version=str(data.get("version", "")),
        sha256=hashlib.sha256(content).hexdigest(),
        formats=formats,
        few_shot=_few_shot(data["few_shot"], at),
        chat=None if chat is None else _strings(ChatWording, chat, f"{at}: simulation.chat"),
    )


_TOP_LEVEL = {"name", "version", "shared", "formats", "few_shot", "simulation"}


def _keys(data: object, at: str, required: set[str], allowed: set[str]) -> None:
    if not isinstance(data, Mapping):
        raise PackError(f"{at}: expected keys and values, got {type(data).__name__}")
    missing, unknown = sorted(required - set(data)), sorted(map(str, set(data) - allowed))
    if missing:
        raise PackError(f"{at}: missing key(s) {', '.join(missing)}")
    if unknown:
        raise PackError(
            f"{at}: unknown key(s) {', '.join(unknown)}; allowed are {', '.join(sorted(allowed))}"
        )


def _strings(kind: type[W], data: Mapping[str, Any], at: str) -> W:
    names = {f.name for f in fields(kind)}  # type: ignore[arg-type]
    _keys(data, at, required=names - {"answer"}, allowed=names)
    for key, value in data.items():
        if not isinstance(value, str):
            raise PackError(f"{at}.{key}: expected a string, got {value!r}")
    return kind(**data)


def _few_shot(data: object, at: str) -> tuple[FewShotNeuron, ...]:
    if not isinstance(data, list):
        raise PackError(f"{at}: few_shot: expected a list (it may be empty), got {data!r}")
    neurons = []
    for i, neuron in enumerate(data):
        here = f"{at}: few_shot[{i}]"
        _keys(neuron, here, {"explanation", "excerpts"}, {"explanation", "excerpts"})
        if not isinstance(neuron["explanation"], str) or not isinstance(neuron["excerpts"], list):
            raise PackError(f"{here}: expected a string 'explanation' and a list 'excerpts'")
        excerpts = tuple(
            _excerpt(excerpt, f"{here}.excerpts[{j}]")
            for j, excerpt in enumerate(neuron["excerpts"])
        )
        neurons.append(FewShotNeuron(neuron["explanation"], excerpts))
    return tuple(neurons)


def _excerpt(items: object, at: str) -> ActivationRecord:
    if not isinstance(items, list) or not items:
        raise PackError(f"{at}: expected a list of tokens, got {items!r}")
    pairs: list[tuple[str, float]] = []
    for i, item in enumerate(items):
        token, value = item if isinstance(item, list) and len(item) == 2 else (item, 0)
        if (
            not isinstance(token, str)
            or isinstance(value, bool)
            or not isinstance(value, (int, float))
        ):
            raise PackError(f"{at}[{i}]: expected a token or [token, activation], got {item!r}")
        pairs.append((token, float(value)))
    return ActivationRecord(tuple(t for t, _ in pairs), tuple(a for _, a in pairs))
