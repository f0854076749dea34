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
      per_token:                  # the keys of `PerTokenWording`
        system: "…"
        few_shot: {neurons: […]}  # optional, the keys of `PerTokenFewShot`
        example: {excerpt: […]}   # optional, the keys of `PerTokenExample`
      all_at_once: {system: "…"}  # the keys of `AllAtOnceWording`
    rating: {system: "…", …}      # optional, the keys of `RatingWording`
    generic: "…"                  # optional: an explanation that fits any neuron; else the bundled
    judging:                      # optional, a section for each of `JUDGEMENTS`
      detection: {system: "…", …} # the keys of `DetectionWording`
    investigation: {test: "…", …} # optional, the keys of `InvestigationWording`
    rewriting:                    # optional, a section for each of `REWRITINGS`
      narrowed:                   # the keys of `RewritingWording`
        system: "…"
        examples: [["…", "…"]]    # an explanation and that as it is rewritten; may be []
    generation:                   # optional
      fitting: {system: "…", …}   # the keys of `FittingWording`
      near: {system: "…", …}      # the keys of `NearWording`
      examples:                   # may be []
        - explanation: "…"
          fitting: ["…", "…"]     # texts that fit it
          near: ["…", "…"]        # the same texts, changed so that they do not

A prompt made with it is: the system message; for each few-shot neuron a user and an assistant
message; the user message of the neuron at hand. A user message is

    header, then each excerpt, then (Original only, see there) repeat_heading and each excerpt
    again, then opening

and an excerpt is ``heading start BODY end``, followed in formats with a list by
``list_heading ITEM list_separator ITEM … list_end``. ``{number}`` is the neuron's place in the
prompt from 1, ``{letter}`` the excerpt's (A … Z, AA, AB, …); nothing else is replaced, and not a
byte is added or trimmed. Keys of a type with a default may be left out. Each way to simulate
describes its wording in its own file, see `neuron_eval.simulation`.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import lru_cache, partial
from importlib import import_module, resources
from pathlib import Path
from typing import Any, TypeVar

from neuron_eval.files.bounded import YAML_FILE, TooLong, load_yaml, read_whole
from neuron_eval.messages import replace_surrogates, shortened, shown
from neuron_eval.prompts.sections import (
    check_keys,
    read_generation,
    read_neurons,
    read_strings,
    read_with_examples,
)
from neuron_eval.prompts.wording import (
    JUDGEMENTS,
    REWRITINGS,
    InvestigationWording,
    Pack,
    PackError,
    RatingWording,
    RewritingWording,
    Wording,
)

R = TypeVar("R")

EARLIER = ("neuron_eval-2",)
"""Packs that shipped before, so that what was measured with them can be measured again; each name
stands for a file."""

LABEL = 200  # the longest name or version, in characters

_TOP_LEVEL = {field.name for field in fields(Pack)} - {"sha256"} | {"shared"}


def default_pack() -> Pack:
    return load_pack(None)


def load_pack(path: str | None) -> Pack:
    """Read and check a pack: a file, a name in `EARLIER`, or None for the one that ships."""
    if path is None or path in EARLIER:
        shipped = resources.files("neuron_eval.prompts").joinpath(f"{path or 'default'}.yaml")
        return _parse(shipped.read_bytes(), "")
    if not isinstance(path, str) or "\0" in path:
        raise PackError(f"pack={shown(path)}: expected a file")
    if replace_surrogates(path) != path:
        raise PackError(f"pack={shown(path)}: holds bytes that are not UTF-8; rename the file")
    try:
        content = read_whole(Path(path), YAML_FILE)
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
    check_keys(data, at, required={"name", "formats", "few_shot"}, allowed=_TOP_LEVEL)
    shared = data.get("shared", {})
    check_keys(shared, f"{at}: shared", required=set(), allowed={f.name for f in fields(Wording)})
    sections = data["formats"]
    if not isinstance(sections, Mapping) or not sections:
        raise PackError(f"{at}: formats: expected a section for at least one format")
    formats = {}
    for name, section in sections.items():
        here = f"{at}: formats.{shortened(str(name))}"
        if not isinstance(section, Mapping):
            raise PackError(f"{here}: expected keys with strings, got {shown(section)}")
        formats[str(name)] = read_strings(Wording, {**shared, **section}, here)
    simulation = data.get("simulation") or {}
    # The ways read their own wording; they lie in a room above, so they are reached by name.
    every: Mapping[str, Any] = import_module("neuron_eval.simulation").ways()
    ways = {name: way for name, way in every.items() if way.wording is not None}
    check_keys(simulation, f"{at}: simulation", required=set(), allowed=set(ways))
    generic = data.get("generic", "")
    if not isinstance(generic, str):
        raise PackError(f"{at}: generic: expected a string, got {shown(generic)}")
    judging, rewriting = data.get("judging") or {}, data.get("rewriting") or {}
    check_keys(judging, f"{at}: judging", required=set(), allowed=set(JUDGEMENTS))
    check_keys(rewriting, f"{at}: rewriting", required=set(), allowed=set(REWRITINGS))

    def optional(key: str, read: Callable[[Any, str], R]) -> R | None:
        section = data.get(key)
        return None if section is None else read(section, f"{at}: {key}")

    return Pack(
        name=_label(data["name"], f"{at}: name"),
        version=_label(data.get("version", ""), f"{at}: version"),
        sha256=hashlib.sha256(content).hexdigest(),
        formats=formats,
        few_shot=read_neurons(data["few_shot"], f"{at}: few_shot"),
        generic=generic.strip(),
        rating=optional("rating", partial(read_strings, RatingWording)),
        investigation=optional("investigation", partial(read_with_examples, InvestigationWording)),
        judging={
            name: read_strings(JUDGEMENTS[name], section, f"{at}: judging.{name}")
            for name, section in judging.items()
        },
        rewriting={
            name: read_with_examples(RewritingWording, section, f"{at}: rewriting.{name}")
            for name, section in rewriting.items()
        },
        generation=optional("generation", read_generation),
        simulation={
            name: ways[name].read_wording(section, f"{at}: simulation.{name}")
            for name, section in simulation.items()
            if section is not None
        },
    )


def _label(value: object, at: str) -> str:
    if isinstance(value, Mapping | list | tuple | set | bytes) or len(str(value)) > LABEL:
        raise PackError(f"{at}: expected a text of at most {LABEL} characters, got {shown(value)}")
    return str(value)
