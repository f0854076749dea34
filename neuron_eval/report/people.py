"""Several logs as one rater: a rater's own, and those of all people."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from neuron_eval.rating.judging import mean_judgement
from neuron_eval.report.raters import RatedNeuron, Rater

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class People:
    """The means of several people who rated the same columns, as if they were one rater."""

    rater: Rater
    """Named ``all people (N)``."""

    left_out: int
    """Neurons of which they saw different explanations, and which are not among the means."""


def whole_raters(raters: Sequence[Rater]) -> list[Rater]:
    """Each rater once: its logs put together, the mean where it rated an explanation twice.

    Logs in which a rater saw other excerpts, or was asked in other words, stay apart.
    """
    groups = _grouped(raters, [(one.name, one.excerpts, one.pack) for one in raters])
    return [_together(logs, logs[0].name) if len(logs) > 1 else logs[0] for logs in groups]


def all_people(raters: Sequence[Rater]) -> list[People]:
    """The means of people; each counts once, whatever the number of their logs.

    Returns:
        One for each set of columns, excerpts and wording that at least two people rated.
    """
    people = [one for one in raters if one.person]
    asked = [(one.columns, one.excerpts, one.pack) for one in people]
    whole = [whole_raters(of) for of in _grouped(people, asked)]
    groups = [group for group in whole if len(group) > 1]
    return [_people(group, _name(group, groups)) for group in groups]


def _people(raters: Sequence[Rater], name: str) -> People:
    versions: dict[str, set[tuple[tuple[str, str], ...]]] = {}
    for rater in raters:
        for neuron in rater.neurons:
            if neuron.said is not None:
                versions.setdefault(neuron.id, set()).add(tuple(neuron.explanations.items()))
    same = {id for id, shown in versions.items() if len(shown) == 1}
    kept = [
        replace(one, neurons=tuple(n for n in one.neurons if n.id in same and n.said is not None))
        for one in raters
    ]
    return People(_together(kept, name), len(versions) - len(same))


def _name(group: Sequence[Rater], groups: Sequence[Sequence[Rater]]) -> str:
    """All people, with what tells this group from the others."""
    parts = [f"all people ({len(group)})"]
    if len({of[0].excerpts for of in groups}) > 1:
        parts.append(group[0].excerpts)
    if len({of[0].columns for of in groups}) > 1:
        parts.append(" ".join(group[0].columns))
    if len({of[0].pack for of in groups}) > 1:
        parts.append(f"pack {group[0].pack[:8]}")
    return ", ".join(parts)


def _together(raters: Sequence[Rater], name: str) -> Rater:
    """One rater; a neuron with the same explanations has the mean of what was said of it."""
    neurons = [neuron for rater in raters for neuron in rater.neurons]
    shown = [(neuron.id, tuple(neuron.explanations.items())) for neuron in neurons]
    return replace(
        raters[0],
        log="",
        name=name,
        columns=tuple(dict.fromkeys(column for rater in raters for column in rater.columns)),
        neurons=tuple(_mean(of) for of in _grouped(neurons, shown)),
        places=(),
        identity="{}",
    )


def _mean(shown: Sequence[RatedNeuron]) -> RatedNeuron:
    said = mean_judgement([one.said for one in shown if one.said is not None])
    return RatedNeuron(shown[0].id, shown[0].explanations, said)


T = TypeVar("T")


def _grouped(items: Sequence[T], keys: Sequence[K]) -> list[list[T]]:
    """Items with the same key together, in the order in which the keys appear."""
    groups: dict[K, list[T]] = {}
    for item, key in zip(items, keys, strict=True):
        groups.setdefault(key, []).append(item)
    return list(groups.values())
