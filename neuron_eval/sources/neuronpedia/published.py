"""Scores that Neuronpedia publishes of its explanations, for choosing among features."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from neuron_eval.records import NeuronRecord
from neuron_eval.sources.base import NeuronKey, ScoredNeuron, Unreadable, no_scores
from neuron_eval.sources.neuronpedia.feature import Explained


class NeuronpediaSource:
    """What a file and a folder have in common: scores of explanations."""

    name: str
    """The path, as the user wrote it."""

    def keys(self) -> Iterator[NeuronKey]:
        """Every feature, in order.

        Raises:
            SourceError: There is no such file, or it holds no features.
            RecordError: An object does not say which feature it is of.
        """
        raise NotImplementedError

    def read(
        self, wanted: Collection[NeuronKey] | None = None
    ) -> Iterator[NeuronRecord | Unreadable]:
        """The features wanted, in order; all if None.

        Raises:
            SourceError: See `keys`.
            RecordError: A file is cut off, or an object does not say which feature it is of.
        """
        raise NotImplementedError

    def scores(self, wanted: Iterable[NeuronKey]) -> Iterator[ScoredNeuron]:
        """Published scores, all of one kind: the one that most features have.

        A feature's score is that of its first explanation with a score of this kind.

        Raises:
            SourceError: There are no scores.
        """
        published = self._explanations()
        kind = _commonest_score(published.values())
        if kind is None:
            raise no_scores(self.name)
        for key in wanted:
            score = _score(published.get(key.id, ()), kind)
            if score is not None and key.layer >= 0 and key.neuron >= 0:
                yield ScoredNeuron(key.layer, key.neuron, *score, key.id)

    def _explanations(self) -> Mapping[str, Sequence[Explained]]:
        """Every published explanation, by the feature's id."""
        raise NotImplementedError


def _commonest_score(features: Iterable[Sequence[Explained]]) -> str | None:
    """The kind of score that most features have, the first of them in the alphabet; or None."""
    counts: Counter[str] = Counter()
    for published in features:
        counts.update({kind for item in published for kind, _ in item.scores})
    return min(counts, key=lambda kind: (-counts[kind], kind)) if counts else None


def _score(published: Iterable[Explained], kind: str) -> tuple[float, str] | None:
    for item in published:
        for found, value in item.scores:
            if found == kind:
                return value, item.reference.explanation
    return None
