"""A killed comparison goes on where it was; `benchmarks/kill_at_random.py` kills oftener."""

import os

import pytest
from killing import Comparison

RUNS = int(os.environ.get("NEURON_EVAL_KILLS", "2"))


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    return Comparison(tmp_path_factory.mktemp("killed"))


@pytest.mark.parametrize("seed", range(RUNS))
def test_a_killed_comparison_has_the_same_scores_and_asks_for_no_recorded_reply(comparison, seed):
    found = comparison.killed(seed)
    assert found.wrong == (), found
