"""Questions for people, and a real `inspect eval` that asks them, in a process of its own."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
from contextlib import contextmanager
from pathlib import Path

LONG = 300
"""Seconds after which what has not come is not waited for."""
LINK = re.compile(r"(\w+) rates at (http://\S+/)")
PLANTED = (
    "</script><img src=x onerror=\"window.broken='yes'\">\u202e<script>window.broken=1</script>"
)
VISIBLE = PLANTED.replace("\u202e", "⟨U+202E⟩")

TASK = """
import sys
from pathlib import Path

sys.path.insert(0, {tests!r})

from human_eval import questions
from inspect_ai import Task, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import ChatMessageUser
from inspect_ai.solver import generate


@task
def ask(count: int = 3):
    samples = [
        Sample(
            id=one["id"],
            input=[ChatMessageUser(content="Rate.", metadata={{"question": one}})],
        )
        for one in questions(count)
    ]
    return Task(MemoryDataset(samples), solver=generate())
"""


def question(i=0, options=3, planted=""):
    tokens = ["The", " cat", f" number {i}", "\n", planted or " sat"]
    return {
        "id": f"toy/L0N{i}",
        "title": f"neuron {i} in layer 0 of toy{planted}",
        "excerpts": [
            {
                "name": f"top {k}",
                "tokens": tokens,
                "levels": [0, 10, 4, 0, 1],
                "highlighted": [False, True, True, False, True],
            }
            for k in range(2)
        ],
        "options": [
            {"letter": "ABCDEFGH"[k], "explanation": f"explanation {k} of neuron {i}{planted}"}
            for k in range(options)
        ],
        "scale": {
            "least": 1,
            "most": 5,
            "least_means": "not at all",
            "most_means": "exactly",
        },
        "instructions": f"Rate each explanation.\nThen choose the best one.{planted}",
    }


def questions(count):
    """The second one plants markup and a bidirectional control in every text."""
    return [question(i, planted=PLANTED if i == 1 else "") for i in range(count)]


def title(page):
    """Which neuron the page asks about, in words."""
    return page.locator("#title").inner_text()


def press(page, keys):
    """Press keys, separated by spaces."""
    for key in keys.split():
        page.keyboard.press(key)


def review(page):
    """Go to the review by its button; afterwards it is there."""
    page.locator("#review-now").click()
    page.wait_for_selector("html[data-view=review]")


@contextmanager
def waits_for_answer(page):
    """Afterwards what was on the page is saved, and something else is on it."""
    page.wait_for_selector("html[data-view=question]")
    key = page.evaluate("current.key")
    yield
    page.wait_for_function("key => current?.key !== key", arg=key)


def _prepared(folder, arguments, log_dir):
    """The command and its environment; writes the task that asks, if it is asked for."""
    if "ask.py" in arguments:
        (folder / "ask.py").write_text(TASK.format(tests=str(Path(__file__).parent)))
    environment = os.environ | {"INSPECT_LOG_DIR": str(folder / log_dir)}
    environment.pop("PYTHONPATH", None)  # it hides the package's tasks from Inspect
    return [sys.executable, "-W", "ignore", "-m", "inspect_ai", *arguments], environment


@contextmanager
def in_terminal(folder, *arguments):
    """Inspect as in a terminal of 120 x 40 characters; gives the descriptor of the terminal."""
    command, environment = _prepared(folder, arguments, "logs")
    environment |= {"TERM": "xterm-256color", "INSPECT_DISPLAY": "full"}
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=its,
        stdout=its,
        stderr=its,
        start_new_session=True,
    )
    os.close(its)
    try:
        yield ours
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def read_on(terminal, seconds=1):
    """What comes to the terminal next; empty if it is silent so long, None if it has ended."""
    try:
        ready, _, _ = select.select([terminal], [], [], seconds)
        return os.read(terminal, 65536) if ready else b""
    except OSError:
        return None


class HumanEval:
    """`inspect eval` of a task that asks people; `links` holds each rater's address."""

    def __init__(self, folder, *arguments, log_dir="logs"):
        self.folder = Path(folder)
        command, environment = _prepared(self.folder, arguments, log_dir)
        self.links, self.said, self._told = {}, [], threading.Event()
        self._process = subprocess.Popen(
            [*command, "--display", "none"],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def wait_for_links(self, *raters):
        while not set(raters) <= set(self.links):
            assert self._told.wait(LONG), self.said
            self._told.clear()
        return [self.links[rater] for rater in raters]

    def kill(self):
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self._reader.join()
        self._process.stderr.close()

    def finish(self):
        code = self._process.wait(LONG)
        self.kill()
        assert code == 0, self.said

    def _read(self):
        for line in self._process.stderr:
            self.said.append(line)
            if found := LINK.search(line):
                self.links[found[1]] = found[2]
                self._told.set()
        self._told.set()
