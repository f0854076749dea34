"""A real Chromium for the tests that look at pages."""

import shutil
from contextlib import contextmanager
from importlib import util

import pytest

WAIT_MS = 180_000
"""How long to wait for what must come; only a test that fails waits so long."""
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def executable():
    """The path of a browser that playwright can drive; skips the test where there is none."""
    if util.find_spec("playwright") is None:
        pytest.skip("needs playwright: pip install 'neuron_eval[browser]'")
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"needs one of {', '.join(BROWSERS)} on PATH: apt-get install chromium")
    return found


@contextmanager
def browser():
    """A browser that playwright drives; skips the test where there is none."""
    found = executable()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=FLAGS, timeout=WAIT_MS)
        try:
            yield chromium
        finally:
            chromium.close()
