"""Which excerpts are judged, in which order, and which of their tokens are marked.

All of it is drawn by the neuron's id: the same neuron has the same questions in every run, whatever
explanation is judged.

Nothing is fitted on a neuron's calibration excerpts here, so they are held out like the valid ones.
An excerpt fires if a token reaches level `FIRES` of the scale of 0 to 10 that explainers see, whose
10 is the highest activation shown to them. It is silent if no token is above level `SILENT`. What
lies between is judged by nobody, as its right answer would be a matter of taste.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random

from neuron_eval.judging import Case, Round
from neuron_eval.messages import shown as quoted
from neuron_eval.records import ActivationRecord, Excerpt, RecordError
from neuron_eval.records.activations import highest, normalise
from neuron_eval.records.splits import DealtNeuron

FIRES, SILENT = 3, 1

EXCERPTS = 10  # so many that fire, and that do not, at most
LEAST = 2  # so few of a kind say nothing of a neuron
ROUNDS = 5
IN_ROUND = 5  # excerpts of a round, with its intruder
CHANCE = {"detection": 0.5, "fuzzing": 0.5, "intruder": 1 / IN_ROUND}
"""By scorer: what a judge gets who knows nothing."""


class SharedExcerptError(RecordError):
    """An excerpt that would be judged was shown to the explainer."""


class TooFewError(RecordError):
    """A neuron with too few excerpts that fire, or that do not."""


@dataclass(frozen=True, slots=True)
class HeldOut:
    """A neuron's held-out excerpts that can be judged."""

    neuron: str  # its id
    maximum: float  # the highest activation shown to the explainer, at level 10
    firing: tuple[Excerpt, ...]  # the highest peak first
    silent: tuple[Excerpt, ...]

    def random(self, judgement: str) -> Random:
        return Random(f"{judgement} of {self.neuron}")

    def levels(self, record: ActivationRecord) -> list[int]:
        """The levels of its T tokens; those of ignored tokens are 0."""
        return normalise(record.activations, self.maximum)


def held_out(dealt: DealtNeuron) -> HeldOut:
    """The excerpts of the valid and the calibration split that fire, and those that are silent.

    Only a sentence of a puzzle and an excerpt drawn at random can be silent ones.
    """
    every = dealt.valid + dealt.calibration
    seen = {_folded(excerpt): excerpt.name for excerpt in dealt.train}
    for excerpt in every:
        if (known := seen.get(_folded(excerpt))) is not None:
            raise SharedExcerptError(
                f"neuron {dealt.neuron.id}: excerpt {excerpt.name} would be judged but has the "
                f"text of excerpt {known}, which the explainer sees: {quoted(excerpt.record.text)}"
            )
    maximum = highest(dealt.shown)
    peaks = [(excerpt, normalise([excerpt.record.peak], maximum)[0]) for excerpt in every]
    firing = [excerpt for excerpt, level in peaks if level >= FIRES]
    silent = [e for e, level in peaks if level <= SILENT and e.kind != "top"]
    for group, what in ((firing, "fire"), (silent, "are silent")):
        if len(group) < LEAST:
            raise TooFewError(
                f"{len(group)} of {len(every)} held-out excerpts {what}; {LEAST} are the least"
            )
    return HeldOut(
        dealt.neuron.id,
        maximum,
        tuple(sorted(firing, key=lambda excerpt: -excerpt.record.peak)),
        tuple(silent),
    )


def detection_cases(
    neuron: HeldOut, excerpts: int = EXCERPTS, nearness: Mapping[str, float] | None = None
) -> list[Case]:
    """Excerpts that fire and silent ones, up to so many of each, in the order of the questions.

    Those that fire are drawn over the quantiles of their peaks. ``nearness``, by text, chooses the
    nearest half of the silent ones; without it they are drawn.
    """
    rng = neuron.random("detection")
    silent = list(neuron.silent)
    rng.shuffle(silent)
    if nearness is not None:
        silent.sort(key=lambda excerpt: -nearness[excerpt.record.text])
        silent = silent[: max(LEAST, -(-len(silent) // 2))]
    cases = [Case(e, right=True) for e in over_quantiles(neuron.firing, excerpts, rng)]
    cases += [Case(e, right=False) for e in silent[:excerpts]]
    rng.shuffle(cases)
    return cases


def over_quantiles(firing: Sequence[Excerpt], number: int, rng: Random) -> list[Excerpt]:
    """One of each of so many equal parts of excerpts sorted by peak; all if they are few."""
    if len(firing) <= number:
        return list(firing)
    ends = [len(firing) * i // number for i in range(number + 1)]
    return [rng.choice(firing[start:end]) for start, end in pairwise(ends)]


def fuzzing_cases(neuron: HeldOut, excerpts: int = EXCERPTS) -> list[list[Case]]:
    """Each excerpt that fires with its own marks and with as many at random, in two lists.

    The two stand in different lists, which are asked about apart, or one would give away the other.
    Wrong marks stand on silent tokens that are not blank; an excerpt with too few of these is left
    out. A `TooFewError` says that fewer than `LEAST` can be marked.
    """
    rng = neuron.random("fuzzing")
    pairs: list[tuple[Case, Case]] = []
    for excerpt in over_quantiles(neuron.firing, excerpts, rng):
        levels = neuron.levels(excerpt.record)
        right = tuple(i for i, level in enumerate(levels) if level >= FIRES)
        tokens, ignored = excerpt.record.tokens, frozenset(excerpt.record.ignored)
        free = [
            i
            for i, level in enumerate(levels)
            if level <= SILENT and tokens[i].strip() and i not in ignored
        ]
        if len(free) >= len(right):
            wrong = tuple(sorted(rng.sample(free, len(right))))
            pairs.append((Case(excerpt, True, right), Case(excerpt, False, wrong)))
    if len(pairs) < LEAST:
        raise TooFewError(
            f"{len(pairs)} of {len(neuron.firing)} excerpts that fire have as many silent tokens "
            f"as firing ones, for wrong marks; {LEAST} are the least"
        )
    rng.shuffle(pairs)
    lists = [[pair[(i + turn) % 2] for i, pair in enumerate(pairs)] for turn in (0, 1)]
    for cases in lists:
        rng.shuffle(cases)
    return lists


def intruder_rounds(neuron: HeldOut, rounds: int = ROUNDS) -> list[Round]:
    """Up to so many rounds, each with another silent excerpt among some that fire."""
    rng = neuron.random("intruder")
    if len(neuron.firing) < IN_ROUND - 1:
        raise TooFewError(
            f"{len(neuron.firing)} held-out excerpts fire; a round needs {IN_ROUND - 1}"
        )
    made = []
    for silent in rng.sample(neuron.silent, min(rounds, len(neuron.silent))):
        chosen = [*rng.sample(neuron.firing, IN_ROUND - 1), silent]
        rng.shuffle(chosen)
        made.append(Round(tuple(chosen), chosen.index(silent)))
    return made


def _folded(excerpt: Excerpt) -> str:
    return " ".join(excerpt.record.text.split())
