"""How long a report over five formats and 1,000 neurons takes, and how much memory.

    python benchmarks/report.py logs/demo [NEURONS]

Makes logs of so many neurons by copying the samples of the demo's logs under new ids, events and
all, and runs `neuron-eval report` on them in a process of its own. Limits: 60 s and 1 GB. As a
ratio: the same for a tenth of the neurons.
"""

import resource
import subprocess
import sys
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path

from inspect_ai.log import list_eval_logs, read_eval_log, write_eval_log

from neuron_eval.logs.identity import control_name

REPORT = """
import resource, sys, time
from neuron_eval.cli.main import main
begun = time.perf_counter()
main(["report", sys.argv[1], "--out", sys.argv[2]], standalone_mode=False)
own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
workers = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print("MEASURED", time.perf_counter() - begun, own / 1024, workers / 1024)
"""


def multiply(source: str, target: Path, neurons: int) -> None:
    """Copy each log with its samples repeated under new ids until there are enough."""
    for info in list_eval_logs(source):
        log = read_eval_log(info)
        if control_name(log.eval):
            continue
        samples = []
        for i, sample in enumerate(islice(cycle(log.samples or []), neurons)):
            copied = sample.model_copy(deep=True)
            copied.id, copied.uuid = f"{sample.id}-{i}", None
            samples.append(copied)
        log.samples = samples
        if log.results:
            log.results.total_samples = log.results.completed_samples = neurons
        write_eval_log(log, str(target / Path(info.name).name))


def measure(logs: Path, out: Path) -> tuple[float, float, float]:
    """Seconds inside the process, and megabytes at most in it and in its largest worker."""
    done = subprocess.run(
        [sys.executable, "-c", REPORT, str(logs), str(out)],
        capture_output=True,
        text=True,
        check=True,
    )
    line = next(line for line in done.stdout.splitlines() if line.startswith("MEASURED"))
    seconds, own, worker = map(float, line.split()[1:])
    return seconds, own, worker


def main() -> None:
    """Print the table."""
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    whole = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    print(f"{'neurons':>8} {'seconds':>8} {'MB':>6} {'MB of a worker':>15} {'page, MB':>9}")
    found = {}
    for neurons in (whole // 10, whole):
        with tempfile.TemporaryDirectory() as folder:
            logs, out = Path(folder) / "logs", Path(folder) / "out"
            logs.mkdir()
            multiply(sys.argv[1], logs, neurons)
            begun = time.perf_counter()
            seconds, own, worker = measure(logs, out)
            started = time.perf_counter() - begun - seconds
            page = (out / "index.html").stat().st_size / 1e6
            found[neurons] = seconds
            print(f"{neurons:8} {seconds:8.1f} {own:6.0f} {worker:15.0f} {page:9.1f}")
    few, many = found.values()
    print(
        f"ten times the neurons take {many / few:.1f} times as long; start-up {started:.1f} s more"
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"(making the logs took up to {peak:.0f} MB here, which is not counted)")


if __name__ == "__main__":
    main()
