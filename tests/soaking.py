"""A long comparison on a server that fails one request in twenty; a second run mends it."""

import math
import os
import time
import zlib
from collections import Counter
from dataclasses import dataclass

from counting_server import FAULTS, CountingServer, made_neurons
from inspect_ai.log import list_eval_logs, read_eval_log_samples
from killing import compare

from neuron_eval.formats import format_names
from neuron_eval.sources import schema

FAILING = 50
"""Of a thousand requests, how many fail."""


@dataclass(frozen=True)
class Soaked:
    """One run of the comparison."""

    status: int
    """The command's exit status."""

    ends: Counter
    """How many samples ended which way; what is not as it should be begins with ``?``."""

    errors: Counter
    """How often each kind of sentence stands in an errored sample."""

    requests: int
    """Requests that the server got."""

    repeated: int
    """Requests whose body had come before, whatever came of it."""

    bought_twice: int
    """Good replies to a body that had had one."""

    faults: Counter
    """How often the server failed, by kind of fault."""

    seconds: float
    """From start to end."""

    cpu: float
    """Seconds of processor time."""

    memory: int
    """The most bytes in memory at once."""


def fails(key, times):
    """A fault for one request in twenty, the same in every run."""
    drawn = zlib.crc32(f"{times} {key}".encode())
    return FAULTS[drawn // 1000 % len(FAULTS)] if drawn % 1000 < FAILING else ""


def soaked(folder, samples):
    """Both runs, the second on a server that has been mended."""
    path, made = folder / "neurons.jsonl", made_neurons(samples // len(format_names()))
    schema.write(path, made)
    with CountingServer(made, fault=fails) as server:
        yield _run(server, folder, path, samples)
        server.fault = lambda key, times: ""
        yield _run(server, folder, path, samples)


def _run(server, folder, path, samples):
    before, asked, faults = server.answered.copy(), server.asked.copy(), server.faults.copy()
    started = time.monotonic()
    options = ("--formats", ",".join(format_names()), "--retries", "0", "--max-connections", "32")
    process = compare(server, path, folder, *options)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    ends, errors = _ends(folder / "logs")
    ends["? is not there"] += samples - ends.total()
    twice = sum(n - 1 for n in server.answered.values() if n > 1)
    earlier = sum(n - 1 for n in before.values() if n > 1)
    requests = server.asked.total() - asked.total()
    return Soaked(
        status=process.returncode,
        ends=+ends,
        errors=errors,
        requests=requests,
        repeated=requests - (len(server.asked) - len(asked)),
        bought_twice=twice - earlier,
        faults=server.faults - faults,
        seconds=time.monotonic() - started,
        cpu=used.ru_utime + used.ru_stime,
        memory=used.ru_maxrss * 1024,
    )


def _ends(logs):
    """How the samples ended, and what those with an error say."""
    ends, errors = Counter(), Counter()
    for info in list_eval_logs(str(logs)):
        for sample in read_eval_log_samples(info, all_samples_required=False):
            ends[_end(sample)] += 1
            if sample.error:
                errors[" ".join(sample.error.message.split())[:100]] += 1
    return ends, errors


def _end(sample):
    if sample.error:
        return "error" if sample.error.message.strip() else "? error without a word"
    scores = {name: s for name, s in (sample.scores or {}).items() if name != "scored"}
    if set(scores) != {"simulation_correlation", "adacs"}:
        return "? neither error nor score"
    missing = [score for score in scores.values() if math.isnan(score.value)]
    if any(not (score.explanation or "").strip() for score in missing):
        return "? unscored without a reason"
    unscored = [n for n, s in scores.items() if math.isnan(s.value)]
    return f"unscored: {', '.join(unscored)}" if unscored else "scored"
