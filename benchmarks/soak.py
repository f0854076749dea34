"""A long comparison on a server that fails one request in twenty.

    python benchmarks/soak.py [SAMPLES]

`neuron-eval compare` with five formats and SAMPLES / 5 made-up neurons on a local server, of whose
replies 5 % are an error 500, a reset connection, something that is no JSON, or an answer that
cannot be read. Then the same command again, on the server mended. After the first run every sample
must be scored, or unscored with a reason, or have an error that is a sentence; after the second
none may have an error. A quarter of the neurons have no reference, so their AdaCS is unscored.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from soaking import soaked


def main(samples: int) -> None:
    """Print both runs, and exit 1 if one was not as it should be."""
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, found in zip(("failing", "mended"), soaked(Path(folder), samples), strict=True):
            print(
                f"{name}: status {found.status}, {found.seconds:.0f} s ({found.cpu:.0f} s of CPU), "
                f"{found.memory / 2**20:.0f} MB, {found.requests} requests, {found.repeated} "
                f"repeated, {found.bought_twice} good replies bought twice"
            )
            for what, counted in (
                ("faults", found.faults),
                ("samples", found.ends),
                ("errors", found.errors),
            ):
                print(f"  {what}")
                for key, count in counted.most_common(20):
                    print(f"    {count:>7} {key or 'none'}")
            sys.stdout.flush()
            bad += sum(count for end, count in found.ends.items() if end.startswith("?"))
        bad += found.ends["error"] + found.status
    sys.exit(bad > 0)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5000)
