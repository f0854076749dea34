"""How well, and how fast, the embedder ``embed-local/minilm`` stands in for ada-002.

The folder holds the published explanations of five neurons in five formats, each with the
reference explanation (``test_neurons_results.csv``, column ``NeuronViewer``), and the cosines of
their ada-002 embeddings (``test_neurons_results_adaCS.csv``).

    python benchmarks/local_embedder.py DIR

Needs the extra ``local`` and scipy. Exits with status 1 if the rank correlation is below 0.85.
"""

from __future__ import annotations

import csv
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scipy.stats import spearmanr  # type: ignore[import-untyped]

from neuron_eval.embedding import local as minilm
from neuron_eval.embedding.embedder import Vector, cosine

FORMATS = ("Original", "Summary", "Highlight", "HighlightSummary", "AVHS")
AT_LEAST = 0.85
SECONDS = 3.0

Row = Mapping[str, str]


@dataclass(frozen=True)
class Pair:
    """An explanation, its neuron's reference, and their published cosine."""

    explanation: str
    reference: str
    ada: float


def read_pairs(folder: Path) -> list[Pair]:
    """Read the published pairs, joined on layer and neuron."""
    texts = _rows(folder / "test_neurons_results.csv")
    cosines = _rows(folder / "test_neurons_results_adaCS.csv")
    if set(texts) != set(cosines):
        raise SystemExit(f"{folder}: the two files do not list the same neurons.")
    return [
        Pair(texts[neuron][name], texts[neuron]["NeuronViewer"], float(cosines[neuron][name]))
        for neuron in texts
        for name in FORMATS
    ]


def _rows(path: Path) -> dict[tuple[str, str], Row]:
    with path.open(newline="", encoding="utf-8") as file:
        return {(row["layer"], row["neuron"]): row for row in csv.DictReader(file)}


def embed(texts: Sequence[str]) -> dict[str, Vector]:
    """Embed texts as they are."""
    distinct = sorted(set(texts))
    vectors, _ = minilm.load().embed(distinct)
    return dict(zip(distinct, vectors, strict=True))


def nearest_share(pairs: Sequence[Pair], vectors: Mapping[str, Vector]) -> float:
    """Return how often an explanation is nearest to its own neuron's reference."""
    references = {pair.reference for pair in pairs}
    right = [
        max(references, key=lambda r: cosine(vectors[pair.explanation], vectors[r]))
        == pair.reference
        for pair in pairs
    ]
    return sum(right) / len(right)


def texts_per_second(texts: Sequence[str]) -> float:
    """Measure the speed on one thread, repeating the texts for some seconds."""
    model = minilm.load()
    model.embed(texts[:16])
    done, start = 0, time.perf_counter()
    while time.perf_counter() - start < SECONDS:
        model.embed(texts)
        done += len(texts)
    return done / (time.perf_counter() - start)


def main(folder: Path) -> int:
    """Print the comparison; return the exit status."""
    pairs = read_pairs(folder)
    vectors = embed([text for pair in pairs for text in (pair.explanation, pair.reference)])
    local = [cosine(vectors[pair.explanation], vectors[pair.reference]) for pair in pairs]
    rho = float(spearmanr(local, [pair.ada for pair in pairs]).statistic)
    sentences = [pair.explanation for pair in pairs]
    tokens = [f" {word}" for sentence in sentences for word in sentence.split()]
    print(f"pairs                          {len(pairs)}")
    print(f"Spearman with ada-002          {rho:.3f} (at least {AT_LEAST})")
    print(f"right reference of 5 nearest   {nearest_share(pairs, vectors):.0%}")
    print(f"sentences a second, one thread {texts_per_second(sentences):.0f}")
    print(f"tokens a second, one thread    {texts_per_second(tokens):.0f}")
    return 0 if rho >= AT_LEAST else 1


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: python benchmarks/local_embedder.py DIR")
    raise SystemExit(main(Path(sys.argv[1])))
