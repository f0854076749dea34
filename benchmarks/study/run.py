"""The study of docs/study.md: one language model explains and simulates.

    make study MODEL=openai-api/local/qwen        # LOCAL_API_KEY=none LOCAL_BASE_URL=http://…/v1
    python benchmarks/study/run.py PROVIDER/MODEL [--only explain] [--list]

It takes days with a model on two cores, minutes on a GPU. It goes on where it was stopped: what the
table of results holds of this model is not run again, and of an eval that broke off Inspect's cache
answers what it was told. Logs go to ``logs/study-runs``; ``benchmarks/study/tables.py`` makes the
page's tables.
"""

from __future__ import annotations

import argparse
import itertools
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from jobs import Job, jobs
from packs import write_pack
from results import TABLE, read_rows, rows_of, write_rows

RUNS = Path("logs/study-runs")
REWRITTEN = Path(__file__).with_name("rewritten.csv").resolve()


def command(job: Job, model: str, folder: Path, connections: int) -> list[str]:
    """What runs a job."""
    program = str(Path(sys.executable).with_name("inspect"))
    parameters = [part.format(rewritten=REWRITTEN) for part in job.parameters]
    pack = write_pack(job.pack, RUNS.resolve() / "packs")
    parameters += [f"pack={pack}"] if pack else []
    options = ["--max-connections", str(connections), "--log-dir", str(folder)]
    if job.explains:
        options += ["--model", model, "--temperature", str(job.temperature)]
        options += ["--epochs", str(job.epochs)]
    else:
        options += ["--model", "none"]
        simulator = model
        if "simulation=all_at_once" in job.parameters:  # chat APIs give nothing of the prompt
            simulator = model.replace("openai-api/", "openai-api-completions/")
        if "simulation=embedding" not in job.parameters:
            options += ["--model-role", f"simulator={simulator}"]
    chosen = itertools.chain.from_iterable(("-T", parameter) for parameter in parameters)
    return [program, "eval", job.task, *chosen, *options, "--display", "plain"]


def run(job: Job, model: str, connections: int, server: str | None) -> bool:
    """Run a job; says how it went."""
    folder = (RUNS / job.name).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    environment = os.environ | ({"LOCAL_BASE_URL": server} if server else {})
    begun = time.monotonic()
    with (folder / "output.txt").open("w") as output:
        code = subprocess.call(
            command(job, model, folder, connections), stdout=output, stderr=output, env=environment
        )
    took = time.monotonic() - begun
    print(f"{time.strftime('%H:%M')} {job.name}: {took:.0f} s, exit {code}", flush=True)
    return code == 0


def main() -> None:
    """Run what is missing in the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="PROVIDER/MODEL, explainer and simulator")
    parser.add_argument("--only", default="", help="jobs whose name begins so")
    parser.add_argument("--list", action="store_true", help="print what is left, and run nothing")
    parser.add_argument("--jobs", type=int, default=1, help="how many at once")
    parser.add_argument("--connections", type=int, default=2, help="requests at once of each job")
    parser.add_argument("--servers", help="values of LOCAL_BASE_URL, by comma, taken in turn")
    asked = parser.parse_args()
    lock = threading.Lock()
    done = {row.job for row in read_rows() if row.model == asked.model}
    todo = [job for job in jobs() if job.name.startswith(asked.only) and job.name not in done]
    if asked.list:
        print("\n".join(job.name for job in todo))
        return
    servers: Iterator[str | None] = itertools.cycle(
        asked.servers.split(",") if asked.servers else [None]
    )

    def finish(job: Job) -> bool:
        with lock:
            server = next(servers)
        if not run(job, asked.model, asked.connections, server):
            return False
        with lock:
            try:
                rows = list(rows_of(RUNS / job.name, asked.model, job.name))
            except ValueError as error:
                print(error, flush=True)
                return False
            write_rows([*read_rows(), *rows])
        return True

    with ThreadPoolExecutor(asked.jobs) as pool:
        if not all(list(pool.map(finish, todo))):
            sys.exit(f"Not all was done; the same command goes on. What is done is in {TABLE}")


if __name__ == "__main__":
    main()
