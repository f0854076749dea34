"""What a person sees in `inspect view`, in a real browser.

NEURON_EVAL_SCREENSHOTS=DIR writes viewer-samples.png and viewer-heatmap.png there.
"""

import contextlib
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from browsing import WAIT_MS, browser, executable
from inspect_ai import eval as run_eval
from inspect_ai.log import resolve_sample_attachments

from neuron_eval.embedding.local import missing_packages
from neuron_eval.sources.loading import load_neurons
from neuron_eval.tasks.formats import summary
from neuron_eval.testing import fake_embedder

pytestmark = pytest.mark.browser

WINDOW = {"width": 1280, "height": 860}
BAR = 28
NEURONS = "smollm2"

# the rendered heat map: its rows as lists of [text, background, ink]
ROWS = """found => found.isConnected ? [...found.closest('div').parentElement.children].map(line =>
    [...line.querySelectorAll('span')].map(span => {
        const style = getComputedStyle(span)
        return [span.textContent, style.backgroundColor, style.color]
    })) : null"""


@pytest.fixture
def log(tmp_path):
    """A real eval of the baseline on three bundled neurons that have a reference."""
    executable()  # or else nothing needs to be run
    *first, last = (neuron.id for neuron in load_neurons(NEURONS) if neuron.reference)
    chosen = (*first[:2], last)  # by name the last layer comes first
    (done,) = run_eval(
        summary(neurons=NEURONS),
        sample_id=list(chosen),
        model="neuron-baseline/lexical",
        model_roles={"embedder": fake_embedder(_letters).model} if missing_packages() else {},
        log_dir=str(tmp_path / "logs"),
        display="none",
    )
    assert done.status == "success", done.error
    return done


def _letters(text):
    """How often each letter stands in a text: enough to tell words apart."""
    return [1 + text.lower().count(chr(letter)) ** 2 for letter in range(ord("a"), ord("z") + 1)]


@pytest.fixture
def viewer(log, tmp_path):
    """The address of a viewer of the log's folder, in a process of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "inspect_ai", "view", "start"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--log-dir", str(tmp_path / "logs")]
    said = tmp_path / "viewer.txt"
    with said.open("wb") as out:
        server = subprocess.Popen(command, stdout=out, stderr=out, cwd=tmp_path)
    try:
        _wait_for(server, port, said)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()


def _wait_for(server, port, said):
    deadline = time.monotonic() + WAIT_MS / 1000
    while time.monotonic() < deadline:
        assert server.poll() is None, said.read_text()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.5):
            return
        time.sleep(0.1)
    pytest.fail(f"the viewer did not answer: {said.read_text()}")


@pytest.fixture
def page(viewer):
    """A page of a real Chromium at the log's list of samples."""
    with browser() as chromium:
        page = chromium.new_page(viewport=WINDOW)
        page.set_default_timeout(WAIT_MS)
        page.goto(viewer)
        yield page


def test_a_person_finds_scores_heat_map_and_prompt(log, page):
    best = max(log.samples, key=lambda sample: sample.scores["simulation_correlation"].as_float())
    _see_the_sample_list(page, log)
    _cell(page, best.id, "sampleId").click()
    _see_the_heat_map(page, best)
    _see_the_transcript(page, best)


def _see_the_sample_list(page, log):
    page.wait_for_selector("[role=gridcell]")
    shown = [h.lower() for h in page.locator("[role=columnheader]").all_inner_texts() if h.strip()]
    names = [header.partition("\n")[0].strip() for header in shown]
    places = ["layer", "neuron", "group"]
    assert names == ["id", *places, "answer", "target", "simulation", "adacs"]
    listed = page.locator("[role=gridcell][data-col-id=sampleId]").all_inner_texts()
    in_order = sorted(log.samples, key=lambda s: (s.metadata["layer"], s.metadata["neuron"]))
    assert listed == [sample.id for sample in in_order]
    assert listed != sorted(listed)
    for sample in log.samples:
        for place in places:
            shown = _cell(page, sample.id, f"score__scored__{place}").inner_text()
            assert shown == str(sample.metadata[place])
        assert _cell(page, sample.id, "answer").inner_text() == sample.output.completion
        assert _cell(page, sample.id, "target").inner_text() == sample.target
        for scorer in ("simulation_correlation", "adacs"):
            cell = _cell(page, sample.id, f"score__{scorer}__{scorer}")
            value = sample.scores[scorer].as_float()
            assert float(cell.inner_text()) == pytest.approx(value)
            colour = cell.evaluate("cell => getComputedStyle(cell).backgroundColor")
            assert colour not in ("transparent", "rgba(0, 0, 0, 0)")
    headline = log.results.scores[0].metrics["mean"].value
    page.get_by_text(f"{headline:.3f}", exact=True).first.wait_for()
    _screenshot(page, "viewer-samples.png", height=505)


def _cell(page, sample_id, column):
    row = page.locator("[role=row]").filter(has=page.get_by_text(sample_id, exact=True))
    return row.locator(f"[data-col-id={column}]")


def _rows(found):
    """The lines beside a text; found again where the viewer draws them anew in this moment."""
    deadline = time.monotonic() + WAIT_MS / 1000
    while (rows := found.evaluate(ROWS)) is None:
        assert time.monotonic() < deadline, "the viewer does not stop drawing"
    return rows


def _see_the_heat_map(page, sample):
    page.locator("a#scoring").click()
    legend = page.get_by_text("true activation", exact=False).first
    legend.wait_for()
    rows = _rows(legend)
    texts = ["".join(text for text, _, _ in row) for row in rows]
    scored = sample.scores["simulation_correlation"].metadata["excerpts"]
    # the first excerpts are there without a click
    page.get_by_text(texts[-1], exact=True).last.wait_for()
    first = [e["excerpt"] for e in scored if any(t.startswith(f"{e['excerpt']} ") for t in texts)]
    assert first == [excerpt["excerpt"] for excerpt in scored][: len(first)]
    assert 0 < len(first) < len(scored)
    page.get_by_role("button", name="more...").first.click()
    page.get_by_role("button", name="less...").first.wait_for()
    heading = page.get_by_text(scored[len(first)]["excerpt"], exact=True).first
    rows += _rows(heading)
    texts = ["".join(text for text, _, _ in row) for row in rows]
    assert texts[0].startswith("T true activation  ")
    assert texts[1].startswith("S simulated activation (cosine)  white up to ")
    assert "⏎ newline" in texts[2]

    for excerpt in scored:
        assert any(text.startswith(f"{excerpt['excerpt']}  correlation ") for text in texts)
    body = [row for row, text in zip(rows[3:], texts[3:], strict=True) if text[:2] in ("T ", "S ")]
    assert len(body) >= 2 * len(scored)
    # a strong colour: truth in red, simulation in blue, by at least half of the full colour
    red, blue = (
        [_rgb(background) for row in body if row[0][0] == label for _, background, _ in row]
        for label in "TS"
    )
    assert max(r - b for r, _, b in red) > 90
    assert max(b - r for r, _, b in blue) > 80
    assert max(b - r for r, _, b in red) == max(r - b for r, _, b in blue) == 0
    # and dark ink, so that it reads whatever the theme
    assert all(max(_rgb(ink)) < 50 for row in body for _, _, ink in row[1:])
    _screenshot(page, "viewer-heatmap.png", height=WINDOW["height"])


def _rgb(colour):
    red, green, blue = map(int, re.fullmatch(r"rgb\((\d+), (\d+), (\d+)\)", colour).groups())
    return red, green, blue


def _see_the_transcript(page, sample):
    page.locator("a#transcript").click()
    calls = [e for e in resolve_sample_attachments(sample, "full").events if e.event == "model"]
    asked = next(event for event in calls if event.role is None).input[-1].text
    line = max(re.findall(r"^[A-Z][a-z ]+:$", asked, re.MULTILINE), key=len)
    page.get_by_text(line).first.wait_for()
    page.get_by_text(re.compile(r"model call \(embedder\)", re.IGNORECASE)).first.wait_for()


def _screenshot(page, name, height):
    """The page without the viewer's top bar, which shows where the log lies."""
    folder = os.environ.get("NEURON_EVAL_SCREENSHOTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        clip = {"x": 0, "y": BAR, "width": WINDOW["width"], "height": height - BAR}
        page.screenshot(path=Path(folder, name), clip=clip)
