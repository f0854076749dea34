"""A second process that holds something until it is killed, or told to end."""

import subprocess
import sys
from contextlib import contextmanager


@contextmanager
def other_process(*lines):
    """Runs lines of Python; ``hold()`` among them says that they got there, and waits.

    Yields:
        The process, once it holds; it ends when its standard input does, at the latest here.
    """
    hold = "hold = lambda: (print('ready', flush=True), sys.stdin.read())"
    code = "\n".join(["import sys", hold, *lines])
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()
