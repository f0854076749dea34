"""The tables of docs/study.md, from the study's table of results.

    python benchmarks/study/tables.py [PROVIDER/MODEL]

Scores are means over neurons; of a neuron that was explained several times its own mean counts.
Intervals are those of `neuron-eval report`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import combinations
from statistics import fmean, median, stdev

from cells import NOTHING, average, gain, mean, means, table
from explanations import copying, listing, readings
from jobs import FORMATS
from packs import NAMES
from results import MODEL, SCORES, Results, by_neuron, read_rows
from ways import agreement, costs, simulated, simulated_agreement, ways

from neuron_eval.reporting.statistics import holm, neurons_needed


def formats(results: Results, pack: str) -> str:
    """Every format of a pack, and its difference from Original on the same neurons."""
    lines, ps = [], []
    for name in FORMATS:
        rows, base = results.explained(pack, name), results.explained(pack, "original")
        line = [name]
        for score, text in zip(SCORES.values(), means(rows), strict=True):
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
        told = mean(by_neuron(results(f"simulate/all_at_once/clear/{name}")).values())
        lines.append([name, *means(rows), told, f"{tokens:.0f}", f"{original / tokens:.2f} x"])
    levels = {
        "reference": "the reference itself",
        "unrelated": "another neuron's reference",
        "sentence": "a right sentence without examples",
        "list": "the same as a list of words",
        "baseline": "what the baseline lists (Summary)",
        "near": "a near miss: false, of neighbouring words",
    }
    for which, meaning in levels.items():
        rows = results(f"judge/embedding/neuron_eval-3/clear/{which}")
        place = f"judge/all_at_once/neuron_eval-3/clear/{which}"
        told = mean(by_neuron(results(place)).values())
        lines.append([f"*{meaning}*", *means(rows), told, "", ""])
    head = ["format", "AdaCS", "simulation by embedding", "simulation by the model",
            "prompt tokens", "fewer than Original"]  # fmt: skip
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
        by_format = [means(results.explained(pack, name, "puzzles")) for name in FORMATS]
        for i, score in enumerate(SCORES):
            lines.append([f"{pack}, {score}", *(cells[i] for cells in by_format)])
    return table(["", *FORMATS], lines)


def temperature(results: Results) -> str:
    """What temperature 0 gives beyond 1, for each format and for their mean."""
    lines = []
    for neurons in ("smollm2", "puzzles"):
        for name, score in SCORES.items():
            cold, warm = (
                [by_neuron(results.explained(pack, form, neurons), score) for form in FORMATS]
                for pack in ("neuron_eval-3-cold", "neuron_eval-3")
            )
            pairs = [*zip(cold, warm, strict=True), (_over_formats(cold), _over_formats(warm))]
            gains = [gain(mine, base) for mine, base in pairs]
            p = gains[-1][1]
            cells = [text for text, _ in gains]
            lines.append([f"{neurons}, {name}", *cells, NOTHING if p is None else f"{p:.2g}"])
    return table(["", *FORMATS, "mean over formats", "its p"], lines)


def _over_formats(by_format: Sequence[dict[str, float]]) -> dict[str, float]:
    common = set.intersection(*map(set, by_format))
    return {neuron: fmean(found[neuron] for found in by_format) for neuron in common}


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
        "Temperature": temperature(results),
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
