"""A rater's questions and answers, in memory and on disk."""

import json
import os
import stat
from dataclasses import replace

import pytest
from human_eval import PLANTED, question, questions
from hypothesis import given, settings
from hypothesis import strategies as st

from neuron_eval.rating.answer import AnswerError
from neuron_eval.rating.human import desk as desk_module
from neuron_eval.rating.human.desk import Desk, DeskError
from neuron_eval.rating.human.page import own_order, shown_question
from neuron_eval.rating.human.store import AnswerFile
from neuron_eval.rating.question import from_json, question_key

RATED = {"ratings": {"A": 4, "B": 1, "C": 5}, "best": "C", "comment": "é"}
OTHER = {"ratings": {"A": 1, "B": 1, "C": 2}, "best": "A", "comment": ""}
NOW = "2026-01-31T12:00:00.000+00:00"
EVENT = {"question": "k", "answer": RATED, "seconds": 1.5, "at": NOW}


def asked(i=0):
    return from_json(question(i))


def saved(desk, key):
    """The time of the answer that a desk has."""
    return desk.overview().answered[key][1].at


def hand_over(desk):
    """Hand over all that a desk's review lists."""
    return desk.hand_over({key: saved(desk, key) for key in desk.overview().answered})


def append(file, *events):
    with file.appending() as appending:
        appending.append(events)


def test_a_question_goes_from_open_to_answered_to_handed_over(tmp_path):
    desk = Desk("alice", tmp_path)
    key = desk.ask(asked())
    overview = desk.overview()
    assert (overview.open, list(overview.answered), overview.handed_over) == ([key], [], 0)
    desk.answer(key, RATED, None)
    overview = desk.overview()
    assert (overview.open, list(overview.answered), overview.handed_over) == ([], [key], 0)
    assert desk.handed_over(key) is None
    hand_over(desk)
    overview = desk.overview()
    assert (overview.open, list(overview.answered), overview.handed_over) == ([], [], 1)
    assert desk.handed_over(key).answer.to_json() == RATED


def test_what_was_handed_over_is_final(tmp_path):
    desk = Desk("alice", tmp_path)
    key = desk.ask(asked())
    at = desk.answer(key, RATED, None)
    hand_over(desk)
    with pytest.raises(DeskError, match="final"):
        desk.answer(key, OTHER, at)


def test_an_open_question_cannot_be_handed_over(tmp_path):
    desk = Desk("alice", tmp_path)
    key = desk.ask(asked())
    with pytest.raises(DeskError, match="an answer was changed meanwhile"):
        desk.hand_over({key: NOW})
    assert desk.handed_over(key) is None
    assert desk.overview().open == [key]


def test_each_rater_has_an_order_of_their_own_that_stays(tmp_path):
    def order(rater):
        desk = Desk(rater, tmp_path)
        for i in range(8):
            desk.ask(asked(i))
        return desk.overview().open

    assert order("alice") == order("alice") != order("bob")
    assert sorted(order("alice")) == sorted(order("bob"))


@settings(derandomize=True, deadline=None, max_examples=60)
@given(
    st.text("abcde", min_size=1, max_size=5),
    st.integers(1, 12).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(0, n - 1)))),
)
def test_the_second_time_of_a_neuron_comes_half_of_all_questions_after_its_first(rater, given):
    count, repeated = given
    again = {i: replace(asked(i), id=f"{asked(i).id}#2") for i in repeated}
    all_of_them = {f"k{i}": asked(i) for i in range(count)}
    all_of_them |= {f"r{i}": q for i, q in again.items()}
    order = own_order(rater, all_of_them)
    assert sorted(order) == sorted(all_of_them)
    for i in repeated:
        assert order.index(f"r{i}") - order.index(f"k{i}") == len(order) // 2


def test_an_order_takes_a_second_time_without_its_first_and_ids_that_end_alike():
    ids = ("x#2", "x#2#2", "y#2", "z", "z")
    all_of_them = {f"k{i}": replace(asked(), id=id_) for i, id_ in enumerate(ids)}
    assert sorted(own_order("alice", all_of_them)) == sorted(all_of_them)


def test_time_left_is_the_median_answer_s_time_for_each_open_question(tmp_path):
    desk = Desk("alice", tmp_path)
    keys = [desk.ask(asked(i)) for i in range(6)]
    assert desk.overview().seconds_left is None
    for key, seconds in zip(keys, (10.0, 600.0, 20.0), strict=False):
        append(AnswerFile(tmp_path, "alice"), EVENT | {"question": key, "seconds": seconds})
    assert desk.overview().seconds_left == 60.0


def test_a_change_of_mind_keeps_the_time_of_the_first_answer(tmp_path, monkeypatch):
    now = 100.0
    monkeypatch.setattr(desk_module, "monotonic", lambda: now)
    desk = Desk("alice", tmp_path)
    key = desk.ask(asked())
    desk.show(key)
    now = 112.0
    at = desk.answer(key, RATED, None)
    assert desk.show(key)[1].seconds == 12.0
    now = 500.0
    desk.show(key)
    now = 900.0
    desk.answer(key, OTHER, at)
    assert desk.show(key)[1].seconds == 12.0


def test_another_order_of_options_is_another_question():
    one, other = question(), question()
    other["options"] = [
        {"letter": "A", "explanation": one["options"][1]["explanation"]},
        {"letter": "B", "explanation": one["options"][0]["explanation"]},
        one["options"][2],
    ]
    keys = [question_key(from_json(data)) for data in (one, question(), other)]
    assert keys[0] == keys[1] != keys[2]


def test_an_answer_is_found_by_a_new_process_and_not_asked_for_again(tmp_path):
    desk = Desk("alice", tmp_path)
    key = desk.ask(asked())
    desk.answer(key, RATED, None)
    hand_over(desk)
    again = Desk("alice", tmp_path)
    assert again.ask(asked()) == key
    assert again.handed_over(key).answer.to_json() == RATED
    assert again.overview().open == []


def test_an_answer_that_was_not_handed_over_is_kept_and_can_be_changed(tmp_path):
    desk = Desk("alice", tmp_path)
    desk.answer(desk.ask(asked()), RATED, None)
    again = Desk("alice", tmp_path)
    key = again.ask(asked())
    assert again.handed_over(key) is None
    assert again.show(key)[1].answer.to_json() == RATED
    again.answer(key, OTHER, saved(again, key))
    hand_over(again)
    third = Desk("alice", tmp_path)
    third.ask(asked())
    assert third.handed_over(key).answer.to_json() == OTHER


def test_the_same_question_put_twice_at_once_is_one(tmp_path):
    desk = Desk("alice", tmp_path)
    assert desk.ask(asked()) == desk.ask(asked())
    assert len(desk.overview().open) == 1


def test_another_rater_s_answer_is_not_mine(tmp_path):
    alice, bob = Desk("alice", tmp_path), Desk("bob", tmp_path)
    key = alice.ask(asked())
    alice.answer(key, RATED, None)
    with pytest.raises(DeskError, match="not asked of you"):
        bob.answer(key, RATED, None)
    bob.ask(asked())
    assert bob.show(key)[1] is None


def test_names_that_share_a_file_do_not_share_answers(tmp_path):
    append(AnswerFile(tmp_path, "alice"), EVENT)
    (tmp_path / "rater-alice.jsonl").rename(tmp_path / "rater-Alice.jsonl")
    other = AnswerFile(tmp_path, "Alice")
    assert other.read_on() == set()
    assert other.events("k") == ()


def test_a_line_cut_off_by_a_kill_is_left_out_and_the_next_answer_is_whole(tmp_path, caplog):
    desk = Desk("alice", tmp_path)
    keys = [desk.ask(asked(i)) for i in range(2)]
    desk.answer(keys[0], RATED, None)
    with desk.path.open("ab") as file:
        file.write(b'{"rater": "alice", "question": "cut o')
    again = Desk("alice", tmp_path)
    assert [again.ask(asked(i)) for i in range(2)] == keys
    again.answer(keys[1], OTHER, None)
    third = Desk("alice", tmp_path)
    for i in range(2):
        third.ask(asked(i))
    assert [third.show(key)[1].answer.to_json() for key in keys] == [RATED, OTHER]
    assert "line 2: no answer can be read" in caplog.text


def test_what_another_process_adds_is_seen(tmp_path):
    mine, theirs = AnswerFile(tmp_path, "alice"), AnswerFile(tmp_path, "alice")
    assert mine.read_on() == set()
    append(theirs, EVENT)
    assert mine.read_on() == {"k"}
    assert [event.answer for event in mine.events("k")] == [RATED]


def test_an_answer_that_does_not_fit_is_refused_and_not_written(tmp_path):
    desk = Desk("alice", tmp_path)
    key = desk.ask(asked())
    with pytest.raises(AnswerError, match="rating of B"):
        desk.answer(key, {"ratings": {"A": 1, "B": 6, "C": 1}, "best": "A"}, None)
    assert not desk.path.exists()


def test_an_answer_changed_by_hand_into_nonsense_is_asked_for_again(tmp_path):
    desk = Desk("alice", tmp_path)
    key = desk.ask(asked())
    desk.answer(key, RATED, None)
    desk.path.write_text(desk.path.read_text().replace('"A": 4', '"A": 44'))
    again = Desk("alice", tmp_path)
    again.ask(asked())
    assert list(again.overview().open) == [key]


def test_an_answer_is_synced_before_it_counts(tmp_path, monkeypatch):
    desk = Desk("alice", tmp_path)
    key = desk.ask(asked())
    synced = []

    def sync(descriptor):
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            synced.append(desk._replies.get(key))
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", sync)
    with pytest.raises(OSError, match="No space"):
        desk.answer(key, RATED, None)
    assert synced == [None]
    assert list(desk.overview().open) == [key]


def test_the_file_is_for_its_owner_and_says_what_was_answered(tmp_path):
    desk = Desk("alice", tmp_path / "deep" / "folder")
    key = desk.ask(asked())
    desk.show(key)
    desk.answer(key, RATED, None)
    line = json.loads(desk.path.read_text())
    assert (line["rater"], line["question"], line["id"]) == ("alice", key, "toy/L0N0")
    assert line["answer"] == RATED
    assert line["seconds"] >= 0
    assert stat.S_IMODE(desk.path.stat().st_mode) == 0o600


def test_the_page_gets_no_character_that_hides():
    data = json.dumps(shown_question(from_json(questions(2)[1])), ensure_ascii=False)
    assert "\u202e" in PLANTED
    assert "\u202e" not in data
    # title, instructions, a token in each of two excerpts, three options
    assert data.count("⟨U+202E⟩") == 7
