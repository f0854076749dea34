"""The report's page as a person uses it, in a real browser.

NEURON_EVAL_SCREENSHOTS=DIR writes report-*.png there.
"""

import os
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from browsing import WAIT_MS, browser
from made_up_runs import FORMATS, excerpt, five_formats, neuron, page_text, run

from neuron_eval.logs.excerpts import activity
from neuron_eval.records import ActivationRecord, Excerpt
from neuron_eval.reporting.collecting import Collected
from neuron_eval.reporting.figures import write_figures
from neuron_eval.reporting.tables.base import Cell, Column, Table

pytestmark = pytest.mark.browser

DESK = {"width": 1280, "height": 860}

PHONE = {"width": 360, "height": 740}


def test_a_table_sorts_by_number_with_what_is_missing_last(visit):
    page = visit()
    table = "#tables table"
    score = heading(page, table, "simulation correlation")
    score.get_by_role("button").click()
    assert score.get_attribute("aria-sort") == "descending"
    assert first_cells(page, table) == ["b", "a", VISIBLE, "c"]
    score.get_by_role("button").press("Enter")
    assert score.get_attribute("aria-sort") == "ascending"
    assert first_cells(page, table) == [VISIBLE, "a", "b", "c"]
    name = heading(page, table, "run")
    name.get_by_role("button").press("Space")
    assert first_cells(page, table)[1:] == ["a", "b", "c"]
    assert score.get_attribute("aria-sort") is None


def test_the_list_sorts_by_disagreement(visit):
    page = visit()
    heading(page, "#list", "disagreement").get_by_role("button").click()
    cells = page.locator("#list tbody td:nth-last-child(2)").all_inner_texts()
    values = [float(cell.replace("−", "-")) for cell in cells]
    assert values == sorted(values, reverse=True)
    assert values[0] > values[-1]


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("text", "THING 7", ["toy/L1N7"]),
        ("text", "l1n7", ["toy/L1N7"]),
        ("text", "nothing like this", []),
        ("text", "window.broken", ["toy/L2N2"]),
        ("layer", "2", ["toy/L2N2", "toy/L2N5", "toy/L2N8", "toy/L2N11"]),
        ("low", "0.5", ["toy/L1N10", "toy/L2N11"]),
        ("high", "0.31", ["toy/L0N0"]),
        ("disagreement", "0.45", ["toy/L2N2"]),
    ],
)
def test_a_filter_leaves_what_it_asks_for_and_says_how_many(visit, field, value, expected):
    from playwright.sync_api import expect

    page = visit()
    control = page.locator(f"#filter [name={field}]")
    (control.select_option if field == "layer" else control.fill)(value)
    assert shown_ids(page) == expected
    count = page.locator("#count")
    assert count.inner_text() == f"{len(expected)} of 12 neurons"
    assert count.get_attribute("aria-live") == "polite"
    page.get_by_role("button", name="Show all").click()
    expect(count).to_have_text("12 of 12 neurons")


def test_filters_by_set_failure_and_one_run_s_score_go_together(visit):
    page = visit()
    page.locator("[name=group]").select_option("clear")
    assert page.locator("#count").inner_text() == "6 of 12 neurons"
    page.locator("[name=trouble]").check()
    assert shown_ids(page) == ["toy/L0N3"]
    page.locator("[name=run]").select_option(label="summary")
    page.locator("[name=low]").fill("0")
    assert shown_ids(page) == []  # summary has no score for it


def test_another_score_fills_the_list_anew_and_stays_sorted(visit):
    page = visit()
    heading(page, "#list", "original").get_by_role("button").click()
    page.locator("[name=scorer]").select_option(label="AdaCS")
    cells = page.locator("#list tbody td:nth-child(4)").all_inner_texts()
    assert cells[:2] == ["0.900", "0.300"]
    assert cells[-1] == "–"


def test_a_neuron_is_opened_read_and_closed_by_keyboard_alone(visit):
    page = visit()
    page.locator("#filter [type=reset]").focus()
    while page.evaluate("document.activeElement.closest('#list tbody') === null"):
        page.keyboard.press("Tab")
    for key in ("ArrowDown", "ArrowDown", "ArrowUp", "End", "Home", "ArrowDown"):
        page.keyboard.press(key)
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="toy/L1N1")
    dialog.wait_for()
    cards = dialog.locator(".card")
    assert cards.locator("h4").all_inner_texts() == list(FORMATS)
    assert cards.locator(".said").all_inner_texts() == [f"{name} on thing 1" for name in FORMATS]
    assert "0.120" in cards.first.inner_text()
    page.keyboard.press("ArrowRight")
    page.get_by_role("dialog", name="toy/L2N2").wait_for()
    page.keyboard.press("ArrowLeft")
    dialog.wait_for()
    page.keyboard.press("Escape")
    dialog.wait_for(state="hidden")
    assert page.evaluate("document.activeElement.textContent") == "toy/L1N1"


def test_what_failed_says_why(visit):
    page = visit(hash="#neuron=toy%2FL0N3")
    summary = page.locator(".card").nth(1).inner_text()
    assert "not scored: the simulator gave no numbers" in summary
    assert "Error: boom" in summary
    assert "Excerpt without values: top 2: cut off" in summary
    assert "Tokens left out in 2 excerpts, the first: top 4: no value for 1 of 9 tokens" in summary
    page.keyboard.press("Escape")
    page.get_by_role("button", name="toy/L1N4").click()
    assert "has not got the neuron" in page.locator(".card").last.inner_text()


def test_the_heat_map_shows_truth_above_the_lane_of_the_run_that_is_chosen(visit):
    page = visit(hash="#neuron=toy%2FL1N1")
    tokens = page.locator(".held-out .token")
    assert tokens.locator(".true").all_text_contents() == [" The", " cat", " sat", "⏎"]
    assert page.locator(".held-out .rows .name").all_inner_texts() == ["true", "simulated"]
    lane = page.get_by_label("Simulated from the explanation of")
    assert lane.locator("option").all_inner_texts() == [
        *(f"{name} (0.3 to 0.9)" for name in FORMATS),
        "all runs, a lane each",
    ]
    strong = "t => [...t.children].map(c => getComputedStyle(c).getPropertyValue('--level'))"
    assert tokens.nth(1).evaluate(strong) == ["10"] * 2
    assert tokens.nth(0).evaluate(strong) == ["0"] * 2
    # strength shows without colour too: the line under the text, the bar's height
    shadow = "t => getComputedStyle(t).boxShadow"
    assert "-4px" in tokens.nth(1).locator(".true").evaluate(shadow)
    assert "-4px" not in tokens.nth(3).locator(".true").evaluate(shadow)
    bar = "t => getComputedStyle(t).backgroundImage"
    assert "100%" in tokens.nth(1).locator(".lane").first.evaluate(bar)
    assert "Strongest, true: cat (10 of 10)" in page.locator(".held-out .excerpt").inner_text()


def test_all_lanes_can_be_shown_each_with_its_name_and_the_choice_stays(visit):
    page = visit(hash="#neuron=toy%2FL1N1")
    lane = page.get_by_label("Simulated from the explanation of")
    lane.select_option("all")
    assert page.locator(".held-out .token").first.locator(".lane").count() == len(FORMATS)
    assert page.locator(".held-out .rows .name").all_inner_texts() == ["true", *FORMATS]
    lane.select_option(label="avhs (0.3 to 0.9)")
    assert page.locator(".held-out .token").first.locator(".lane").count() == 1
    assert page.locator(".held-out .token").nth(1).get_attribute("title") == (
        "true 10; avhs 10 (of 10)"
    )
    page.locator("#next").click()
    page.get_by_role("dialog", name="toy/L2N2").wait_for()
    assert lane.evaluate("select => select.selectedOptions[0].textContent").startswith("avhs")


def test_arrow_keys_in_the_choice_of_a_lane_do_not_leave_the_neuron(visit):
    page = visit(hash="#neuron=toy%2FL1N1")
    page.get_by_label("Simulated from the explanation of").focus()
    page.keyboard.press("ArrowRight")
    assert page.get_by_role("dialog", name="toy/L1N1").is_visible()


def test_what_the_explainer_saw_is_beside_what_was_held_out(visit):
    page = visit(hash="#neuron=toy%2FL2N5")
    headings = page.locator(".excerpts h3").all_inner_texts()
    assert headings == ["Shown to the explainer", "Held out"]
    shown = page.locator(".shown .token .true")
    assert shown.all_text_contents() == [" a", " mat", "⏎"]
    level = "t => getComputedStyle(t).getPropertyValue('--level')"
    assert shown.nth(1).evaluate(level) == "10"
    assert page.locator(".shown .lane").count() == 0
    left, right = (
        page.locator(f".excerpts > {at}").bounding_box() for at in (".shown", ".held-out")
    )
    assert left["x"] + left["width"] <= right["x"]
    assert left["y"] == right["y"]


def test_where_a_neuron_fires_is_drawn_and_put_into_words(visit):
    page = visit(hash="#neuron=toy%2FL2N5")
    top = page.get_by_role("list", name="Top tokens, with their highest activation")
    assert top.locator("li").all_inner_texts() == ["mat 8, 2 times", "a 4"]
    picture = page.get_by_role("img", name="Histogram of activations from 0 to 8, 4 tokens")
    heights = picture.locator("rect").evaluate_all("bars => bars.map(b => b.height.baseVal.value)")
    assert [round(height, 1) for height in heights if height] == [40.4, 40.4, 64.0]
    page.keyboard.press("ArrowRight")
    page.get_by_role("dialog", name="toy/L0N6").wait_for()
    assert page.locator(".activity").count() == 0


def test_a_neuron_is_linked_to_its_publisher_only_where_the_log_has_its_address(visit):
    page = visit(hash="#neuron=toy%2FL2N5")
    link = page.get_by_role("link", name="www.neuronpedia.org")
    assert link.get_attribute("href") == "https://www.neuronpedia.org/toy/2-mlp/5"
    page.keyboard.press("ArrowRight")
    page.get_by_role("dialog", name="toy/L0N6").wait_for()
    assert link.count() == 0


def test_no_table_runs_over_its_edge_on_a_desk(visit):
    page = visit({"width": 1200, "height": 860})
    log = page.locator("#compared td").last
    name = f"2026-11-27T22-14-03-00-00_highlight_{'X3ZnwZSqFdK' * 2}.eval"
    log.evaluate("(cell, name) => { cell.textContent = name }", name)
    over = "boxes => boxes.map(box => box.scrollWidth - box.clientWidth)"
    assert page.locator("#compared .box").evaluate_all(over) == [0]


def test_a_sample_is_linked_where_the_viewer_looks_for_it(visit):
    page = visit(hash="#neuron=toy%2FL1N1")
    link = page.locator(".card").nth(4).get_by_role("link")
    address = "viewer/index.html#/logs/avhs.eval/samples/sample/toy%2FL1N1/1/"
    assert link.get_attribute("href") == address


def test_planted_markup_is_shown_and_does_nothing(visit):
    page = visit()
    assert page.locator("#list tbody").inner_text().count(VISIBLE) == 1
    page.get_by_role("button", name="toy/L2N2").click()
    dialog = page.get_by_role("dialog")
    assert dialog.locator(".said").nth(1).inner_text() == VISIBLE
    assert dialog.locator(".held-out .true").nth(1).text_content() == VISIBLE
    assert VISIBLE in page.locator("#compared").inner_text()
    assert page.evaluate("window.broken") is None
    assert page.locator("img[src=x]").count() == 0
    assert "\u202e" not in page.locator("body").inner_text()


def test_a_script_put_into_the_page_by_hand_is_refused(chromium, written):
    from playwright.sync_api import Error

    page = chromium.new_page()
    page.goto(written.as_uri())
    write = "() => { try { %s } catch (error) { return error.name } }"
    assert page.evaluate(write % "document.body.innerHTML = '<b>'") == "TypeError"
    assert page.evaluate(write % "document.body.setAttribute('onload', '1')") == "TypeError"
    with pytest.raises(Error, match="requires 'TrustedScriptURL'"):
        page.add_script_tag(url="data:text/javascript,window.broken=1")
    page.close()


def test_a_phone_never_scrolls_sideways(visit):
    page = visit(PHONE)
    wide = "e => e.scrollWidth - e.clientWidth"
    assert page.locator("html").evaluate(wide) <= 0
    assert page.locator(".box.list").evaluate(wide) > 0  # the table scrolls in its own box
    page.locator("#list tbody button").nth(2).click()
    assert page.locator("dialog").evaluate(wide) <= 0
    assert page.locator("dialog").evaluate("e => e.getBoundingClientRect().width") == 360


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground_in_light_and_dark(visit, scheme):
    page = visit(scheme=scheme, hash="#neuron=toy%2FL0N0")
    ground = luminance(page.locator("dialog").evaluate("e => getComputedStyle(e).backgroundColor"))
    assert (ground < 0.2) == (scheme == "dark")
    for place in (".card .said", ".card .note", ".legend", ".card a", "dd.score"):
        ink = luminance(page.locator(place).first.evaluate("e => getComputedStyle(e).color"))
        low, high = sorted((ink, ground))
        assert (high + 0.05) / (low + 0.05) > 4.5, place


def luminance(colour):
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_a_screen_reader_finds_names_and_levels(visit):
    page = visit()
    unnamed = """() => [...document.querySelectorAll('table, img, input, select, button')].filter(
        e => e.tagName === 'TABLE' ? !e.caption?.textContent.trim()
           : e.tagName === 'IMG' ? !e.alt.trim()
           : e.tagName === 'BUTTON' ? !e.textContent.trim()
           : !e.labels.length).map(e => e.outerHTML)"""
    assert page.evaluate(unnamed) == []
    levels = page.evaluate(
        "[...document.querySelectorAll('body > header h1, main :is(h2, h3, h4)')]"
        ".map(h => Number(h.tagName[1]))"
    )
    assert levels[0] == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))


def test_one_run_of_one_neuron_makes_a_page_too(visit, tmp_path, written):
    alone = Collected((run(neurons=[neuron(0, predicted=())]),))
    path = written.with_name("alone.html")
    path.write_text(page_text(alone, [], []), encoding="utf-8")
    page = visit(path=path)
    assert page.title() == "Neuron explanations compared: 1 run, 1 neuron"
    page.locator("#list tbody button").click()
    assert "No run simulated" in page.get_by_role("dialog").inner_text()


@pytest.mark.parametrize(
    ("name", "size", "scheme"),
    [("light", DESK, "light"), ("dark", DESK, "dark"), ("phone", PHONE, "light")],
)
def test_screenshots_are_taken_where_asked_for(visit, tmp_path, name, size, scheme):
    folder = Path(os.environ.get("NEURON_EVAL_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    page = visit(size, scheme)
    page.screenshot(path=folder / f"report-{name}.png", full_page=True)
    page.locator("#list tbody button").nth(1).click()
    page.screenshot(path=folder / f"report-{name}-neuron.png")
    assert (folder / f"report-{name}-neuron.png").stat().st_size > 10_000


PLANTED = (
    "</script><img src=x onerror=\"window.broken='yes'\">\u202e<script>window.broken=1</script>"
)

VISIBLE = PLANTED.replace("\u202e", "⟨U+202E⟩")

NEURONS = 12

TABLE = Table(
    "scores",
    "Scores by run",
    (Column("run"), Column("simulation correlation", numeric=True)),
    (
        (Cell("b", "b"), Cell("0.100 [0.0, 0.2]", 0.1)),
        (Cell("c", "c"), Cell("not scored")),
        (Cell(PLANTED, PLANTED), Cell("-0.200 [-0.3, 0.1]", -0.2)),
        (Cell("a", "a"), Cell("1e-05", 1e-05, bold=True)),
    ),
    ("A note.",),
)


def collected():
    """Five formats; one neuron that plants markup, one that failed, one that a run has not got."""
    runs = list(five_formats(NEURONS).runs)
    wicked = neuron(
        2,
        simulation=0.9,
        adacs=0.9,
        explanation=PLANTED,
        reference=PLANTED,
        predicted=(excerpt("top 2", (" A", PLANTED, " z"), (0, 1, 0), (0, 0, 1)),),
    )
    failed = neuron(
        3,
        scores={},
        unscored={"simulation_correlation": ("the simulator gave no numbers",)},
        excerpt_failures=("top 2: cut off",),
        token_failures=("top 4: no value for 1 of 9 tokens",) * 2,
        errors=("boom",),
        predicted=(),
    )
    train = ActivationRecord((" a", " mat", "\n"), (4.0, 8.0, 0.0))
    fires = neuron(
        5,
        shown=(Excerpt("top", 0, train),),
        activity=activity([train, ActivationRecord((" mat",), (8.0,))]),
        page="https://www.neuronpedia.org/toy/2-mlp/5",
    )
    first = dict(runs[0].results) | {wicked.id: wicked, fires.id: fires}
    last = {id: one for id, one in runs[4].results.items() if id != "toy/L1N4"}
    runs[0] = replace(runs[0], results=first)
    runs[1] = replace(runs[1], results=dict(runs[1].results) | {failed.id: failed})
    runs[4] = replace(runs[4], results=last)
    return Collected(tuple(runs), (PLANTED,))


@pytest.fixture(scope="module")
def chromium():
    with browser() as chromium:
        yield chromium


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    runs = collected()
    figures, _ = write_figures(runs, folder / "figures")
    text = page_text(runs, [TABLE], figures, viewer="viewer")
    (folder / "index.html").write_text(text, encoding="utf-8")
    return folder / "index.html"


@pytest.fixture
def visit(chromium, written):
    """Opens the page; afterwards nothing must have been complained of or asked from elsewhere."""
    contexts, said, asked, pages = [], [], [], []

    def open_page(size=DESK, scheme="light", hash="", path=written):
        pages.append(path.as_uri())
        context = chromium.new_context(viewport=size, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(WAIT_MS)
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri() + hash)
        page.wait_for_selector("html[data-ready]")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert said == []
    elsewhere = [url for url in asked if not url.startswith(("data:", *pages))]
    assert elsewhere == []


def first_cells(page, table):
    return [cell.split("\n")[0] for cell in page.locator(f"{table} tbody tr th").all_inner_texts()]


def shown_ids(page):
    return [text.strip() for text in page.locator("#list tbody tr:visible th").all_inner_texts()]


def heading(page, table, name):
    return page.locator(f"{table} thead th").filter(has_text=re.compile(f"^{name}"))
