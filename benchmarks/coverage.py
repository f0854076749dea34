"""Does a 95 % interval hold the truth 95 times in 100?

    python benchmarks/coverage.py [DATA_SETS]

Simulates data sets (300 unless told) of paired scores as logs hold them: neurons of unequal
difficulty, a gain on about half of them that leaves less room where the baseline is good, three
epochs a neuron with noise. The differences have the skew of real ones, about 1. For each number
of neurons and each method of the interval, the share of data sets whose interval holds the true
mean: of the difference, after epochs are averaged; of the score itself; and of the difference
with epochs taken for neurons, which is what the report does not do. Exits with status 1 if the
method of the report, ``widened``, is outside of 93 to 97 % for 20 neurons or more.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from neuron_eval.stats import mean_interval

DATA_SETS = 300
NEURONS = (5, 10, 20, 40, 240)
GATED = 20
"""From here on the report's intervals have to hold; with fewer neurons its tables warn."""

METHODS = ("percentile", "BCa", "widened")
EPOCHS = 3
NOISE = 0.1
SEED = 2
WRONG = "epochs as neurons"
FROM, TO = 0.93, 0.97

Scores = NDArray[np.float64]


def draw(rng: np.random.Generator, data_sets: int, neurons: int) -> tuple[Scores, Scores]:
    """Baseline and other scores, each of shape [data sets, neurons, epochs], in [-1, 1]."""
    shape = (data_sets, neurons, 1)
    ease = rng.beta(1, 3, shape)
    gain = rng.beta(1.5, 3, shape) * (1 - ease) * (rng.random(shape) < 0.5)
    baseline, other = (
        np.clip(level + rng.normal(0, NOISE, (data_sets, neurons, EPOCHS)), -1, 1)
        for level in (ease, ease + gain)
    )
    return baseline, other


def kinds(baseline: Scores, other: Scores) -> dict[str, Scores]:
    """What is estimated, each of shape [data sets, values]."""
    difference = other - baseline
    return {
        "difference": difference.mean(axis=2),
        "score": baseline.mean(axis=2),
        WRONG: difference.reshape(len(difference), -1),
    }


def coverage(rows: Scores, truth: float, method: str) -> float:
    """The share of rows whose interval holds the truth."""
    intervals = [mean_interval(row, method) for row in rows]
    return float(
        np.mean([found is not None and found[0] <= truth <= found[1] for found in intervals])
    )


def main(arguments: Sequence[str]) -> None:
    """Print a row for each number of neurons and estimate."""
    data_sets = int(arguments[0]) if arguments else DATA_SETS
    rng = np.random.default_rng(SEED)
    truths = {name: float(v.mean()) for name, v in kinds(*draw(rng, 1, 2_000_000)).items()}
    print(f"{data_sets} data sets; share of 95 % intervals that hold the truth")
    print(f"{'neurons':>8}  {'mean of':<20}" + "".join(f"{method:>12}" for method in METHODS))
    fell_short = False
    for neurons in NEURONS:
        for name, rows in kinds(*draw(rng, data_sets, neurons)).items():
            shares = [coverage(rows, truths[name], method) for method in METHODS]
            print(f"{neurons:>8}  {name:<20}" + "".join(f"{share:>12.3f}" for share in shares))
            fell_short |= neurons >= GATED and name != WRONG and not FROM <= shares[-1] <= TO
    sys.exit(int(fell_short))


if __name__ == "__main__":
    main(sys.argv[1:])
