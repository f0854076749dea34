"""Files over HTTPS, several at once, kept in a folder of this machine.

The folder has the same layout as the place, so it is a source of its own. A file is kept only
when it is complete, and appears there at once, so that a run that was killed goes on where it
stopped and two runs do not disturb each other. By hand, since fsspec's caches do not keep a
layout, and tenacity asks once more after a wait that was broken off.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from neuron_eval.files.bounded import FILE
from neuron_eval.files.locking import unfinished
from neuron_eval.messages import shown
from neuron_eval.records import RecordError
from neuron_eval.sources.base import SourceError
from neuron_eval.sources.openai.records import parse
from neuron_eval.sources.openai.stores import IN_FLIGHT, Blob, Part, Read

if TYPE_CHECKING:
    import httpx

CACHE_VARIABLE = "NEURON_EVAL_CACHE_DIR"  # names another folder for what is fetched


@dataclass(frozen=True, slots=True)
class FetchSettings:
    """How patient to be; times in seconds."""

    in_flight: int = IN_FLIGHT  # requests at once
    retries: int = 4  # how often to ask again for a file, after the first time
    backoff: float = 0.5  # the wait before asking again, doubled each time
    longest_wait: float = 30  # before asking again, whatever the server says
    connect_timeout: float = 10
    read_timeout: float = 20  # for the next part of an answer
    whole_timeout: float = 120  # for all of an answer
    failures: int = 16  # so many files in a row that fail mean that the place does not work
    nothing: int = 100  # so many files missing, and none there, mean that the address is wrong


@dataclass
class HttpStore:
    """The layout below an HTTP address that cannot be listed; nothing is fetched yet."""

    address: str
    cache: Path
    shape: tuple[int, int]  # layers, and the neurons of each
    advice: str = ""  # what a user can do when the address cannot be reached
    settings: FetchSettings = field(default_factory=FetchSettings)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _missing: set[Blob] = field(default_factory=set, init=False)
    _any_exists: bool = field(default=False, init=False)
    _failed_in_a_row: int = field(default=0, init=False)

    @property
    def in_flight(self) -> int:
        return self.settings.in_flight

    @contextmanager
    def opened(self, stop: threading.Event) -> Iterator[Read]:
        """Open connections, and close them at the end; ``stop`` ends what is being waited for."""
        import httpx

        wait = self.settings
        with httpx.Client(
            headers={"user-agent": "neuron_eval"},
            timeout=httpx.Timeout(wait.read_timeout, connect=wait.connect_timeout, pool=None),
            limits=httpx.Limits(max_connections=wait.in_flight),
            follow_redirects=False,  # an answer does not decide where to go
        ) as client:
            yield partial(self._read, client, stop)

    def where(self, blob: Blob) -> str:
        """The file that was kept, or else the address."""
        kept = self.cache / blob.path
        return str(kept) if kept.exists() else f"{self.address}/{blob.path}"

    def layers(self, part: Part) -> range:
        return range(self.shape[0])

    def neurons(self, part: Part, layer: int) -> range:
        return range(self.shape[1])

    def within(self, layer: int, neuron: int) -> bool:
        return 0 <= layer < self.shape[0] and 0 <= neuron < self.shape[1]

    def _read(self, client: httpx.Client, stop: threading.Event, blob: Blob) -> bytes | None:
        if blob in self._missing:
            return None
        kept = self.cache / blob.path
        try:
            if kept.exists():
                content: bytes | None = kept.read_bytes()
            elif (content := self._fetch(client, stop, blob)) is not None:
                kept.parent.mkdir(parents=True, exist_ok=True)
                with unfinished(kept) as beside:
                    beside.write_bytes(content)
        except OSError as error:
            raise SourceError(
                f"{kept}: {error.strerror or error}; {CACHE_VARIABLE} names another folder for "
                "what is fetched"
            ) from error
        self._note(blob, content is not None)
        return content

    def _fetch(self, client: httpx.Client, stop: threading.Event, blob: Blob) -> bytes | None:
        """Ask, and ask again for as long as that may help."""
        address = f"{self.address}/{blob.path}"
        started = time.monotonic()
        for tried in range(1, self.settings.retries + 2):
            try:
                return fetch(client, address, stop, self.settings.whole_timeout)
            except FailedRequest as failed:
                failure = failed
            wait = max(self.settings.backoff * 2 ** (tried - 1), failure.wait)
            last = tried > self.settings.retries
            if last or not failure.again or stop.wait(min(wait, self.settings.longest_wait)):
                break
        effort = f"tried {tried} x in {time.monotonic() - started:.1f} s"
        raise self._given_up(f"{address}: {failure} ({effort})", failure)

    def _given_up(self, what: str, failure: FailedRequest) -> ValueError:
        with self._lock:
            self._failed_in_a_row += 1
            count = self._failed_in_a_row
        if failure.unreachable:
            why = ": no connection"
        elif count >= self.settings.failures:
            why = f"; {count} files in a row failed"
        else:
            return RecordError(what)
        kept = f"What was fetched is kept in {self.cache}; a new run asks only for the rest."
        return SourceError(f"{what}{why}. {kept} {self.advice}".rstrip())

    def _note(self, blob: Blob, exists: bool) -> None:
        with self._lock:
            self._failed_in_a_row = 0
            self._any_exists |= exists
            if not exists:
                self._missing.add(blob)
            nothing = not self._any_exists and len(self._missing) >= self.settings.nothing
        if nothing:
            raise SourceError(
                f"{self.address}: none of the first {len(self._missing)} files asked for is there, "
                f"for instance {blob.path}; is the address right? {self.advice}".rstrip()
            )


def cache_folder() -> Path:
    """Where fetched files are kept: `CACHE_VARIABLE`, or else the user's cache folder."""
    from platformdirs import user_cache_path

    named = os.environ.get(CACHE_VARIABLE)
    return Path(named) if named else user_cache_path("neuron_eval")


class FailedRequest(Exception):
    """One request that did not give a file."""

    def __init__(
        self, reason: str, again: bool = True, wait: float = 0, unreachable: bool = False
    ) -> None:
        """What happened, whether to ask again, after how long at least, and whose fault it is."""
        super().__init__(reason)
        self.again, self.wait, self.unreachable = again, wait, unreachable


def fetch(
    client: httpx.Client, address: str, stop: threading.Event, whole_timeout: float
) -> bytes | None:
    """Ask once; the content, complete, or None if there is no such file.

    ``whole_timeout`` is for all of the answer, in seconds, and ``stop`` is set when it is no longer
    wanted. Anything else is a `FailedRequest`.
    """
    import httpx

    until = time.monotonic() + whole_timeout
    received = bytearray()
    try:
        with client.stream("GET", address) as answer:
            if answer.status_code == 404:
                return None
            _check_status(answer)
            for part in answer.iter_bytes():
                received += part
                if len(received) > FILE:
                    raise FailedRequest(f"the answer is larger than {FILE:,} bytes", again=False)
                if stop.is_set():
                    raise FailedRequest("no longer wanted", again=False)
                if time.monotonic() > until:
                    raise FailedRequest(f"the answer did not end in {whole_timeout:g} s")
        content = bytes(received)
        # A file that was cut where nobody told its length does not parse.
        lines = filter(bytes.strip, content.split(b"\n"))
        for value in lines if address.endswith(".jsonl") else [content]:
            parse(value, "what came")
    except httpx.RequestError as error:
        unreachable = isinstance(
            error, httpx.ConnectError | httpx.ConnectTimeout | httpx.ProxyError
        )
        reason = f"{type(error).__name__}: {error}".rstrip(": ")
        raise FailedRequest(reason, unreachable=unreachable) from error
    except RecordError as error:
        raise FailedRequest(str(error)) from error
    return content


def _check_status(answer: httpx.Response) -> None:
    status = answer.status_code
    if status == 200:
        return
    after = answer.headers.get("retry-after", "")
    where = f" to {shown(answer.headers['location'])}" if answer.has_redirect_location else ""
    raise FailedRequest(
        f"the server answered {status} {answer.reason_phrase}{where}",
        again=status in (408, 429) or status >= 500,
        wait=float(after) if after.isdecimal() else 0,
    )
