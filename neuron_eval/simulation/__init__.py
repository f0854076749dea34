"""Ways to simulate: each is one file that owns its wording, prompt, reading and sample reply.

A way of your own is a module with a decorated subclass of `Simulation`, in this folder or named by
an entry point of the group ``neuron_eval.ways``, and a section ``simulation.NAME`` in a prompt
pack, see docs/extending.md:

    @way("magic")
    class MagicSimulation(Simulation): ...
"""

from __future__ import annotations

import math
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

from neuron_eval.messages import InputError
from neuron_eval.plugins import load_plugins
from neuron_eval.prompts.sections import read_strings
from neuron_eval.prompts.wording import Pack
from neuron_eval.records import Excerpt

if TYPE_CHECKING:  # Inspect takes a second, which who needs no model does not wait for
    from inspect_ai.model import ChatMessage, Model

LEAST_READ = 0.5  # the share of an excerpt's tokens that must have values, or it is not scored

Basis = Literal["log-probabilities", "values", "cosine"]

Tokens = Sequence[Sequence[str]]  # the tokens of E excerpts
Piece = str | float  # a piece of a reply: text, or a value

Tokenize = Callable[[str, str], Sequence[str]]
"""From a text, and its last token where that is known, to its tokens."""


class UnreadableReplyError(ValueError):
    """A reply that does not give every token exactly one value; the message says how.

    The simulator is told what was wrong, and asked again.
    """


class BrokenReplyError(UnreadableReplyError):
    """A reply with numbers that no server should send: the same question is asked again."""


class HopelessReplyError(UnreadableReplyError):
    """A reply after which the same question, asked again, would hardly get a better one."""


@dataclass(frozen=True, slots=True)
class Simulated:
    """The expected activations of one excerpt."""

    values: tuple[float, ...]
    """One a token, shape [T]; in [0, 10] from a language model, in [-1, 1] for cosines; NaN for a
    token that the simulator gave nothing usable for, which is not scored."""

    basis: Basis
    unplaced: int = 0  # how many names of the reply stand for no token, and so for nothing
    problem: str = ""  # why tokens have no value, for a person; empty if all have one

    @property
    def unread(self) -> int:
        """How many tokens have no value."""
        return sum(map(math.isnan, self.values))


def without_nan(values: Iterable[float]) -> list[float | None]:
    """Values as JSON can hold them."""
    return [None if math.isnan(value) else value for value in values]


def with_nan(values: Iterable[float | None]) -> tuple[float, ...]:
    """Values that `without_nan` made fit for JSON."""
    return tuple(math.nan if value is None else value for value in values)


@dataclass(frozen=True, slots=True)
class Failed:
    """An excerpt that the simulator gave nothing usable for; it is no measurement."""

    reason: str  # why, for a person; names what was wrong with the last reply


Outcome = Simulated | Failed


@dataclass(frozen=True, slots=True)
class Simulator:
    """A model that simulates."""

    model: Model
    named: bool  # whether the user named it as the simulator; if not, it is the explainer


class Simulation(ABC):
    """One way to simulate, bound to a model."""

    name: ClassVar[str]
    """What users type after ``-T simulation=``, and the pack's section; set by `way`."""

    wording: ClassVar[type | None] = None
    """A dataclass of texts, the keys of the pack's section; None if the way needs no words."""

    needs_model: ClassVar[bool] = True  # whether a language model simulates
    asks_per_token: ClassVar[bool] = False  # whether every token takes a request of its own

    excerpts_per_call: ClassVar[int | None] = None
    """How many excerpts share a request where the user does not say; None if none ever do."""

    model: str  # its name

    @classmethod
    def read_wording(cls, section: Mapping[str, Any], at: str) -> Any:
        """The wording in a pack's section, which stands at ``at``; else a PackError."""
        assert cls.wording is not None
        return read_strings(cls.wording, section, at)

    @classmethod
    @abstractmethod
    def bind(cls, simulator: Simulator, pack: Pack, excerpts_per_call: int | None) -> Simulation:
        """The way with its model, wording, and how many excerpts may share a request.

        None is the way's default. A PackError says that the pack has no words for the way.
        """

    async def check(self) -> object:
        """Refuse a model that cannot simulate this way, before anything is explained.

        If how the model is asked depends on it, that is returned, as text for the log.
        """
        return None

    @abstractmethod
    async def __call__(self, explanation: str, excerpts: Sequence[Excerpt]) -> list[Outcome]:
        """Predict a neuron's activations in E excerpts: E outcomes, in order.

        The explanation is not empty and has no space around it. An error is broken machinery (no
        server, no key), not a failure of a reply.
        """

    @classmethod
    def requests(
        cls, explanation: str, excerpts: Sequence[Excerpt], pack: Pack, model: str, size: int | None
    ) -> Iterator[tuple[list[ChatMessage] | str, str | int]]:
        """The requests for one explanation, for estimates: no model is asked.

        ``model`` is the simulator's name; ``size`` is how many excerpts may share a request, None
        the way's default. Of each request there are its prompt, and a reply to it or how many
        tokens that has.
        """
        raise InputError(f"simulation={cls.name} says nothing of what it asks: no estimate")

    @classmethod
    def read_prompt(cls, user: str, tokenize: Tokenize) -> Tokens:
        """The excerpts of a user message that this way made; for fake simulators."""
        raise NotImplementedError(f"no fake simulator reads prompts of simulation={cls.name}")

    @classmethod
    def reply(cls, excerpts: Tokens, values: Sequence[Sequence[float]]) -> list[list[Piece]]:
        """The lines of a good reply with these values in [0, 10]; for estimates and fakes."""
        raise NotImplementedError(f"there is no sample reply for simulation={cls.name}")


S = TypeVar("S", bound=type[Simulation])

_WAYS: dict[str, type[Simulation]] = {}


def way(name: str) -> Callable[[S], S]:
    """Register a way to simulate under the name that users type."""

    def register(made: S) -> S:
        if name in ("auto", "none", *_WAYS):
            raise ValueError(f"there is a way to simulate of the name {name!r} already")
        made.name = name
        _WAYS[name] = made
        return made

    return register


def ways() -> Mapping[str, type[Simulation]]:
    """All ways to simulate by name, those of users' packages included; dear ones stand last."""
    _load()
    ranked = sorted(_WAYS.values(), key=lambda w: (not w.needs_model, w.asks_per_token, w.name))
    return {way.name: way for way in ranked}


@cache
def _load() -> None:
    for module in pkgutil.iter_modules(__path__):
        import_module(f"{__name__}.{module.name}")
    load_plugins("ways")
