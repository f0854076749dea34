"""A file of the Hugging Face Hub, opened over the network, whose faults are those of any file."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from neuron_eval.messages import TOLD, shortened

if TYPE_CHECKING:
    from huggingface_hub import HfFileSystem


class HubFile(io.RawIOBase):
    """Reads what is asked for, when it is asked for."""

    def __init__(self, system: HfFileSystem, path: str, **options: Any) -> None:
        """Open it.

        Raises:
            OSError: The network, or the server, fails.
        """
        super().__init__()
        with _as_os_error():
            self._file = system.open(path, "rb", **options)

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer; less at the end of the file only.

        Raises:
            OSError: The network, or the server, fails.
        """
        with _as_os_error():
            data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place."""
        self._file.seek(offset, whence)
        return self.tell()

    def tell(self) -> int:
        """Where it is."""
        return int(self._file.tell())

    def close(self) -> None:
        """Let go of the connection."""
        if not self.closed:
            self._file.close()
        super().close()


@contextmanager
def _as_os_error() -> Iterator[None]:
    try:
        yield
    except Exception as error:  # of three HTTP libraries, by the version of huggingface_hub
        raise OSError(said(error)) from error


def said(error: BaseException) -> str:
    """What an error says, in one line."""
    lines = str(error).strip().splitlines()
    return shortened(lines[0], TOLD) if lines else type(error).__name__
