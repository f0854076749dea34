"""What a source of neurons is: it lists neurons cheaply, and reads those that were chosen."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from neuron_eval.files.bounded import Pairs, TooLong, once, parse_json, read_whole
from neuron_eval.messages import InputError, shown
from neuron_eval.records import ActivationRecord, NeuronRecord, RecordError
from neuron_eval.records.checks import named

T = TypeVar("T")


class SourceError(InputError):
    """A source that cannot be read at all; the message says what was looked for and found."""

    @classmethod
    def of_file(cls, path: object, error: OSError) -> SourceError:
        return cls(f"{path}: cannot be read ({error.strerror or error})")


@dataclass(frozen=True, slots=True)
class NeuronKey:
    """Which neuron: all that is known of it before its activations are read."""

    id: str  # the sample's, see `neuron_eval.records.NeuronRecord.id`
    layer: int  # from 0; -1 where the neuron is not part of a network
    neuron: int  # within the layer, from 0; -1 where it is not part of a network


@dataclass(frozen=True, slots=True)
class ScoredNeuron:
    """The score that somebody published for an explanation of a neuron."""

    layer: int
    neuron: int
    score: float  # finite, higher is better; usually a correlation in [-1, 1]
    explanation: str  # as written; may be empty
    # The neuron's id, since two dictionaries of features may number the same layer; empty where it
    # was not asked for by id
    id: str = ""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A neuron that the source could not give, in the place where it would have stood."""

    name: str  # the neuron's id, or file and line where the id cannot be known
    error: RecordError  # what is wrong; the message names file, line or record, field and value
    # Whether the neuron is simply not there (left out and counted) instead of bad (an error).
    missing: bool = False


Wanted = Collection[NeuronKey] | None  # which neurons to read; None for all
Neurons = Iterator[NeuronRecord | Unreadable]
Placed = Iterator[tuple[str, NeuronRecord | Unreadable]]


class Source(ABC):
    """Neurons from one place."""

    name: str  # what the user wrote

    @abstractmethod
    def keys(self) -> Iterator[NeuronKey]:
        """Every neuron in the source's order; reads no activations where the format allows it.

        Raises:
            SourceError: The source cannot be read.
            RecordError: A record's identity cannot be read, an id stands twice, or the source
                breaks off.
        """

    @abstractmethod
    def read(self, wanted: Wanted = None) -> Neurons:
        """The neurons, checked, one at a time and in the source's order; a bad one `Unreadable`.

        Of those wanted, None being all, the ones that are not among `keys` are ignored.

        Raises:
            SourceError: The source cannot be read.
            RecordError: The source breaks off; what came before is sound.
        """

    def scores(self, wanted: Iterable[NeuronKey]) -> Iterator[ScoredNeuron]:
        """Published scores of these neurons, in this order; those without one are left out.

        Lazy: takes little more from ``wanted`` than is asked of it, so that a caller can stop
        when it has enough.

        Raises:
            SourceError: The source has no published scores; the message says what to do.
        """
        raise SourceError(
            f"neurons={self.name}: holds no published scores; name a CSV with the columns layer, "
            "neuron, score, explanation (-T scores=FILE), or select=random"
        )


class PlacedSource(Source):
    """One whose neurons have places, each of which an id may stand in alone: lines, or files."""

    # What is said where an id stands in two places: of the ``place``, the ``first`` one, and the
    # ``id`` in quotes or the ``neuron`` without
    repeated: ClassVar[str]

    @abstractmethod
    def placed_keys(self) -> Iterator[tuple[str, NeuronKey]]:
        """See `keys`."""

    @abstractmethod
    def placed(self, wanted: Wanted) -> Placed:
        """See `read`."""

    def keys(self) -> Iterator[NeuronKey]:
        seen: dict[str, str] = {}
        for place, key in self.placed_keys():
            if (first := seen.setdefault(key.id, place)) != place:
                raise self._repeated(key.id, place, first)
            yield key

    def read(self, wanted: Wanted = None) -> Neurons:
        seen: dict[str, str] = {}
        for place, neuron in self.placed(wanted):
            id_ = neuron.name if isinstance(neuron, Unreadable) else neuron.id
            if (first := seen.setdefault(id_, place)) != place:
                neuron = Unreadable(id_, self._repeated(id_, place, first))
            yield neuron

    def _repeated(self, id_: str, place: str, first: str) -> RecordError:
        first = first.removeprefix(f"{self.name}, ")
        words = {"place": place, "first": first, "id": shown(id_), "neuron": named(id_)}
        return RecordError(self.repeated.format(**words))


def read_file(path: str) -> bytes:
    try:
        return read_whole(Path(path))
    except TooLong as error:
        raise SourceError(str(error)) from error
    except OSError as error:
        raise SourceError.of_file(path, error) from error


def ids_of(wanted: Wanted) -> set[str] | None:
    return None if wanted is None else {key.id for key in wanted}


def strict(
    neurons: Iterable[NeuronRecord | Unreadable], missing: list[str] | None = None
) -> Iterator[NeuronRecord]:
    """Only neurons; the error of one that is unreadable is raised, or goes to those ``missing``."""
    for neuron in neurons:
        if not isinstance(neuron, Unreadable):
            yield neuron
        elif missing is None or not neuron.missing:
            raise neuron.error
        else:
            missing.append(str(neuron.error))


# Reading values from JSON; ``at`` is file, line and neuron for the message of a `RecordError`.


def parsed(
    content: bytes | str,
    at: str,
    fault: str = "not valid JSON, or cut off",
    made: Callable[[Pairs], Any] = once,
) -> Any:
    """A JSON value, see `parse_json`; ``fault`` is said of what is none."""
    try:
        return parse_json(content, made)
    except UnicodeDecodeError as error:
        raise RecordError(f"{at}: not UTF-8 text ({error})") from error
    except ValueError as error:
        raise RecordError(f"{at}: {fault} ({error})") from error


def typed(data: Mapping[str, Any], field: str, at: str, kind: type[T]) -> T:
    """A value of this type; True is no whole number."""
    value = data[field]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise RecordError(f"{at}: field {field!r} is {shown(value)}; expected {kind.__name__}")
    return value


def number(data: Mapping[str, Any], field: str, at: str) -> float:
    return _number(data[field], f"{at}: field {field!r}")


def numbers(data: Mapping[str, Any], field: str, at: str) -> tuple[float, ...]:
    values = typed(data, field, at, list)
    if set(map(type, values)) <= {float}:
        return tuple(values)
    return tuple(_number(v, f"{at}: field {field!r}: value {i}") for i, v in enumerate(values))


def _number(value: object, at: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        hint = " (NaN?)" if value is None else ""
        raise RecordError(f"{at} is {shown(value)}{hint}; expected a number")
    try:
        return float(value)
    except OverflowError as error:
        raise RecordError(f"{at} has {len(str(value))} digits; expected a number") from error


def excerpt(tokens: Any, activations: Any, at: str) -> ActivationRecord:
    """An excerpt of another project's file from two JSON lists, without its empty tokens."""
    for name, values in (("tokens", tokens), ("activations", activations)):
        if not isinstance(values, Sequence) or isinstance(values, str):
            raise RecordError(f"{at}: field {name!r} is {shown(values)}; expected a list")
    if len(tokens) != len(activations):
        raise RecordError(
            f"{at}: {len(tokens)} tokens but {len(activations)} activations; "
            "there must be one activation for each token"
        )
    for i, token in enumerate(tokens):
        if not isinstance(token, str):
            raise RecordError(f"{at}: token {i} is {shown(token)}; expected a string")
    for i, value in enumerate(activations):
        if isinstance(value, int | float) and abs(value) > sys.float_info.max:
            raise RecordError(f"{at}: activation {i} is too large for a floating-point number")
        _number(value, f"{at}: activation {i}")
    kept = [(t, float(a)) for t, a in zip(tokens, activations, strict=True) if t]
    if not kept:
        raise RecordError(f"{at}: holds no tokens")
    return ActivationRecord(tuple(t for t, _ in kept), tuple(a for _, a in kept))
