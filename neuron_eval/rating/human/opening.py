"""Opens a rater's page in a browser, without telling the link to other users of the machine."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import webbrowser
from html import escape
from pathlib import Path
from tempfile import mkdtemp
from threading import Thread

_opened: set[str] = set()
"""Addresses that a browser was opened on."""

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
    """A page of the user's own that leads to a link; removed when the process ends.

    Raises:
        OSError: It cannot be written.
    """
    folder = Path(mkdtemp(prefix="neuron_eval-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    page = folder / "rate.html"
    page.touch(mode=0o600, exist_ok=False)
    page.write_text(_LEADS_TO.format(link=escape(link)), encoding="utf-8")
    return page


def _has_display() -> bool:
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
