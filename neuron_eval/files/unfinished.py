"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import platform
import re
import time
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path
from uuid import uuid4

from neuron_eval.files.locking import locked

_NAME = re.compile(r"\.unfinished-(?:(?P<host>[0-9a-f]{8})-)?[0-9a-f]{32}-.+", re.DOTALL)

LONG = 24 * 3600
"""Seconds after which a file that nobody has written to, and nobody has locked, belongs to nobody,
even if another machine made it; until then its lock may be one that is not seen from here."""


@contextmanager
def unfinished(path: Path) -> Iterator[Path]:
    """A new file's path beside ``path``: write there, and at the end it takes the place of that.

    After an error it is removed, and ``path`` is as it was. Each writer has a file of its own, so
    that of several writers to one path, at once or in turn, the last to end is the one that stays.
    A process that is killed leaves its file; the next that writes into the folder removes it.

    Args:
        path: The file to write or to replace; its folder must be there.

    Raises:
        OSError: The file cannot be made, or ``path`` cannot be replaced.
    """
    _remove_abandoned(path.parent.resolve())
    with _own_file(path) as beside:
        try:
            yield beside
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)


@contextmanager
def _own_file(path: Path) -> Iterator[Path]:
    """An empty file that is locked for as long as this process writes it."""
    while True:
        # The name ends as the path does, because endings say how to write.
        beside = path.with_name(f".unfinished-{_host()}-{uuid4().hex}-{path.name}")
        with ExitStack() as stack:
            descriptor = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
            stack.callback(os.close, descriptor)
            if not stack.enter_context(locked(descriptor, exclusive=True)):
                stack.close()  # some systems replace no file that is open
            if not beside.exists():
                continue  # another process took it for abandoned before it was locked
            yield beside
            return


@cache
def _remove_abandoned(folder: Path) -> None:
    """Remove what dead processes left in a folder; once, as one may write thousands of files."""
    with suppress(OSError):
        for path in folder.iterdir():
            if (name := _NAME.fullmatch(path.name)) and _may_be_abandoned(path, name["host"]):
                _remove_if_unlocked(path)


def _may_be_abandoned(path: Path, host: str | None) -> bool:
    with suppress(OSError):
        return host == _host() or path.stat().st_mtime < time.time() - LONG
    return False


def _remove_if_unlocked(path: Path) -> None:
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDWR)
        try:
            with locked(descriptor, exclusive=True, wait=False) as alone:
                if alone:
                    path.unlink()
        finally:
            os.close(descriptor)


def _host() -> str:
    """Stands for this machine in the name of a file."""
    return f"{zlib.crc32(platform.node().encode()):08x}"
