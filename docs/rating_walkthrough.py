"""Makes the pictures and the tables of docs/rating.md, from nothing.

    python docs/rating_walkthrough.py

Two people, who are scripts that click, and a small language model rate the demo's explanations;
then the report is written. It needs the extras [local], [browser] and [llm], Chromium, and a GGUF
file of SmolLM2-135M-Instruct, see tests/llm_server.py. It takes some five minutes on two cores.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS.parent / "tests"))

import click  # noqa: E402
import llm_server  # noqa: E402
from browsing import browser  # noqa: E402
from human_eval import HumanEval, waits_for_answer  # noqa: E402
from inspect_ai.log import list_eval_logs  # noqa: E402

Page = Any
"""A page of playwright."""

Shoot = Callable[..., None]
"""Writes docs/rating-NAME.png: of a page, by name, with playwright's options."""

Marks = Sequence[tuple[str, int]]
"""Each highlighted token of each excerpt, in small letters, with its level."""

DESK = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}
TABLES = ("ratings", "rater_agreement", "rating_agreement", "attention", "raters")
REPEATED = 2
RATE = f"eval neuron_eval/rate -T explanations=logs/demo -T planted=true -T repeat={REPEATED}"


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

    def shoot(page: Page, name: str, **options: Any) -> None:
        path = docs / f"rating-{name}.png"
        page.screenshot(path=path, **options)
        click.echo(f"  {path.name}: {path.stat().st_size // 1000} kB")

    run(f"neuron-eval demo --limit {given.neurons}")
    with browser() as chromium:
        people(chromium, shoot, given.neurons + REPEATED)
        smollm2()
        run("neuron-eval report logs/demo logs/ratings --out report")
        static(chromium)
        viewed(chromium, shoot)
        reported(chromium, shoot)
    quote(docs / "rating.md")


def run(command: str, **environment: str) -> None:
    """Run `inspect` or `neuron-eval`, of this Python, and say so."""
    click.echo(command)
    with Path("said.txt").open("a", encoding="utf-8") as out:
        plain = {**os.environ, "INSPECT_DISPLAY": "plain", **environment}
        ended = subprocess.run(in_python(command), env=plain, stdout=out, stderr=out)
    if ended.returncode:
        raise SystemExit(f"it failed; see {Path('said.txt').resolve()}")


def in_python(command: str) -> list[str]:
    program, *arguments = shlex.split(command)
    module = {"inspect": "inspect_ai", "neuron-eval": "neuron_eval"}[program]
    return [sys.executable, "-W", "ignore", "-m", module, *arguments]


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
            f"inspect {RATE} -T orders=2 --model openai-api/local/smollm2 "
            f"--model-base-url {url}/v1 --log-dir logs/ratings",
            LOCAL_API_KEY="none",
        )


# The people


def alice(marks: Marks, explanation: str) -> float:
    """Which share of the highlighted tokens does the explanation name?"""
    named = words(explanation)
    return share(token in named for token, _ in marks)


def bob(marks: Marks, explanation: str) -> float:
    """Which share of the words that the explanation names is highlighted strongly (5 to 10)?"""
    strong = {token for token, level in marks if level >= 5}
    return share(word in strong for word in words(explanation))


RULES = {"alice": alice, "bob": bob}


def words(explanation: str) -> list[str]:
    """The words that an explanation names, in quotes."""
    return [word.strip().lower() for word in re.findall(r'"([^"]*)"', explanation)]


def share(hits: Iterable[bool]) -> float:
    """How many are true, from 0 to 1; 0 of nothing."""
    every = list(hits)
    return sum(every) / max(len(every), 1)


def people(chromium: Any, shoot: Shoot, questions: int) -> None:
    """Two raters at once at one eval, each with so many questions, until all is handed over."""
    arguments = f"{RATE} --model human/alice,human/bob -M raters=alice,bob"
    arguments += " -M answers=answers -M open=false"
    click.echo(f"inspect {arguments}")
    looks = {"alice": (DESK, "light"), "bob": (PHONE, "dark")}
    with HumanEval(".", *shlex.split(arguments), log_dir="logs/ratings") as process:
        pages = {}
        for name, link in zip(RULES, process.wait_for_links(*RULES), strict=True):
            size, scheme = looks[name]
            page = chromium.new_context(viewport=size, color_scheme=scheme).new_page()
            page.goto(link)
            page.get_by_text(f"0 of {questions} answered").wait_for()
            page.reload()
            page.wait_for_selector("html[data-view=question]")
            pages[name] = page
        for number in range(questions):
            for name, page in pages.items():
                rate(page, name)
                if number == 2:
                    page.evaluate("scrollTo(0, 0)")
                    shoot(page, "page" if name == "alice" else "phone")
                with waits_for_answer(page):
                    page.locator("#next").click()
        shoot(pages["alice"], "review")
        for page in pages.values():
            page.locator("#hand-over").click()
            page.wait_for_selector("html[data-view=waiting], html[data-view=lost]")
        process.finish()


def rate(page: Page, name: str) -> None:
    """Rate each explanation by a rule; the best is the one of most stars, the first of these."""
    marked = page.locator("#excerpts mark").evaluate_all(
        "marks => marks.map(m => [m.textContent, Number(m.className.slice(1))])"
    )
    marks = [(token.strip().lower(), level) for token, level in marked]
    shares = {}
    for option in page.locator("#options fieldset").all():
        letter = option.get_attribute("data-letter")
        shares[letter] = RULES[name](marks, option.locator(".said").text_content())
        page.locator(f"[name=rating-{letter}][value='{1 + round(4 * shares[letter])}']").check()
    best = max(shares, key=lambda letter: shares[letter])
    page.locator(f"[name=best][value={best}]").check()


def static(chromium: Any) -> None:
    """A page that works from its file, by a third person, into the log that waits for it."""
    run("neuron-eval rate-static logs/demo --rater carol --out questions")
    page = chromium.new_page(viewport=DESK)
    page.goto(Path("questions/carol.html").resolve().as_uri())
    page.wait_for_selector("html[data-view=question]")
    while page.locator("#question").is_visible():
        rate(page, "alice")
        with waits_for_answer(page):
            page.locator("#next").click()
    with page.expect_download() as file:
        page.locator("#hand-over").click()
    file.value.save_as("answers-carol.json")
    (log,) = Path("questions").glob("*.eval")
    run(
        f"inspect score {log} --scorer neuron_eval/rating -S answers=answers-carol.json "
        "--action overwrite --overwrite"
    )


# The pictures and the tables


@contextmanager
def viewer(logs: str) -> Iterator[str]:
    """The address of `inspect view` on a folder of logs."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = f"inspect view start --host 127.0.0.1 --port {port} --log-dir {logs}"
    click.echo(command)
    with Path("viewer.txt").open("wb") as out:
        server = subprocess.Popen(in_python(command), stdout=out, stderr=out)
    try:
        for _ in range(300):
            with socket.socket() as asked:
                if asked.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()


def viewed(chromium: Any, shoot: Shoot) -> None:
    """Alice's log in Inspect's viewer: the list of samples, and one sample."""
    (log,) = list_eval_logs("logs/ratings", filter=lambda log: log.eval.model == "human/alice")
    clip = {"x": 0, "y": 28, **DESK, "height": DESK["height"] - 28}
    with viewer("logs/ratings") as address:
        page = chromium.new_page(viewport=DESK)
        page.goto(f"{address}/#/logs/{Path(log.name).name}/samples")
        page.wait_for_selector("[role=gridcell]")
        page.wait_for_timeout(500)
        shoot(page, "samples", clip=clip)
        page.locator("[role=row] [data-col-id=sampleId]").nth(1).click()
        page.locator("a#scoring").click()
        for name in ("ratings", "best", "planted"):
            page.get_by_text(f"{name}:", exact=False).last.click()
        page.wait_for_timeout(500)
        shoot(page, "sample", clip=clip)


def reported(chromium: Any, shoot: Shoot) -> None:
    """The rating tables on the report's page."""
    page = chromium.new_page(viewport=DESK)
    page.goto(Path("report/index.html").resolve().as_uri())
    page.wait_for_selector("html[data-ready]")
    page.wait_for_timeout(500)
    top = "e => scrollTo(0, e.getBoundingClientRect().top + scrollY - 16)"
    for name, caption in (("report", "Ratings, 1 to 5"), ("agreement", "Agreement of raters")):
        page.locator("#tables h3", has_text=caption).evaluate(top)
        shoot(page, name)


def quote(path: Path) -> None:
    """Put the report's tables, without their titles and notes, between their marks in a page."""
    text = path.read_text(encoding="utf-8")
    for name in TABLES:
        lines = Path(f"report/tables/{name}.md").read_text(encoding="utf-8").splitlines()
        rows = "\n".join(line for line in lines if line.startswith("|"))
        start, end = f"<!-- {name} -->\n", f"\n<!-- end of {name} -->"
        if start not in text or end not in text.partition(start)[2]:
            raise SystemExit(f"{path.name} has no place for the table {name}")
        before, _, rest = text.partition(start)
        text = before + start + rows + end + rest.partition(end)[2]
    path.write_text(text, encoding="utf-8")
    click.echo(f"  {path.name}: {', '.join(TABLES)}")


if __name__ == "__main__":
    main()
