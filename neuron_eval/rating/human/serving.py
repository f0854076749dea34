"""One server a process for all raters: its thread, its address, and the raters' links."""

import atexit
import os
import secrets
import shutil
import socket
import sys
import webbrowser
from asyncio import Transport
from dataclasses import dataclass
from html import escape
from pathlib import Path
from tempfile import mkdtemp
from threading import Lock, Thread

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from neuron_eval.rating.human.desk import Desk
from neuron_eval.rating.human.server import is_wildcard, make_app, own_names
from neuron_eval.usage_error import UsageError

PATIENCE_SECONDS = 10.0  # how long a connection may take to send the head of a request
MAX_SILENT = 100  # connections that have sent no request yet; with one more the oldest is closed


@dataclass(frozen=True, slots=True)
class RaterPage:
    """A rater's desk and the link to it."""

    desk: Desk
    link: str


class Serving:
    """A server in a thread of its own, which ends with the process."""

    def __init__(self, host: str, port: int) -> None:
        self._socket = _listening(host, port)
        self.port: int = self._socket.getsockname()[1]
        own = socket.gethostname().lower()
        self._host = own if is_wildcard(host) else host
        self._desks: dict[str, Desk] = {}
        self._pages: dict[tuple[str, Path], RaterPage] = {}
        config = uvicorn.Config(
            make_app(self._desks, own_names(host, frozenset({own}))),
            http=PatientProtocol,
            ws="none",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            log_level="critical",  # Inspect shows what is logged; links must not be
            access_log=False,
            server_header=False,
            limit_concurrency=200,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        run, sockets = self._server.run, [self._socket]
        self._thread = Thread(target=run, args=(sockets,), name="human raters", daemon=True)
        self._thread.start()

    def page(self, rater: str, folder: Path) -> RaterPage:
        """The rater's page; the same for the same rater and folder of answers."""
        if (rater, folder) not in self._pages:
            token = secrets.token_urlsafe(32)
            desk = self._desks[token] = Desk(rater, folder)
            name = f"[{self._host}]" if ":" in self._host else self._host
            self._pages[rater, folder] = RaterPage(desk, f"http://{name}:{self.port}/{token}/")
        return self._pages[rater, folder]

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()


_servings: dict[tuple[str, int], Serving] = {}
_lock = Lock()


def shared_page(rater: str, folder: Path, host: str, port: int) -> tuple[RaterPage, bool]:
    """A rater's page at an address's server, started if need be; and whether the page is new."""
    with _lock:
        serving = _servings.get((host, port))
        if serving is None:
            serving = _servings[host, port] = Serving(host, port)
        new = (rater, folder) not in serving._pages
        return serving.page(rater, folder), new


def _listening(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"host={host}, port={port}: cannot listen there: {reason}") from error


class PatientProtocol(H11Protocol):
    """A connection that is closed when it sends no request, so that it keeps nobody else out.

    uvicorn only closes those that are idle after a request.
    """

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._made = self.loop.time()
        self._look_again()
        ours = [c for c in self.connections if isinstance(c, PatientProtocol)]
        silent = [c for c in ours if c._last() is None and not c.transport.is_closing()]
        if len(silent) > MAX_SILENT:
            min(silent, key=lambda connection: connection._made).transport.close()

    def _last(self) -> RequestResponseCycle | None:
        """The request that came last; unlike uvicorn says there may be none."""
        return self.cycle

    def _look_again(self) -> None:
        self.loop.call_later(PATIENCE_SECONDS, self._look, self._last())

    def _look(self, before: RequestResponseCycle | None) -> None:
        """Close the connection if no request came meanwhile and none is at work."""
        if self.transport.is_closing():
            return
        if self._last() is before and (before is None or before.response_complete):
            self.transport.close()
        else:
            self._look_again()


_opened: set[str] = set()  # addresses that a browser was opened on

_LEADS_TO = """<!doctype html>
<meta charset="utf-8">
<meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0; url={link}">
<title>Rating explanations</title>
<p><a href="{link}">Rate explanations</a></p>
"""


def open_once(link: str) -> None:
    """Open the first rater's page, if there is a display; never waits for the browser.

    The browser's command line, which everybody on the machine can read, has only the name of a
    file; the link stands in the file, which nobody else can read and which goes with the process.
    """
    address = link.rsplit("/", 2)[0]
    if address in _opened or not _has_display():
        return
    _opened.add(address)
    try:
        page = leading_to(link)
    except OSError:
        return  # the link is printed too
    Thread(target=webbrowser.open, args=(page.as_uri(),), daemon=True).start()


def leading_to(link: str) -> Path:
    """A page of the user's own that leads to a link; removed when the process ends."""
    folder = Path(mkdtemp(prefix="neuron_eval-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    page = folder / "rate.html"
    page.touch(mode=0o600, exist_ok=False)
    page.write_text(_LEADS_TO.format(link=escape(link)), encoding="utf-8")
    return page


def _has_display() -> bool:
    names = ("DISPLAY", "WAYLAND_DISPLAY")
    return sys.platform in ("win32", "darwin") or any(map(os.environ.get, names))
