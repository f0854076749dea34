"""Makes the pictures and the tables of docs/rating.md, from nothing.

    python docs/rating_walkthrough.py

Two people, who are scripts that click, and a small language model rate the demo's explanations;
then the report is written. It needs the extras [local], [browser] and [llm], Chromium, and a GGUF
file of SmolLM2-135M-Instruct, see tests/llm_server.py. It takes some five minutes on two cores.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS.parent / "tests"))

import click  # noqa: E402
import llm_server  # noqa: E402
from browsing import browser  # noqa: E402
from human_eval import HumanEval, waits_for_answer  # noqa: E402

Page = Any
"""A page of playwright."""

DESK = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}
MODEL = "openai-api/local/smollm2"
TABLES = ("ratings", "rater_agreement", "rating_agreement", "attention", "raters")
REPEATED = 2
CHECKS = ("-T", "planted=true", "-T", f"repeat={REPEATED}")


def main() -> None:
    """Walk the whole path in a folder of its own."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--neurons", type=int, default=12, help="how many neurons are rated")
    parser.add_argument("--work", type=Path, help="an empty folder; a temporary one otherwise")
    parser.add_argument("--docs", type=Path, default=DOCS, help="where rating.md is")
    given = parser.parse_args()
    docs = given.docs.resolve()
    work = given.work or Path(tempfile.mkdtemp(prefix="rating-"))
    work.mkdir(parents=True, exist_ok=True)
    os.chdir(work)  # so that nothing names the folder
    shoot = Camera(docs)
    run("neuron-eval", "demo", "--limit", str(given.neurons))
    with browser() as chromium:
        people(chromium, shoot, given.neurons + REPEATED)
        smollm2()
        run("neuron-eval", "report", "logs/demo", "logs/ratings", "--out", "report")
        static(chromium)
        with viewer("logs/ratings") as address:
            viewed(chromium, shoot, address)
        reported(chromium, shoot)
    quote(docs / "rating.md", {name: table(name) for name in TABLES})


# The commands


def run(program: str, *arguments: str, **environment: str) -> None:
    """Run `inspect` or `neuron-eval`, of this Python, and say so."""
    module = {"inspect": "inspect_ai", "neuron-eval": "neuron_eval"}[program]
    said(shlex.join([program, *arguments]))
    command = [sys.executable, "-W", "ignore", "-m", module, *arguments]
    with Path("said.txt").open("a", encoding="utf-8") as out:
        done = subprocess.run(
            command,
            env={**os.environ, "INSPECT_DISPLAY": "plain", **environment},
            stdout=out,
            stderr=out,
        )
    if done.returncode:
        raise SystemExit(f"it failed; see {Path('said.txt').resolve()}")


def said(text: str) -> None:
    """Say what is being done."""
    click.echo(text)


def smollm2() -> None:
    """The third rater: a real model behind a real server."""
    if reason := llm_server.missing():
        raise SystemExit(reason)
    model = Path("SmolLM2-135M-Instruct.gguf")
    if not model.exists():
        model.symlink_to(llm_server.model_file())
    os.environ[llm_server.MODEL] = str(model)
    folder = Path("server")
    folder.mkdir(exist_ok=True)
    with llm_server.running(folder) as url:
        run(
            *("inspect", "eval", "neuron_eval/rate", "-T", "explanations=logs/demo"),
            *(*CHECKS, "-T", "orders=2", "--model", MODEL, "--model-base-url", f"{url}/v1"),
            *("--log-dir", "logs/ratings"),
            LOCAL_API_KEY="none",
        )


@contextmanager
def viewer(logs: str) -> Iterator[str]:
    """The address of `inspect view` on a folder of logs."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-W", "ignore", "-m", "inspect_ai", "view", "start"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--log-dir", logs]
    said(f"inspect view --log-dir {logs}")
    with Path("viewer.txt").open("wb") as out:
        server = subprocess.Popen(command, stdout=out, stderr=out)
    try:
        address = f"http://127.0.0.1:{port}"
        wait_for(address)
        yield address
    finally:
        server.kill()
        server.wait()


def wait_for(address: str, seconds: float = 60) -> None:
    """Wait until a server answers."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


# The people


@dataclass(frozen=True)
class Seen:
    """What a person sees of one question."""

    highlighted: list[tuple[str, int]]
    """Each highlighted token of each excerpt, with its level."""

    options: Mapping[str, str]
    """The explanations by letter."""


def alice(seen: Seen, explanation: str) -> float:
    """Which share of the highlighted tokens does the explanation name?"""
    named = words(explanation)
    return share(token in named for token, _ in seen.highlighted)


def bob(seen: Seen, explanation: str) -> float:
    """Which share of the words that the explanation names is highlighted strongly (5 to 10)?"""
    strong = {token for token, level in seen.highlighted if level >= 5}
    return share(word in strong for word in words(explanation))


RULES: Mapping[str, Callable[[Seen, str], float]] = {"alice": alice, "bob": bob}


def words(explanation: str) -> list[str]:
    """The words that an explanation names, in quotes."""
    return [word.strip().lower() for word in re.findall(r'"([^"]*)"', explanation)]


def share(hits: Iterator[bool]) -> float:
    """How many are true, from 0 to 1; 0 of nothing."""
    found = list(hits)
    return sum(found) / max(len(found), 1)


def people(chromium: Any, shoot: Camera, questions: int) -> None:
    """Two raters at once at one eval, each with so many questions, until all is handed over."""
    arguments = (
        *("eval", "neuron_eval/rate", "-T", "explanations=logs/demo", *CHECKS),
        *("--model", "human/alice,human/bob", "-M", "raters=alice,bob"),
        *("-M", "answers=answers", "-M", "open=false"),
    )
    said(shlex.join(["inspect", *arguments]))
    with HumanEval(".", *arguments, log_dir="logs/ratings") as process:
        links = dict(zip(RULES, process.wait_for_links(*RULES), strict=True))
        looks = {"alice": (DESK, "light"), "bob": (PHONE, "dark")}
        pages = {name: opened(chromium, links[name], *looks[name], questions) for name in RULES}
        for number in range(questions):
            for name, page in pages.items():
                answer(page, RULES[name], shoot if number == 2 else None, name)
        shoot(pages["alice"], "review")
        for page in pages.values():
            page.locator("#hand-over").click()
            page.wait_for_selector("html[data-view=waiting], html[data-view=lost]")
        process.finish()


def opened(chromium: Any, link: str, size: Mapping[str, int], scheme: str, questions: int) -> Page:
    """A rater's page, once all questions are known."""
    page = chromium.new_context(viewport=size, color_scheme=scheme).new_page()
    page.goto(link)
    page.get_by_text(f"0 of {questions} answered").wait_for()
    page.reload()
    page.wait_for_selector("html[data-view=question]")
    return page


def answer(page: Page, rule: Callable[[Seen, str], float], shoot: Camera | None, name: str) -> None:
    """Rate each explanation by a rule; the best is the one of most stars, the first of these."""
    seen = look(page)
    shares = {letter: rule(seen, text) for letter, text in seen.options.items()}
    for letter, value in shares.items():
        page.locator(f"[name=rating-{letter}][value='{1 + round(4 * value)}']").check()
    best = max(shares, key=lambda letter: shares[letter])
    page.locator(f"[name=best][value={best}]").check()
    if shoot:
        page.evaluate("scrollTo(0, 0)")
        shoot(page, "page" if name == "alice" else "phone")
    with waits_for_answer(page):
        page.locator("#next").click()


def look(page: Page) -> Seen:
    """Read the question off the page."""
    marks = page.locator("#excerpts mark").evaluate_all(
        "marks => marks.map(m => [m.textContent, Number(m.className.slice(1))])"
    )
    texts = page.locator("#options .said").all_text_contents()
    letters = page.locator("#options fieldset").evaluate_all(
        "all => all.map(o => o.dataset.letter)"
    )
    return Seen(
        [(token.strip().lower(), level) for token, level in marks],
        dict(zip(letters, texts, strict=True)),
    )


def static(chromium: Any) -> None:
    """A page that works from its file, by a third person, into the log that waits for it."""
    run("neuron-eval", "rate-static", "logs/demo", "--rater", "carol", "--out", "questions")
    page = chromium.new_page(viewport=DESK)
    page.goto(Path("questions/carol.html").resolve().as_uri())
    page.wait_for_selector("html[data-view=question]")
    while page.locator("#question").is_visible():
        answer(page, alice, None, "carol")
    with page.expect_download() as file:
        page.locator("#hand-over").click()
    file.value.save_as("answers-carol.json")
    (log,) = Path("questions").glob("*.eval")
    run(
        *("inspect", "score", str(log), "--scorer", "neuron_eval/rating"),
        *("-S", "answers=answers-carol.json", "--action", "overwrite", "--overwrite"),
    )


# The pictures and the tables


@dataclass(frozen=True)
class Camera:
    """Writes docs/rating-NAME.png."""

    folder: Path

    def __call__(self, page: Page, name: str, **options: Any) -> None:
        """Take the page as it is."""
        path = self.folder / f"rating-{name}.png"
        page.screenshot(path=path, **options)
        said(f"  {path.name}: {path.stat().st_size // 1000} kB")


def viewed(chromium: Any, shoot: Camera, address: str) -> None:
    """Alice's log in Inspect's viewer: the list of samples, and one sample."""
    page = chromium.new_page(viewport=DESK)
    log = log_of("human/alice")
    page.goto(f"{address}/#/logs/{log.name}/samples")
    page.wait_for_selector("[role=gridcell]")
    clip = {"x": 0, "y": 28, **DESK, "height": DESK["height"] - 28}
    page.wait_for_timeout(500)
    shoot(page, "samples", clip=clip)
    page.locator("[role=row] [data-col-id=sampleId]").nth(1).click()
    page.locator("a#scoring").click()
    for name in ("ratings", "best", "planted"):
        page.get_by_text(f"{name}:", exact=False).last.click()
    page.wait_for_timeout(500)
    shoot(page, "sample", clip=clip)


def log_of(rater: str) -> Path:
    """A rater's log."""
    for path in Path("logs/ratings").glob("*.eval"):
        done = subprocess.run(
            [sys.executable, "-m", "inspect_ai", "log", "dump", "--header-only", str(path)],
            capture_output=True,
            text=True,
            check=True,
        )
        if json.loads(done.stdout)["eval"]["model"] == rater:
            return path
    raise SystemExit(f"there is no log of {rater}")


def reported(chromium: Any, shoot: Camera) -> None:
    """The rating tables on the report's page."""
    page = chromium.new_page(viewport=DESK)
    page.goto(Path("report/index.html").resolve().as_uri())
    page.wait_for_selector("html[data-ready]")
    page.wait_for_timeout(500)
    for name, caption in (("report", "Ratings, 1 to 5"), ("agreement", "Agreement of raters")):
        top = "e => scrollTo(0, e.getBoundingClientRect().top + scrollY - 16)"
        page.locator("#tables h3", has_text=caption).evaluate(top)
        shoot(page, name)


def table(name: str) -> str:
    """A table of the report as Markdown, without its title and notes."""
    lines = Path(f"report/tables/{name}.md").read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if line.startswith("|"))


def quote(path: Path, blocks: Mapping[str, str]) -> None:
    """Put each block between its two marks in a Markdown file."""
    text = path.read_text(encoding="utf-8")
    for name, block in blocks.items():
        start, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        before, found, rest = text.partition(start)
        _, closed, after = rest.partition(end)
        if not found or not closed:
            raise SystemExit(f"{path.name} has no place for the table {name}")
        text = f"{before}{start}{block}\n{end}{after}"
    path.write_text(text, encoding="utf-8")
    said(f"  {path.name}: {', '.join(blocks)}")


if __name__ == "__main__":
    main()
