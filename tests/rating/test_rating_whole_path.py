"""From explanations over two people and a model to the report, and every number by hand.

Two raters sit at one real `inspect eval` in a real browser, by keyboard alone; the run is killed
in the middle and taken up again. What the report says then must follow from what was pressed.
"""

import csv
import json
import re
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import combinations
from statistics import fmean
from zlib import crc32

import pytest
from browsing import WAIT_MS, browser
from human_eval import HumanEval, press, title, waits_for_answer
from inspect_ai import eval as run_eval
from inspect_ai.log import read_eval_log
from scipy.stats import spearmanr

from neuron_eval.tasks import formats
from neuron_eval.tasks.rate import rate
from neuron_eval.testing import fake_embedder, fake_rater, question_in

pytestmark = pytest.mark.browser

SCORES = {"simulation correlation": "simulation_correlation", "AdaCS": "adacs"}

PEOPLE = ("human/alice", "human/bob")

MODEL = "neuron-fake/fickle"

RATERS = (*PEOPLE, MODEL)


@pytest.mark.parametrize("rater", [*RATERS, "all people (2)"])
def test_mean_ratings_and_choices_are_those_that_were_pressed(whole, rater):
    judged = judged_by(whole, rater)
    assert len(judged) == len(NEURONS) - (rater == "human/bob")
    for name in FORMATS:
        row = whole.row("ratings", rater=rater, explanations=name)
        assert int(row["neurons"]) == len(judged)
        for place, column in enumerate(("rating", "chosen best")):
            mean = fmean(said[name][place] for said in judged.values())
            assert float(row[column]) == pytest.approx(mean)
            assert float(row[f"{column} lower"]) <= mean <= float(row[f"{column} upper"])
    assert len(whole.tables["ratings"]) == 4 * len(FORMATS)


def test_explanations_that_say_the_same_were_shown_once_and_are_credited_alike(whole):
    merged = {id_: len(set(whole.texts(id_).values())) for id_ in NEURONS}
    assert merged == dict(zip(NEURONS, (3, 3, 2, 2), strict=True))
    for (_, id_), (opinion, *_) in whole.said.items():
        assert len(opinion.ratings) == merged[id_.partition("#")[0]] + 1  # and a planted one


def test_every_rater_is_listed_with_what_it_did_not_rate(whole):
    for rater in RATERS:
        row = whole.row("raters", rater=rater)
        skipped = [id_ for who, id_ in SKIPPED if who == rater]
        assert (row["neurons"], row["rated"]) == ("4", str(4 - len(skipped)))
        assert ("cannot tell" in row["not rated"]) == bool(skipped)
        assert (row["seconds per neuron"] == "") == (rater == MODEL)


def test_checks_of_attention_are_those_worked_out_by_hand(whole):
    (again,) = {id_ for _, id_ in whole.said if id_.endswith("#2")}
    once = again.removesuffix("#2")
    texts = whole.texts(once)
    for rater in RATERS:
        first, second = (judgement(whole.said[rater, id_], texts) for id_ in (once, again))
        difference = fmean(abs(first[name][0] - second[name][0]) for name in FORMATS)
        row = whole.row("attention", rater=rater, check="shown twice: difference")
        assert float(row["result"]) == pytest.approx(difference)
        row = whole.row("attention", rater=rater, check="shown twice: same choice")
        same = all(first[name][1] == second[name][1] for name in FORMATS)
        assert float(row["result"]) == same
        planted = [planted_of(whole, rater, id_) for id_ in judged_by(whole, rater)]
        for check, values in zip(
            ("mean rating", "rated lowest", "chosen best"), zip(*planted, strict=True), strict=True
        ):
            row = whole.row("attention", rater=rater, check=f"planted: {check}")
            assert float(row["result"]) == pytest.approx(fmean(values))
            assert int(row["of"]) == len(planted)


def planted_of(whole, rater, id_):
    """Of the explanation of another neuron: its rating, whether the lowest, share of the choice."""
    opinions, own = whole.said[rater, id_], set(whole.texts(id_).values())
    means = {text: fmean(one.ratings[text] for one in opinions) for text in opinions[0].ratings}
    (planted,) = set(means) - own
    others = [means[text] for text in own]
    lowest = means[planted] <= min(others) and means[planted] < max(others)
    share = judgement(opinions, {"planted": planted})["planted"][1]
    return means[planted], lowest, share


GROUPS = {
    "all raters (3)": RATERS,
    "all people (2)": PEOPLE,
    f"human/alice and {MODEL}": ("human/alice", MODEL),
    f"human/bob and {MODEL}": ("human/bob", MODEL),
}


@pytest.mark.parametrize("name", GROUPS)
def test_krippendorffs_alpha_is_that_of_its_definition(whole, name):
    ratings, choices = {}, {}
    for rater in GROUPS[name]:
        for id_, said in judged_by(whole, rater).items():
            for text, (rating, _) in {whole.texts(id_)[f]: said[f] for f in FORMATS}.items():
                ratings.setdefault((id_, text), []).append(rating)
            most = max(share for _, share in said.values())
            chosen = [f for f, (_, share) in said.items() if most and share == most]
            choices.setdefault(id_, []).append(", ".join(sorted(chosen)) or "planted")
    row = whole.row("rater_agreement", raters=name)
    assert float(row["alpha of ratings"]) == pytest.approx(alpha(ratings.values(), ordinal))
    assert float(row["alpha of choices"]) == pytest.approx(alpha(choices.values(), nominal))
    assert int(row["explanations"]) == sum(len(unit) > 1 for unit in ratings.values())
    if len(GROUPS[name]) == 2:
        both = [unit for unit in ratings.values() if len(unit) == 2]
        assert float(row["rank correlation"]) == pytest.approx(rho(both))


@pytest.mark.parametrize("rater", [*RATERS, "all people (2)"])
@pytest.mark.parametrize("score", SCORES)
def test_rank_correlations_of_scores_with_raters_are_scipys(whole, score, rater):
    judged = judged_by(whole, rater)
    points = {
        (id_, name): (whole.explained[id_, name][1][SCORES[score]], said[name][0])
        for id_, said in judged.items()
        for name in FORMATS
    }
    row = whole.row("rating_agreement", score=score, rater=rater)
    # equal explanations have equal scores here, and count once
    once = {(id_, whole.texts(id_)[name]): point for (id_, name), point in points.items()}
    by_format = [[points[id_, name] for id_ in judged] for name in FORMATS]
    within = [found for found in map(rho, by_format) if found is not None]
    means = [[fmean(side) for side in zip(*of, strict=True)] for of in by_format]
    for column, expected in (
        ("over explanations", rho(once.values())),
        ("over neurons", fmean(within)),
        ("over runs", rho(means)),
    ):
        found = float(row[column]) if row[column] else None
        assert found == (expected if expected is None else pytest.approx(expected)), column


FORMATS = ("original", "summary", "highlight")

NEURONS = ("smollm2/L2N334", "smollm2/L2N1053", "smollm2/L2N599", "smollm2/L5N124")
"""Three different explanations, three, two and two."""

TASK = {"planted": "true", "repeat": "1"}

ORDERS = 2

SKIPPED = {("human/bob", "smollm2/L2N599"): "cannot tell"}


@dataclass
class Opinion:
    """What a rater said of one question, by the explanations' texts."""

    ratings: dict = field(default_factory=dict)
    best: str = ""


@dataclass
class WholePath:
    """All that the tests look at."""

    explained: dict
    """By neuron and format: the explanation and its automatic scores."""

    said: dict
    """By rater and sample: opinions, one an order."""

    tables: dict
    """By name: the rows of the report's CSV files."""

    @property
    def judged(self):
        """By rater and neuron, its first time: rating and share of the choice by format."""
        return {
            (rater, id_): judgement(opinions, self.texts(id_))
            for (rater, id_), opinions in self.said.items()
            if not id_.endswith("#2")
        }

    def texts(self, id_):
        """By format, the explanation of a neuron."""
        return {name: self.explained[id_, name][0] for name in FORMATS}

    def row(self, table, **wanted):
        """The one row that has these values."""
        rows = [r for r in self.tables[table] if wanted.items() <= r.items()]
        assert len(rows) == 1, (table, wanted, self.tables[table])
        return rows[0]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("path")
    with ThreadPoolExecutor(1) as thread:  # Inspect would patch the loop that playwright runs
        explained = thread.submit(explain, folder).result()
        with browser() as chromium:
            desks = Desks(folder, chromium)
            desks.rate_until_killed()
            desks.retry_and_hand_over()
        model = thread.submit(ask_model, folder).result()
    report = subprocess.run(
        [sys.executable, "-m", "neuron_eval", "report", "explained", "ratings", "--out", "report"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert report.returncode == 0, report.stderr
    tables = {
        path.stem: list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
        for path in (folder / "report" / "tables").glob("*.csv")
    }
    said = desks.said_by_id() | model
    return WholePath(explained, said, tables)


def explain(folder):
    """Explain the neurons with each format, by the baseline; returns what `WholePath` holds."""
    embedder = fake_embedder(lambda text: [1 + text.lower().count(c) ** 2 for c in "aeinorst"])
    logs = run_eval(
        [
            getattr(formats, name)(neurons="smollm2", simulation="embedding", calibration="none")
            for name in FORMATS
        ],
        sample_id=list(NEURONS),
        model="neuron-baseline/lexical",
        model_roles={"embedder": embedder.model},
        log_dir=str(folder / "explained"),
        display="none",
    )
    return {
        (sample.id, name): (
            sample.output.completion.strip(),
            {scorer: sample.scores[scorer].as_float() for scorer in SCORES.values()},
        )
        for name, log in zip(FORMATS, logs, strict=True)
        for sample in log.samples
    }


def ask_model(folder):
    """Have a model rate too, which likes what it is shown first; returns what it said."""

    def likes(question, text):
        return min(5, stars("model", text) + (question.options[0].explanation == text))

    rater = fake_rater(likes, name=MODEL.partition("/")[2])
    (log,) = run_eval(
        rate(explanations=str(folder / "explained"), planted=True, repeat=1, orders=ORDERS),
        model=rater.model,
        log_dir=str(folder / "ratings"),
        display="none",
    )
    assert log.status == "success", log.error
    said = {}
    for request in rater.requests:
        question = question_in(request)
        ratings = {one.explanation: likes(question, one.explanation) for one in question.options}
        opinion = Opinion(ratings, max(ratings, key=ratings.get))
        said.setdefault((MODEL, question.id), []).append(opinion)
    return said


def stars(rater, text):
    """Of 1 to 5: what a rater thinks of an explanation; raters differ a little."""
    common, own = crc32(text.encode()) % 4, crc32(f"{rater} {text}".encode()) % 2
    return 1 + common + own


class Desks:
    """Two people at their pages, and what they have pressed, by rater and question."""

    def __init__(self, folder, chromium):
        self.folder, self.chromium = folder, chromium
        self.said = {}

    def said_by_id(self):
        """What they said by rater and sample; the page does not have the sample's id."""
        ids = {}
        for path in (self.folder / "answers").glob("*.jsonl"):
            for event in map(json.loads, path.read_text(encoding="utf-8").splitlines()):
                ids.setdefault(event["question"], event.get("id"))
        return {(rater, ids[key]): [opinion] for (rater, key), opinion in self.said.items()}

    def rate_until_killed(self):
        arguments = {"explanations": "explained", **TASK}
        with self._start(
            *("eval", "neuron_eval/rate", "--model", ",".join(PEOPLE)),
            *(word for name, value in arguments.items() for word in ("-T", f"{name}={value}")),
            *("-M", "raters=alice,bob", "-M", "answers=answers", "-M", "open=false"),
        ) as process:
            alice, bob = (self._visit(link) for link in process.wait_for_links("alice", "bob"))
            for page in (alice, bob):
                page.get_by_text("0 of 5 answered").wait_for()
                page.reload()  # the order is the rater's own only where all are known
            self.rate(alice)
            self.rate(bob)
            self.hand_over_from_review(alice)
            self.rate(alice)
            self.rate(alice)
            self.go_back_and_change(alice)
            bob = self.close_and_reopen(bob)
            self.rate(bob)
            process.kill()
            self.cannot_save(alice)

    def retry_and_hand_over(self):
        logs = sorted((self.folder / "ratings").glob("*.eval"), key=self._whose)
        with self._start("eval-retry", *map(str, logs)) as process:
            alice, bob = (self._visit(link) for link in process.wait_for_links("alice", "bob"))
            self.rate(alice)
            self.rate(alice)
            alice.wait_for_selector("html[data-view=review]")
            assert alice.locator("#answers li").count() == 4  # the first is final
            self.change_from_review(alice)
            self.hand_over(alice)
            # Inspect retries one log after the other
            for _ in range(3):
                self.rate(bob)
            self.hand_over(bob)
            process.finish()

    def _start(self, *command):
        return HumanEval(self.folder, *command, log_dir="ratings")

    def _whose(self, log):
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(read_eval_log, str(log), header_only=True).result().eval.model

    def _visit(self, link):
        page = self.chromium.new_page()
        page.set_default_timeout(WAIT_MS)
        page.goto(link)
        page.wait_for_selector("html[data-view]")
        return page

    def rate(self, page):
        """Answer the question on the page, or skip it."""
        with waits_for_answer(page):
            rater, *_ = question_on(page)
            number, layer = re.match(r"neuron (\d+) in layer (\d+) of", title(page)).groups()
            skipped = rater, f"smollm2/L{layer}N{number}"
            if skipped in SKIPPED:
                press(page, "s")
                page.keyboard.type(SKIPPED[skipped])
                press(page, "Enter")
            else:
                self._press_opinion(page)

    def _press_opinion(self, page, more=0):
        rater, key, options = question_on(page)
        ratings = {text: 1 + (stars(rater, text) - 1 + more) % 5 for text in options.values()}
        best = max(sorted(ratings), key=ratings.get)
        for letter, text in options.items():
            press(page, f"{letter} {ratings[text]}{f' Shift+{letter}' if text == best else ''}")
        self.said[rater, key] = Opinion(ratings, best)
        press(page, "Enter")

    def _change(self, page, more):
        """Change the saved answer that is on the page: the ratings go up, 5 becomes 1."""
        rater, key, options = question_on(page)
        before = self.said[rater, key]
        for letter, text in options.items():
            pressed = page.locator(f"[name=rating-{letter}]:checked").get_attribute("value")
            assert int(pressed) == before.ratings[text]
        chosen = page.locator("[name=best]:checked").get_attribute("value")
        assert options[chosen] == before.best
        self._press_opinion(page, more)
        assert self.said[rater, key].ratings != before.ratings

    def go_back_and_change(self, page):
        new = title(page)
        press(page, "Backspace")
        page.wait_for_function("() => current?.saved")
        with waits_for_answer(page):
            self._change(page, 2)
        assert title(page) == new

    def change_from_review(self, page):
        page.locator("#answers button").first.focus()
        press(page, "Enter")
        page.wait_for_selector("html[data-view=question]")
        with waits_for_answer(page):
            self._change(page, 1)
        while page.locator("#review").is_hidden():  # Enter goes on through what is saved
            with waits_for_answer(page):
                press(page, "Enter")

    def close_and_reopen(self, page):
        before, link = title(page), page.url
        press(page, "A 1 B 2")
        page.close()
        page = self._visit(link)
        page.wait_for_selector("html[data-view=question]")
        assert title(page) == before
        assert page.locator("#options :checked").count() == 0
        return page

    def cannot_save(self, page):
        """The run is dead: the page says so, and what is pressed counts for nothing."""
        kept = dict(self.said)
        self._press_opinion(page, more=1)
        page.get_by_text("what is on this page now is not saved").wait_for()
        self.said = kept

    def hand_over_from_review(self, page):
        page.get_by_role("button", name="Review").focus()
        press(page, "Enter")
        page.get_by_role("button", name="Hand over 1").focus()
        press(page, "Enter")
        page.wait_for_selector("html[data-view=question]")

    def hand_over(self, page):
        page.wait_for_selector("html[data-view=review]")
        assert page.evaluate("document.activeElement.id") == "review-title"
        press(page, "Enter Tab Enter")  # the first Enter, one too many, hands nothing over
        page.wait_for_selector("html[data-view=waiting], html[data-view=lost]")


def question_on(page):
    """The rater, the question's key and the explanations by letter."""
    page.wait_for_selector("html[data-view=question]")
    name = page.locator("#who").inner_text().removeprefix("Rating as ")
    key = page.evaluate("current.key")
    texts = page.locator(".said").all_text_contents()
    return f"human/{name}", key, dict(zip("ABCDE", texts, strict=False))


def judgement(opinions, texts):
    """By format, the mean rating over orders and the share of the choice."""
    votes = Counter(one.best for one in opinions)
    winners = [text for text, count in votes.items() if count == max(votes.values())]
    return {
        name: (
            fmean(one.ratings[text] for one in opinions),
            (text in winners) / len(winners),
        )
        for name, text in texts.items()
    }


def ordinal(a, b, counts):
    """Krippendorff's squared distance of two ranks; counts is how often each value was said."""
    low, high = sorted((a, b))
    between = sum(count for value, count in counts.items() if low <= value <= high)
    return (between - (counts[a] + counts[b]) / 2) ** 2


def nominal(a, b, counts):
    return float(a != b)


def alpha(units, distance):
    """Krippendorff's alpha by its definition: 1 - observed / expected disagreement."""
    units = [unit for unit in units if len(unit) > 1]
    counts = Counter(value for unit in units for value in unit)
    total = sum(counts.values())
    observed = sum(
        2 * distance(a, b, counts) / (len(unit) - 1) for unit in units for a, b in pairs(unit)
    )
    everything = [value for unit in units for value in unit]
    expected = sum(2 * distance(a, b, counts) for a, b in pairs(everything)) / (total - 1)
    return 1 - observed / expected


def pairs(values):
    return combinations(values, 2)


def judged_by(whole, rater):
    """By neuron, what `judgement` gives; of the people together their mean."""
    if rater in RATERS:
        return {id_: said for (who, id_), said in whole.judged.items() if who == rater}
    people = [judged_by(whole, one) for one in PEOPLE]
    return {
        id_: {
            name: tuple(
                map(fmean, zip(*(of[id_][name] for of in people if id_ in of), strict=True))
            )
            for name in FORMATS
        }
        for id_ in NEURONS
    }


def rho(points):
    """Spearman's, by scipy; None where one side is the same for all."""
    sides = list(zip(*points, strict=True))
    return None if any(len(set(side)) < 2 for side in sides) else spearmanr(*sides).statistic
