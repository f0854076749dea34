"""A command that is told to end cleans up first."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import FrameType

SIGNALS = ("SIGTERM", "SIGHUP")
"""What tells a command to end, besides the keyboard; Windows has only the first."""


@contextmanager
def stopping_cleanly() -> Iterator[None]:
    """Take the signals that end a process for an interrupt from the keyboard.

    So what runs is broken off in the same way: files that are not finished are removed, Inspect
    writes its logs. A signal that is ignored (``nohup``) stays so.

    Raises:
        SystemExit: A signal came; the status is 128 and its number, 143 for SIGTERM.
    """
    received: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        received.append(number)
        # Event loops have a handler of their own, which ends what they run.
        interrupt = signal.getsignal(signal.SIGINT)
        if callable(interrupt):
            interrupt(signal.SIGINT, frame)
        else:
            raise KeyboardInterrupt

    numbers = [getattr(signal, name) for name in SIGNALS if hasattr(signal, name)]
    main = threading.current_thread() is threading.main_thread()
    ours = [n for n in numbers if main and signal.getsignal(n) is signal.SIG_DFL]
    for number in ours:
        signal.signal(number, stop)
    try:
        with _interruptible() if ours else nullcontext():
            yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)
        if received:
            raise SystemExit(128 + received[0]) from None


@contextmanager
def _interruptible() -> Iterator[None]:
    """Have event loops put up their handler where the keyboard's interrupt is ignored.

    Shells start so what runs in the background. A loop then leaves the interrupt alone, and one
    that is raised in its midst leaves logs unfinished. The keyboard's own stays out: it is blocked.
    """
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN or sys.platform == "win32":
        yield
        return
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
