"""The study of docs/study.md: one language model explains and simulates.

    make study MODEL=openai-api/local/qwen        # LOCAL_API_KEY=none LOCAL_BASE_URL=http://…/v1
    python benchmarks/study/run.py PROVIDER/MODEL [--only explain judge/sparse-5] [--list]

It takes days with a model on two cores, minutes on a GPU. It goes on where it was stopped: what the
table of results holds of this model is not run again, and of an eval that broke off Inspect's cache
answers what it was told. Logs go to ``logs/study-runs``; ``benchmarks/study/tables.py`` makes the
page's tables.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from pathlib import Path

from click import ClickException
from inspect_ai.model import get_model
from jobs import FORMATS, Job, jobs
from packs import write_pack
from results import TABLE, Results, Row, read_rows, rows_of, write_rows
from rich.text import Text

from neuron_eval.files.locking import alone_in, unfinished

RUNS = Path("logs/study-runs")
REWRITTEN = Path(__file__).with_name("rewritten.csv").resolve()
PATIENCE = 3_600
"""Seconds that a slow server may take for a reply. By itself its client gives up after 600 and asks
again, for ever if no reply is faster."""
EXPLAINED = "explained.csv"
"""The first explanation of each neuron with each format, in the folder of the runs."""


def command(job: Job, model: str, folder: Path, connections: int) -> list[str]:
    """What runs a job."""
    program = str(Path(sys.executable).with_name("inspect"))
    files = {"rewritten": REWRITTEN, "explained": (RUNS / EXPLAINED).resolve()}
    parameters = [part.format(**files) for part in job.parameters]
    pack = write_pack(job.pack, RUNS.resolve() / "packs")
    parameters += [f"pack={pack}"] if pack else []
    options = ["--max-connections", str(connections), "--log-dir", str(folder)]
    patient = {"client_timeout": PATIENCE} if model.startswith("openai-api/") else {}
    if job.explains:
        options += [f"-M{name}={value}" for name, value in patient.items()]
        options += ["--model", model, "--temperature", str(job.temperature)]
        options += ["--epochs", str(job.epochs)]
    else:
        options += ["--model", "none"]
        simulator = model
        if "simulation=all_at_once" in job.parameters:  # chat APIs give nothing of the prompt
            simulator = model.replace("openai-api/", "openai-api-completions/")
        if "simulation=embedding" not in job.parameters:
            role = json.dumps({"model": simulator, "model_args": patient})
            options += ["--model-role", f"simulator={role}"]
    chosen = itertools.chain.from_iterable(("-T", parameter) for parameter in parameters)
    return [program, "eval", job.task, *chosen, *options, "--display", "plain"]


def write_explained(model: str) -> None:
    """Write what the model explained with the bundled pack: a row per neuron, a format a column.

    Raises:
        ValueError: An eval that explains was not run yet; names it.
    """
    results, lines = Results(read_rows(), model), []
    for neurons in ("smollm2", "puzzles"):
        columns: list[dict[str, str]] = []
        for format in FORMATS:
            rows = results.explained("neuron_eval-3", format, neurons)
            if not rows:
                raise ValueError(f"explain/neuron_eval-3/{neurons}/{format} comes first")
            columns.append({row.neuron: row.explanation for row in rows if row.epoch == 1})
        lines += [[neuron, *(column[neuron] for column in columns)] for neuron in columns[0]]
    with unfinished(RUNS / EXPLAINED) as path, path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["id", *FORMATS], *lines])


def run(job: Job, model: str, connections: int, server: str | None) -> list[Row]:
    """Run a job.

    Raises:
        ValueError: It did not come to its end; says why.
    """
    if "explanations={explained}" in job.parameters:
        write_explained(model)
    folder = (RUNS / job.name).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    # An error is one line, however long, so that its last line says all of it.
    environment = os.environ | {"COLUMNS": "2000"} | ({"LOCAL_BASE_URL": server} if server else {})
    output = folder / "output.txt"
    with output.open("w") as file:
        code = subprocess.call(
            command(job, model, folder, connections), stdout=file, stderr=file, env=environment
        )
    if code:
        lines = output.read_text(encoding="utf-8", errors="replace").split("\n")
        raise ValueError(
            next((line.strip() for line in lines[::-1] if line.strip()), f"exit {code}")
        )
    return rows_of(folder, model, job.name)


def check_model(name: str, server: str | None) -> None:
    """Refuse a model that cannot be used before anything is run.

    Raises:
        SystemExit: Says why.
    """
    try:
        get_model(name, base_url=server)
    except Exception as error:
        sys.exit(f"{name}: {Text.from_markup(str(error)).plain.strip()}")


def all_done(pool: Executor, most: int, finish: Callable[[Job], bool], todo: Iterable[Job]) -> bool:
    """Whether all jobs came to their end, of which so many run at once.

    Only this thread starts jobs: the interrupt that ends a job reaches it before the next begins.
    """
    rest, running, whole = iter(todo), set[Future[bool]](), True
    while True:
        running |= {pool.submit(finish, job) for job in itertools.islice(rest, most - len(running))}
        if not running:
            return whole
        done, running = wait(running, return_when=FIRST_COMPLETED)
        whole &= all(future.result() for future in done)


def main() -> None:
    """Run what is missing in the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="PROVIDER/MODEL, explainer and simulator")
    parser.add_argument("--only", nargs="+", default=[""], help="jobs whose names begin so")
    parser.add_argument("--list", action="store_true", help="print what is left, and run nothing")
    parser.add_argument("--jobs", type=int, default=1, help="how many at once")
    parser.add_argument("--connections", type=int, default=2, help="requests at once of each job")
    parser.add_argument("--servers", help="values of LOCAL_BASE_URL, by comma, taken in turn")
    asked = parser.parse_args()
    known: dict[str, Job] = {}
    for start in asked.only:
        begun = {job.name: job for job in jobs() if job.name.startswith(start)}
        if not begun:
            sys.exit(f"--only {start}: no job's name begins so; --list names all that are left")
        known |= begun
    done = {row.job for row in read_rows() if row.model == asked.model}
    todo = [job for name, job in known.items() if name not in done]
    if asked.list:
        print("\n".join(job.name for job in todo))
        return
    addresses: list[str | None] = [*asked.servers.split(",")] if asked.servers else [None]
    check_model(asked.model, addresses[0])
    servers = itertools.cycle(addresses)
    lock, stopped = threading.Lock(), threading.Event()

    def finish(job: Job) -> bool:
        with lock:
            server = next(servers)
        begun = time.monotonic()
        rows, problem = [], ""
        try:
            rows = run(job, asked.model, asked.connections, server)
        except ValueError as error:
            # an interrupt ends the eval, perhaps before this program hears of it
            problem = ", stopped" if stopped.wait(1) else f", failed: {error}"
        with lock:
            if rows:
                write_rows([*read_rows(), *rows])
            took = time.monotonic() - begun
            print(f"{time.strftime('%H:%M')} {job.name}: {took:.0f} s{problem}", flush=True)
        return bool(rows)

    pool = ThreadPoolExecutor(asked.jobs)
    try:
        with alone_in(RUNS):
            whole = all_done(pool, asked.jobs, finish, todo)
    except ClickException as error:
        sys.exit(error.message)
    except KeyboardInterrupt:
        stopped.set()
        whole = False
    finally:
        pool.shutdown(cancel_futures=True)
    if not whole:
        sys.exit(f"Not all was done; the same command goes on. What is done is in {TABLE}")


if __name__ == "__main__":
    main()
