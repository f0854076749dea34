"""One Neuronpedia feature: from its JSON objects to a neuron record.

Neuronpedia's own objects are in camel case; SAEDashboard, which makes most of what Neuronpedia
shows, writes a batch of features in snake case, and says once for all of them whose they are.

An activation holds ``tokens``, ``values`` and, where it comes from a dashboard, the bin that it was
sampled from: ``binContains`` (SAEDashboard's ``bin_contains``) is -1 for the highest activations,
and the share of activations that lie between ``binMin`` and ``binMax`` for the others. Older ones
and users' own have no bin. An explanation holds ``description``, ``explanationModelName``,
``typeName`` and, from the API, ``scores`` of ``value`` and ``explanationScoreTypeName``.
"""

import random
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from neuron_eval.messages import shortened, shown
from neuron_eval.records import ActivationRecord, NeuronRecord, RecordError, Reference, distinct
from neuron_eval.records.checks import check_id, foreign_record, named
from neuron_eval.records.tokens import clean_record
from neuron_eval.sources.base import NeuronKey, excerpt

PER_SPLIT = 5  # excerpts of each kind a split that a feature with enough of them is laid out for
TOP, OTHERS = 4, 3  # excerpts of each kind that one excerpt a split takes: the splits there are
SITE = "Neuronpedia"
PAGES = "https://www.neuronpedia.org"
FIELDS = ("modelId", "layer", "index")  # what tells which feature it is, in Neuronpedia's objects
# What tells whose features they are, in a batch by SAEDashboard.
BATCH = ("model_id", "layer", "sae_set", "sae_id_suffix")
IN_TOP = -1  # the ``binContains`` of the highest activations
SHARES_OFF = 0.01  # what the shares of all bins may miss 1 by


@dataclass(frozen=True, slots=True)
class Identity:
    """Which feature: the three fields that every Neuronpedia object carries, or a batch's."""

    model: str  # ``modelId``, such as ``gpt2-small``
    source: str  # ``layer``, more than that: ``6-res-jb``; of a batch layer, set and suffix
    index: str  # ``index``, digits; for a user's own vector some other name
    is_published: bool = True  # False in a batch by SAEDashboard, which anyone can make

    @property
    def page(self) -> str:
        """Where Neuronpedia shows the feature; empty if it may not be there."""
        if not self.is_published or self.key.neuron < 0:
            return ""
        parts = (quote(part, safe="") for part in (self.model, self.source, self.index))
        return "/".join([PAGES, *parts])

    @property
    def key(self) -> NeuronKey:
        """The id ``gpt2-small/6-res-jb/650``, layer and neuron; -1 where there is no number."""
        layer = re.match(r"\d{1,9}(?!\d)", self.source, re.ASCII)
        return NeuronKey(
            f"{self.model}/{self.source}/{self.index}",
            int(layer[0]) if layer else -1,
            int(self.index) if re.fullmatch(r"\d{1,15}", self.index, re.ASCII) else -1,
        )


@dataclass(frozen=True, slots=True)
class PublishedExplanation:
    """An explanation with its scores, by kind, as published; usually none."""

    reference: Reference
    scores: tuple[tuple[str, float], ...]


def features_of(data: Any, at: str) -> Iterator[tuple[Any, str]]:
    """The features that a JSON value holds, with their places; of a batch each gets its `BATCH`."""
    if isinstance(data, list):
        yield from ((row, f"{at}, item {i}") for i, row in enumerate(data))
    elif isinstance(data, Mapping) and "features" in data and "modelId" not in data:
        rows = data["features"]
        if not isinstance(rows, list):
            raise RecordError(f"{at}: field 'features' is {shown(rows)}; expected a list")
        shared = {field: data.get(field) for field in BATCH}
        for i, row in enumerate(rows):
            own = {**shared, **row} if isinstance(row, Mapping) else row
            yield own, f"{at}, feature {i}"
    else:
        yield data, at


def identity(row: object, at: str) -> Identity:
    """Which feature an object is of; the error of a line that holds none is raised."""
    if isinstance(row, RecordError):
        # Not the same error: its traceback would hold this frame, which holds it, and with both
        # the open file until the garbage is collected.
        raise RecordError(str(row)) from row
    if not isinstance(row, Mapping):
        raise RecordError(f"{at}: expected a JSON object, got {type(row).__name__}")
    if "model_id" not in row:
        model, source, index = (_name(row, field, at) for field in FIELDS)
        return Identity(model, source, index)
    layer = _name(row, "layer", at)
    names = [_name(row, field, at) if row.get(field) else "" for field in BATCH[2:]]
    source = "".join(mark + name for mark, name in zip(("-", "__"), names, strict=True) if name)
    model, index = _name(row, "model_id", at), _name(row, "feature_index", at)
    return Identity(model, layer + source, index, is_published=False)


def _name(row: Mapping[str, Any], field: str, at: str) -> str:
    value = row.get(field)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value:
        raise RecordError(f"{at}: field {field!r} is {shown(value)}; expected a string")
    return value


def feature_record(
    which: Identity,
    activations: Iterable[tuple[object, str]],
    explanations: Iterable[PublishedExplanation],
    where: str,
) -> NeuronRecord:
    """The record of one feature, checked; the first explanation becomes the reference.

    Neuronpedia publishes no excerpts drawn at random. What stands in for them, see `split`, was
    sampled where the feature is active, so that correlations are not comparable with those of
    neurons whose random excerpts are drawn from all text. Activations come with their places.
    """
    key = which.key
    check_id(key.id, where)
    texts = [explained.reference for explained in explanations]
    read = [_excerpt(row, f"{at}: neuron {named(key.id)}") for row, at in activations]
    excerpts = [(record, bin_of(row) is not None) for row, record in read]
    top, others = split(excerpts, key.id)
    identity = NeuronRecord(
        id=key.id,
        model=which.model,
        layer=key.layer,
        neuron=key.neuron,
        reference=texts[0] if texts else None,
        other_explanations=tuple(texts[1:]),
        repeated=len(excerpts) - len({record.text for record, _ in excerpts}),
        page=which.page,
    )
    return foreign_record(identity, top, others, bins(read), where)


def split(
    excerpts: Sequence[tuple[ActivationRecord, bool]], seed: str
) -> tuple[list[ActivationRecord], list[ActivationRecord]]:
    """Divide a feature's excerpts into top ones and those that stand in for random ones.

    What was sampled from the bins of lower activations is the latter, everything else the former.
    One excerpt of each kind a split takes four of the former and three of the latter, and five,
    or as many as the excerpts suffice for, are made possible: where either side has too few, it
    gets those of the other side whose peaks are nearest. So a feature without bins, of which the
    highest activations alone are known, gets its 15 lowest peaks as the latter.

    Each comes with whether it was sampled from a bin; of those with the same text the first counts
    that was not. The seed fixes the order of the latter; the former come by peak.
    """
    seen: set[str] = set()
    top, others = (
        sorted(distinct([r for r, low in excerpts if low == sampled], seen), key=lambda r: -r.peak)
        for sampled in (False, True)
    )
    n = min(PER_SPLIT, len(seen) // (TOP + OTHERS))
    missing = max(0, n * TOP - len(top))
    top, others = top + others[:missing], others[missing:]
    missing = max(0, n * OTHERS - len(others))
    top, others = top[: len(top) - missing], top[len(top) - missing :] + others
    random.Random(seed).shuffle(others)
    return sorted(top, key=lambda record: -record.peak), others


def bins(
    rows: Iterable[tuple[Mapping[str, Any], ActivationRecord]],
) -> list[tuple[float, list[ActivationRecord]]]:
    """The bins as strata, shares with excerpts, lowest first; none unless their shares sum to 1.

    A bin's share is of tokens: those of all text whose activation is in it, the lowest bin's with
    the silent ones. SAEDashboard draws a token of the bin and takes the text around it, so that by
    share the excerpts are a sample of the text around a random token. It rounds shares to 0.001 %,
    and counts a token on the bound of two bins twice. A bin whose share is rounded to 0 is left
    out; where others are missing, nothing can stand for them.
    """
    parts: dict[tuple[float, float], list[ActivationRecord]] = {}
    for row, record in rows:
        share, low = bin_of(row), row.get("binMin", row.get("bin_min"))
        if share is not None and share > 0 and isinstance(low, int | float):
            parts.setdefault((low, share), []).append(record)
    total = sum(share for _, share in parts)
    if len(parts) < 2 or not abs(total - 1) <= SHARES_OFF:
        return []
    return [(share / total, parts[low, share]) for low, share in sorted(parts)]


def bin_of(row: Mapping[str, Any]) -> float | None:
    """The share of the bin that an activation was sampled from; None for the highest ones."""
    share = row.get("binContains", row.get("bin_contains"))
    return share if isinstance(share, int | float) and share != IN_TOP else None


def explained(row: object, at: str) -> PublishedExplanation | None:
    """A published explanation; None if its description is empty."""
    if not isinstance(row, Mapping) or not isinstance(row.get("description", ""), str | None):
        raise RecordError(f"{at}: expected an explanation, an object with 'description'")
    text = row.get("description")
    if not text or not text.strip():
        return None
    by = [row[f] for f in ("explanationModelName", "typeName") if isinstance(row.get(f), str)]
    scores = row.get("scores")
    pairs = map(_score, scores if isinstance(scores, list) else ())
    return PublishedExplanation(Reference(text, ", ".join([*by, SITE])), tuple(filter(None, pairs)))


def _excerpt(row: object, at: str) -> tuple[Mapping[str, Any], ActivationRecord]:
    if not isinstance(row, Mapping) or "tokens" not in row or "values" not in row:
        raise RecordError(f"{at}: expected an object with 'tokens' and 'values'")
    return row, clean_record(excerpt(row["tokens"], row["values"], at))


def _score(data: Any) -> tuple[str, float] | None:
    """A score that is a finite number; anything else is no score."""
    if not isinstance(data, Mapping):
        return None
    kind, value = data.get("explanationScoreTypeName"), data.get("value")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # NaN compares with nothing.
    is_finite = -sys.float_info.max <= value <= sys.float_info.max
    return (shortened(str(kind)), float(value)) if is_finite else None
