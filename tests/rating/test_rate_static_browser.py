"""A page without a server in a real browser, from a file, by keyboard alone.

NEURON_EVAL_SCREENSHOTS=DIR writes static-*.png there.
"""

import json
import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from browsing import WAIT_MS, browser
from human_eval import review
from inspect_ai import score
from static_pages import PLANTED, SAID, columns, logs_by_rater, rate_static

from neuron_eval.messages import visible_lines
from neuron_eval.scorers.rating import rating

pytestmark = pytest.mark.browser

DESK = {"width": 1280, "height": 860}
PHONE = {"width": 360, "height": 740}
NO_STORAGE = """Object.defineProperty(window, "localStorage",
    { get() { throw new DOMException("denied", "SecurityError"); } })"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The pages and logs of two raters, made before the browser runs an event loop here."""
    folder = tmp_path_factory.mktemp("static")
    result = rate_static(folder, "--rater", "carol", "--rater", "dan")
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture(scope="module")
def chromium(folder):
    with browser() as chromium:
        yield chromium


@pytest.fixture
def visit(chromium, folder):
    """Opens a rater's page in a new profile; nothing is complained of or asked of a network."""
    contexts, said, asked = [], [], []

    def open_page(rater="carol", size=DESK, scheme="light", script=None):
        context = chromium.new_context(viewport=size, color_scheme=scheme)
        contexts.append(context)
        if script:
            context.add_init_script(script)
        page = context.new_page()
        page.set_default_timeout(WAIT_MS)
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        # from the start: what opens a chooser by a key may be faster than the wait for one
        page.on("filechooser", lambda chooser: None)
        page.goto((folder / "questions" / f"{rater}.html").as_uri())
        page.wait_for_selector("html[data-view]")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert [text for text in said if "requires 'TrustedHTML'" not in text] == []
    assert [url for url in asked if not url.startswith(("data:", "file:", "blob:"))] == []


def press(page, keys):
    for key in keys.split():
        page.keyboard.press(key)


def title(page):
    return page.locator("#title").inner_text()


def shown(page):
    """The explanations by letter."""
    letters = page.locator("#options fieldset").evaluate_all(
        "all => all.map(e => e.dataset.letter)"
    )
    return dict(zip(letters, page.locator(".said").all_text_contents(), strict=True))


def rate(page, expected, ratings, best):
    """Rate by keys, save; ``expected`` gets what was pressed, by neuron and explanation."""
    neuron, by_letter = title(page), shown(page)
    for letter, stars in zip(by_letter, ratings, strict=False):
        press(page, f"{letter} {stars}")
    press(page, f"Shift+{best}")
    press(page, "Enter")
    expected[neuron] = (
        dict(zip(by_letter.values(), ratings, strict=False)),
        by_letter[best],
    )
    moved(page, neuron)


def moved(page, before):
    page.wait_for_function(
        "t => document.documentElement.dataset.view !== 'question'"
        " || document.getElementById('title').textContent !== t",
        arg=before,
    )


def tab_to(page, selector):
    """Move the focus by Tab alone."""
    for _ in range(60):
        if page.evaluate("s => document.activeElement.matches(s)", selector):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not come to {selector}")


def save(page, tmp_path):
    """Save the answers to a file from the review, by keyboard."""
    tab_to(page, "#hand-over")
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    assert download.value.suggested_filename == "answers-carol.json"
    path = tmp_path / "answers-carol.json"
    download.value.save_as(path)
    return path


def load(page, path):
    """Choose a file by keyboard."""
    tab_to(page, "#load summary")
    page.keyboard.press("Enter")
    tab_to(page, "#choose")
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files(path)


def progress(page, text):
    page.get_by_text(re.compile(f"^{text}")).first.wait_for()


def ratings_by_column(folder, path):
    """Of each neuron that was scored, ratings and best by column; and why others were not."""

    def run():  # in another thread: Inspect would patch the event loop that playwright runs here
        log = logs_by_rater(folder)["carol"]
        return score(log, rating(answers=str(path)), action="overwrite", display="none")

    with ThreadPoolExecutor(1) as thread:
        log = thread.submit(run).result()
    rated, reasons = {}, {}
    for sample in log.samples:
        found = sample.scores["rating"]
        name = f"neuron {sample.metadata['neuron']} in layer {sample.metadata['layer']} of test"
        if found.reason:
            reasons[name] = found.explanation
        else:
            rated[name] = (found.metadata["ratings"], found.metadata["best"])
    return rated, reasons


def by_column(neuron, pressed, best):
    """What was pressed, by column: worked out from the words on the page."""
    number = int(re.match(r"neuron (\d+)", neuron)[1])
    ratings, chosen = {}, {}
    for text, names in columns(number).items():
        for column in names:
            ratings[column] = pressed[visible_lines(text)]
            chosen[column] = float(visible_lines(text) == best)
    return ratings, chosen


def test_what_is_pressed_over_days_and_machines_is_what_is_scored(visit, folder, tmp_path):
    page = visit()
    expected = {}
    page.get_by_text("Your answers are kept in this browser").wait_for()
    progress(page, "0 of 4 answered")
    first = title(page)
    rate(page, expected, (4, 1, 5), "A")
    progress(page, "1 of 4 answered")
    page.reload()
    page.wait_for_selector("html[data-view=question]")
    progress(page, "1 of 4 answered")
    second = title(page)
    assert second != first
    press(page, "s")
    page.keyboard.type("not my field")
    press(page, "Enter")
    moved(page, second)
    third = title(page)
    press(page, "Backspace Backspace")  # to the skipped one, then to the first
    page.wait_for_function("t => document.getElementById('title').textContent === t", arg=first)
    assert page.locator("[name=best]:checked").get_attribute("value") == "A"
    press(page, "Shift+B B 3 Enter")
    changed, letters = expected[first][0], list(expected[first][0])
    expected[first] = (changed | {letters[1]: 3}, letters[1])
    moved(page, first)
    page.wait_for_function("t => document.getElementById('title').textContent === t", arg=second)
    tab_to(page, "#review-now")
    press(page, "Enter")
    page.wait_for_selector("html[data-view=review]")
    assert "skipped: not my field" in page.locator("#answers").inner_text()
    partial = save(page, tmp_path)
    assert "answers-carol.json among your downloads" in page.locator("#review-text").inner_text()
    rated, reasons = ratings_by_column(folder, partial)
    assert rated == {first: by_column(first, *expected[first])}
    assert sorted(reasons.values()) == ["Not answered.", "Not answered.", "Skipped: not my field"]

    other = visit()  # nothing is kept in a new profile
    progress(other, "0 of 4 answered")
    load(other, partial)
    progress(other, "2 of 4 answered")
    other.locator("#notice").get_by_text("Answers loaded from answers-carol.json: 2.").wait_for()
    assert title(other) == third
    rate(other, expected, (2, 2, 1), "B")
    rate(other, expected, (1, 5, 3), "C" if len(shown(other)) > 2 else "B")
    other.wait_for_selector("html[data-view=review]")
    assert other.evaluate("document.activeElement.id") == "review-title"
    rated, reasons = ratings_by_column(folder, save(other, tmp_path))
    assert rated == {neuron: by_column(neuron, *said) for neuron, said in expected.items()}
    assert reasons == {second: "Skipped: not my field"}
    assert set(rated[first][0]) == set(SAID)


def hear(page, other):
    """Wait until a tab has what another one keeps: a browser passes it on in its own time."""
    kept = "JSON.stringify(Object.values(localStorage))"
    page.wait_for_function(f"expected => {kept} === expected", arg=other.evaluate(kept))


def test_a_second_tab_of_a_file_does_not_overwrite_the_first_without_a_word(visit):
    first = visit()
    second = first.context.new_page()
    second.goto(first.url)
    second.wait_for_selector("html[data-view=question]")
    neuron = title(first)
    assert title(second) == neuron
    rate(first, {}, (4, 1, 5), "A")
    hear(second, first)
    press(second, "A 2 B 2 C 2 Shift+B Enter")
    second.get_by_text("Another answer was saved meanwhile").wait_for()
    assert title(second) == neuron
    assert second.locator("[name=rating-A]:checked").get_attribute("value") == "4"
    assert second.locator("[name=best]:checked").get_attribute("value") == "A"
    rate(second, {}, (3, 1, 5), "A")
    hear(first, second)
    first.bring_to_front()  # a tab in the background looks seldom
    review(first)
    # What another tab saves the page finds out when it next looks.
    first.locator("#answers li", has_text=neuron).filter(has_text="A 3").wait_for()


def test_planted_markup_is_shown_and_does_nothing(visit):
    page = visit()
    while title(page) != "neuron 1 in layer 1 of test":
        rate(page, {}, (1, 1, 1), "A")
    assert visible_lines(f"pets {PLANTED}") in shown(page).values()
    rate(page, {}, (1, 1, 1), "A")
    assert page.evaluate("window.broken") is None
    assert page.locator("img").count() == 0
    assert "\u202e" not in page.content()
    write = "() => { try { document.body.innerHTML = '<b>' } catch (error) { return error.name } }"
    assert page.evaluate(write) == "TypeError"


def test_a_browser_that_keeps_nothing_is_told_of_and_nothing_is_called_saved(visit, tmp_path):
    page = visit(script=NO_STORAGE)
    page.get_by_text("This browser does not keep your answers").wait_for()
    rate(page, {}, (1, 2, 3), "A")
    page.get_by_role("status").get_by_text("Taken down until this page is closed.").wait_for()
    assert page.get_by_role("button", name=re.compile("Save")).count() == 0
    tab_to(page, "#review-now")
    press(page, "Enter")
    page.once("dialog", lambda dialog: dialog.dismiss())
    page.close(run_before_unload=True)  # asks, and stays
    path = save(page, tmp_path)
    assert [one["value"] for one in json.loads(path.read_text())][1:] == ["not answered"] * 3


def test_a_browser_that_is_full_is_told_of_when_it_happens(visit):
    full = "Storage.prototype.setItem = () => { throw new DOMException('', 'QuotaExceededError') }"
    page = visit()
    rate(page, {}, (1, 2, 3), "A")
    page.evaluate(f"() => {{ {full} }}")
    rate(page, {}, (1, 2, 3), "A")
    page.get_by_text("This browser does not keep your answers").wait_for()
    progress(page, "2 of 4 answered")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: "{", "was not loaded: it is no JSON."),
        (lambda data: "[]", "it holds no list of answers."),
        (lambda data: "[3]", "record 1 names no rater."),
        (lambda data: data.replace("human/carol", "human/dan"), "record 1 is of another rater."),
        (lambda data: data.replace('"question": "', '"question": "0'), "another questionnaire."),
        (lambda data: re.sub(r'"A": 4', '"A": 6', data), "the rating of A is not on the scale."),
        (lambda data: re.sub(r'"comment": ""', '"comment": 3', data), "a text is missing."),
    ],
)
def test_a_file_that_is_none_of_this_page_s_is_refused_whole(loaded, tmp_path, change, message):
    page, good = loaded
    bad = tmp_path / "bad.json"
    bad.write_text(change(good), encoding="utf-8")
    page.locator("#file").set_input_files(bad)
    page.locator("#load-problem").get_by_text(message).wait_for()
    progress(page, "0 of 4 answered")


@pytest.fixture(scope="module")
def loaded(chromium, folder, tmp_path_factory):
    """A page that nothing was answered on, and a good file of answers."""
    context = chromium.new_context()
    page = context.new_page()
    address = (folder / "questions" / "carol.html").as_uri()
    page.goto(address)
    rate(page, {}, (4, 1, 5), "A")
    review(page)
    good = save(page, tmp_path_factory.mktemp("good")).read_text()
    context.close()
    context = chromium.new_context()
    page = context.new_page()
    page.goto(address)
    page.locator("#load summary").click()
    yield page, good
    context.close()


def test_answers_that_are_newer_here_stay_when_a_file_is_loaded(visit, tmp_path, loaded):
    page = visit()
    neuron = title(page)
    rate(page, {}, (2, 2, 2), "B")
    old, new = (
        re.sub(r'"at": "[^"]+"', f'"at": "{year}-01-01T00:00:00+00:00"', loaded[1])
        for year in (2001, 2999)
    )
    for text, says in ((old, "file.json: 0; newer ones here stay: 1."), (new, "file.json: 1.")):
        (tmp_path / "file.json").write_text(text, encoding="utf-8")
        page.locator("#file").set_input_files(tmp_path / "file.json")
        page.get_by_text(f"Answers loaded from {says}").first.wait_for()
        review(page)
        line = page.locator("#answers li", has_text=neuron).inner_text()
        assert ("best B" in line) == (text == old)
        page.locator("#go-on").click()
        page.wait_for_selector("html[data-view=question]")


@pytest.mark.parametrize(
    ("name", "size", "scheme"),
    [("light", DESK, "light"), ("dark", DESK, "dark"), ("phone", PHONE, "light")],
)
def test_the_page_fits_and_screenshots_are_taken(visit, tmp_path, name, size, scheme):
    page = visit(size=size, scheme=scheme)
    rate(page, {}, (4, 1, 5), "A")
    screenshot(page, tmp_path, f"static-{name}")
    review(page)
    save(page, tmp_path)
    page.locator("#load summary").click()
    screenshot(page, tmp_path, f"static-{name}-review")
    assert page.locator("html").evaluate("e => e.scrollWidth - e.clientWidth") <= 0


def screenshot(page, tmp_path, name):
    target = Path(os.environ.get("NEURON_EVAL_SCREENSHOTS") or tmp_path)
    target.mkdir(parents=True, exist_ok=True)
    page.evaluate("scrollTo(0, 0)")
    page.screenshot(path=target / f"{name}.png")
    assert (target / f"{name}.png").stat().st_size > 5_000
