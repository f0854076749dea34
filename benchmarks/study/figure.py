"""The figure of docs/study.md: what each format gives, with both bundled packs.

python benchmarks/study/figure.py docs/study.png
"""

from __future__ import annotations

import sys
from statistics import fmean

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from jobs import FORMATS
from results import Results, read_rows
from tables import SCORES, by_neuron

from neuron_eval.reporting.statistics import estimate

PACKS = {"neuron_eval-3": ("#c2410c", -0.13), "neuron_eval-2": ("#8a8f98", 0.13)}
TITLES = {"AdaCS": "AdaCS", "embedding simulation": "Correlation of the embedding simulation"}
LEVELS = {
    "unrelated": "another neuron's",
    "sentence": "right, no examples",
    "list": "right, a list",
}


def draw(path: str) -> None:
    """Write the figure."""
    results = Results(read_rows())
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


if __name__ == "__main__":
    draw(sys.argv[1])
