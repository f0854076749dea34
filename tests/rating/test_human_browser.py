"""The rater's page at a real eval, in a real browser, by keyboard alone.

The whole path from explanations to the report is in `test_rating_whole_path`.
NEURON_EVAL_SCREENSHOTS=DIR writes rating-*.png there.
"""

import os
import re
import time
from pathlib import Path

import pytest
from browsing import WAIT_MS, browser
from human_eval import (
    VISIBLE,
    HumanEval,
    in_terminal,
    press,
    read_on,
    review,
    title,
    waits_for_answer,
)

pytestmark = pytest.mark.browser

DESK = {"width": 1280, "height": 860}

PHONE = {"width": 360, "height": 740}


def test_a_skip_needs_a_reason(visit, link):
    page = visit(link)
    press(page, "s Enter")
    page.get_by_text("Please say why.").wait_for()
    page.keyboard.press("Escape")
    press(page, "A 5 Enter")
    page.get_by_text("Not rated yet: B, C.").wait_for()
    page.keyboard.press("s")
    page.keyboard.type("Backspace 5 s")
    answer(page, "Enter")
    review(page)
    assert "skipped: Backspace 5 s" in page.locator("#answers").inner_text()


def planted_page(visit, link, **options):
    """The question with planted markup."""
    page = visit(link, **options)
    while neuron_of(page) != 1:
        answer(page)
    return page


def test_planted_markup_is_shown_and_does_nothing(visit, link):
    page = planted_page(visit, link)
    assert title(page) == f"neuron 1 in layer 0 of toy{VISIBLE}"
    assert page.locator("mark").nth(2).text_content() == VISIBLE
    for said in page.locator(".said").all_text_contents():
        assert said.endswith(VISIBLE)
    answer(page)
    assert page.evaluate("window.broken") is None
    assert page.locator("img").count() == 0
    assert "\u202e" not in page.content()


def test_a_script_put_into_the_page_by_hand_is_refused(chromium, link):
    from playwright.sync_api import Error

    page = chromium.new_page()
    page.goto(link)
    write = "() => { try { %s } catch (error) { return error.name } }"
    assert page.evaluate(write % "document.body.innerHTML = '<b>'") == "TypeError"
    with pytest.raises(Error, match="requires 'TrustedScriptURL'"):
        page.add_script_tag(url="data:text/javascript,window.broken=1")
    page.close()


def luminance(colour):
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_the_page_reads_in_light_and_dark_on_desk_and_phone(visit, link, tmp_path, scheme, size):
    page = planted_page(visit, link, size=size, scheme=scheme)
    assert page.locator("html").evaluate(WIDE) <= 0
    ground = luminance(page.locator("body").evaluate("e => getComputedStyle(e).backgroundColor"))
    assert (ground < 0.2) == (scheme == "dark")
    for place in (".said", ".note", "h3", "legend", "mark", "#progress"):
        ink = luminance(page.locator(place).first.evaluate("e => getComputedStyle(e).color"))
        low, high = sorted((ink, ground))
        assert (high + 0.05) / (low + 0.05) > 4.5, place
    # strength shows without colour too
    thick = "e => parseFloat(getComputedStyle(e).textDecorationThickness)"
    marks = page.locator("mark")
    assert [marks.nth(i).evaluate(thick) for i in range(3)] == [5.0, 2.6, 1.4]
    page.keyboard.press("s")
    assert page.locator("html").evaluate(WIDE) <= 0
    page.keyboard.press("Escape")
    answer(page)
    if page.locator("#question").is_visible():
        review(page)
    assert page.locator("html").evaluate(WIDE) <= 0


@pytest.mark.parametrize(
    ("name", "size", "scheme"),
    [("light", DESK, "light"), ("dark", DESK, "dark"), ("phone", PHONE, "light")],
)
def test_screenshots_are_taken_where_asked_for(visit, link, tmp_path, name, size, scheme):
    page = visit(link, size, scheme)
    press(page, "A 4 B 2")
    screenshot(page, tmp_path, f"rating-{name}")
    answer(page, "C 5 Shift+C Enter")
    review(page)
    screenshot(page, tmp_path, f"rating-{name}-review")


def screenshot(page, tmp_path, name):
    folder = Path(os.environ.get("NEURON_EVAL_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    page.evaluate("scrollTo(0, 0)")
    page.screenshot(path=folder / f"{name}.png")
    assert (folder / f"{name}.png").stat().st_size > 5_000


def test_a_screen_reader_finds_names_levels_and_news(visit, link):
    page = visit(link)
    page.get_by_role("group", name="Explanation A").wait_for()
    page.get_by_role("group", name="Explanation C").get_by_role(
        "radio", name="best is C"
    ).wait_for()
    group = page.get_by_role("group", name="Explanation B")
    assert group.get_by_role("radio").count() == 6
    group.get_by_role("radio", name="1, not at all").wait_for()
    group.get_by_role("radio", name="5, exactly").wait_for()
    assert "cat (10 of 10), number" in page.locator("#excerpts .hidden").first.text_content()
    assert page.evaluate("document.activeElement.id") == "title"
    answer(page)
    page.get_by_role("status").get_by_text("Saved. 1 of 3 answered").wait_for()
    unnamed = """() => [...document.querySelectorAll('input, textarea, button, progress')].filter(
        e => !e.closest('[hidden]') && !(e.labels?.length || e.textContent.trim()
             || e.getAttribute('aria-labelledby'))).map(e => e.outerHTML)"""
    assert page.evaluate(unnamed) == []


def test_letters_and_numbers_do_nothing_in_a_text_or_when_turned_off(visit, link):
    page = visit(link)
    page.locator("#comment").focus()
    page.keyboard.type("ABC 123 s")
    assert page.locator("#comment").input_value() == "ABC 123 s"
    page.locator("#help summary").click()
    page.locator("#keys").uncheck()
    page.locator("#title").focus()
    press(page, "A 1 s Enter")
    assert page.locator(":checked[type=radio]").count() == 0
    assert page.locator("#skipping").is_hidden()
    page.locator("#keys").check()
    page.locator("#title").focus()
    press(page, "A 1")
    assert page.locator(":checked[type=radio]").count() == 1


def test_a_key_held_down_does_not_hand_over_what_was_just_saved(visit, link):
    page = visit(link)
    answer(page)
    answer(page)
    press(page, "A 1 B 1 C 1 Shift+A")
    page.keyboard.down("Enter")
    page.wait_for_selector("html[data-view=review]")
    page.keyboard.down("Enter")  # repeats
    page.keyboard.down("Enter")
    page.wait_for_timeout(300)
    page.keyboard.up("Enter")
    assert page.get_by_role("button", name="Hand over 3").is_visible()


def test_what_another_tab_handed_over_is_said_to_be_final(visit, link):
    first, second = visit(link), visit(link)
    answer(first)
    review(first)
    first.get_by_role("button", name="Hand over 1").click()
    first.wait_for_selector("html[data-view=question]")
    press(second, "A 1 B 1 C 1 Shift+A Enter")
    second.get_by_text("final").wait_for()
    assert title(second) == title(first)


def test_in_a_terminal_the_link_is_in_the_console_of_inspects_display(tmp_path):
    seen, deadline = b"", time.monotonic() + WAIT_MS / 1000
    with in_terminal(tmp_path, "eval", "ask.py", *ALICE) as terminal:
        while b"alice rates at http://127.0.0.1:" not in seen:
            read = read_on(terminal)
            running = read is not None and time.monotonic() < deadline
            assert running, seen.decode(errors="replace")[-3000:]
            seen += read
            if not read:
                os.write(terminal, CONSOLE)


WIDE = "e => e.scrollWidth - e.clientWidth"

RATERS = (
    *("alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi"),
    *("ivan", "judy", "kim", "liam", "mia", "nora", "omar", "paula"),
)
"""Everybody has three questions of their own at one eval; each test takes the next one."""

ALICE = ("--model", "human/alice", "-M", "answers=answers", "-M", "open=false")

CONSOLE = b"\x1b[<0;28;2M\x1b[<0;28;2m"
"""A click on the third tab of Inspect's display, as a terminal writes it."""


@pytest.fixture(scope="module")
def chromium():
    with browser() as chromium:
        yield chromium


@pytest.fixture
def visit(chromium):
    """Opens a rater's link; afterwards nothing was complained of or asked from elsewhere."""
    contexts, said, asked, links = [], [], [], []

    def open_page(link, size=DESK, scheme="light"):
        links.append(link)
        context = chromium.new_context(viewport=size, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(WAIT_MS)
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(link)
        page.wait_for_selector("html[data-view=question]")
        page.get_by_text("of 3 answered").wait_for()  # the eval has asked them all
        return page

    yield open_page
    for context in contexts:
        context.close()
    # what the browser itself says of a server that refuses or has ended
    assert [text for text in said if not text.startswith("Failed to load resource")] == []
    assert [url for url in asked if not url.startswith(("data:", *links))] == []


@pytest.fixture(scope="module")
def links(tmp_path_factory):
    """The links of all raters, at a real `inspect eval` in a process of its own."""
    folder = tmp_path_factory.mktemp("raters")
    models = ",".join(f"human/{rater}" for rater in RATERS)
    options = ("-M", f"raters={','.join(RATERS)}", "-M", "answers=answers", "-M", "open=false")
    with HumanEval(folder, "eval", "ask.py", "--model", models, *options) as process:
        yield iter(process.wait_for_links(*RATERS))


@pytest.fixture
def link(links):
    """The link of a rater who has not answered anything."""
    return next(links)


def neuron_of(page):
    """The number of the neuron that is asked about."""
    return int(re.match(r"neuron (\d+)", title(page))[1])


def answer(page, keys="A 1 B 1 C 1 Shift+A Enter"):
    """Answer the question on the page, wait for what comes next."""
    with waits_for_answer(page):
        press(page, keys)
