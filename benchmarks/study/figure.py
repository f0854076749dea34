"""The figures of docs/study.md: what each format gives, and which way to simulate tells it.

python benchmarks/study/figure.py docs
"""

from __future__ import annotations

import sys
from pathlib import Path
from statistics import fmean

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from jobs import FORMATS, WAYS
from results import SCORES, Results, by_neuron, read_rows
from ways import WRONG, auroc

from neuron_eval.reporting.statistics import estimate

PACKS = {"neuron_eval-3": ("#c2410c", -0.13), "neuron_eval-2": ("#8a8f98", 0.13)}
TITLES = {"AdaCS": "AdaCS", "embedding simulation": "Correlation of the embedding simulation"}
LEVELS = {
    "unrelated": "another neuron's",
    "sentence": "right, no examples",
    "list": "right, a list",
}


TOLD = {
    ("puzzles", "false"): ("near misses, puzzles", "#c2410c", "o"),
    ("clear", "near"): ("near misses, neurons", "#c2410c", "D"),
    ("puzzles", "unrelated"): ("another's explanation, puzzles", "#8a8f98", "o"),
    ("clear", "unrelated"): ("another's explanation, neurons", "#8a8f98", "D"),
}


def draw_formats(results: Results, path: Path) -> None:
    """Each format's scores, with both bundled packs."""
    figure, axes = plt.subplots(1, 2, figsize=(11, 3.9), layout="constrained", sharey=True)
    for axis, (name, score) in zip(axes, SCORES.items(), strict=True):
        for which, label in LEVELS.items():
            rows = results(f"judge/embedding/neuron_eval-3/clear/{which}")
            level = fmean(by_neuron(rows, score).values())
            axis.axvline(level, color="#475569", linewidth=0.8, linestyle=":")
            axis.annotate(
                label, (level, -0.62), fontsize=7.5, color="#475569", ha="center", va="bottom"
            )
        for pack, (colour, shift) in PACKS.items():
            for row, format in enumerate(FORMATS):
                values = by_neuron(results.explained(pack, format), score).values()
                found = estimate(list(values))
                assert found
                assert found.lower is not None
                assert found.upper is not None
                spread = [[found.mean - found.lower], [found.upper - found.mean]]
                axis.errorbar(
                    found.mean, row + shift, xerr=spread, fmt="o", color=colour, capsize=3,
                    label=pack if row == 0 else None,
                )  # fmt: skip
        axis.set_title(TITLES[name], fontsize=10, pad=14)
        axis.set_ylim(4.6, -0.62)
        axis.spines[["top", "right"]].set_visible(False)
    tokens = (
        fmean(r.prompt_tokens for r in results.explained("neuron_eval-3", f)) for f in FORMATS
    )
    names = [f"{f}\n{n:,.0f} tokens" for f, n in zip(FORMATS, tokens, strict=True)]
    axes[0].set_yticks(range(len(FORMATS)), names, fontsize=8.5)
    marks, labels = axes[0].get_legend_handles_labels()
    figure.legend(marks, labels, frameon=False, fontsize=8, ncols=2, loc="outside lower center")
    figure.savefig(path, dpi=110)


def draw_ways(results: Results, path: Path) -> None:
    """How well each way to simulate tells right explanations from wrong ones."""
    figure, axis = plt.subplots(figsize=(8.5, 4.2), layout="constrained")
    ways = [w for w in WAYS if results(f"judge/{w}/neuron_eval-3/puzzles/reference")]
    for i, (neurons, wrong) in enumerate(WRONG):
        label, colour, marker = TOLD[neurons, wrong]
        common = {r.neuron for r in results(f"judge/all_at_once/neuron_eval-3/{neurons}/{wrong}")}
        for row, way in enumerate(ways):
            place = f"judge/{way}/neuron_eval-3/{neurons}"
            right, other = (
                [found for found in results(f"{place}/{kind}") if found.neuron in common]
                for kind in ("reference", wrong)
            )
            if right and other:
                value, low, high = auroc(right, other)
                axis.errorbar(
                    value, row + (i - 1.5) * 0.17, xerr=[[value - low], [high - value]],
                    fmt=marker, markersize=4.5, color=colour, capsize=2.5, linewidth=1,
                )  # fmt: skip
        axis.plot([], [], marker, markersize=4.5, color=colour, label=label)
    axis.axvline(0.5, color="#475569", linewidth=0.8, linestyle=":")
    axis.set_yticks(range(len(ways)), ways, fontsize=8.5)
    axis.set_ylim(len(ways) - 0.4, -0.6)
    axis.set_xlabel("AUROC of right against wrong explanations (0.5 is chance)", fontsize=8.5)
    axis.spines[["top", "right"]].set_visible(False)
    figure.legend(frameon=False, fontsize=8, ncols=2, loc="outside lower center")
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    found = Results(read_rows())
    draw_formats(found, Path(sys.argv[1], "study.png"))
    draw_ways(found, Path(sys.argv[1], "study-ways.png"))
