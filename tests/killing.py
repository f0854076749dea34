"""`neuron-eval compare`, killed at a random moment and resumed.

A reply is recorded once Inspect's cache holds it whole, which is when it comes in. In flight is a
request that was sent and whose reply is not recorded yet: it is on its way to the server or back,
or is being written down. Nothing else may be asked again, so a resumed run asks for exactly as many
replies as are not recorded.
"""

import os
import pickle
import random
import subprocess
import sys
import time
from dataclasses import dataclass

from counting_server import ROLES, CountingServer, made_neurons
from inspect_ai.log import list_eval_logs, read_eval_log

from neuron_eval.sources import schema

FORMATS = "summary,highlight"


@dataclass(frozen=True)
class Killed:
    """One run that was killed and resumed."""

    moment: str
    """When it was killed."""

    asked: int
    """Requests that had come by then."""

    recorded: int
    """Replies that were recorded by then."""

    again: int
    """Requests of the resumed run that had come before: what was in flight."""

    wrong: tuple
    """What is not as it should be; empty if all is."""


class Comparison:
    """One comparison of two formats, run undisturbed once, and then as often as is wished."""

    def __init__(self, folder, count=6):
        self.folder = folder
        self.neurons = folder / "neurons.jsonl"
        self.made = made_neurons(count)
        schema.write(self.neurons, self.made)
        with CountingServer(self.made) as server:
            assert self._run(server, "undisturbed").wait() == 0, self.said("undisturbed")
        self.bodies = set(server.asked)
        self.scores = scores(folder / "undisturbed" / "logs")
        assert max(server.asked.values()) == 1
        assert len(self.scores) == 2 * count

    def said(self, name):
        """What the runs of one name printed."""
        return (self.folder / name / "output").read_text()

    def killed(self, seed):
        """Run, kill and resume."""
        rng = random.Random(seed)
        requests, delay = rng.randint(0, len(self.bodies)), rng.expovariate(1 / 0.05)
        moment = f"{delay * 1000:.0f} ms after request {requests}"
        name = f"killed-{seed}"
        with CountingServer(self.made) as server:  # one for both, as the cache holds its address
            process = self._run(server, name)
            server.wait_for(requests, lambda: process.poll() is None)
            time.sleep(delay)
            process.kill()
            process.wait()
            before, recorded = server.forget(), len(self._recorded(name))
            status = self._run(server, name).wait()
            after = server.forget()
        return Killed(
            moment=moment,
            asked=before.total(),
            recorded=recorded,
            again=len(set(before) & set(after)),
            wrong=tuple(self._wrong(name, status, before, recorded, after)),
        )

    def _wrong(self, name, status, before, recorded, after):
        if status != 0:
            yield f"resumed, it ended with {status}: {self.said(name)[-2000:]}"
        if scores(self.folder / name / "logs") != self.scores:
            yield "the scores differ"
        if not set(after) <= self.bodies:
            yield "something was asked that an undisturbed run does not ask"
        if set(before) | set(after) != self.bodies:
            yield "something was never asked"
        if max([0, *before.values(), *after.values()]) > 1:
            yield "one run asked something twice"
        if len(after) != len(self.bodies) - recorded:
            yield (
                f"{len(self.bodies)} requests, {recorded} replies recorded, and {len(after)} were "
                "asked for afterwards"
            )

    def _recorded(self, name):
        """The files of Inspect's cache that hold a whole reply."""
        found = []
        for path in (self.folder / name / "cache").rglob("*"):
            if path.is_file():
                try:
                    pickle.loads(path.read_bytes())
                except (EOFError, pickle.UnpicklingError):
                    continue
                found.append(path)
        return found

    def _run(self, server, name):
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        # Few at once, so that samples end all along the way.
        options = ("--formats", FORMATS, "--max-connections", "2")
        return compare(server, self.neurons, folder, *options)


def compare(server, neurons, folder, *options):
    """A process that compares; everything that it writes is in ``folder``."""
    with (folder / "output").open("ab") as output:
        return subprocess.Popen(
            [
                sys.executable, "-m", "neuron_eval", "compare", "--neurons", str(neurons), *ROLES,
                "--simulation", "sparse", "--log-dir", str(folder / "logs"), "--yes",
                "--no-report", *options,
            ],
            env={
                **os.environ, **server.environment, "INSPECT_CACHE_DIR": str(folder / "cache"),
                "XDG_DATA_HOME": str(folder / "data"), "INSPECT_DISPLAY": "plain",
                "PYTHONWARNINGS": "ignore",
            },
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )  # fmt: skip


def scores(log_dir):
    """Every score by format and neuron; where a log was begun anew, the last counts."""
    found = {}
    for info in list_eval_logs(str(log_dir), descending=False):
        log = read_eval_log(info)
        for sample in log.samples or []:
            values = {name: score.value for name, score in (sample.scores or {}).items()}
            found[log.eval.task, sample.id] = repr(sorted(values.items()))
    return found
