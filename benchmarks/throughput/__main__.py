"""Neurons a second, requests, tokens, CPU and memory, beside the released pipeline and Inspect.

    python benchmarks/throughput [NEURONS [DELAY]]

A server on this machine answers after a fixed delay (0.05 s). For each neuron: one explanation by
Summary, ten held-out excerpts of 64 tokens simulated, AdaCS. The rows, each in a process of its
own:

- released: what the released pipeline does, one neuron after the other, with one or ten
  connections;
- Inspect: the requests that ours makes, by a solver and a scorer that do nothing else;
- ours: ``inspect eval neuron_eval/summary`` with 64 connections.

CPU is that of the row's own process from the reading of the neurons to the written log, after an
eval of two neurons has imported everything. Memory is what that adds to the process at its peak,
log what the log takes on disk.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import replace
from itertools import cycle, islice
from multiprocessing import Process
from pathlib import Path
from typing import Any

ROWS = {  # with the share of the neurons that is enough for rows that take minutes
    "released, 1 connection": ("released", "1", 0.1),
    "released, 10 connections": ("released", "10", 0.1),
    "Inspect alone, all_at_once": ("inspect", "all_at_once", 0.2),
    "ours, all_at_once": ("ours", "all_at_once", 1.0),
    "Inspect alone, sparse": ("inspect", "sparse", 1.0),
    "ours, sparse": ("ours", "sparse", 1.0),
}
CONNECTIONS = 64
HEADINGS = (*("", "neurons", "neurons/s", "requests", "tokens", "CPU ms", "memory MB", "log kB"),)


def write_neurons(path: Path, count: int) -> None:
    """Bundled neurons that have a reference, repeated under new names with other first tokens."""
    from neuron_eval.records import ActivationRecord, Reference
    from neuron_eval.sources.base import strict
    from neuron_eval.sources.opening import open_source
    from neuron_eval.sources.schema import write

    def numbered(i: int, records: tuple[ActivationRecord, ...]) -> tuple[ActivationRecord, ...]:
        return tuple(replace(record, tokens=(f"{i}", *record.tokens[1:])) for record in records)

    bundled = [neuron for neuron in strict(open_source("smollm2").read()) if neuron.reference]
    write(
        path,
        (
            replace(
                neuron,
                id=f"{neuron.id}-{i}",
                top=numbered(i, neuron.top),
                random=numbered(i, neuron.random),
                reference=Reference(f"{neuron.reference.explanation} ({i})", "made up"),
            )
            for i, neuron in enumerate(islice(cycle(bundled), count))
            if neuron.reference
        ),
    )


def measure(row: str, detail: str, neurons: str, log_dir: str) -> None:
    """Run one row in this process, and print what it took."""
    import evals
    import released

    from neuron_eval.dataset import neuron_set

    run = evals.ours if row == "ours" else evals.inspect_alone
    if row != "released":  # what is imported or begun with the first eval is no cost per neuron
        few = Path(neurons).with_name("few.jsonl")
        write_neurons(few, 2)
        run(detail, str(few), CONNECTIONS, f"{log_dir}-few")
        urllib.request.urlopen(os.environ["OPENAI_BASE_URL"].replace("/v1", "/used")).close()
    base, cpu, begun = peak_memory(), time.process_time(), time.perf_counter()
    if row == "released":
        url = os.environ["OPENAI_BASE_URL"]
        scored = asyncio.run(released.run(url, neuron_set(neurons), int(detail)))
    else:
        scored = run(detail, neurons, CONNECTIONS, log_dir)
    took = {
        "seconds": time.perf_counter() - begun,
        "cpu": time.process_time() - cpu,
        "memory": peak_memory() - base,
        "scored": scored,
    }
    print("MEASURED" + json.dumps(took))


def peak_memory() -> float:
    """This process's, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run_row(kind: str, detail: str, neurons: Path, port: int) -> dict[str, Any]:
    """What a row took, in a process of its own, with what the server counted."""
    server = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as folder:
        names = ("OPENAI", "FIXED")
        environment = {
            **os.environ,
            **{f"{name}_BASE_URL": f"{server}/v1" for name in names},
            **{f"{name}_API_KEY": "none" for name in names},
            "INSPECT_CACHE_DIR": f"{folder}/cache",
        }
        command = [sys.executable, __file__, "--row", kind, detail, str(neurons), f"{folder}/logs"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        _, mark, measured = done.stdout.rpartition("MEASURED")
        if not mark:
            raise SystemExit(done.stdout + done.stderr)
        log = sum(path.stat().st_size for path in Path(folder).glob("logs/*.eval"))
    with urllib.request.urlopen(f"{server}/used") as reply:
        return {**json.loads(measured), **json.loads(reply.read()), "log": log}


def main(count: int, delay: float) -> None:
    """Print a line for each row."""
    from server import serve

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = Process(target=serve, args=(port, delay), daemon=True)
    server.start()
    print(f"Answers after {delay * 1000:g} ms. Requests, tokens, CPU and log are per neuron.")
    print(f"{HEADINGS[0]:<28}" + "".join(f"{heading:>11}" for heading in HEADINGS[1:]))
    with tempfile.TemporaryDirectory() as folder:
        for name, (kind, detail, share) in ROWS.items():
            used = max(1, round(count * share))
            neurons = Path(folder, f"{used}.jsonl")
            if not neurons.exists():
                write_neurons(neurons, used)
            took = run_row(kind, detail, neurons, port)
            assert took["scored"] > 0.9 * used, took
            tokens = took["prompt_tokens"] + took["completion_tokens"]
            cells = [
                *(f"{used}", f"{used / took['seconds']:.2f}", f"{took['requests'] / used:.2f}"),
                *(f"{tokens / used:.0f}", f"{took['cpu'] / used * 1000:.0f}"),
                *(f"{took['memory']:.0f}", f"{took['log'] / used / 1000:.1f}"),
            ]
            print(f"{name:<28}" + "".join(f"{cell:>11}" for cell in cells), flush=True)
    server.kill()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--row"]:
        measure(*sys.argv[2:])
    else:
        numbers = sys.argv[1:]
        main(int(numbers[0]) if numbers else 200, float(numbers[1]) if numbers[1:] else 0.05)
