"""The documentation's site, built as `make check` builds it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LOADED = re.compile(r"<(?:script|link|img|source|iframe)\b[^>]*(?:src|href)=\"?(https?:[^\s\">]+)")
"""What a browser fetches by itself; a link that a person may follow is none."""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    pytest.importorskip("material", reason="needs the extra [docs]")
    folder = tmp_path_factory.mktemp("site")
    subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "-d", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        check=True,
    )
    return folder


def test_every_page_of_docs_is_in_the_site(site):
    for page in (ROOT / "docs").rglob("*.md"):
        assert (site / page.relative_to(ROOT / "docs")).with_suffix(".html").exists(), page


def test_the_site_fetches_nothing_from_elsewhere(site):
    for page in site.rglob("*.html"):
        loaded = LOADED.findall(page.read_text(encoding="utf-8"))
        assert not [address for address in loaded if "rel=canonical" not in address], page


def test_no_page_links_out_of_the_site(site):
    for page in site.rglob("*.html"):
        depth = len(page.relative_to(site).parts) - 1
        for link in re.findall(r'(?:href|src)="?((?:\.\./)+)', page.read_text(encoding="utf-8")):
            assert link.count("../") <= depth, (page, link)
