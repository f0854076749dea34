"""The rater's page in a real browser with several tabs, interruptions, and what is begun."""

import time
from datetime import datetime, timedelta

import pytest
from browsing import WAIT_MS, browser
from human_eval import press, question, review, title

from neuron_eval.rating.human.serving import Serving, leading_to
from neuron_eval.rating.question import from_json

pytestmark = pytest.mark.browser


def test_the_page_says_when_the_eval_answers_again_and_goes_on(visit, seat):
    page = visit()
    page.route("**/*", lambda route: route.abort())
    page.get_by_text(GONE).wait_for()
    press(page, ALL_ONE + " Enter")
    page.get_by_text(GONE).wait_for()
    page.unroute_all(behavior="wait")
    page.get_by_text("The eval answers again").wait_for()
    assert page.get_by_text(GONE).count() == 0
    save(page, "")
    assert ratings(seat) == [1]
    assert page.locator("#problem").inner_text() == ""


def test_polls_do_not_pile_up_while_one_hangs(visit):
    page, held = visit(clock=True), []
    page.wait_for_function("() => !polling")
    page.route("**/state", lambda route: held.append(route))
    page.clock.run_for(10_000)  # polls are a second apart
    assert page.evaluate("polling")
    heard(page, held, 1)
    held[0].continue_()
    page.wait_for_function("() => !polling")
    assert len(held) == 1
    page.clock.run_for(1000)
    assert page.evaluate("polling")
    heard(page, held, 2)


def heard(page, events, count):
    """Wait until the browser has told of so many events, and see that there are no more."""
    deadline = time.monotonic() + WAIT_MS / 1000
    while len(events) < count and time.monotonic() < deadline:
        page.evaluate("1")
    assert len(events) == count


def test_a_second_tab_does_not_overwrite_the_first_without_a_word(visit, seat):
    first, second = visit(), visit()
    assert title(first) == title(second)
    save(first)
    press(second, "A 5 B 5 C 5 Shift+B Enter")
    second.get_by_text("another answer was saved meanwhile").wait_for()
    assert title(second) != title(first)
    assert checked(second) == "1 A 1 1"
    assert ratings(seat) == [1]
    save(second, "A 3")
    assert ratings(seat) == [3]


def test_only_what_the_review_lists_is_handed_over(visit, seat):
    page = visit()
    save(page)
    review(page)
    page.evaluate(NO_POLL)
    ((key, (_, reply)),) = seat.desk.overview().answered.items()
    seat.desk.answer(key, ONE | {"best": "C"}, reply.at)
    page.get_by_role("button", name="Hand over 1").click()
    page.get_by_text("an answer was changed meanwhile").wait_for()
    assert "best C" in page.locator("#answers").inner_text()
    assert seat.desk.handed_over(key) is None
    (other,) = seat.desk.overview().open
    seat.desk.answer(other, ONE, None)  # in another tab
    page.get_by_role("button", name="Hand over 1").click()
    page.wait_for_function("() => overview.handed_over === 1")
    assert seat.desk.handed_over(key).answer.best == "C"
    assert seat.desk.handed_over(other) is None


def test_the_review_shows_what_another_tab_changes(visit, seat):
    page = visit()
    save(page)
    review(page)
    ((key, (_, reply)),) = seat.desk.overview().answered.items()
    seat.desk.answer(key, ONE | {"best": "B"}, reply.at)
    page.locator("#answers").get_by_text("best B").wait_for()


def test_what_is_begun_is_there_again_after_back_review_and_change(visit, seat):
    page = visit()
    save(page)
    begun = title(page)
    press(page, "A 4 C 2 Shift+C")
    page.locator("#comment").fill("begun")
    press(page, "Escape Backspace")
    page.wait_for_function("() => current?.saved")
    assert page.locator("#comment").input_value() == ""
    press(page, "B 5")
    review(page)
    assert "B 1" in page.locator("#answers").inner_text()  # what is saved
    page.get_by_role("button", name="Next question").click()
    page.wait_for_selector("html[data-view=question]")
    assert (title(page), checked(page)) == (begun, "4 2 C")
    assert page.locator("#comment").input_value() == "begun"
    review(page)
    page.get_by_role("button", name="Change").click()
    page.get_by_text("You have begun to change this answer").wait_for()
    assert checked(page) == "1 A 5 1"
    save(page, "")
    assert (title(page), checked(page)) == (begun, "4 2 C")
    save(page, "B 3")
    saved = [reply.answer for _, reply in seat.desk.overview().answered.values()]
    assert [one.ratings for one in saved] == [{"A": 1, "B": 5, "C": 1}, {"A": 4, "B": 3, "C": 2}]
    assert saved[1].comment == "begun"
    page.get_by_role("button", name="Change").first.click()
    page.wait_for_selector("html[data-view=question]")
    assert page.locator("#problem").inner_text() == ""
    assert checked(page) == "1 A 5 1"


def test_a_reason_that_is_begun_is_there_again_and_not_after_another_answer(visit, seat):
    page = visit()
    save(page)
    press(page, "Backspace")
    page.wait_for_function("() => current?.saved")
    press(page, "s")
    page.keyboard.type("too ha")
    review(page)
    page.get_by_role("button", name="Change").click()
    page.get_by_text("You have begun to change this answer").wait_for()
    assert page.locator("#reason").input_value() == "too ha"
    assert page.locator("#skipping").is_visible()
    review(page)
    ((key, (_, reply)),) = seat.desk.overview().answered.items()
    seat.desk.answer(key, ONE | {"best": "B"}, reply.at)
    page.get_by_role("button", name="Change").click()
    page.get_by_text("Another answer was saved meanwhile").wait_for()
    assert page.locator("#skipping").is_hidden()
    assert checked(page) == "1 1 B 1"


def test_the_file_that_is_opened_leads_to_the_page(visit, seat):
    page = visit(leading_to(seat.link).as_uri())
    assert page.url == seat.link


ONE = {"ratings": {"A": 1, "B": 1, "C": 1}, "best": "A", "comment": ""}

ALL_ONE = "A 1 B 1 C 1 Shift+A"

GONE = "what is on this page now is not saved"

NO_POLL = """async () => {
    while (polling) await new Promise(done => setTimeout(done, 5));
    polling = true;
}"""
"""The page looks at nothing by itself from now on."""


@pytest.fixture(scope="module")
def chromium():
    with browser() as chromium:
        yield chromium


@pytest.fixture(scope="module")
def serving():
    serving = Serving("127.0.0.1", 0)
    yield serving
    serving.stop()


@pytest.fixture
def seat(serving, tmp_path):
    """A rater who is asked two questions."""
    seat = serving.page("alice", tmp_path)
    for i in range(2):
        seat.desk.ask(from_json(question(i)))
    return seat


@pytest.fixture
def visit(chromium, seat):
    """Opens a tab, of one browser; afterwards no script has failed."""
    context, broken = chromium.new_context(), []

    def open_page(link=seat.link, clock=False):
        page = context.new_page()
        if clock:
            page.clock.install()
            page.clock.pause_at(datetime.now() + timedelta(days=1))
        page.set_default_timeout(WAIT_MS)
        page.on("pageerror", lambda error: broken.append(str(error)))
        page.goto(link)
        page.wait_for_selector("html[data-view=question]")
        return page

    yield open_page
    context.close()
    assert broken == []


def save(page, keys=ALL_ONE):
    """Answer the question on the page."""
    before = page.evaluate("current.key")
    press(page, f"{keys} Enter")
    page.wait_for_function("key => current?.key !== key", arg=before)


def checked(page):
    """What is pressed on the page: ratings in order, and the best."""
    values = page.locator("#options :checked").evaluate_all("all => all.map(e => e.value)")
    return " ".join(values)


def ratings(seat):
    """The ratings of A that are saved, in order."""
    return [reply.answer.ratings["A"] for _, reply in seat.desk.overview().answered.values()]
