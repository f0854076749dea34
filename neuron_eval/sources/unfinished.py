"""Files that appear whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4


@contextmanager
def unfinished(path: Path) -> Iterator[Path]:
    """A new file's path beside ``path``: write there, and at the end it takes the place of that.

    After an error it is removed, and ``path`` is as it was. Each writer has a file of its own, so
    that of several writers to one path, at once or in turn, the last to end is the one that stays.

    Args:
        path: The file to write or to replace; its folder must be there.

    Raises:
        OSError: ``path`` cannot be replaced.
    """
    # The name ends as the path does, because endings say how to write.
    beside = path.with_name(f".unfinished-{uuid4().hex}-{path.name}")
    try:
        yield beside
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
