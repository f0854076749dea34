"""The report's statistics against definitions written out by hand."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from neuron_eval.reporting.statistics import (
    MOST_NEURONS,
    TIE,
    estimate,
    holm,
    neurons_needed,
    paired,
    power,
    signed_rank,
    spearman,
    told_apart,
)
from neuron_eval.stats import mean_interval, widened_level

RNG = np.random.default_rng(11)
SCORES = RNG.beta(1, 3, 60)
BETTER = SCORES + RNG.gamma(1, 0.1, 60) * (RNG.random(60) < 0.5) - 0.01


def with_effect(effect, n=50):
    """Differences of shape [n] whose mean is ``effect`` of their standard deviations."""
    values = RNG.normal(size=n)
    return effect + (values - values.mean()) / values.std(ddof=1)


def test_a_mean_comes_with_an_interval_near_a_bootstrap_written_out():
    resampled = SCORES[RNG.integers(0, 60, (40_000, 60))].mean(axis=1)
    level = widened_level(60)
    by_hand = np.quantile(resampled, [(1 - level) / 2, (1 + level) / 2])
    found = estimate(SCORES)
    assert found.mean == pytest.approx(SCORES.mean())
    assert found.n == 60
    assert (found.lower, found.upper) == pytest.approx(tuple(by_hand), abs=0.003)


def test_the_interval_is_the_same_every_time():
    assert estimate(SCORES) == estimate(list(SCORES))


def test_percentiles_are_widened_to_the_t_interval_for_normal_values():
    for n in (5, 20, 200):
        shrunk = math.sqrt((n - 1) / n)
        reach = scipy_stats.norm.ppf((1 + widened_level(n)) / 2) * shrunk
        assert reach == pytest.approx(scipy_stats.t.ppf(0.975, n - 1))
    assert widened_level(10**6) == pytest.approx(0.95, abs=1e-5)


def test_the_widened_interval_holds_the_plain_one():
    few = SCORES[:12]
    plain, widened = mean_interval(few, "percentile"), mean_interval(few)
    assert widened[0] < plain[0] < plain[1] < widened[1]


def test_without_neurons_nothing_is_estimated_and_one_has_no_interval():
    assert estimate([]) is None
    assert paired([], []) is None
    one = estimate([0.25])
    assert (one.mean, one.lower, one.upper, one.n) == (0.25, None, None, 1)
    assert paired([0.5], [0.25]).lower is None
    assert paired([0.5], [0.25]).needed is None


def test_a_paired_comparison_is_about_differences():
    found = paired(BETTER, SCORES)
    differences = BETTER - SCORES
    assert found.mean == pytest.approx(differences.mean())
    assert (found.wins, found.losses) == ((differences > 0).sum(), (differences < 0).sum())
    assert found.n == 60
    assert (found.lower, found.upper) == pytest.approx(mean_interval(differences))
    assert paired(SCORES, BETTER).lower == pytest.approx(-found.upper, abs=0.002)


def test_differences_up_to_rounding_are_ties():
    found = paired([0.1 + 0.2, 0.5, 0.7], [0.3, 0.4, 0.8])
    assert (found.wins, found.ties, found.losses) == (1, 1, 1)


def test_all_tied_is_no_test_and_needs_no_number_of_neurons():
    found = paired([0.1, 0.2, 0.3], [0.1, 0.2, 0.3])
    assert (found.ties, found.mean, found.lower, found.upper) == (3, 0.0, 0.0, 0.0)
    assert found.p is None
    assert found.needed is None


def test_the_same_difference_everywhere_has_an_interval_of_no_width():
    found = paired([0.5, 0.75, 1.0], [0.25, 0.5, 0.75])
    assert (found.lower, found.upper, found.needed) == (0.25, 0.25, 2)


def test_signed_ranks_of_few_neurons_agree_with_every_assignment_of_signs():
    differences = np.array([0.3, -0.1, 0.7, 0.2, 0.45, -0.05])
    ranks = scipy_stats.rankdata(np.abs(differences))
    seen = ranks[differences > 0].sum()
    sums = [ranks[np.array(signs)].sum() for signs in product([True, False], repeat=6)]
    tail = min(np.mean([s >= seen for s in sums]), np.mean([s <= seen for s in sums]))
    assert signed_rank(differences) == pytest.approx(min(1, 2 * tail))


def test_ties_are_no_part_of_the_signed_rank_test():
    some = [0.3, -0.1, 0.7, 0.2, 0.45]
    assert signed_rank([*some, 0.0, 0.0]) == pytest.approx(signed_rank(some), abs=0.05)
    assert signed_rank([0.0, 0.0]) is None


def test_holms_correction_agrees_with_the_worked_example():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_leaves_out_of_the_family_what_was_not_tested():
    assert holm([0.02, None, 0.5]) == [pytest.approx(0.04), None, pytest.approx(0.5)]
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_never_lowers_a_p_and_keeps_their_order(ps):
    corrected = holm(ps)
    assert all(p <= c <= 1 for p, c in zip(ps, corrected, strict=True))
    order = np.argsort(ps, kind="stable")
    assert list(np.sort(corrected)) == [corrected[i] for i in order]


@pytest.mark.parametrize(("effect", "neurons"), [(0.2, 199), (0.5, 34), (0.8, 15)])
def test_the_neurons_needed_are_those_of_the_textbook(effect, neurons):
    assert neurons_needed(with_effect(effect)) == neurons
    assert neurons_needed(with_effect(-effect)) == neurons
    assert power(effect, neurons - 1) < 0.8 <= power(effect, neurons)


def test_the_power_is_the_share_of_t_tests_that_find_the_difference():
    samples = np.random.default_rng(5).normal(0.5, 1, (20_000, 34))
    share = np.mean(scipy_stats.ttest_1samp(samples, 0, axis=1).pvalue < 0.05)
    assert power(0.5, 34) == pytest.approx(share, abs=0.01)


def test_a_tiny_difference_needs_more_neurons_than_are_searched():
    assert neurons_needed(with_effect(1e-6)) == MOST_NEURONS


def test_no_difference_needs_no_number_of_neurons():
    assert neurons_needed([-0.5, 0.5]) is None
    assert neurons_needed([0.5]) is None


def test_told_apart_is_an_interval_that_leaves_out_zero():
    assert told_apart(BETTER, SCORES)
    assert told_apart(SCORES, BETTER)
    assert not told_apart([0.1, 0.9, 0.4], [0.9, 0.1, 0.4])
    assert not told_apart([1.0], [0.0])
    assert not told_apart([0.3, 0.4], [0.3, 0.4])
    assert not told_apart([TIE, TIE], [0.0, 0.0])
    assert not told_apart([0.0, 0.0], [TIE, TIE])


def test_spearman_is_the_correlation_of_ranks():
    a, b = RNG.integers(0, 5, 30), RNG.normal(size=30)
    ranks = np.corrcoef(scipy_stats.rankdata(a), scipy_stats.rankdata(b))[0, 1]
    assert spearman(a, b) == pytest.approx(ranks)


@pytest.mark.parametrize(("a", "b"), [([1, 2], [1, 2]), ([1, 1, 1], [1, 2, 3]), ([], [])])
def test_spearman_of_too_little_is_undefined(a, b):
    assert spearman(a, b) is None


@pytest.mark.parametrize("bad", [[0.1, float("nan")], [[0.1, 0.2]], [float("inf")]])
def test_what_is_not_finite_or_flat_is_refused(bad):
    with pytest.raises(ValueError, match="finite values of shape"):
        estimate(bad)


def test_other_neurons_on_the_other_side_are_refused():
    with pytest.raises(ValueError, match="same neurons on both sides"):
        paired([0.1, 0.2], [0.1])


# Also with warnings as errors: scipy must not complain of anything that can be paired.
@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(-1, 1, width=16), st.floats(-1, 1, width=16)), min_size=1, max_size=30
    )
)
def test_whatever_is_paired_gives_numbers_or_none(pairs):
    found = paired(*(np.array(side) for side in zip(*pairs, strict=True)))
    assert found.n == len(pairs)
    for value in (found.mean, found.lower, found.upper, found.p):
        assert value is None or math.isfinite(value)
    assert found.p is None or 0 < found.p <= 1
    assert found.needed is None or 2 <= found.needed <= MOST_NEURONS


def test_a_difference_of_just_a_tie_is_one_and_a_larger_one_is_not():
    found = paired([TIE, -TIE, 2 * TIE], [0.0, 0.0, 0.0])
    assert (found.wins, found.ties, found.losses) == (1, 2, 0)


def test_spearman_needs_three_neurons_and_a_spread_of_any_size():
    assert spearman([1, 2, 3], [1, 2, 3]) == pytest.approx(1.0)
    assert spearman([0.1, 0.2, 0.3], [0.3, 0.2, 0.1]) == pytest.approx(-1.0)
    assert spearman([1, 2, 3], [0.5, 0.5, 0.5]) is None
    assert spearman([0, 0.5, 1], [0, 0.5, 1]) == pytest.approx(1.0)


def test_an_interval_needs_two_neurons_and_a_spread_of_any_size():
    low, high = mean_interval([0.25, 0.75])
    assert 0.25 <= low < high <= 0.75
    low, high = mean_interval([0.1, 0.2, 0.3])
    assert low < 0.2 < high
    low, high = mean_interval([0.0, 1.0])
    assert 0 <= low < high <= 1
    assert mean_interval([0.25, 0.25]) == (0.25, 0.25)
    assert mean_interval([0.25]) is None


def test_two_neurons_widen_as_the_t_distribution_says():
    reach = math.sqrt(2) * scipy_stats.t.ppf(0.975, 1)
    assert widened_level(2) == pytest.approx(1 - 2 * scipy_stats.norm.sf(reach))
    assert widened_level(1) == 0.95


@pytest.mark.parametrize("bad", [[0.1, float("nan")], [[0.1, 0.2]], [float("inf"), 1, 2]])
def test_an_interval_of_what_is_not_finite_or_flat_is_refused(bad):
    with pytest.raises(ValueError, match=r"finite numbers of shape \[N\]"):
        mean_interval(bad)


def test_numbers_may_come_as_integers():
    assert paired([1, 0, 2], [0, 0, 0]).mean == 1.0
    assert estimate([0, 1]).mean == 0.5


def test_what_a_published_interval_was_drawn_with_stays():
    """Another seed or number of resamples would move every interval that was ever reported."""
    level = widened_level(60)
    drawn = scipy_stats.bootstrap(
        (np.sort(SCORES),),
        np.mean,
        confidence_level=level,
        n_resamples=10_000,
        batch=1_000,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    assert mean_interval(SCORES) == (float(drawn.low), float(drawn.high))


def test_without_a_difference_the_power_is_the_significance_at_any_number_of_neurons():
    for n in (2, 3, 10):
        assert power(0.0, n) == pytest.approx(0.05)


def test_the_neurons_needed_depend_on_the_difference_relative_to_its_spread():
    assert neurons_needed(7 * with_effect(0.5)) == 34
    assert neurons_needed(with_effect(0.5) / 7) == 34


def test_two_neurons_can_tell_how_many_are_needed_and_rounding_cannot():
    effect = 0.5 / np.std([0.4, 0.6], ddof=1)
    assert power(effect, 2) < 0.8 <= power(effect, 3)
    assert neurons_needed([0.4, 0.6]) == 3
    assert neurons_needed([1e-12, 1e-12]) is None
    assert MOST_NEURONS == 10_000_000
