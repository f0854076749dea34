"""Files and folders that several processes want: locked, had alone, and seen only when finished.

Locks are the system's, so they end with their process, however that ends; a lock file that was
left behind keeps nobody out. Where there are none (Windows, some network file systems, addresses
such as ``s3://…``, a folder that cannot be written) nobody is kept out. The package filelock has no
shared locks, does not say who holds one, and leaves its files behind.
"""

import json
import os
import platform
import re
import sys
import time
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from functools import cache
from pathlib import Path
from urllib.parse import unquote
from uuid import uuid4

import click

if sys.platform == "win32":

    @contextmanager
    def locked(descriptor: int, *, exclusive: bool, wait: bool = True) -> Iterator[bool]:
        """See below; this system's locks would also keep readers off, so there is none."""
        yield False

else:
    import fcntl

    @contextmanager
    def locked(descriptor: int, *, exclusive: bool, wait: bool = True) -> Iterator[bool]:
        """Lock an open file, to write or (not ``exclusive``) to read beside others.

        Yields whether it is locked, as not every file system has locks. Without ``wait``, that
        another process has locked it is a BlockingIOError.
        """
        kind = fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH
        try:
            fcntl.flock(descriptor, kind if wait else kind | fcntl.LOCK_NB)
        except BlockingIOError:
            raise
        except OSError:
            yield False
            return
        try:
            yield True
        finally:
            fcntl.flock(descriptor, fcntl.LOCK_UN)


IN_FOLDER = ".neuron-eval.lock"
"""The lock file of a folder; Inspect and the sources of neurons pass hidden files over."""

TRIES = 100  # how often a lock file may vanish while it is being taken


@contextmanager
def alone_in(*folders: str | Path) -> Iterator[None]:
    """Have folders for this process; each is made if missing, and removed again if left empty."""
    with ExitStack() as stack:
        # In one order, so that of two processes that want the same folders one gets them all.
        for folder in sorted(_local(folders)):
            missing = [path for path in (folder, *folder.parents) if not path.exists()]
            stack.callback(_remove, *missing)  # the innermost first
            _hold(folder / IN_FOLDER, folder, stack, make=True)
        yield


@contextmanager
def alone_at(*files: str | Path) -> Iterator[None]:
    """Have files for this process, whether they are there or not; their folders must be."""
    with ExitStack() as stack:
        for file in sorted(_local(files)):
            _hold(file.with_name(f".{file.name}.lock"), file, stack)
        yield


def _local(places: tuple[str | Path, ...]) -> set[Path]:
    texts = (str(place) for place in places)
    paths = (unquote(t.removeprefix("file://")) if t.startswith("file://") else t for t in texts)
    return {Path(path).resolve() for path in paths if "://" not in path}


def _hold(lock: Path, place: Path, stack: ExitStack, *, make: bool = False) -> None:
    """Lock a file until the stack ends, and remove it then; ``make`` makes its folder, too."""
    if sys.platform == "win32":
        return
    for _ in range(TRIES):
        try:
            if make:
                lock.parent.mkdir(parents=True, exist_ok=True)
            descriptor = _open(lock)
        except FileNotFoundError:
            continue  # its last holder removed the folder in between
        except OSError:
            return
        with ExitStack() as trying:
            trying.callback(os.close, descriptor)
            try:
                alone = trying.enter_context(locked(descriptor, exclusive=True, wait=False))
            except BlockingIOError:
                raise click.ClickException(_taken(lock, place)) from None
            if not _is_at(descriptor, lock):
                continue  # its last holder removed it in between
            # While the lock is held, or it might be another process's file.
            trying.callback(_remove, lock)
            if alone:
                _sign(descriptor)
            stack.push(trying.pop_all())
            return


def _open(lock: Path) -> int:
    try:
        return os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
    except PermissionError:
        return os.open(lock, os.O_RDONLY)  # another user's, whose lock counts all the same


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _sign(descriptor: int) -> None:
    """Write down who holds the lock; of the command only its name, as arguments may be secret."""
    context = click.get_current_context(silent=True)
    holder = {
        "pid": os.getpid(),
        "host": platform.node(),
        "since": datetime.now().astimezone().isoformat(" ", "seconds"),
        "command": context.info_name if context else "",
    }
    with suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(holder).encode(), 0)


def _taken(lock: Path, place: Path) -> str:
    try:
        holder = json.loads(lock.read_bytes())
        who = (
            f"process {holder['pid']} on {holder['host']}, neuron-eval {holder['command']}, "
            f"since {holder['since']}"
        )
    except (OSError, ValueError, KeyError, TypeError):
        who = "another process"  # it has not yet said which
    return f"{place}: in use by {who}. Wait until it has ended, or name another place."


def _remove(*places: Path) -> None:
    """Remove files, and folders that are empty."""
    for place in places:
        with suppress(OSError):
            place.rmdir() if place.is_dir() else place.unlink()


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
    """
    _remove_abandoned(path.parent.resolve())
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
            try:
                yield beside
                beside.replace(path)
            finally:
                beside.unlink(missing_ok=True)
            return


@cache
def _remove_abandoned(folder: Path) -> None:
    """Remove what dead processes left in a folder; once, as one may write thousands of files."""
    with suppress(OSError):
        for path in folder.iterdir():
            name = _NAME.fullmatch(path.name)
            with suppress(OSError):
                if name and (name["host"] == _host() or path.stat().st_mtime < time.time() - LONG):
                    _remove_unlocked(path)


def _remove_unlocked(path: Path) -> None:
    with path.open("r+b") as file, locked(file.fileno(), exclusive=True, wait=False) as alone:
        if alone:
            path.unlink()


def _host() -> str:
    return f"{zlib.crc32(platform.node().encode()):08x}"
