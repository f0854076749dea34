"""Published scores, computed again from the simulations that were published with them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Literal

import numpy as np

from neuron_eval.files.bounded import TooLong, read_whole
from neuron_eval.records import RecordError
from neuron_eval.sources.base import SourceError
from neuron_eval.sources.openai import records
from neuron_eval.sources.openai.collated import open_collated, open_container
from neuron_eval.sources.openai.records import CORRELATION, SimulatedSequence, SimulationResults
from neuron_eval.stats import absolute_deviation_explained, pearson, r_squared

TOLERANCE = 1e-6  # scores that differ by no more than this agree

Compute = Callable[[Sequence[float], Sequence[float]], float | None]

RECOMPUTE: Mapping[str, Compute] = {
    CORRELATION: pearson,
    "rsquared_score": r_squared,
    "absolute_dev_explained_score": absolute_deviation_explained,
}
"""How each published score is computed from true and expected activations."""


@dataclass(frozen=True, slots=True)
class RecomputedScore:
    """One published score beside the same score computed again."""

    layer: int
    neuron: int
    explanation: str
    score: str  # such as ``ev_correlation_score of sequence 3``
    released: float | None  # None where it is null
    recomputed: float | None  # None where the published activations do not define it
    noise: bool = False  # whether what was published for an undefined score is a rounded zero

    def __str__(self) -> str:
        released, recomputed = (
            "undefined" if value is None else f"{value:.9g}"
            for value in (self.released, self.recomputed)
        )
        return (
            f"layer {self.layer}, neuron {self.neuron}, explanation {self.explanation!r}: "
            f"{self.score}: released {released}, recomputed {recomputed}"
        )

    @property
    def difference(self) -> float | None:
        if self.released is None or self.recomputed is None:
            return None
        return abs(self.released - self.recomputed)

    @property
    def verdict(self) -> Literal["agrees", "undefined", "disagrees"]:
        if self.recomputed is None and (self.released is None or self.noise):
            return "undefined"
        agrees = self.difference is not None and self.difference <= TOLERANCE
        return "agrees" if agrees else "disagrees"


@dataclass(slots=True)
class ReleasedTally:
    """What files of published scores were found to hold so far."""

    files: int = 0
    explanations: int = 0
    agree: int = 0
    undefined: int = 0  # scores that are undefined on both sides
    largest: float | None = None  # difference of a score from its recomputation
    disagree: list[tuple[str, RecomputedScore]] = field(default_factory=list)  # with file and line
    bad: list[str] = field(default_factory=list)  # what is wrong with what could not be read

    @property
    def compared(self) -> int:
        """Scores in all."""
        return self.agree + self.undefined + len(self.disagree)

    @property
    def sound(self) -> bool:
        """Whether something was compared, and nothing is wrong."""
        return self.compared > 0 and not self.disagree and not self.bad


def explanation_files(path: str) -> Iterator[tuple[str, bytes | RecordError]]:
    """The explanation files of a place: where each is, and its content or why it cannot be read.

    The place is a file, a folder of ``.jsonl`` files at any depth, ``openai:gpt2-xl`` and the like,
    or an address such as ``s3://bucket/folder``. In OpenAI's layout only ``explanations`` is read.
    """
    if path.startswith("openai:"):
        return open_container(path.removeprefix("openai:")).explanation_files()
    if "://" in path:
        return open_collated(path).explanation_files()
    place = Path(path)
    if place.is_file():
        return iter([_content(place)])
    if not place.is_dir():
        raise SourceError(f"{path}: there is no such file or folder")
    explained = place / "explanations"
    folder = explained if explained.is_dir() else place
    files = sorted(folder.rglob("*.jsonl"), key=_in_order)
    if not files:
        raise SourceError(f"{path}: holds no .jsonl file of scored explanations, at any depth")
    return map(_content, files)


def check_files(files: Iterable[tuple[str, bytes | RecordError]]) -> ReleasedTally:
    """Compare all scores of `explanation_files`; a bad line is noted, and the next is read."""
    tally = ReleasedTally()
    for where, content in files:
        tally.files += 1
        if isinstance(content, RecordError):
            tally.bad.append(str(content))
            continue
        results = list(records.lines(content, where))
        if not results:
            tally.bad.append(f"{where}: is empty; expected the results of a neuron")
        for at, line in results:
            _check_line(tally, at, line)
    return tally


def _check_line(tally: ReleasedTally, at: str, line: bytes) -> None:
    try:
        results = records.parse_results(line, at, simulations=True)
    except RecordError as error:
        tally.bad.append(str(error))
        return
    tally.explanations += len(results.explanations)
    for score in compare(results):
        if score.difference is not None:
            tally.largest = max(score.difference, tally.largest or 0.0)
        if score.verdict == "disagrees":
            tally.disagree.append((at, score))
        tally.agree += score.verdict == "agrees"
        tally.undefined += score.verdict == "undefined"


def compare(results: SimulationResults) -> Iterator[RecomputedScore]:
    """Every published score of a neuron's explanations, computed again.

    Correlation is compared always. The other scores are compared where they were published: older
    files lack them. The results were read with their simulations.
    """
    for explanation in results.explanations:
        places = {f"sequence {i}": s for i, s in enumerate(explanation.sequences)}
        # All sequences as one; their scores are not the mean of each one's.
        places["all sequences"] = SimulatedSequence(
            expected=tuple(chain.from_iterable(s.expected for s in explanation.sequences)),
            true=tuple(chain.from_iterable(s.true for s in explanation.sequences)),
            scores=explanation.scores,
        )
        for place, simulated in places.items():
            # A value that was written as null makes all of it NaN.
            finite = np.isfinite((*simulated.true, *simulated.expected)).all()
            for name, compute in RECOMPUTE.items():
                released = simulated.scores[name]
                if released is None and name != CORRELATION:
                    continue
                yield RecomputedScore(
                    layer=results.layer,
                    neuron=results.neuron,
                    explanation=explanation.explanation,
                    score=f"{name} of {place}",
                    released=released,
                    recomputed=compute(simulated.true, simulated.expected) if finite else None,
                    noise=name == CORRELATION and _is_noise(released, simulated),
                )


def _is_noise(released: float | None, simulated: SimulatedSequence) -> bool:
    """Whether a published correlation is 0 up to rounding, and a side is constant.

    A mean that is off in its last digit turns the correlation with a constant, which is
    undefined, into such a number.
    """
    constant = any(len(set(side)) <= 1 for side in (simulated.expected, simulated.true))
    return constant and released is not None and abs(released) <= TOLERANCE


def _content(path: Path) -> tuple[str, bytes | RecordError]:
    try:
        return str(path), read_whole(path)
    except TooLong as error:
        return str(path), RecordError(str(error))
    except OSError as error:
        return str(path), RecordError(f"{path}: {error.strerror or error}")


def _in_order(path: Path) -> list[tuple[int, str]]:
    """By the parts of the path, numbers by their value."""
    parts = (*path.parent.parts, path.stem)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
