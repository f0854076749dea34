"""Reading the sections of a pack: texts under known keys, and few-shot neurons."""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, TypeVar

from neuron_eval.messages import listed, near_miss, shown
from neuron_eval.prompts.wording import (
    FewShotNeuron,
    FittingWording,
    GenerationWording,
    NearWording,
    PackError,
    WrittenExample,
)
from neuron_eval.records import ActivationRecord

LARGEST = 1e300  # an activation is nearer to 0 than this

W = TypeVar("W")


def check_keys(data: object, at: str, required: set[str], allowed: set[str]) -> None:
    if not isinstance(data, Mapping):
        raise PackError(f"{at}: expected keys and values, got {type(data).__name__}")
    missing, unknown = sorted(required - set(data)), sorted(map(str, set(data) - allowed))
    if missing:
        raise PackError(f"{at}: missing key(s) {', '.join(missing)}")
    if unknown:
        raise PackError(
            f"{at}: unknown key(s) {listed(unknown, quoted=False)}; allowed are "
            f"{', '.join(sorted(allowed))}{near_miss(unknown, allowed)}"
        )


def read_strings(
    kind: type[W], data: Mapping[str, Any], at: str, read: Mapping[str, Any] | None = None
) -> W:
    """A dataclass's instance from a section with its keys; fields with a default may be left out.

    Its fields are texts, but for those ``read`` and checked already, which are passed over in the
    section; its ``must_hold``, if it has one, says what which field must hold.
    """
    read = read or {}
    every = fields(kind)  # type: ignore[arg-type]
    required = {f.name for f in every if f.default is MISSING}
    check_keys(data, at, required, allowed={f.name for f in every})
    texts = {key: value for key, value in data.items() if key not in read}
    for key, value in texts.items():
        if not isinstance(value, str):
            raise PackError(f"{at}.{key}: expected a string, got {shown(value)}")
    for key, mark in getattr(kind, "must_hold", {}).items():
        # Without its explanation a simulation would measure nothing, and look like any other.
        if mark not in texts.get(key, mark):
            raise PackError(f"{at}.{key}: must hold {mark}, got {shown(texts[key])}")
    return kind(**texts, **read)


def read_neurons(data: object, at: str) -> tuple[FewShotNeuron, ...]:
    neurons = []
    for i, neuron in enumerate(_list(data, at)):
        here = f"{at}[{i}]"
        required = {"explanation", "excerpts"}
        check_keys(neuron, here, required, required | {"revealed_from"})
        if not isinstance(neuron["explanation"], str) or not isinstance(neuron["excerpts"], list):
            raise PackError(f"{here}: expected a string 'explanation' and a list 'excerpts'")
        excerpts = tuple(
            read_excerpt(excerpt, f"{here}.excerpts[{j}]")
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
            f"{at}.revealed_from: expected a list of {len(excerpts)}, one per excerpt, got "
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


def read_excerpt(items: object, at: str) -> ActivationRecord:
    if not isinstance(items, list) or not items:
        raise PackError(f"{at}: expected a list of tokens, got {shown(items)}")
    pairs: list[tuple[str, float]] = []
    for i, item in enumerate(items):
        token, value = item if isinstance(item, list) and len(item) == 2 else (item, 0)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not isinstance(token, str) or not number:
            raise PackError(
                f"{at}[{i}]: expected a token or [token, activation], got {shown(item)}"
            )
        if not -LARGEST < value < LARGEST:
            raise PackError(f"{at}[{i}]: expected a finite activation, got {shown(value)}")
        pairs.append((token, float(value)))
    return ActivationRecord(tuple(t for t, _ in pairs), tuple(a for _, a in pairs))


def read_with_examples(kind: type[W], section: Mapping[str, Any], at: str) -> W:
    read = {}
    if isinstance(section, Mapping) and "examples" in section:
        pairs = _list(section["examples"], f"{at}.examples")
        for i, pair in enumerate(pairs):
            if not isinstance(pair, list) or [type(text) for text in pair] != [str, str]:
                raise PackError(f"{at}.examples[{i}]: expected two strings, got {shown(pair)}")
        read = {"examples": tuple(map(tuple, pairs))}
    return read_strings(kind, section, at, read)


def read_generation(section: Mapping[str, Any], at: str) -> GenerationWording:
    keys = {"fitting", "near", "examples"}
    check_keys(section, at, required=keys, allowed=keys)
    examples = _list(section["examples"], f"{at}.examples")
    return GenerationWording(
        fitting=read_strings(FittingWording, section["fitting"], f"{at}.fitting"),
        near=read_strings(NearWording, section["near"], f"{at}.near"),
        examples=tuple(_written(e, f"{at}.examples[{i}]") for i, e in enumerate(examples)),
    )


def _written(example: Mapping[str, Any], at: str) -> WrittenExample:
    keys = {"explanation", "fitting", "near"}
    check_keys(example, at, required=keys, allowed=keys)
    explanation = example["explanation"]
    if not isinstance(explanation, str):
        raise PackError(f"{at}.explanation: expected a string, got {shown(explanation)}")
    fitting, near = (_lines(example[kind], f"{at}.{kind}") for kind in ("fitting", "near"))
    if len(fitting) != len(near):
        raise PackError(f"{at}: expected as many near as fitting, got {len(near)}, {len(fitting)}")
    return WrittenExample(explanation, fitting, near)


def _list(data: object, at: str) -> list[Any]:
    if not isinstance(data, list):
        raise PackError(f"{at}: expected a list (it may be empty), got {shown(data)}")
    return data


def _lines(value: object, at: str) -> tuple[str, ...]:
    if isinstance(value, list) and value:
        lines = [text for text in value if isinstance(text, str) and len(text.splitlines()) == 1]
        if len(lines) == len(value):
            return tuple(lines)
    raise PackError(f"{at}: expected a list of texts of one line each, got {shown(value)}")
