"""How much memory and time `neuron-eval score` takes on logs of 250 and of 1,000 samples.

    python benchmarks/score.py logs/demo [SAMPLES]

Makes a log of so many samples by copying those of the first of the logs under new ids, and one of
a quarter of them, and scores each in a process of its own, with a simulator that answers at once.
As a ratio: megabytes for each further sample.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from report import multiply

SCORE = """
import resource, sys, time
from neuron_eval.cli.main import main
from neuron_eval.testing import fake_simulator
def predict(explanation, tokens):
    fake.requests.clear()  # it keeps all
    return [float(len(token) % 10) for token in tokens]
fake = fake_simulator(predict)
asked = ["--simulator", "neuron-fake/simulator", "--simulation", "sparse", "--no-check"]
begun = time.perf_counter()
main(["score", sys.argv[1], *asked], standalone_mode=False)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print("MEASURED", time.perf_counter() - begun, peak)
"""


def main() -> None:
    """Print the table."""
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    most = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    print(f"{'samples':>8} {'log, MB':>8} {'seconds':>8} {'MB':>6}")
    peaks = {}
    for samples in (most // 4, most):
        with tempfile.TemporaryDirectory() as folder:
            one, logs = Path(folder) / "one", Path(folder) / "logs"
            one.mkdir()
            logs.mkdir()
            shutil.copy(min(Path(sys.argv[1]).glob("*.eval")), one)
            multiply(str(one), logs, samples)
            size = sum(log.stat().st_size for log in logs.iterdir()) / 1e6
            run = subprocess.run(
                [sys.executable, "-c", SCORE, str(logs)],
                capture_output=True,
                text=True,
                check=True,
                env={**os.environ, "INSPECT_CACHE_DIR": folder},
            )
            line = next(line for line in run.stdout.splitlines() if line.startswith("MEASURED"))
            seconds, peaks[samples] = map(float, line.split()[1:])
            print(f"{samples:8} {size:8.1f} {seconds:8.1f} {peaks[samples]:6.0f}")
    (few, less), (many, more) = peaks.items()
    print(f"{(more - less) / (many - few):.2f} MB for each further sample")


if __name__ == "__main__":
    main()
