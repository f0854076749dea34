"""A rater's desk beside another process at the same file, and on a slow or failing disk."""

import errno
import json
import os
import runpy
import sys
import threading
import time
from contextlib import contextmanager

import pytest
from human_eval import question

from neuron_eval.files import locking
from neuron_eval.rating.human import desk as desk_module
from neuron_eval.rating.human.desk import Desk, DeskError
from neuron_eval.rating.human.store import AnswerFile
from neuron_eval.rating.question import from_json

# Two processes


def test_what_another_process_was_told_is_not_asked_again(two):
    mine, other, key = two
    at = mine.answer(key, FIVE, None)
    assert other.overview().open == []
    assert answers(other) == {key: FIVE}
    assert other.show(key)[1].at == at


def test_what_was_handed_over_in_another_process_is_final_here(two):
    mine, other, key = two
    mine.answer(key, FIVE, None)
    mine.hand_over(listed(mine))
    with pytest.raises(DeskError, match="final"):
        other.answer(key, ONE, None)
    assert other.handed_over(key).answer.to_json() == FIVE
    assert other.overview().answered == {}
    assert AnswerFile(mine.path.parent, "alice").path.read_text().count('"answer"') == 1


def test_an_answer_after_the_last_word_does_not_count(two):
    mine, _, key = two
    mine.answer(key, FIVE, None)
    late = mine.path.read_text().replace('"A": 5', '"A": 1')
    mine.hand_over(listed(mine))
    with mine.path.open("a") as file:
        file.write(late)
    again = Desk("alice", mine.path.parent)
    again.ask(asked())
    assert again.handed_over(key).answer.to_json() == FIVE


def test_an_answer_waits_for_another_process_and_heeds_what_that_wrote(two):
    mine, other, key = two
    at = mine.answer(key, FIVE, None)
    refused, done = [], threading.Event()

    def change():
        try:
            other.answer(key, ONE, at)
        except DeskError as error:
            refused.append(str(error))
        done.set()

    with AnswerFile(mine.path.parent, "alice").appending() as file:
        thread = threading.Thread(target=change)
        thread.start()
        assert not done.wait(0.3)
        file.append([{"question": key, "handed_over": True, "at": at}])
    thread.join(LONG)
    assert refused == ["this answer was handed over already and is final"]


def test_an_answer_that_was_given_without_knowing_of_another_is_refused(two):
    mine, other, key = two
    at = mine.answer(key, FIVE, None)
    with pytest.raises(DeskError, match="another answer was saved meanwhile"):
        other.answer(key, ONE, None)
    assert answers(other) == {key: FIVE}
    changed = other.answer(key, ONE, at)
    with pytest.raises(DeskError, match="another answer was saved meanwhile"):
        mine.answer(key, FIVE, at)
    assert answers(mine) == {key: ONE}
    assert changed != at


def test_two_answers_of_one_millisecond_can_be_told_apart(two, monkeypatch):
    mine, other, key = two
    moments = iter(["12:00:00.001", "12:00:00.001", "12:00:00.001", "12:00:00.002"])
    monkeypatch.setattr(desk_module, "_now", lambda: next(moments))
    first = mine.answer(key, FIVE, None)
    assert other.answer(key, ONE, first) == "12:00:00.002"
    with pytest.raises(DeskError, match="another answer was saved meanwhile"):
        mine.answer(key, FIVE, first)


def test_the_same_answer_once_more_is_taken_for_a_reply_that_got_lost(two):
    mine, _, key = two
    at = mine.answer(key, FIVE, None)
    before = mine.path.read_bytes()
    assert mine.answer(key, FIVE, None) == at
    assert mine.path.read_bytes() == before


def test_only_what_the_rater_has_seen_is_handed_over(two):
    mine, other, key = two
    second = mine.ask(asked(1))
    mine.answer(key, FIVE, None)
    seen = listed(mine)
    mine.answer(second, FIVE, None)
    other.answer(key, ONE, seen[key])
    with pytest.raises(DeskError, match="changed meanwhile"):
        mine.hand_over(seen)
    assert mine.handed_over(key) is None
    seen = {key: listed(mine)[key]}
    assert mine.hand_over(seen) == 1
    assert mine.hand_over(seen) == 0
    assert mine.handed_over(key).answer.to_json() == ONE
    assert mine.handed_over(second) is None


def test_an_answer_given_in_another_process_comes_when_the_desk_looks(two):
    mine, other, key = two
    mine.answer(key, FIVE, None)
    mine.hand_over(listed(mine))
    assert other.handed_over(key) is None
    assert other.is_due()
    assert not other.is_due()
    other.look()
    assert other.handed_over(key).answer.to_json() == FIVE


def test_without_locks_answers_are_saved_all_the_same(two, monkeypatch):
    mine, other, key = two

    def none(descriptor, kind):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(locking.fcntl, "flock", none)
    mine.answer(key, FIVE, None)
    assert answers(other) == {key: FIVE}


def test_where_there_is_no_fcntl_nothing_is_locked(monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setitem(sys.modules, "fcntl", None)
    with runpy.run_path(locking.__file__)["locked"](0, exclusive=True) as alone:
        assert not alone


# The disk


def test_nobody_waits_for_a_disk_that_is_at_work(two, monkeypatch):
    mine, _, key = two
    with stuck_disk(monkeypatch) as begun:
        thread = threading.Thread(target=mine.answer, args=(key, FIVE, None))
        thread.start()
        assert begun.wait(LONG)
        started = time.monotonic()
        assert mine.handed_over(key) is None
        assert mine.overview().open == [key]
        assert mine.show(key)[1] is None
        with mine.waiting(key):
            mine.look()
        assert time.monotonic() - started < LONG / 10
    thread.join(LONG)
    assert answers(mine) == {key: FIVE}


def test_another_process_does_not_count_what_is_not_yet_on_the_disk(two, monkeypatch):
    mine, other, key = two
    with stuck_disk(monkeypatch) as begun:
        thread = threading.Thread(target=mine.answer, args=(key, FIVE, None))
        thread.start()
        assert begun.wait(LONG)
        assert other.overview().open == [key]
    thread.join(LONG)
    assert other.overview().open == []


def test_what_could_not_be_saved_is_taken_back(two, monkeypatch):
    mine, other, key = two
    at = mine.answer(key, FIVE, None)
    before = mine.path.read_bytes()

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            mine.answer(key, ONE, at)
        with pytest.raises(OSError, match="No space"):
            mine.hand_over({key: at})
    assert mine.path.read_bytes() == before
    assert answers(mine) == answers(other) == {key: FIVE}


@pytest.mark.parametrize(
    "change",
    [
        {"seconds": "x"},
        {"seconds": True},
        {"seconds": -1},
        {"seconds": float("nan")},
        {"at": 3},
        {"at": None},
        {"at": "\ud800"},
        {"answer": [1]},
        {"question": ["k"]},
        {"rater": None},
        {"handed_over": "no"},
    ],
)
def test_a_line_with_a_field_of_another_type_is_left_out(two, caplog, change):
    mine, other, key = two
    mine.answer(key, FIVE, None)
    mine.path.write_text(json.dumps(json.loads(mine.path.read_text()) | change) + "\n")
    overview = other.overview()
    assert (overview.open, overview.answered) == ([key], {})
    assert "line 1: no answer can be read" in caplog.text


def test_an_answer_in_place_of_a_final_one_that_was_changed_by_hand_is_kept(two):
    mine, _, key = two
    mine.answer(key, FIVE, None)
    mine.hand_over(listed(mine))
    mine.path.write_text(mine.path.read_text().replace('"A": 5', '"A": 55'))
    for expected in ([key], []):
        again = Desk("alice", mine.path.parent)
        again.ask(asked())
        assert again.overview().open == expected
        if expected:
            again.answer(key, ONE, None)
    assert answers(again) == {key: ONE}


# The queue


def test_answers_stand_in_the_order_they_were_first_given_after_a_restart_too(tmp_path):
    desk = Desk("alice", tmp_path)
    keys = [desk.ask(asked(i)) for i in range(4)]
    for i in (3, 0, 2):
        desk.answer(keys[i], FIVE, None)
    desk.answer(keys[3], ONE, listed(desk)[keys[3]])
    again = Desk("alice", tmp_path)
    for i in range(4):
        again.ask(asked(i))
    assert list(answers(desk)) == list(answers(again)) == [keys[3], keys[0], keys[2]]


def test_a_question_that_nobody_waits_for_any_more_is_not_shown(tmp_path):
    desk = Desk("alice", tmp_path)
    keys = [desk.ask(asked(i)) for i in range(3)]
    with desk.waiting(keys[0]), desk.waiting(keys[2]):
        with desk.waiting(keys[0]), desk.waiting(keys[1]):
            assert sorted(desk.overview().open) == sorted(keys)
        assert sorted(desk.overview().open) == sorted([keys[0], keys[2]])
    assert desk.overview().open == []
    with desk.waiting(keys[1]):
        assert desk.overview().open == [keys[1]]


def test_no_answer_is_lost_when_nobody_waits_for_it(tmp_path):
    desk = Desk("alice", tmp_path)
    early, late = (desk.ask(asked(i)) for i in range(2))
    with desk.waiting(early), desk.waiting(late):
        desk.answer(early, FIVE, None)
    desk.answer(late, ONE, None)  # it stood on the page
    assert answers(desk) == {early: FIVE, late: ONE}
    assert desk.hand_over(listed(desk)) == 2
    assert desk.handed_over(desk.ask(asked())).answer.to_json() == FIVE


def test_a_look_at_the_overview_orders_the_questions_once(two, monkeypatch):
    mine, _, key = two
    orders, order = [], desk_module.own_order
    monkeypatch.setattr(desk_module, "own_order", lambda *all_: orders.append(all_) or order(*all_))
    assert mine.overview().open == [key]
    assert len(orders) == 1


FIVE = {"ratings": {"A": 5, "B": 5, "C": 5}, "best": "A", "comment": ""}

ONE = {"ratings": {"A": 1, "B": 1, "C": 1}, "best": "B", "comment": ""}


def asked(i=0):
    return from_json(question(i))


@pytest.fixture
def two(tmp_path):
    """The desks of one rater in two processes, and a question that both ask."""
    desks = Desk("alice", tmp_path), Desk("alice", tmp_path)
    keys = {desk.ask(asked()) for desk in desks}
    return *desks, keys.pop()


def answers(desk):
    """The answers that can be changed, by question."""
    return {key: reply.answer.to_json() for key, (_, reply) in desk.overview().answered.items()}


def listed(desk):
    """What a review of all answers hands over."""
    return {key: reply.at for key, (_, reply) in desk.overview().answered.items()}


LONG = 600
"""Seconds after which a test that waits fails."""


@contextmanager
def stuck_disk(monkeypatch):
    """Syncing takes until this ends; gives an event that is set when it has begun."""
    begun, go_on, sync = threading.Event(), threading.Event(), os.fsync

    def slow(descriptor):
        begun.set()
        assert go_on.wait(LONG)
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", slow)
    try:
        yield begun
    finally:
        go_on.set()
