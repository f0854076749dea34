"""The tables of docs/study.md, from the study's table of results.

    python benchmarks/study/tables.py [PROVIDER/MODEL]

Scores are means over neurons; of a neuron that was explained several times its own mean counts.
Intervals are those of `neuron-eval report`.
"""

from __future__ import annotations

import csv
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import combinations
from pathlib import Path
from statistics import fmean, median, stdev

from cells import NOTHING, average, gain, mean, table
from jobs import FORMATS
from packs import NAMES
from results import MODEL, Results, Row, read_rows
from ways import agreement, costs, simulated, simulated_agreement, ways

from neuron_eval.prompts.pack import load_pack
from neuron_eval.reporting.statistics import holm, neurons_needed

READINGS = Path(__file__).with_name("readings.csv")
KINDS = {
    "right": "names the right words, or what only they have in common",
    "near": "names some of the right words, or misses a part",
    "example": "words of a few-shot explanation that have no place here",
    "text": "what one excerpt is about",
    "empty": "fits any neuron",
    "wrong": "other words than those marked",
}
SCORES: dict[str, Callable[[Row], float | None]] = {
    "AdaCS": lambda row: row.adacs,
    "embedding simulation": lambda row: row.correlation,
}


def by_neuron(rows: Iterable[Row], score: Callable[[Row], float | None]) -> dict[str, float]:
    """Each neuron's mean, of those that have a reference and a score."""
    values: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        value = score(row)
        if row.reference and value is not None:
            values[row.neuron].append(value)
    return {neuron: fmean(found) for neuron, found in values.items()}


def scores(rows: Sequence[Row]) -> list[str]:
    """The mean of each score."""
    return [mean(by_neuron(rows, score).values()) for score in SCORES.values()]


def formats(results: Results, pack: str) -> str:
    """Every format of a pack, and its difference from Original on the same neurons."""
    lines, ps = [], []
    for name in FORMATS:
        rows, base = results.explained(pack, name), results.explained(pack, "original")
        line = [name]
        for score, text in zip(SCORES.values(), scores(rows), strict=True):
            more, p = gain(by_neuron(rows, score), by_neuron(base, score))
            line += [text, "" if name == "original" else more]
            ps.append(None if name == "original" else p)
        lines.append([*line, average(row.prompt_tokens for row in rows)])
    for i in range(len(SCORES)):
        for line, p in zip(lines, holm(ps[i :: len(SCORES)]), strict=True):
            line[2 + 2 * i] += "" if p is None else f", p {p:.2g}"
    head = [part for name in SCORES for part in (name, "more than Original")]
    return table(["format", *head, "prompt tokens"], lines)


def readme(results: Results) -> str:
    """The table that the README begins with."""
    lines = []
    original = fmean(row.prompt_tokens for row in results.explained("neuron_eval-3", "original"))
    for name in FORMATS:
        rows = results.explained("neuron_eval-3", name)
        tokens = fmean(row.prompt_tokens for row in rows)
        lines.append([name, *scores(rows), f"{tokens:.0f}", f"{original / tokens:.2f} x"])
    levels = {
        "unrelated": "another neuron's reference",
        "sentence": "a right sentence without examples",
        "list": "the same as a list of words",
        "baseline": "what the baseline lists (Summary)",
        "near": "a near miss: false, of neighbouring words",
    }
    for which, meaning in levels.items():
        rows = results(f"judge/embedding/neuron_eval-3/clear/{which}")
        lines.append([f"*{meaning}*", *scores(rows), "", ""])
    head = ["format", "AdaCS", "simulation by embedding", "prompt tokens", "fewer than Original"]
    return table(head, lines)


DIFFERENCES = (0.2, 0.1, 0.05, 0.02)
"""What the table of docs/cookbook.md says how many neurons show."""


def power(results: Results) -> str:
    """How many neurons show a difference of two formats, by the spread that was seen."""
    lines = []
    for name, score in SCORES.items():
        for epochs in (1, 3):
            spreads, needed = [], []
            for pair in combinations(FORMATS, 2):
                first, second = (
                    by_neuron(
                        (r for r in results.explained("neuron_eval-3", f) if r.epoch <= epochs),
                        score,
                    )
                    for f in pair
                )
                differences = [second[n] - first[n] for n in sorted(first.keys() & second.keys())]
                spreads.append(stdev(differences))
                centred = [d - fmean(differences) for d in differences]
                needed.append([neurons_needed([d + more for d in centred]) for more in DIFFERENCES])
            cells = [
                f"{median(n):,.0f} ({min(n):,} to {max(n):,})" for n in zip(*needed, strict=True)
            ]
            lines.append([name, str(epochs), f"{median(spreads):.2f}", *cells])
    head = ["measure", "explanations per neuron", "spread", *(f"to see {d:g}" for d in DIFFERENCES)]
    return table(head, lines)


def packs(results: Results, name: str) -> str:
    """Words and few-shot neurons: what each pack gives beyond neuron_eval-2, by half."""
    lines = []
    for pack in NAMES[1:]:
        line = [pack]
        for form in FORMATS:
            mine = by_neuron(results.explained(pack, form), SCORES[name])
            base = by_neuron(results.explained(NAMES[0], form), SCORES[name])
            both = sorted(mine.keys() & base.keys())
            first, second = both[::2], {n: mine[n] for n in both[1::2]}
            chosen = average((mine[n] - base[n] for n in first), "+.3f")
            line.append(f"{chosen} / {gain(second, base)[0]}" if both else NOTHING)
        lines.append(line)
    return table(["pack", *FORMATS], lines)


def puzzles(results: Results) -> str:
    """The same on the puzzles."""
    lines = []
    for pack in ("neuron_eval-2", "neuron_eval-3"):
        by_format = [scores(results.explained(pack, name, "puzzles")) for name in FORMATS]
        for i, score in enumerate(SCORES):
            lines.append([f"{pack}, {score}", *(cells[i] for cells in by_format)])
    return table(["", *FORMATS], lines)


def copying(results: Results) -> str:
    """How often three words in a row are those of a few-shot explanation."""
    lines = []
    for pack in NAMES:
        shipped = load_pack("neuron_eval-2" if pack in ("neuron_eval-2", "words") else None)
        known = set().union(*(_triples(n.explanation) for n in shipped.few_shot))
        rows = [row for f in FORMATS for row in results.explained(pack, f)]
        copied = average((bool(_triples(row.explanation) & known) for row in rows), ".1%")
        words = average((len(row.explanation.split()) for row in rows), ".1f")
        shots = "0" if pack.endswith("none") else str(len(shipped.few_shot))
        lines.append([pack, shots, copied, words, str(len(rows))])
    return table(["pack", "few-shot neurons", "copied", "words", "explanations"], lines)


def _triples(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.lower())
    return set(zip(words, words[1:], words[2:], strict=False))


def readings() -> str:
    """Kinds of explanations, as read."""
    with READINGS.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    counts = {pack: Counter(row[pack] for row in rows) for pack in rows[0] if pack != "neuron"}
    lines = [
        [f"{kind}: {meaning}", *(str(found[kind]) for found in counts.values())]
        for kind, meaning in KINDS.items()
    ]
    return table(["what the explanation is", *counts], lines)


def listing(results: Results) -> str:
    """What the same content gets as a sentence and as a list, and what is not true."""
    names = ("reference", "sentence", "list", "baseline", "near", "unrelated")
    rows = {name: results(f"judge/embedding/neuron_eval-3/clear/{name}") for name in names}
    lines = [[name, *scores(found)] for name, found in rows.items()]
    for name in ("list", "baseline", "near"):
        both = [(by_neuron(rows[name], s), by_neuron(rows["sentence"], s)) for s in SCORES.values()]
        lines.append([f"{name} − sentence", *(gain(mine, base)[0] for mine, base in both)])
    return table(["explanation", *SCORES], lines)


def main() -> None:
    """Print all of them."""
    model = sys.argv[1] if len(sys.argv) > 1 else MODEL
    results = Results(read_rows(), model)
    for title, text in {
        "Formats, neuron_eval-3": formats(results, "neuron_eval-3"),
        "Formats, neuron_eval-2": formats(results, "neuron_eval-2"),
        "Puzzles": puzzles(results),
        "Packs, AdaCS": packs(results, "AdaCS"),
        "Packs, embedding simulation": packs(results, "embedding simulation"),
        "Copying": copying(results),
        "Listing": listing(results),
        "Ways": ways(results),
        "What they take": costs(results),
        "Agreement": agreement(results),
        "Formats' explanations, simulated": simulated(results),
        "Agreement on them": simulated_agreement(results),
    }.items():
        print(f"### {title}\n\n{text}")
    if model == MODEL:
        print(f"### Readings\n\n{readings()}\n### README\n\n{readme(results)}")
        print(f"### How many neurons (docs/cookbook.md)\n\n{power(results)}")


if __name__ == "__main__":
    main()
