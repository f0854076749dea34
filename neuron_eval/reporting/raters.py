"""What raters, people and models, say of explanations, put together and joined with runs.

An explanation is the same if neuron and text are, whatever it is called in which log.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

from neuron_eval.logs.runs import NeuronResult, Run
from neuron_eval.rating.asking import is_person
from neuron_eval.rating.judging import Judgement, PlaceBias, Planted, mean_judgement
from neuron_eval.reporting.statistics import RESAMPLES, Estimate, Places, clustered

T = TypeVar("T")
Value = float | str
Unit = Sequence[Value]  # what several raters said of one thing
Explanation = tuple[str, str]  # a neuron's id and the text


@dataclass(frozen=True, slots=True)
class RatedNeuron:
    """A neuron, and what the rater said of it."""

    id: str  # the same as in logs of explanations
    explanations: Mapping[str, str]  # by column, without white space around them
    judgement: Judgement | None  # the means over orders and epochs; None if it was not rated
    again: Judgement | None = None  # of the second time that it was shown, if it was
    planted: tuple[Planted, ...] = ()  # another neuron's explanation, of each rated epoch with one
    reason: str = ""  # why it was not rated; empty if it was
    comment: str = ""
    seconds: float | None = None  # how long a person took; None where nobody measured


@dataclass(frozen=True, slots=True)
class Rater:
    """What one model or person rated, in one log or in several of other neurons."""

    log: str  # where it is; of several, the oldest
    name: str  # the model that rated; people are ``human/NAME``
    columns: tuple[str, ...]  # the formats, or columns of a file, that were rated
    excerpts: str  # which excerpts the rater saw: ``train`` or ``valid``
    pack: str  # the digest of the pack that worded the questions
    identity: str  # all settings that a rating depends on
    # Each once; more than once where explanations differ, if several logs are put together.
    neurons: tuple[RatedNeuron, ...]
    places: tuple[PlaceBias, ...] = ()  # where there were several orders, what each place got
    further_logs: tuple[str, ...] = ()

    @property
    def person(self) -> bool:
        return is_person(self.name)

    @property
    def judgements(self) -> list[Judgement]:
        """Of the neurons that were rated."""
        return [neuron.judgement for neuron in self.neurons if neuron.judgement is not None]


def raters_once(raters: Sequence[Rater]) -> list[Rater]:
    """Each rater once: its logs put together, the mean where it rated an explanation twice.

    Logs in which a rater saw other excerpts, or was asked in other words, stay apart.
    """
    groups = by_key(raters, [(rater.name, rater.excerpts, rater.pack) for rater in raters])
    return [_together(logs, logs[0].name) if len(logs) > 1 else logs[0] for logs in groups]


def all_people(raters: Sequence[Rater]) -> list[tuple[Rater, int]]:
    """The means of each set of columns, excerpts and wording that at least two people rated.

    Each person counts once, whatever their logs. With the means, named ``all people (N)``, comes
    how many neurons are left out, of which they saw different explanations.
    """
    people = [rater for rater in raters if rater.person]
    questions = [(rater.columns, rater.excerpts, rater.pack) for rater in people]
    once = [raters_once(of) for of in by_key(people, questions)]
    groups = [group for group in once if len(group) > 1]
    return [_people(group, _name(group, groups)) for group in groups]


def by_explanation(rater: Rater) -> dict[Explanation, float]:
    """The rating of each different explanation that the rater rated."""
    return {
        (neuron.id, text): neuron.judgement.ratings[column]
        for neuron in rater.neurons
        if neuron.judgement is not None
        for column, text in neuron.explanations.items()
    }


def rating_units(raters: Sequence[Rater]) -> list[list[list[Value]]]:
    """By neuron, of each different explanation the ratings of those who rated it, two or more."""
    ratings: dict[str, dict[str, list[Value]]] = {}
    for rater in raters:
        for (id, text), rating in by_explanation(rater).items():
            ratings.setdefault(id, {}).setdefault(text, []).append(rating)
    neurons = ([unit for unit in texts.values() if len(unit) > 1] for texts in ratings.values())
    return [units for units in neurons if units]


def choice_units(raters: Sequence[Rater]) -> list[list[list[Value]]]:
    """By neuron, which column each rater chose; only where two or more saw the same explanations.

    Columns that say the same are one choice, as are several between which a rater was undecided.
    """
    choices: dict[tuple[str, frozenset[Explanation]], list[Value]] = {}
    for rater in raters:
        for neuron in rater.neurons:
            if neuron.judgement is not None:
                shown = frozenset(neuron.explanations.items())
                most = max(neuron.judgement.best.values())
                best = [c for c, share in neuron.judgement.best.items() if most and share == most]
                choice = ", ".join(sorted(best)) or "planted"
                choices.setdefault((neuron.id, shown), []).append(choice)
    return [[unit] for unit in choices.values() if len(unit) > 1]


def best_texts(neuron: RatedNeuron) -> set[str]:
    """The explanations that were chosen as the best; none if the neuron was not rated."""
    best = {} if neuron.judgement is None else neuron.judgement.best
    return {neuron.explanations[column] for column, share in best.items() if share}


def with_ratings(runs: Sequence[Run], rater: Rater, name: str) -> list[Run]:
    """The runs, each explanation that the rater saw word for word with a further score ``name``."""
    ratings = by_explanation(rater)

    def rated(result: NeuronResult) -> Mapping[str, float]:
        rating = ratings.get((result.id, result.explanation.strip()))
        return result.scores if rating is None else {**result.scores, name: rating}

    return _with_scores(runs, rated)


def scores_of_texts(runs: Sequence[Run]) -> list[Run]:
    """The runs with the scores of the explanations that they show, without other epochs'."""
    return _with_scores(runs, lambda n: n.scores if n.scores_of_text is None else n.scores_of_text)


def _with_scores(
    runs: Sequence[Run], scores: Callable[[NeuronResult], Mapping[str, float]]
) -> list[Run]:
    return [
        replace(run, results={i: replace(n, scores=scores(n)) for i, n in run.results.items()})
        for run in runs
    ]


def _people(raters: Sequence[Rater], name: str) -> tuple[Rater, int]:
    rated = [replace(r, neurons=tuple(n for n in r.neurons if n.judgement)) for r in raters]
    versions: dict[str, set[tuple[tuple[str, str], ...]]] = {}
    for neuron in (neuron for rater in rated for neuron in rater.neurons):
        versions.setdefault(neuron.id, set()).add(tuple(neuron.explanations.items()))
    same = {id for id, shown in versions.items() if len(shown) == 1}
    kept = [replace(r, neurons=tuple(n for n in r.neurons if n.id in same)) for r in rated]
    return _together(kept, name), len(versions) - len(same)


def _name(group: Sequence[Rater], groups: Sequence[Sequence[Rater]]) -> str:
    """All people, with what tells this group from the others."""
    about = [(of[0].excerpts, " ".join(of[0].columns), f"pack {of[0].pack[:8]}") for of in groups]
    parts = about[groups.index(group)]
    telling = [part for i, part in enumerate(parts) if len({other[i] for other in about}) > 1]
    return ", ".join([f"all people ({len(group)})", *telling])


def _together(raters: Sequence[Rater], name: str) -> Rater:
    """One rater; a neuron with the same explanations has the mean of what was said of it."""
    neurons = [neuron for rater in raters for neuron in rater.neurons]
    shown = [(neuron.id, tuple(neuron.explanations.items())) for neuron in neurons]
    means = []
    for of in by_key(neurons, shown):
        mean = mean_judgement([neuron.judgement for neuron in of if neuron.judgement])
        means.append(RatedNeuron(of[0].id, of[0].explanations, mean))
    return replace(
        raters[0],
        log="",
        further_logs=(),
        name=name,
        columns=tuple(dict.fromkeys(column for rater in raters for column in rater.columns)),
        neurons=tuple(means),
        places=(),
        identity="{}",
    )


def by_key(items: Sequence[T], keys: Sequence[Hashable]) -> list[list[T]]:
    """Items with the same key together, in the order in which the keys appear."""
    groups: dict[Hashable, list[T]] = {}
    for item, key in zip(items, keys, strict=True):
        groups.setdefault(key, []).append(item)
    return list(groups.values())


def krippendorff(
    neurons: Sequence[Sequence[Unit]], level: Literal["nominal", "ordinal"], interval: bool = True
) -> Estimate | None:
    """Krippendorff's alpha, as Inspect has it, of each neuron's units, each of two raters or more.

    ``ordinal`` is for ratings, ``nominal`` for choices. None if there are no units, or everybody
    said the same of everything: nothing can be told from chance then.
    """
    from inspect_ai.scorer import SampleScore, Score, krippendorff_alpha

    values = [frozenset(unit) for units in neurons for unit in units]
    if not values:
        return None
    alpha = krippendorff_alpha(level)
    scores = [SampleScore(score=Score(value=list(unit))) for units in neurons for unit in units]

    def statistic(chosen: Places) -> float | None:
        # Where everybody always says the same, Inspect's alpha is 1 by convention.
        if len(frozenset().union(*(values[i] for i in chosen))) < 2:
            return None
        return float(alpha([scores[i] for i in chosen]))  # type: ignore[arg-type]

    # Inspect's takes 3 ms for 1,000 units.
    resamples = max(200, min(RESAMPLES, 400_000 // len(scores)))
    return clustered([len(units) for units in neurons], statistic, resamples if interval else 0)
