"""Every fault of a server, in every role: what the user sees, what is lost, what is asked again."""

import math

import numpy as np
import pytest

from neuron_eval.embedding.embedder import cosine

from .catalogue import AT_MOST, EVERY, of_role
from .runs import REFERENCE, TOKENS, WELL, run_twice
from .server import explanation_of, vector

# Inspect writes down what a server sent whatever its type.
pytestmark = pytest.mark.filterwarnings("ignore:Pydantic serializer warnings:UserWarning")

CASES = [
    pytest.param(role, fault, id=f"{role}-{fault.name}")
    for role in EVERY
    for fault in of_role(role)
]
# By its scope pytest runs all tests of a case, and so of a role, one after the other.
CASE_BY_CASE = pytest.mark.parametrize(("role", "fault"), CASES, scope="module")
SCORERS = {"embedder": "adacs", "rater": "rating"}
GOOD_RUN = {"per_token": 2 * TOKENS, "all_at_once": 2}
"""Requests about one neuron where nothing goes wrong; one, if it is not said here."""

_DONE = {}


@pytest.fixture
def runs(role, fault, tmp_path, capsys, caplog):
    """One pair of evals holds all faults of a role, but for those that touch other samples."""
    key = role, fault.name if fault.alone else ""
    if key not in _DONE:
        faults = [fault] if fault.alone else [one for one in of_role(role) if not one.alone]
        _DONE[key] = None
        _DONE[key] = run_twice(role, faults, tmp_path)
        # What was told of the faults is of no use to a report, and may be more than xdist can send.
        capsys.readouterr()
        caplog.clear()
    assert _DONE[key], "the evals of this role broke off"
    return _DONE[key]


def score_of(role, sample):
    assert sample.error is None, plain(sample.error.message)
    return sample.scores[SCORERS.get(role, "simulation_correlation")]


def is_good(role, sample):
    """Whether a sample has the scores of one that nothing happened to."""
    value = score_of(role, sample).as_float()
    if role == "rater":
        return value == 3.0
    if role == "embedder":
        name = sample.id.partition("/")[2]
        right = cosine(*(np.array(vector(text)) for text in (explanation_of(name), REFERENCE)))
        return value == pytest.approx(right, abs=1e-6)
    return value == pytest.approx(1.0, abs=1e-6)


@CASE_BY_CASE
def test_the_user_sees_what_happened_and_no_failure_is_a_number(role, fault, runs):
    sample = runs.sample(fault.name)
    if fault.outcome == "error":
        assert sample.error is not None, sample.scores
        assert not sample.scores, "a sample that failed has no score"
        message = plain(sample.error.message)
        assert fault.sees.lower() in message.lower()
        assert one_sentence(message)
        if "; use -T simulation=" in message:
            return  # no fault of the server: it cannot do what was asked for
        named = role if role in ("explainer", "embedder", "rater") else "simulator"
        for part in (named, f"test/{named}" if role != "embedder" else "embed-openai/embedder",
                     runs.address, sample.id):  # fmt: skip
            assert part in message, f"{part} is missing in: {message}"
        return
    score = score_of(role, sample)
    said = plain(f"{score.reason} {score.explanation}".replace("\\", ""))
    if fault.outcome == "unscored":
        assert math.isnan(score.as_float()), said
        assert score.reason
        assert fault.sees in said
    elif fault.outcome == "zero":
        for name in ("simulation_correlation", "adacs"):
            assert sample.scores[name].as_float() == 0.0, name
            assert sample.scores[name].reason in ("refusal", "no_response")
        assert fault.sees in said
    elif fault.outcome == "partly":
        assert is_good(role, sample), said
        assert score.metadata["excerpts_failed"] == 1
        assert fault.sees in said
    else:
        assert is_good(role, sample), said


def plain(text):
    """A text that xdist can send, whatever a server has put into it."""
    return text.encode("utf-8", "replace").decode()


def one_sentence(text):
    return len(text) < 1000 and "\n" not in text.strip() and "<Future" not in text


@CASE_BY_CASE
def test_a_question_is_asked_as_often_as_it_must_be(role, fault, runs):
    bodies = runs.asked.about.get(fault.name, {})
    good = GOOD_RUN.get(role, 1)
    if fault.requests == AT_MOST:
        assert good <= sum(bodies.values()) <= AT_MOST * good
    elif fault.outcome == "zero":
        assert sum(bodies.values()) == fault.requests
    elif fault.first is None:
        assert max(bodies.values(), default=0) == fault.requests
    else:
        assert sum(bodies.values()) == good - 1 + fault.requests


@CASE_BY_CASE
def test_a_second_run_asks_for_nothing_that_was_answered(role, fault, runs):
    bodies = runs.asked_again.about.get(fault.name, {})
    assert not runs.asked.answered & set(bodies), "answered, and asked again"
    if fault.outcome == "scored" and not fault.forgotten:
        assert not bodies, "scored, and asked again"
    if fault.outcome == "zero" and not fault.forgotten:
        assert not bodies, "what the explainer said, or did not, is kept"
        assert score_of(role, runs.sample(fault.name, again=True)).as_float() == 0.0
    else:
        assert is_good(role, runs.sample(fault.name, again=True))


@CASE_BY_CASE
def test_other_samples_keep_their_scores_and_the_log_can_be_read(role, fault, runs):
    for log in (runs.first, runs.second):
        assert log.status == "success", log.error and plain(log.error.message)
    assert runs.sample(fault.name).events
    if fault.name != "refused":
        assert all(is_good(role, runs.sample(name)) for name in WELL)
        # A setting that was refused of one sample is left out for the rest of the run.
        assert fault.forgotten or not any(name in runs.asked_again.about for name in WELL)
