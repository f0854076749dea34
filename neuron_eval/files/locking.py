"""Keeps other processes off a file for a while, where the system can."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

if sys.platform == "win32":

    @contextmanager
    def locked(descriptor: int, *, exclusive: bool, wait: bool = True) -> Iterator[bool]:
        """See below; this system's locks would also keep readers off, so there is none."""
        yield False

else:
    import fcntl

    @contextmanager
    def locked(descriptor: int, *, exclusive: bool, wait: bool = True) -> Iterator[bool]:
        """Hold a lock on an open file; it binds only those who ask for it too.

        Args:
            descriptor: The file.
            exclusive: To write; else others may read too.
            wait: Whether to wait while another process holds it.

        Yields:
            Whether the lock is held; not every file system has locks.

        Raises:
            BlockingIOError: Another process holds it, and ``wait`` is false.
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
