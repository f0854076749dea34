"""One process at a time where two would write to one place, and each would buy or undo it all.

The lock is the system's (`neuron_eval.files.locking`), so it ends with its process, however that
ends; a lock file that was left behind keeps nobody out. Where there are no locks (Windows, some
network file systems, addresses such as ``s3://…``, a folder that cannot be written) nobody is kept
out.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from urllib.parse import unquote

import click

from neuron_eval.files.locking import locked

IN_FOLDER = ".neuron-eval.lock"
"""The lock file of a folder; Inspect and the sources of neurons pass hidden files over."""

TRIES = 100
"""How often a lock file may vanish while it is being taken."""


@contextmanager
def alone_in(*folders: str | Path) -> Iterator[None]:
    """Have folders for this process; each is made if missing, and removed again if left empty.

    Args:
        folders: Paths, or addresses as Inspect takes them.

    Raises:
        ClickException: Another process has one; the message says which.
    """
    with ExitStack() as stack:
        # In one order, so that of two processes that want the same folders one gets them all.
        for folder in sorted(_local(folders)):
            stack.callback(_remove_empty, _missing(folder))
            stack.enter_context(_held(folder / IN_FOLDER, folder, make=True))
        yield


@contextmanager
def alone_at(*files: str | Path) -> Iterator[None]:
    """Have files for this process, whether they are there or not; their folders must be.

    Raises:
        ClickException: Another process has one; the message says which.
    """
    with ExitStack() as stack:
        for file in sorted(_local(files)):
            stack.enter_context(_held(file.with_name(f".{file.name}.lock"), file))
        yield


def _local(places: tuple[str | Path, ...]) -> set[Path]:
    """The places that are paths of this machine, each once."""
    texts = (str(place) for place in places)
    paths = (unquote(t.removeprefix("file://")) if t.startswith("file://") else t for t in texts)
    return {Path(path).resolve() for path in paths if "://" not in path}


@contextmanager
def _held(lock: Path, place: Path, *, make: bool = False) -> Iterator[None]:
    """Hold a lock file, which is gone afterwards; its folder is made if so wished."""
    with ExitStack() as stack:
        descriptor = None if sys.platform == "win32" else _take(lock, place, make, stack)
        if descriptor is not None:
            _sign(descriptor)
        yield


def _take(lock: Path, place: Path, make: bool, stack: ExitStack) -> int | None:
    """Lock a file until the stack ends; None where that cannot be done."""
    for _ in range(TRIES):
        try:
            if make:
                lock.parent.mkdir(parents=True, exist_ok=True)
            descriptor = _open(lock)
        except FileNotFoundError:
            continue  # its last holder removed the folder in between
        except OSError:
            return None
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
            stack.push(trying.pop_all())
            return descriptor if alone else None
    return None


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


def _missing(folder: Path) -> list[Path]:
    """The folders that would have to be made, the innermost first."""
    return [path for path in (folder, *folder.parents) if not path.exists()]


def _remove(file: Path) -> None:
    with suppress(OSError):
        file.unlink()


def _remove_empty(folders: list[Path]) -> None:
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()
