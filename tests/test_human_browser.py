"""Raters at a real eval, in a real browser, by keyboard alone.

NEURON_EVAL_SCREENSHOTS=DIR writes rating-*.png there.
"""

import json
import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from browsing import browser
from human_eval import VISIBLE, HumanEval
from inspect_ai.log import read_eval_log

pytestmark = pytest.mark.browser

WAIT_MS = 30_000
DESK = {"width": 1280, "height": 860}
PHONE = {"width": 360, "height": 740}
WIDE = "e => e.scrollWidth - e.clientWidth"


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
        page.wait_for_selector("html[data-view]")
        return page

    yield open_page
    for context in contexts:
        context.close()
    # what the browser itself says of a server that refuses or has ended
    assert [text for text in said if not text.startswith("Failed to load resource")] == []
    assert [url for url in asked if not url.startswith(("data:", *links))] == []


@pytest.fixture
def start(tmp_path):
    """Starts `inspect eval` of so many questions for some raters, or another Inspect command."""
    running = []

    def run(raters, count=3, command=None):
        names = ",".join(raters)
        models = ",".join(f"human/{name}" for name in raters)
        fresh = ["eval", "ask.py", "--model", models, "-T", f"count={count}"]
        options = ["-M", f"raters={names}", "-M", f"answers={tmp_path / 'answers'}"]
        process = HumanEval(tmp_path, *(command or [*fresh, *options, "-M", "open=false"]))
        running.append(process)
        return process

    yield run
    for process in running:
        process.kill()


def logs(tmp_path):
    return sorted((tmp_path / "logs").glob("*.eval"))


def title(page):
    return page.locator("#title").inner_text()


def neuron_of(page):
    """The number of the neuron that is asked about."""
    return int(re.match(r"neuron (\d+)", title(page))[1])


def press(page, keys):
    for key in keys.split():
        page.keyboard.press(key)


def answer(page, keys):
    """Answer the question on the page, wait for the next one; returns whose it was."""
    page.wait_for_selector("html[data-view=question]")
    before, number = title(page), neuron_of(page)
    press(page, keys)
    page.wait_for_function(
        "t => document.documentElement.dataset.view !== 'question'"
        " || document.getElementById('title').textContent !== t",
        arg=before,
    )
    return f"toy/L0N{number}"


def given(a, b, c, best, comment=""):
    return {"ratings": {"A": a, "B": b, "C": c}, "best": best, "comment": comment}


def completions(tmp_path):
    """What each finished log holds: rater, sample, answer."""
    found = {}
    for path in logs(tmp_path):
        # in another thread: Inspect would patch the event loop that playwright runs in this one
        with ThreadPoolExecutor(1) as thread:
            log = thread.submit(read_eval_log, str(path)).result()
        if log.status == "success":
            for sample in log.samples:
                key = log.eval.model.removeprefix("human/"), sample.id
                found[key] = json.loads(sample.output.completion)
    return found


def test_two_raters_at_once_by_keyboard_get_what_each_of_them_pressed(visit, start, tmp_path):
    process = start(["alice", "bob"])
    pages = dict(zip(("alice", "bob"), process.wait_for_links("alice", "bob"), strict=True))
    pages = {rater: visit(link) for rater, link in pages.items()}
    expected = {}
    keys = {
        "alice": ("A 4 B 1 C 5 Shift+C Enter", given(4, 1, 5, "C")),
        "bob": ("1 B 2 C 2 Shift+A Shift+B 3 Enter", given(1, 3, 2, "B")),
    }
    for _ in range(3):
        for rater, page in pages.items():  # in turns
            pressed, means = keys[rater]
            expected[rater, answer(page, pressed)] = means
    for page in pages.values():
        page.wait_for_selector("html[data-view=review]")
        assert page.evaluate("document.activeElement.id") == "hand-over"
        page.keyboard.press("Enter")
        page.wait_for_selector("html[data-view=waiting], html[data-view=lost]")
    process.finish()
    assert len(expected) == 6
    assert completions(tmp_path) == expected


def test_an_answer_can_be_changed_by_going_back_until_it_is_handed_over(visit, start, tmp_path):
    process = start(["alice"])
    (link,) = process.wait_for_links("alice")
    page = visit(link)
    first = answer(page, "A 4 B 1 C 5 Shift+C Enter")
    answer(page, "A 1 B 1 C 1 Shift+A Enter")
    third = title(page)
    press(page, "Backspace Backspace")
    page.wait_for_function(f"() => document.title && {neuron_js()} === '{first}'")
    assert page.locator("[name=best]:checked").get_attribute("value") == "C"
    assert page.locator("[name=rating-A]:checked").get_attribute("value") == "4"
    press(page, "B 2 Shift+A Enter")  # goes on to the second
    page.wait_for_function(f"() => {neuron_js()} !== '{first}'")
    press(page, "Enter")
    page.wait_for_function("t => document.getElementById('title').textContent === t", arg=third)
    answer(page, "A 1 B 1 C 1 Shift+A Enter")
    page.keyboard.press("Enter")
    process.finish()
    found = completions(tmp_path)
    assert found["alice", first] == given(4, 2, 5, "A")
    assert len(found) == 3


def neuron_js():
    return "'toy/L0N' + document.getElementById('title').textContent.match(/neuron (\\d+)/)?.[1]"


def test_a_closed_tab_and_a_killed_run_lose_nothing_and_ask_nothing_twice(visit, start, tmp_path):
    process = start(["alice"], count=5)
    (link,) = process.wait_for_links("alice")
    page = visit(link)
    expected = {}

    def rate(page, stars, best):
        keys = f"A {stars} B 2 C 3 Shift+{best} Enter"
        expected["alice", answer(page, keys)] = given(stars, 2, 3, best)

    rate(page, 5, "A")
    page.get_by_role("button", name="Review").focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Hand over 1").focus()
    page.keyboard.press("Enter")  # the eval has got the first
    page.wait_for_selector("html[data-view=question]")
    rate(page, 4, "B")
    asked = title(page)
    page.close()
    page = visit(link)
    assert title(page) == asked
    rate(page, 3, "C")
    process.kill()
    press(page, "1 B 1 C 1 Shift+A Enter")
    page.get_by_text("The eval does not answer; what is on this page now is not saved").wait_for()
    (log,) = logs(tmp_path)
    again = start(["alice"], command=["eval-retry", str(log)])
    (link,) = again.wait_for_links("alice")
    page = visit(link)
    # Inspect may have taken the first from the log of the killed run
    page.get_by_text(re.compile("(3 answered of 5|2 answered of 4) known so far")).wait_for()
    rate(page, 2, "A")
    rate(page, 1, "B")
    page.wait_for_selector("html[data-view=review]")
    assert page.locator("#answers li").count() == 4  # the first is final
    page.keyboard.press("Enter")
    again.finish()
    assert len(expected) == 5
    assert completions(tmp_path) == expected


def test_a_skip_needs_a_reason(visit, start, tmp_path):
    process = start(["alice"], count=1)
    (link,) = process.wait_for_links("alice")
    page = visit(link)
    press(page, "s Enter")
    page.get_by_text("Please say why.").wait_for()
    page.keyboard.press("Escape")
    press(page, "A 5 Enter")
    page.get_by_text("Not rated yet: B, C.").wait_for()
    page.keyboard.press("s")
    page.keyboard.type("Backspace 5 s")
    page.keyboard.press("Enter")
    page.wait_for_selector("html[data-view=review]")
    assert "skipped: Backspace 5 s" in page.locator("#answers").inner_text()
    page.keyboard.press("Enter")
    process.finish()
    assert completions(tmp_path) == {("alice", "toy/L0N0"): {"skipped": "Backspace 5 s"}}


def planted_page(visit, process, **options):
    """The question with planted markup, opened from the list of answers."""
    (link,) = process.wait_for_links("alice")
    page = visit(link, **options)
    page.get_by_text("answered of 3 known so far").wait_for()
    while neuron_of(page) != 1:
        answer(page, "A 1 B 1 C 1 Shift+A Enter")
    return page


def test_planted_markup_is_shown_and_does_nothing(visit, start):
    page = planted_page(visit, start(["alice"]))
    assert title(page) == f"neuron 1 in layer 0 of toy{VISIBLE}"
    assert page.locator("mark").nth(2).text_content() == VISIBLE
    for said in page.locator(".said").all_text_contents():
        assert said.endswith(VISIBLE)
    answer(page, "A 1 B 1 C 1 Shift+A Enter")
    assert page.evaluate("window.broken") is None
    assert page.locator("img").count() == 0
    assert "\u202e" not in page.content()


def test_a_script_put_into_the_page_by_hand_is_refused(chromium, start):
    from playwright.sync_api import Error

    (link,) = start(["alice"]).wait_for_links("alice")
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
def test_the_page_reads_in_light_and_dark_on_desk_and_phone(visit, start, tmp_path, scheme, size):
    page = planted_page(visit, start(["alice"]), size=size, scheme=scheme)
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
    answer(page, "A 1 B 1 C 1 Shift+A Enter")
    if page.locator("#question").is_visible():
        page.get_by_role("button", name="Review").click()
    page.wait_for_selector("html[data-view=review]")
    assert page.locator("html").evaluate(WIDE) <= 0


@pytest.mark.parametrize(
    ("name", "size", "scheme"),
    [("light", DESK, "light"), ("dark", DESK, "dark"), ("phone", PHONE, "light")],
)
def test_screenshots_are_taken_where_asked_for(visit, start, tmp_path, name, size, scheme):
    (link,) = start(["alice"], count=1).wait_for_links("alice")
    page = visit(link, size, scheme)
    press(page, "A 4 B 2")
    screenshot(page, tmp_path, f"rating-{name}")
    answer(page, "C 5 Shift+C Enter")
    screenshot(page, tmp_path, f"rating-{name}-review")


def screenshot(page, tmp_path, name):
    folder = Path(os.environ.get("NEURON_EVAL_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    page.evaluate("scrollTo(0, 0)")
    page.screenshot(path=folder / f"{name}.png")
    assert (folder / f"{name}.png").stat().st_size > 5_000


def test_a_screen_reader_finds_names_levels_and_news(visit, start):
    (link,) = start(["alice"]).wait_for_links("alice")
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
    answer(page, "A 1 B 1 C 1 Shift+A Enter")
    page.get_by_role("status").get_by_text("Saved. 1 answered of 3 known so far").wait_for()
    unnamed = """() => [...document.querySelectorAll('input, textarea, button, progress')].filter(
        e => !e.closest('[hidden]') && !(e.labels?.length || e.textContent.trim()
             || e.getAttribute('aria-labelledby'))).map(e => e.outerHTML)"""
    assert page.evaluate(unnamed) == []


def test_letters_and_numbers_do_nothing_in_a_text_or_when_turned_off(visit, start):
    (link,) = start(["alice"], count=1).wait_for_links("alice")
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


def test_a_key_held_down_does_not_hand_over_what_was_just_saved(visit, start):
    (link,) = start(["alice"], count=1).wait_for_links("alice")
    page = visit(link)
    press(page, "A 1 B 1 C 1 Shift+A")
    page.keyboard.down("Enter")
    page.wait_for_selector("html[data-view=review]")
    page.keyboard.down("Enter")  # repeats
    page.keyboard.down("Enter")
    page.wait_for_timeout(300)
    page.keyboard.up("Enter")
    assert page.get_by_role("button", name="Hand over 1").is_visible()


def test_what_another_tab_handed_over_is_said_to_be_final(visit, start):
    (link,) = start(["alice"], count=2).wait_for_links("alice")
    first, second = visit(link), visit(link)
    answer(first, "A 1 B 1 C 1 Shift+A Enter")
    first.get_by_role("button", name="Review").click()
    first.get_by_role("button", name="Hand over 1").click()
    first.wait_for_selector("html[data-view=question]")
    press(second, "A 1 B 1 C 1 Shift+A Enter")
    second.get_by_text("final").wait_for()
    assert title(second) == title(first)
