"""Explanations of other neurons: what a wrong explanation is, to every score."""

import random
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from typing import TypeVar

K = TypeVar("K", bound=Hashable)

MAX_UNRELATED = 40  # so many references of other neurons at most go into a sample


class Unrelated:
    """Of each neuron, references of others: the level that an unrelated explanation reaches."""

    def __init__(self, references: Mapping[str, str]) -> None:
        self._ids = list(references)
        self._references = references
        self._same: Counter[str | None] = Counter(map(_folded, references.values()))

    def of(self, id_: str) -> list[str]:
        """Up to `MAX_UNRELATED` of the others' references, the same ones for the same id.

        A reference that says the same as the neuron's own, up to case and blanks at its ends, is
        left out.
        """
        own = _folded(self._references[id_]) if id_ in self._references else None
        ids = self._ids
        # So many that enough are left, whichever of the same are among them.
        drawn = MAX_UNRELATED + max(1, self._same[own])
        if len(ids) > drawn:
            ids = random.Random(id_).sample(ids, drawn)
        others = (self._references[other] for other in ids)
        return [text for text in others if _folded(text) != own][:MAX_UNRELATED]


def deranged(texts: Mapping[K, str], layers: Mapping[K, object], seed: int = 0) -> dict[K, K]:
    """Whose explanation each neuron gets in place of its own: always one that reads differently.

    Within a layer each explanation is given once. A layer in which that cannot be, since it has
    one neuron or one text is that of more than half of them, is shuffled together with all others
    like it; where that cannot be either, each of their neurons gets any other explanation.

    ``texts`` are by neuron its own explanation; they are the same up to case and blanks at the
    ends, and their order has no part in it. Neurons are left out if all texts are the same.
    """
    rng = random.Random(f"shuffled {seed}")
    keys = sorted(texts, key=repr)
    pairs: dict[K, K] = {}
    for layer in sorted({layers[key] for key in keys}, key=repr):
        pairs |= _rotated([key for key in keys if layers[key] == layer], texts, rng)
    rest = [key for key in keys if key not in pairs]
    pairs |= _rotated(rest, texts, rng)
    for key in rest:
        others = [other for other in keys if _folded(texts[other]) != _folded(texts[key])]
        if key not in pairs and others:
            pairs[key] = rng.choice(others)
    return pairs


def _rotated(keys: Iterable[K], texts: Mapping[K, str], rng: random.Random) -> dict[K, K]:
    """A derangement; empty if there is none.

    Neurons of one text stand beside each other, and each takes the text that stands as far behind
    its own as the longest such row is long.
    """
    rows: dict[str, list[K]] = {}
    for key in keys:
        rows.setdefault(_folded(texts[key]), []).append(key)
    shuffled = list(rows.values())
    rng.shuffle(shuffled)
    for row in shuffled:
        rng.shuffle(row)
    order = [key for row in shuffled for key in row]
    far = max(map(len, shuffled), default=0)
    if 2 * far > len(order):
        return {}
    return dict(zip(order, order[far:] + order[:far], strict=True))


def _folded(text: str) -> str:
    return text.strip().casefold()
