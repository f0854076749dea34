"""The metrics of a log, against their definitions."""

import math

import pytest
from inspect_ai.scorer import SampleScore, Score

from neuron_eval.metrics import counts, interval, viewer_config
from neuron_eval.stats import mean_interval

VALUES = [0.1, 0.4, 0.45, 0.9, -0.2]


def scores(values, metadata=None):
    metadata = metadata or [None] * len(values)
    return [
        SampleScore(score=Score(value=value, metadata=about))
        for value, about in zip(values, metadata, strict=True)
    ]


def test_the_standard_error_and_the_interval_are_those_of_the_mean():
    found = interval()(scores(VALUES))
    mean = sum(VALUES) / 5
    spread = math.sqrt(sum((value - mean) ** 2 for value in VALUES) / 4)
    assert found["stderr"] == pytest.approx(spread / math.sqrt(5))
    assert (found["lower"], found["upper"]) == mean_interval(VALUES, level=0.95)
    assert found["lower"] < mean < found["upper"]


def test_another_level_gives_another_interval():
    found = interval(0.5)(scores(VALUES))
    assert (found["lower"], found["upper"]) == mean_interval(VALUES, level=0.5)
    assert found["lower"] > interval()(scores(VALUES))["lower"]


@pytest.mark.parametrize("values", [[], [0.5]])
def test_fewer_than_two_scores_have_no_interval(values):
    assert all(math.isnan(value) for value in interval()(scores(values)).values())


def failed(share, excerpts, tokens):
    return {"share": share, "excerpts_failed": excerpts, "tokens_failed": tokens}


def test_the_share_counts_samples_with_a_measurement_and_failures_add_up():
    about = [{"excerpts_failed": 2}, None, {"tokens_failed": 7}, {"excerpts_failed": 3}]
    assert counts()(scores([1, 0, 5, 0.5], about)) == failed(0.75, 5.0, 7.0)
    assert counts()(scores([0, 0])) == failed(0.0, 0.0, 0.0)


def test_of_no_samples_there_is_no_share():
    assert all(math.isnan(value) for value in counts()([]).values())


def test_a_value_that_says_where_the_neuron_is_has_its_share_in_the_metadata():
    about = [{"share": share, "excerpts_failed": 1} for share in (1.0, 0.25, 0.0)]
    values = [{"layer": 2, "group": "clear"}, {"layer": 3}, {}]
    assert counts()(scores(values, about)) == failed(2 / 3, 3.0, 0.0)


def test_neurons_are_listed_by_layer_and_index_where_the_log_says_them():
    view = viewer_config().task_samples_view
    assert [(s.column, s.dir) for s in view.sort] == [
        ("score__scored__layer", "asc"),
        ("score__scored__neuron", "asc"),
    ]
    assert not {column.id for column in view.columns} & {"score__scored__scored"}
    assert viewer_config(simulated=False).task_samples_view.sort == []
