"""Programs that hear signals, whatever started the tests."""

import signal


def listen():
    """For ``preexec_fn``: what ``nohup`` or a shell's background ignores, programs inherit."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
