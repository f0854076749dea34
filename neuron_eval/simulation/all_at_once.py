"""`all_at_once`: the published way; the simulator reads the excerpt and generates nothing.

After few-shot neurons with their activations, some of them hidden, the prompt lists every token of
the excerpt with ``unknown`` in place of its activation. What the simulator holds likely there is
read from the log-probabilities of the prompt (Bills et al. 2023), so that one request gives the
whole excerpt, from a server that gives these (`neuron_eval.simulation.prompt_logprobs`).

At each position the distribution is that of the first token of the activation. So if the
simulator's tokenizer writes 10 as "1" and "0", what it expects of 10 counts as 1; and a server that
gives fewer alternatives cuts off the distribution's tail.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from inspect_ai.model import Logprob, Model

from neuron_eval.messages import shown
from neuron_eval.models.requests import together
from neuron_eval.prompts.sections import read_strings
from neuron_eval.prompts.wording import FewShotNeuron, Pack, PackError
from neuron_eval.records import Excerpt
from neuron_eval.simulation import (
    LEAST_READ,
    Failed,
    Outcome,
    Simulated,
    Simulation,
    Simulator,
    UnreadableReplyError,
    way,
)
from neuron_eval.simulation.expected import (
    AlignmentError,
    PiecePlace,
    align,
    expectation,
    level_masses,
    level_of,
    probability,
    unescaped,
)
from neuron_eval.simulation.per_token_prompt import LineWording, few_shot_excerpts, numbered
from neuron_eval.simulation.prompt_logprobs import Dialect, decide, read_prompt_logprobs
from neuron_eval.simulation.reading import quoted


@dataclass(frozen=True, slots=True)
class AllAtOnceWording(LineWording):
    """The literal strings of the simulator's prompt for ``simulation=all_at_once``.

    The prompt is one text: ``system``; for each few-shot neuron ``neuron``, its excerpts and
    ``neuron_end``; for the neuron at hand ``last_neuron`` and its excerpt.
    """

    must_hold: ClassVar[Mapping[str, str]] = {
        "neuron": "{explanation}",
        "last_neuron": "{explanation}",
    }

    system: str  # opens the prompt
    neuron: str
    """Stands before a few-shot neuron's excerpts; holds ``{explanation}``, may hold
    ``{number}``."""

    unknown: str
    """Stands for an activation that is not shown; begins with a visible ASCII character that is
    no digit."""

    last_neuron: str | None = None
    """Stands before the excerpt of the neuron at hand, for instance with a mark where the prompt
    ends; may hold what ``neuron`` may, and is the same as ``neuron`` if None."""

    neuron_end: str = ""  # stands after a few-shot neuron's last excerpt


@way("all_at_once")
class AllAtOnceSimulation(Simulation):
    """One request per excerpt, by the log-probabilities of the prompt (Bills et al. 2023)."""

    wording = AllAtOnceWording

    def __init__(
        self, model: Model, wording: AllAtOnceWording, few_shot: Sequence[FewShotNeuron]
    ) -> None:
        self.model = str(model)
        self._model = model
        self._wording = wording
        self._few_shot = few_shot

    @classmethod
    def read_wording(cls, section: Mapping[str, Any], at: str) -> AllAtOnceWording:
        wording = read_strings(AllAtOnceWording, section, at)
        if not "!" <= wording.unknown[:1] <= "~" or wording.unknown[0].isdigit():
            raise PackError(
                f"{at}.unknown: expected a text that begins with a visible ASCII character other "
                f"than a digit, got {shown(wording.unknown)}"
            )
        return wording

    @classmethod
    def bind(cls, simulator: Simulator, pack: Pack, excerpts_per_call: int | None) -> Self:
        return cls(simulator.model, pack.simulation_wording(cls.name), pack.few_shot)

    @classmethod
    def requests(
        cls, explanation: str, excerpts: Sequence[Excerpt], pack: Pack, model: str, size: int | None
    ) -> Iterator[tuple[str, int]]:
        wording = pack.simulation_wording(cls.name)
        for excerpt in excerpts:
            parts = all_at_once_prompt(explanation, excerpt.record.tokens, wording, pack.few_shot)
            yield "".join(parts), 1  # few servers agree to generate nothing

    async def check(self) -> Dialect:
        """How its server is asked, found out with a short request."""
        segments = all_at_once_prompt("animals", (" a", " cat", " sat"), self._wording, ())

        def read(logprobs: Sequence[Logprob]) -> list[float]:
            align(segments, [token.token for token in logprobs])
            return []  # so short a prompt need not make any number likely

        return await decide(self._model, "".join(segments), read)

    async def __call__(self, explanation: str, excerpts: Sequence[Excerpt]) -> list[Outcome]:
        if not excerpts:
            return []
        dialect = await self.check()
        return await together(*(self._excerpt(explanation, e, dialect) for e in excerpts))

    async def _excerpt(self, explanation: str, excerpt: Excerpt, dialect: Dialect) -> Outcome:
        tokens = excerpt.record.tokens
        segments = all_at_once_prompt(explanation, tokens, self._wording, self._few_shot)
        try:
            values = await read_prompt_logprobs(
                self._model,
                "".join(segments),
                dialect,
                lambda logprobs: read_prompt(segments, tokens, logprobs),
                lambda pieces: {place.piece for place in align(segments, pieces)},
            )
        except (UnreadableReplyError, AlignmentError) as error:
            return Failed(f"excerpt {excerpt.name}: {error}")
        return Simulated(values, "log-probabilities", problem=_problem(tokens, values, dialect))


def all_at_once_prompt(
    explanation: str,
    tokens: Sequence[str],
    wording: AllAtOnceWording,
    few_shot: Sequence[FewShotNeuron],
) -> list[str]:
    """T + 1 texts: the prompt for an excerpt of T tokens, cut right before each ``unknown``.

    What is the same for all neurons stands first, then what is the same for all excerpts of one.
    """
    opening = wording.system
    for number, neuron in enumerate(few_shot, start=1):
        opening += numbered(wording.neuron, number, neuron.explanation)
        opening += few_shot_excerpts(neuron, wording, wording.unknown) + wording.neuron_end
    last = wording.neuron if wording.last_neuron is None else wording.last_neuron
    opening += numbered(last, len(few_shot) + 1, explanation) + wording.start
    row = wording.unknown + wording.line_end
    starts = [token + wording.separator for token in tokens]
    return [opening + starts[0], *(row + start for start in starts[1:]), row + wording.end]


def read_prompt(
    segments: Sequence[str], tokens: Sequence[str], logprobs: Sequence[Logprob]
) -> tuple[float, ...]:
    """The expected activations, shape [T], in the server's tokens of a prompt.

    NaN where no number is among the alternatives. An UnreadableReplyError says that this is so of
    more than half of the tokens.
    """
    places = align(segments, [token.token for token in logprobs])
    means = (expectation(level_masses(_merged(logprobs[p.piece], p))) for p in places)
    # rounded, because logs hold every value
    values = tuple(math.nan if value is None else round(value, 9) for value in means)
    unread = [i for i, value in enumerate(values) if math.isnan(value)]
    if len(unread) > len(values) * (1 - LEAST_READ):
        first = places[unread[0]]
        joined = f", which its tokenizer joins to {quoted(first.before)}," if first.before else ""
        count = len(logprobs[first.piece].top_logprobs or [])
        raise UnreadableReplyError(_no_number(f"{count}", tokens, unread, joined))
    return values


def _problem(tokens: Sequence[str], values: Sequence[float], dialect: Dialect) -> str:
    unread = [i for i, value in enumerate(values) if math.isnan(value)]
    return _no_number(f"up to {dialect.alternatives}", tokens, unread) if unread else ""


def _no_number(count: str, tokens: Sequence[str], unread: Sequence[int], joined: str = "") -> str:
    return (
        f"no value for {len(unread)} of {len(tokens)} tokens: none of the simulator's {count} "
        f"alternatives for the activation of token {unread[0] + 1} ({quoted(tokens[unread[0]])})"
        f"{joined} is a number from 0 to 10"
    )


def _merged(at: Logprob, place: PiecePlace) -> Iterable[tuple[str, float]]:
    """What the simulator holds likely where an activation begins, each text once.

    The prompt's own token counts too, which not all servers list among the alternatives. Some
    show tokens that differ as the same text; these are added up.
    """
    listed = {(c.token, c.logprob) for c in at.top_logprobs or []} | {(at.token, at.logprob)}
    masses: dict[str, float] = {}
    for token, logprob in listed:
        text = unescaped(token)
        if text.startswith(place.before) and level_of(text.removeprefix(place.before)) is not None:
            text = text.removeprefix(place.before)
            masses[text] = masses.get(text, 0.0) + probability(logprob)
    return ((text, math.log(min(mass, 1.0))) for text, mass in masses.items() if mass > 0)
