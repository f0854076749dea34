"""What a comparison loses when it is killed.

    python benchmarks/kill_at_random.py [RUNS]

`neuron-eval compare` with two formats and six neurons on a local server, killed with SIGKILL after
a random number of requests and a random while (seeded by the run's number), then run again to its
end. A row per run: the moment, the requests that had come, the replies that were recorded, the
requests that were in flight and came again. Each run must end with the scores of an undisturbed
one, and ask for nothing that was recorded; see `tests/killing.py`.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from killing import Comparison


def main(runs: int) -> None:
    """Print a row per run, and exit 1 if one was not as it should be."""
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        comparison = Comparison(Path(folder))
        print(f"{len(comparison.bodies)} requests, {len(comparison.scores)} samples")
        print(f"{'run':>4}  {'killed':<30}{'asked':>7}{'recorded':>10}{'again':>7}")
        for run in range(runs):
            found = comparison.killed(run)
            bad += bool(found.wrong)
            print(
                f"{run:>4}  {found.moment:<30}{found.asked:>7}{found.recorded:>10}{found.again:>7}"
                f"  {'; '.join(found.wrong)}".rstrip(),
                flush=True,
            )
    print(f"{runs - bad} of {runs} runs had the same scores and asked for nothing twice")
    sys.exit(bad > 0)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
