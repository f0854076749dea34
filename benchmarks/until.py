"""What does stopping at the precision that was wished do to means and intervals?

    python benchmarks/until.py [COMPARISONS [STUDY]]

Resamples the neurons of the study (`logs/study/results.csv.gz`: 80 of SmolLM2, several formats
with each of six prompts, simulated by Qwen2.5-Coder), each with its scores in all formats, and
runs ``compare --until`` over them by the package's own rule: once over all formats of a prompt
together, and once over each format alone. That many comparisons (1000 unless told) for each.
Printed are the neurons and rounds that it took; the share of formats whose 95 % interval holds the
true mean, Student's in all comparisons and the report's in the first hundred; Student's for the
worst format; and by how much means were off on average, over all and for the worst format. Below
stands the same for as many neurons as it took on average, fixed beforehand.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from neuron_eval.comparison.sampling import FIRST, next_count
from neuron_eval.stats import half_width, mean_interval

COMPARISONS = 1000
RESAMPLED = 100  # comparisons in which the report's interval is computed, which takes long
STUDY = "logs/study/results.csv.gz"
WIDTHS = (0.03, 0.02)
MOST = 2_000  # neurons that there are
SEED = 0

Scores = NDArray[np.float64]  # shape [neurons, formats]
Outcome = tuple[int, int, NDArray[np.bool_], Scores, NDArray[np.bool_] | None]
"""Neurons and rounds; by format whether Student's interval holds the truth, its mean's error, and
whether the report's interval holds it, if that was computed."""


def populations(study: str) -> list[Scores]:
    """By prompt the scores of the neurons that all of its formats scored, if those are 60."""
    rows = pd.read_csv(study).query("epoch == 1 and job.str.contains('smollm2')")
    rows = rows.assign(prompt=rows.job.str.split("/").str[1])
    tables = [
        group.pivot(index="neuron", columns="job", values="correlation").dropna()
        for _, group in rows.groupby("prompt")
    ]
    return [table.to_numpy() for table in tables if len(table) >= 60]


def stopped(population: Scores, until: float, seed: int, *, fixed: int | None = None) -> Outcome:
    """One comparison, or one of a number of neurons that is fixed beforehand."""
    rng = np.random.default_rng([SEED, seed])
    scores = population[rng.integers(len(population), size=MOST)]
    count, rounds = fixed or FIRST, 1
    while not fixed and count < MOST:
        width = max(half_width(column) for column in scores[:count].T)
        if width <= until:
            break
        count, rounds = min(MOST, next_count(count, width, until)), rounds + 1
    truth, kept = population.mean(axis=0), scores[:count]
    error = kept.mean(axis=0) - truth
    held = np.abs(error) <= [half_width(column) for column in kept.T]
    if fixed or seed >= RESAMPLED:
        return count, rounds, held, error, None
    intervals = [mean_interval(column) or (np.inf, -np.inf) for column in kept.T]
    reported = np.array([a <= t <= b for (a, b), t in zip(intervals, truth, strict=True)])
    return count, rounds, held, error, reported


def line(name: str, sets: Sequence[Sequence[Outcome]]) -> str:
    """What came out of comparisons, by population."""
    counts, rounds = ([one[i] for outcomes in sets for one in outcomes] for i in (0, 1))
    held, off = (
        np.concatenate([np.mean([one[i] for one in outcomes], axis=0) for outcomes in sets])
        for i in (2, 3)
    )
    reported = [
        held for outcomes in sets for one in outcomes if one[4] is not None for held in one[4]
    ]
    share = f"{np.mean(reported):.3f}" if reported else ""
    worst = off[np.abs(off).argmax()]
    return (
        f"{name:<28}{np.mean(counts):>8.0f}{np.mean(rounds):>8.1f}{held.mean():>9.3f}"
        f"{held.min():>8.3f}{share:>9}{off.mean():>9.4f}{worst:>9.4f}"
    )


def main(arguments: Sequence[str]) -> None:
    comparisons = int(arguments[0]) if arguments else COMPARISONS
    together = populations(arguments[1] if len(arguments) > 1 else STUDY)
    alone = [scores[:, [i]] for scores in together for i in range(scores.shape[1])]
    print(
        f"{comparisons} comparisons each of {len(together)} sets of formats, and {len(alone)} alone"
    )
    print(
        f"{'':<28}{'neurons':>8}{'rounds':>8}{'held':>9}{'worst':>8}{'report':>9}{'off':>9}{'worst':>9}"
    )
    with ProcessPoolExecutor(2) as pool:

        def run(one: Callable[[int], Outcome]) -> list[Outcome]:
            return list(pool.map(one, range(comparisons), chunksize=20))

        for until in WIDTHS:
            for name, sets in (("together", together), ("alone", alone)):
                ran = [run(partial(stopped, scores, until)) for scores in sets]
                print(line(f"±{until:g}, {name}", ran), flush=True)
                typical = [round(np.mean([one[0] for one in outcomes])) for outcomes in ran]
                ran = [
                    run(partial(stopped, scores, until, fixed=n))
                    for scores, n in zip(sets, typical, strict=True)
                ]
                print(line("  as many, fixed beforehand", ran), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
