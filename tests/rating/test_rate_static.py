"""Pages without a server: what is in them, and how the answers that they save become scores."""

import json
import math
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from inspect_ai import eval, score
from inspect_ai.model import get_model
from static_pages import PLANTED, SAID, logs_by_rater, page_data, rate_static, write_inputs

from neuron_eval.messages import visible_lines
from neuron_eval.rating.answers_file import AnswersError, read_answers
from neuron_eval.rating.human import serving
from neuron_eval.rating.human.page import policy
from neuron_eval.rating.human.store import AnswerFile
from neuron_eval.scorers.rating import rating
from neuron_eval.tasks.rate import rate
from neuron_eval.usage_error import UsageError


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two raters' pages and logs."""
    folder = tmp_path_factory.mktemp("static")
    options = ["--rater", "carol", "--rater", "dan", "--repeat", "1", "--planted"]
    result = rate_static(folder, *options)
    assert result.exit_code == 0, result.output
    return folder, result.output


@pytest.fixture
def page(made):
    return (made[0] / "questions" / "carol.html").read_text(encoding="utf-8")


def records(page):
    """The file of answers as the page saves it: the first is skipped, the last one open."""
    data = page_data(page)
    found = []
    for i, one in enumerate(data["questions"]):
        letters = [option["letter"] for option in one["question"]["options"]]
        ratings = {letter: 1 + (i + k) % 5 for k, letter in enumerate(letters)}
        answer = {"ratings": ratings, "best": letters[i % len(letters)], "comment": f"é {i}"}
        about = {"rater": data["rater"], "question": one["key"], "seconds": 1.5 + i, "at": "now"}
        kept = {"value": sum(ratings.values()) / len(ratings), "answer": answer["best"]}
        if i == 0:
            answer, kept = {"skipped": "too long"}, {"epoch": 0, "value": "skipped"}
        if one is data["questions"][-1]:
            answer, kept = None, {"epoch": 0, "value": "not answered"}
        found.append({"id": one["id"], **kept, "metadata": about | {"answer": answer}})
    return found


@pytest.fixture
def answers(page, tmp_path):
    path = tmp_path / "answers-carol.json"
    path.write_text(json.dumps(records(page)), encoding="utf-8")
    return path


def scored(made, answers, rater="carol"):
    log = logs_by_rater(made[0])[rater]
    return score(log, rating(answers=str(answers)), action="overwrite", display="none")


# The page


def test_the_page_is_one_file_that_asks_no_network(page):
    assert "connect-src 'none'" in page
    assert 'src="' not in page
    assert not [name for name in ("policy", "sections", "style", "data") if f"{{{{{name}" in page]
    assert "connect-src 'self'" in policy()


def test_the_page_does_not_say_whose_an_explanation_is_or_that_it_comes_again(page):
    for column in SAID:
        assert column not in page
    for one in page_data(page)["questions"]:
        assert "id" not in one["question"]
        assert "#2" not in json.dumps(one["question"])


def test_planted_text_is_data_and_is_shown_with_visible_signs(page):
    assert "<img" not in page
    assert page.count("</script>") == 2
    assert "\u202e" not in page
    shown = [o["explanation"] for one in page_data(page)["questions"]
             for o in one["question"]["options"]]  # fmt: skip
    assert visible_lines(f"pets {PLANTED}") in shown


def test_each_rater_gets_an_order_of_neurons_and_a_key_of_their_own(made, page):
    other = page_data((made[0] / "questions" / "dan.html").read_text(encoding="utf-8"))
    own = page_data(page)
    ids, others = ([one["id"] for one in data["questions"]] for data in (own, other))
    assert sorted(ids) == sorted(others)
    assert len(ids) == 4 + 1
    assert ids != others
    assert own["key"] != other["key"]
    assert (own["rater"], own["file"]) == ("human/carol", "answers-carol.json")


def test_the_log_holds_the_questions_and_asks_nobody(made):
    log = logs_by_rater(made[0])["carol"]
    assert log.status == "success"
    assert log.eval.task_registry_name.removeprefix("neuron_eval/") == "rate"
    assert log.eval.metadata["rated_columns"] == list(SAID)
    for sample in log.samples:
        assert [message.role for message in sample.messages] == ["system", "user"]
        assert not sample.scores
        assert not [event for event in sample.events if event.event == "model"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--rater", "../carol"], "a rater's name has 1 to 40 letters"),
        (["--rater", "erin", "--rater", "Erin"], "--rater erin: there is more than one"),
        (["--rater", "erin", "--columns", "LION"], "columns=LION"),
        (["--rater", "erin", "--repeat", "9"], "repeat=9: there are only 4 neurons"),
        (["--rater", "erin", "--limit", "0"], "limit=0: expected a whole number"),
        (["--rater", "erin", "--pack", "nowhere.yaml"], "prompt pack nowhere.yaml: No such file"),
        ([], "Missing option '--rater'"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_made(tmp_path, options, message):
    result = rate_static(tmp_path, *options)
    assert result.exit_code != 0
    assert message in result.output
    assert not (tmp_path / "questions").exists()


def test_a_page_is_not_overwritten(tmp_path):
    (tmp_path / "questions").mkdir()
    (tmp_path / "questions" / "dan.html").write_text("answered by dan", encoding="utf-8")
    result = rate_static(tmp_path, "--rater", "carol", "--rater", "dan")
    assert result.exit_code == 1
    assert "dan.html is there already" in result.output
    assert [one.name for one in (tmp_path / "questions").iterdir()] == ["dan.html"]


def test_the_columns_are_those_asked_for(tmp_path):
    result = rate_static(tmp_path, "--rater", "carol", "--columns", "YAK,GNU", "--limit", "2")
    assert result.exit_code == 0, result.output
    text = (tmp_path / "questions" / "carol.html").read_text(encoding="utf-8")
    assert len(page_data(text)["questions"]) == 2
    assert "the word dog" not in text


# The scores


@pytest.fixture
def _own_servers(monkeypatch):
    servings = {}
    monkeypatch.setattr(serving, "_servings", servings)
    yield
    for one in servings.values():
        one.stop()


@pytest.mark.usefixtures("_own_servers")
def test_answers_from_a_file_score_as_if_they_were_given_to_the_server(made, answers, tmp_path):
    kept = AnswerFile(tmp_path / "kept", "carol")
    given = [one for one in json.loads(answers.read_text()) if one["metadata"]["answer"]]
    with kept.appending() as file:
        for about in (one["metadata"] for one in given):
            final = {"question": about["question"], "handed_over": True, "at": about["at"]}
            file.append([{n: about[n] for n in ("question", "answer", "seconds", "at")}, final])
    said, neurons = write_inputs(tmp_path)
    person = get_model("human/carol", answers=str(tmp_path / "kept"), open=False, memoize=False)
    (served,) = eval(
        rate(explanations=said, neurons=neurons, repeat=1, planted=True),
        model=person,
        sample_id=[one["id"] for one in given],
    )
    by_id = {sample.id: sample.scores["rating"] for sample in served.samples}
    assert len(by_id) == 4
    found = {s.id: s.scores["rating"] for s in scored(made, answers).samples}
    for id_, expected in by_id.items():
        # the comparison of two NaN would fail
        assert found[id_].model_dump_json() == expected.model_dump_json()
    assert {one.metadata["seconds"] for one in by_id.values()} == {1.5, 2.5, 3.5, 4.5}


def test_what_was_skipped_or_not_answered_is_unscored_with_the_reason(made, answers):
    log = scored(made, answers)
    said = json.loads(answers.read_text())
    by_id = {sample.id: sample.scores["rating"] for sample in log.samples}
    skipped, left = by_id[said[0]["id"]], by_id[said[-1]["id"]]
    assert (skipped.reason, skipped.explanation) == ("skipped", "Skipped: too long")
    assert (left.reason, left.explanation) == ("not answered", "Not answered.")
    assert left.metadata["failures"] == ["not answered"]
    assert math.isnan(skipped.as_float())
    assert math.isnan(left.as_float())
    (result,) = log.results.scores
    assert (result.scored_samples, result.unscored_samples) == (3, 2)


def test_without_a_file_a_log_of_questions_is_not_answered(made):
    log = score(logs_by_rater(made[0])["dan"], rating(), action="overwrite", display="none")
    assert {s.scores["rating"].reason for s in log.samples} == {"not answered"}


def test_inspect_score_takes_the_file_in_as_printed_and_by_precomputed_scores(made, answers):
    printed = made[1]
    (line,) = [one for one in printed.splitlines() if "answers-carol.json --action" in one]
    command = shlex.split(line)
    assert command[:2] == ["inspect", "score"]
    log = Path(command[2])
    other = answers.parent / "other.eval"
    other.write_bytes(log.read_bytes())
    own = answers.parent / "own.eval"
    own.write_bytes(log.read_bytes())
    runs = (
        [str(own), *command[3:]],
        [str(other), "--scorer", "inspect_ai/precomputed_scores", "-S", f"scores={answers}"],
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "inspect_ai", "score", *run, "--overwrite", "--display", "none"],
            cwd=answers.parent,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for run in runs
    ]
    for process in processes:
        said, _ = process.communicate(timeout=600)
        assert process.returncode == 0, said
    own_scores, others = (scores_in(path) for path in (own, other))
    assert own_scores["rating"] == {
        s.id: s.scores["rating"].metadata.get("ratings") for s in scored(made, answers).samples
    }
    for one in json.loads(answers.read_text())[1:-1]:
        assert others["precomputed_scores"][one["id"]]["answer"] == one["metadata"]["answer"]
    assert len(others["precomputed_scores"]) == 3


def scores_in(path):
    from inspect_ai.log import read_eval_log

    found = {}
    for sample in read_eval_log(str(path)).samples:
        for name, one in (sample.scores or {}).items():
            about = one.metadata or {}
            found.setdefault(name, {})[sample.id] = (
                about.get("ratings") if name == "rating" else about
            )
    return found


def test_answers_of_another_rater_are_refused(made, answers):
    with pytest.raises(UsageError, match=r"metadata.rater is 'human/carol'; the log asks 'human/d"):
        scored(made, answers, rater="dan")


def changed(answers, change):
    data = json.loads(answers.read_text())
    change(data)
    answers.write_text(json.dumps(data), encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data[1]["metadata"].update(question="0" * 64), "of another questionnaire"),
        (lambda data: data.pop(1), "no record of 'test/.* answers of another questionnaire"),
        (
            lambda data: data[1]["metadata"]["answer"]["ratings"].update(A=6),
            r"record 2 \('test/.*'\): metadata.answer cannot be used: the rating of A is 6, not a",
        ),
        (
            lambda data: data[0]["metadata"]["answer"].update(skipped=" "),
            r"record 1 \(.* the reason for skipping is empty",
        ),
    ],
)
def test_an_answer_that_does_not_go_with_the_question_is_named(made, answers, change, message):
    changed(answers, change)
    with pytest.raises(UsageError, match=message):
        scored(made, answers)


def test_answers_go_with_a_log_that_has_none(made, answers):
    log = scored(made, answers)
    for sample in log.samples:
        sample.store["rating"]["turns"][0]["skipped"] = "at the server"
    with pytest.raises(UsageError, match="human/carol was asked already; answers in a file go"):
        score(log, rating(answers=str(answers)), action="overwrite", display="none")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1 is no JSON"),
        ("[1,\n2", "line 2 is no JSON"),
        ("[" * 100_000, "the file is no JSON"),
        ('{"id": 1}', 'answers.json: {"id": 1}; expected a list of records'),
        ("[]", "expected a list of records"),
        ("[3]", "record 1 is 3; expected a JSON object"),
        ("[{}]", "record 1: id is missing; expected a text"),
        ('[{"id": 7}]', "record 1: id is 7; expected a text"),
        ('[{"id": "x"}]', "record 1 ('x'), metadata is null; expected a JSON object"),
        ('[{"id": "x", "metadata": {"answer": 4}}]', "metadata.answer is 4; expected a JSON"),
        ('[{"id": "x", "metadata": {"rater": "human/a"}}]', "no field answer; expected ratings"),
        ('[{"id": "x", "metadata": {"answer": null}}]', "rater is missing; expected a text"),
        (
            '[{"id": "x", "metadata": {"answer": null, "rater": "human/a", "question": 1}}]',
            "question is 1; expected a text",
        ),
        (
            '[{"id": "x", "metadata": {"answer": null, "rater": "human/a", "question": "k",'
            ' "seconds": NaN}}]',
            "metadata.seconds is NaN; expected seconds from 0, or null",
        ),
    ],
)
def test_a_file_that_is_none_of_a_page_s_is_named_with_what_is_wrong(tmp_path, text, message):
    path = tmp_path / "answers.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(AnswersError) as error:
        read_answers(path)
    assert message in str(error.value)
    assert str(path) in str(error.value)


def test_a_record_that_stands_there_twice_is_named(answers):
    changed(answers, lambda data: data.append(data[1]))
    with pytest.raises(AnswersError, match=r"record 6: id 'test/.*' stands in record 2 too"):
        read_answers(answers)


def test_a_file_that_an_editor_saved_with_a_mark_of_order_is_read(answers):
    answers.write_text(answers.read_text(), encoding="utf-8-sig")
    assert len(read_answers(answers).records) == 5


@pytest.mark.parametrize(
    ("answers", "message"),
    [("nowhere.json", "nowhere.json: No such file"), (["a", "b"], r"expected one name or file")],
)
def test_a_file_that_is_not_there_is_named(made, answers, message):
    log = logs_by_rater(made[0])["carol"]
    with pytest.raises(UsageError, match=message):
        score(log, rating(answers=answers), action="overwrite", display="none")
