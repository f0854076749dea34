"""One HTTP request for one JSON file."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from neuron_eval.files.bounded import FILE
from neuron_eval.messages import shown
from neuron_eval.sources.openai.records import parse

if TYPE_CHECKING:
    import httpx


class FailedRequest(Exception):
    """One request that did not give a file."""

    def __init__(
        self, reason: str, *, again: bool, wait: float = 0, unreachable: bool = False
    ) -> None:
        """What happened, whether to ask again, after how long at least, and whose fault it is."""
        super().__init__(reason)
        self.again, self.wait, self.unreachable = again, wait, unreachable


def fetch(
    client: httpx.Client, address: str, stop: threading.Event, whole_timeout: float
) -> bytes | None:
    """Ask once; the content, complete, or None if there is no such file.

    The client's timeouts hold for each part of the answer, ``whole_timeout`` for all of it, in
    seconds. ``stop`` is set when the answer is no longer wanted.

    Raises:
        FailedRequest: Anything else.
    """
    import httpx

    until = time.monotonic() + whole_timeout
    content = bytearray()
    try:
        with client.stream("GET", address) as answer:
            if answer.status_code == 404:
                return None
            _check_status(answer)
            for part in answer.iter_bytes():
                content += part
                if len(content) > FILE:
                    reason = f"the answer is larger than {FILE:,} bytes"
                    raise FailedRequest(reason, again=False)
                if stop.is_set():
                    raise FailedRequest("no longer wanted", again=False)
                if time.monotonic() > until:
                    reason = f"the answer did not end in {whole_timeout:g} s"
                    raise FailedRequest(reason, again=True)
    except httpx.RequestError as error:
        unreachable = (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError)
        reason = f"{type(error).__name__}: {error}".rstrip(": ")
        raise FailedRequest(
            reason, again=True, unreachable=isinstance(error, unreachable)
        ) from error
    return _checked(bytes(content), address.endswith(".jsonl"))


def _checked(content: bytes, lines: bool) -> bytes:
    """A file that was cut where nobody told its length does not parse."""
    try:
        for part in content.split(b"\n") if lines else [content]:
            if part.strip() or not lines:
                parse(part, "what came")
    except ValueError as error:
        raise FailedRequest(str(error), again=True) from error
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
