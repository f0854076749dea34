"""`human/NAME` as Inspect's model, with a program in place of the browser."""

import asyncio
import json
import stat
import threading
import time
from pathlib import Path
from urllib.parse import unquote, urlsplit

import anyio
import httpx
import pytest
import tenacity
from human_eval import question
from inspect_ai import Task, eval
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import ChatMessageUser, GenerateConfig, get_model
from inspect_ai.solver import generate

from neuron_eval.rating.human import provider, serving
from neuron_eval.rating.human import serving as opening
from neuron_eval.rating.human.desk import Desk
from neuron_eval.rating.human.store import AnswerFile
from neuron_eval.rating.question import from_json
from neuron_eval.usage_error import UsageError


def test_a_person_s_answer_is_the_completion(tmp_path, capfd):
    person = Person("alice")
    log = rate(asking(question()), tmp_path, person=person)
    assert completions(log) == [RATED]
    assert log.samples[0].output.usage is None
    assert log.samples[0].output.metadata["seconds"] >= 0
    assert "alice rates at http://127.0.0.1:" in capfd.readouterr().err


def test_a_second_eval_asks_nothing_again(tmp_path):
    rate(asking(question()), tmp_path, person=Person("alice"))
    again = Person("alice", count=1)
    log = rate(asking(question(), question(1)), tmp_path, person=again)
    assert completions(log) == [RATED, RATED]
    assert again.shown == [question(1)["title"]]


def test_a_new_process_asks_nothing_again(tmp_path, monkeypatch):
    rate(asking(question()), tmp_path, person=Person("alice"))
    before = AnswerFile(tmp_path / "answers", "alice").path.read_bytes()
    fresh = {}
    monkeypatch.setattr(serving, "_servings", fresh)  # as a new process has it
    try:
        assert completions(rate(asking(question()), tmp_path)) == [RATED]
    finally:
        for one in fresh.values():
            one.stop()
    assert AnswerFile(tmp_path / "answers", "alice").path.read_bytes() == before


def test_answers_of_an_earlier_run_are_said_to_be_used_again_once(tmp_path, monkeypatch, capfd):
    two = [question(), question(1)]
    person = Person("alice", count=2)
    rate(asking(*two), tmp_path, person=person)
    assert "used again" not in capfd.readouterr().err
    rate(asking(*two, question(2)), tmp_path, person=Person("alice", count=1))
    said = capfd.readouterr().err
    assert said.count("used again") == 1
    assert "alice: answers handed over in an earlier run are used again" in said
    assert "not asked for, 2 so far" in said
    assert f"from {tmp_path / 'answers' / 'rater-alice.jsonl'}; -M answers=DIR" in said


def test_an_attempt_that_times_out_does_not_ask_twice(tmp_path, monkeypatch):
    attempts, second, first = [], threading.Event(), provider.HumanRater.generate

    async def generate(rater, *arguments, **options):
        attempts.append(arguments)
        if len(attempts) > 1:
            second.set()
        return await first(rater, *arguments, **options)

    monkeypatch.setattr(provider.HumanRater, "generate", generate)
    monkeypatch.setattr(provider.HumanRater, "retry_wait", lambda _: tenacity.wait_none())
    task = asking(question())
    task.config = GenerateConfig(attempt_timeout=1)
    person = Person("alice", after=second)
    log = rate(task, tmp_path, person=person)
    assert completions(log) == [RATED]
    assert person.shown == [question()["title"]]
    assert len([e for e in log.samples[0].events if e.event == "model"]) > 1


def test_a_skip_is_an_answer(tmp_path):
    person = Person("alice", rated={"skipped": "not my language"})
    log = rate(asking(question()), tmp_path, person=person)
    assert completions(log) == [{"skipped": "not my language"}]


def test_two_raters_at_once_share_an_address(tmp_path):
    people = [Person("alice"), Person("bob", rated=RATED | {"best": "A"})]
    for person in people:
        person.start()
    models = [
        get_model(f"human/{name}", answers=str(tmp_path), open=False, raters=["alice", "bob"])
        for name in ("alice", "bob")
    ]
    logs = eval(asking(question()), model=models)
    best = {log.eval.model: completions(log)[0]["best"] for log in logs}
    assert best == {"human/alice": "C", "human/bob": "A"}
    assert len(serving._servings) == 1


def test_a_message_without_a_question_says_what_people_can_answer(tmp_path):
    task = Task(MemoryDataset([Sample(input="Explain.")]), solver=generate())
    log = rate(task, tmp_path)
    assert log.status == "error"
    assert "carries no question" in log.error.message
    assert serving._servings == {}


def test_a_question_that_breaks_the_contract_names_the_field(tmp_path):
    log = rate(asking(question() | {"options": []}), tmp_path)
    assert "question.options" in log.error.message


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("../alice", {}, "a rater's name has"),
        ("a" * 41, {}, "a rater's name has"),
        ("alice\n", {}, "a rater's name has"),
        ("alice", {"raters": "bob,carol"}, "none of raters=bob,carol"),
        ("alice", {"raters": ["alice", "b/c"]}, "human/b/c: a rater's name"),
        ("alice", {"open": "no"}, "allowed are true, false"),
        ("alice", {"port": "x"}, "port='x'"),
        ("alice", {"tokens": 1}, "takes no argument tokens"),
    ],
)
def test_a_wrong_argument_is_named(name, arguments, message):
    with pytest.raises(UsageError, match=message):
        provider.HumanRater(name, **arguments)


def test_a_browser_is_opened_once_for_one_rater_with_a_display(tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(opening.webbrowser, "open", opened.append)
    monkeypatch.setattr(opening, "_has_display", lambda: True)
    model = get_model("human/alice", answers=str(tmp_path), memoize=False)
    person = Person("alice", count=2)
    person.start()
    eval(asking(question(), question(1)), model=model)
    person.join(LONG)
    deadline = time.monotonic() + LONG
    while not opened and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(opened) == 1
    page = Path(unquote(urlsplit(opened[0]).path))
    assert opened[0].startswith("file://")
    (link,) = [seat.link for seat in seats()]
    assert f"0; url={link}" in page.read_text()
    assert link.rsplit("/", 2)[1] not in opened[0]
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    assert stat.S_IMODE(page.parent.stat().st_mode) == 0o700


def test_a_folder_of_answers_is_in_the_user_s_data_unless_given():
    folder = provider.HumanRater("alice")._folder
    assert folder.parts[-2:] == ("neuron_eval", "answers")


def test_with_few_connections_the_next_questions_come_when_answers_are_handed_over(tmp_path):
    person = Person("alice", count=3)
    task = asking(*(question(i) for i in range(3)))
    log = rate(task, tmp_path, person=person, max_connections=1)
    assert completions(log) == [RATED] * 3
    assert sorted(person.shown) == [question(i)["title"] for i in range(3)]


def test_a_cancelled_eval_leaves_no_question_open_and_loses_no_answer(tmp_path):
    rater = provider.HumanRater("alice", answers=str(tmp_path), open=False)

    async def cancelled(*numbers):
        async with anyio.create_task_group() as group:
            for i in numbers:
                group.start_soon(rater.generate, messages(i), [], "auto", GenerateConfig())
            desk = rater._page().desk
            while len(desk.overview().open) < len(numbers):
                await anyio.sleep(0.02)
            answered = desk.overview().open[0]
            desk.answer(answered, RATED, None)
            group.cancel_scope.cancel()
        return desk, answered

    desk, answered = asyncio.run(cancelled(0, 1, 2))
    overview = desk.overview()
    assert (overview.open, list(overview.answered)) == ([], [answered])
    again, _ = asyncio.run(cancelled(3))
    assert again is desk
    assert len(desk.overview().answered) == 2


def test_the_eval_s_loop_does_not_wait_for_the_disk(tmp_path, monkeypatch):
    rater = provider.HumanRater("alice", answers=str(tmp_path), open=False)
    begun, go_on = threading.Event(), threading.Event()

    def stuck(file, **options):
        begun.set()
        assert go_on.wait(LONG)
        return set()

    monkeypatch.setattr(AnswerFile, "read_on", stuck)

    async def ask():
        async with anyio.create_task_group() as group:
            group.start_soon(rater.generate, messages(0), [], "auto", GenerateConfig())
            while not begun.is_set():
                await anyio.sleep(0.01)
            go_on.set()  # is not come to if the loop waits
            group.cancel_scope.cancel()

    asyncio.run(ask())
    assert go_on.is_set()


def test_an_answer_that_is_handed_over_in_another_process_is_taken(tmp_path):
    def elsewhere():
        while not all(seat.desk.overview().open for seat in seats()) or not seats():
            time.sleep(0.02)  # until it is asked here
        desk = Desk("alice", tmp_path / "answers")
        key = desk.ask(from_json(question()))
        desk.hand_over({key: desk.answer(key, RATED, None)})

    thread = threading.Thread(target=elsewhere)
    thread.start()
    assert completions(rate(asking(question()), tmp_path)) == [RATED]
    thread.join()


LONG = 300
"""Seconds after which a test that waits fails."""

RATED = {"ratings": {"A": 4, "B": 1, "C": 5}, "best": "C", "comment": "é"}


@pytest.fixture(autouse=True)
def _own_servers(monkeypatch):
    servings = {}
    monkeypatch.setattr(serving, "_servings", servings)
    yield
    for one in servings.values():
        one.stop()


def asking(*questions):
    samples = [
        Sample(id=one["id"], input=[ChatMessageUser(content="Rate.", metadata={"question": one})])
        for one in questions
    ]
    return Task(MemoryDataset(samples), solver=generate())


def seats():
    return [seat for one in list(serving._servings.values()) for seat in list(one._pages.values())]


def messages(i):
    return [ChatMessageUser(content="Rate.", metadata={"question": question(i)})]


class Person(threading.Thread):
    """Answers all that is open after an event, and hands it over."""

    def __init__(self, rater, count=1, after=None, rated=RATED):
        super().__init__(daemon=True)
        self.rater, self.count, self.after, self.rated = rater, count, after, rated
        self.shown = []

    def run(self):
        while not (link := self._link()):
            time.sleep(0.02)
        if self.after:
            self.after.wait(LONG)
        origin = {"Origin": link.rsplit("/", 2)[0]}
        with httpx.Client(headers=origin, trust_env=False, timeout=LONG) as client:
            while len(self.shown) < self.count:
                for key in client.get(link + "state").json()["open"]:
                    shown = client.get(f"{link}question/{key}").json()["question"]
                    self.shown.append(shown["title"])
                    body = {"question": key, "answer": self.rated}
                    client.post(link + "answer", json=body).raise_for_status()
                listed = {a["key"]: a["at"] for a in client.get(link + "state").json()["answered"]}
                client.post(link + "hand-over", json={"answers": listed}).raise_for_status()
                time.sleep(0.02)

    def _link(self):
        for one in list(serving._servings.values()):
            for (rater, _), seat in list(one._pages.items()):
                if rater == self.rater:
                    return seat.link
        return None


def rate(task, tmp_path, rater="alice", person=None, **options):
    if person:
        person.start()
    model = get_model(
        f"human/{rater}", answers=str(tmp_path / "answers"), open=False, memoize=False
    )
    (log,) = eval(task, model=model, **options)
    if person:
        person.join(LONG)
        assert not person.is_alive()
    return log


def completions(log):
    return [json.loads(sample.output.completion) for sample in log.samples]
