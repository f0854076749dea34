"""The numbers of a score against numpy and scikit-learn written out by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score

from neuron_eval.records import ActivationRecord, Excerpt
from neuron_eval.simulation import Failed, Simulated
from neuron_eval.simulation.expected import expectation, level_masses, level_of
from neuron_eval.simulation.measure import check_calibration, measure
from neuron_eval.stats import (
    absolute_deviation_explained,
    fit_linear,
    fit_percentiles,
    mean_interval,
    pearson,
    r_squared,
)

RNG = np.random.default_rng(3)
TRUE = RNG.normal(size=40)
PREDICTED = 0.7 * TRUE + RNG.normal(scale=0.5, size=40)


def test_correlation_agrees_with_the_definition():
    t, p = TRUE - TRUE.mean(), PREDICTED - PREDICTED.mean()
    by_hand = (t * p).sum() / math.sqrt((t**2).sum() * (p**2).sum())
    assert pearson(TRUE, PREDICTED) == pytest.approx(by_hand, abs=1e-12)


def test_explained_variance_and_deviation_agree_with_the_definitions():
    assert r_squared(TRUE, PREDICTED) == pytest.approx(
        1 - np.mean((TRUE - PREDICTED) ** 2) / np.mean(TRUE**2), abs=1e-12
    )
    assert absolute_deviation_explained(TRUE, PREDICTED) == pytest.approx(
        1 - np.mean(np.abs(TRUE - PREDICTED)) / np.mean(np.abs(TRUE)), abs=1e-12
    )
    centred = TRUE - TRUE.mean()
    assert r_squared(centred, PREDICTED) == pytest.approx(r2_score(centred, PREDICTED), abs=1e-12)


def test_the_calibration_line_is_least_squares():
    line = fit_linear(TRUE, PREDICTED)
    by_hand = np.polyfit(PREDICTED, TRUE, 1)
    sklearn = LinearRegression().fit(PREDICTED[:, None], TRUE)
    assert (line.slope, line.intercept) == pytest.approx(tuple(by_hand), abs=1e-10)
    assert line([2.0])[0] == pytest.approx(sklearn.predict([[2.0]])[0], abs=1e-10)


@pytest.mark.parametrize(
    ("true", "predicted"),
    [([1, 1, 1], [1, 2, 3]), ([1, 2, 3], [0, 0, 0]), ([1], [2]), ([], [])],
)
def test_a_constant_side_is_no_measurement(true, predicted):
    assert pearson(true, predicted) is None


@pytest.mark.parametrize("scale", [3e-177, 5e-324, 1e307])
def test_values_whose_squares_vanish_or_overflow_are_correlated_like_others(scale):
    true = [0.0, scale, 4 * scale, 2 * scale]
    assert pearson(true, [0, 1, 4, 2]) == pytest.approx(1)
    assert pearson([4, 2, 1, 0], true) == pytest.approx(pearson([4, 2, 1, 0], [0, 1, 4, 2]))


def test_no_line_fits_constant_predictions_and_nothing_explains_silence():
    assert fit_linear([1, 2], [3, 3]) is None


@pytest.mark.parametrize("scale", [1e-300, 1e300, 1.5e307])
def test_a_line_is_fitted_to_activations_of_any_range(scale):
    line = fit_linear([scale * value for value in TRUE], PREDICTED)
    plain = fit_linear(TRUE, PREDICTED)
    assert line.slope == pytest.approx(plain.slope * scale)
    assert line.intercept == pytest.approx(plain.intercept * scale)
    assert r_squared([0, 0], [1, 2]) is None
    assert absolute_deviation_explained([0, 0], [1, 2]) is None


def test_what_is_not_a_number_is_refused():
    with pytest.raises(ValueError, match="finite"):
        pearson([1, float("nan")], [1, 2])
    with pytest.raises(ValueError, match="one shape"):
        pearson([1, 2, 3], [1, 2])


@given(
    st.lists(st.floats(-50, 50), min_size=2, max_size=30),
    st.floats(0.1, 10),
    st.floats(-10, 10),
)
def test_correlation_does_not_depend_on_the_scale(values, slope, shift):
    true = np.round(values, 3)
    predicted = slope * true + shift
    if np.ptp(true) > 0:
        assert pearson(true, predicted) == pytest.approx(1, abs=1e-6)


def test_the_interval_is_seeded_and_holds_the_mean():
    values = list(RNG.normal(loc=0.4, size=50))
    low, high = mean_interval(values)
    assert (low, high) == mean_interval(values)
    assert low < np.mean(values) < high
    assert high - low == pytest.approx(2 * 1.96 * np.std(values) / math.sqrt(50), rel=0.15)
    assert mean_interval([0.5]) is None


def test_the_expected_activation_of_a_hand_made_distribution():
    candidates = [
        (" 1", math.log(0.2)),
        ("1", math.log(0.1)),  # a second way to write 1
        ("10", math.log(0.3)),
        ("0", math.log(0.1)),
        (" none", math.log(0.2)),  # not a level: leaves the normalisation
        ("11", math.log(0.1)),
        ("10", math.log(0.3)),  # the chosen token, listed again beside its alternatives
    ]
    masses = level_masses(candidates)
    assert masses == pytest.approx({0: 0.1, 1: 0.3, 10: 0.3})
    assert expectation(masses) == pytest.approx((0.3 * 1 + 0.3 * 10) / 0.7)
    assert expectation(level_masses([(" none", -0.1)])) is None


@pytest.mark.parametrize(
    ("candidate", "level"),
    [("7", 7), (" 7", 7), ("7\n", 7), (": 7", 7), ("Ġ7", 7), ("10", 10), ("11", None), ("7a", None),
     ("", None), ("-1", None), ("07", None), ("７", None)],
)  # fmt: skip
def test_which_candidates_write_a_level(candidate, level):
    assert level_of(candidate) == level


def excerpt(kind, index, *activations):
    tokens = tuple(f" t{i}" for i in range(len(activations)))
    return Excerpt(kind, index, ActivationRecord(tokens, tuple(map(float, activations))))


TOP, RANDOM = excerpt("top", 2, 5, 0, 1, 0), excerpt("random", 1, 0, 2, 0.5, 0)
FITTED = excerpt("top", 1, 4, 1, 0, 2)


def test_a_measurement_is_taken_over_the_concatenation_of_excerpts():
    first, second = (9.0, 1.0, 0.0, 0.0), (0.0, 3.0, 0.0, 1.0)
    line = (8.0, 3.0, 0.0, 1.0)
    result = measure(
        [(TOP, Simulated(first, "values")), (RANDOM, Simulated(second, "values"))],
        [(FITTED, Simulated(line, "values"))],
    )
    true = np.array([5, 0, 1, 0, 0, 2, 0.5, 0])
    predicted = np.array([*first, *second])
    assert result.correlation == pytest.approx(np.corrcoef(true, predicted)[0, 1])
    assert result.correlation_top == pytest.approx(np.corrcoef([5, 0, 1, 0], first)[0, 1])
    assert result.correlation_random == pytest.approx(np.corrcoef([0, 2, 0.5, 0], second)[0, 1])
    slope, intercept = np.polyfit(line, [4, 1, 0, 2], 1)
    calibrated = slope * predicted + intercept
    assert result.r_squared == pytest.approx(
        1 - np.mean((true - calibrated) ** 2) / np.mean(true**2)
    )
    assert result.absolute_deviation_explained == pytest.approx(
        1 - np.mean(np.abs(true - calibrated)) / np.mean(np.abs(true))
    )
    assert (result.tokens, result.failures, result.unscored_reason) == (8, (), "")


def test_a_failed_excerpt_is_left_out_and_counted_never_zero():
    values = Simulated((9.0, 1.0, 0.0, 0.0), "values")
    result = measure([(TOP, values), (RANDOM, Failed("excerpt random 1: no luck"))], [])
    assert result.correlation == result.correlation_top
    assert result.correlation_random is None
    assert result.failures == ("excerpt random 1: no luck",)
    assert result.calibration is None
    assert result.r_squared is None


def test_tokens_without_a_value_are_left_out_and_counted_never_zero():
    cut = (9.0, math.nan, 0.0, 1.0)
    result = measure(
        [
            (TOP, Simulated(cut, "values", problem="1 token")),
            (RANDOM, Simulated((0, 3, 0, 1), "v")),
        ],
        [(FITTED, Simulated((8.0, math.nan, 0.0, 1.0), "values", problem="1 token"))],
    )
    true, predicted = [5, 1, 0, 0, 2, 0.5, 0], [9, 0, 1, 0, 3, 0, 1]
    assert result.correlation == pytest.approx(np.corrcoef(true, predicted)[0, 1])
    assert (result.tokens, result.unread, result.calibration_unread) == (7, 1, 1)
    assert result.token_failures == ("excerpt top 2: 1 token",)
    assert result.failures == result.calibration_failures == ()
    slope, _ = np.polyfit([8, 0, 1], [4, 0, 2], 1)
    assert result.calibration.slope == pytest.approx(slope)


def test_an_ignored_token_needs_no_value():
    record = ActivationRecord(("<s>", "b", "c"), (-1.0, 5.0, 1.0), (0,))
    values = Simulated((math.nan, 9.0, 2.0), "values", problem="why")
    result = measure([(Excerpt("top", 7, record), values)], [])
    assert (result.tokens, result.unread, result.token_failures) == (2, 0, ())


def test_a_value_that_is_nan_for_no_reason_is_broken_machinery():
    with pytest.raises(ValueError, match=r"excerpt top 2: 1 of 4 values are NaN, and Simulated"):
        measure([(TOP, Simulated((9.0, math.nan, 0.0, 1.0), "values"))], [])


@pytest.mark.parametrize("ignored", [(), (3,)])
def test_an_excerpt_with_values_for_less_than_half_of_its_tokens_is_a_failure(ignored):
    record = ActivationRecord(("a", "b", "c", "d"), (5.0, 0.0, 1.0, 0.0), ignored)
    few = (9.0, math.nan, math.nan, math.nan if not ignored else 3.0)
    result = measure([(Excerpt("top", 7, record), Simulated(few, "values", problem="why"))], [])
    assert (result.scored, result.failures) == ((), ("excerpt top 7: why",))
    half = Simulated((9.0, math.nan, 2.0, math.nan), "values", problem="why")
    assert len(measure([(Excerpt("top", 7, record), half)], []).scored) == 1


@pytest.mark.parametrize(
    ("held_out", "reason"),
    [
        ([(TOP, Failed("x"))], "no held-out excerpt was simulated"),
        ([(TOP, Simulated((2.0,) * 4, "values"))], "simulated activations are all 2"),
        (
            [(excerpt("top", 2, 3, 3), Simulated((1.0, 2.0), "values"))],
            "true activations are all 3",
        ),
    ],
)
def test_what_cannot_be_measured_says_why(held_out, reason):
    result = measure(held_out, [])
    assert result.correlation is None
    assert reason in result.unscored_reason


def test_an_unknown_calibration_is_refused():
    with pytest.raises(
        ValueError, match=r"calibration='cubic': allowed are linear, percentiles, none"
    ):
        check_calibration("cubic")


ROUNDED = (2.9999999999999996, 3.0, 3.0000000000000004, 3.0)


def test_values_that_differ_by_rounding_alone_are_constant():
    assert pearson(ROUNDED, [0, 1, 2, 3]) is None
    assert pearson([0, 1, 2, 3], ROUNDED) is None
    assert pearson([0, 1, 2, 3], np.multiply(ROUNDED, 1e-150)) is None
    assert fit_linear([0, 1, 2, 3], ROUNDED) is None
    assert fit_percentiles([0, 1, 2, 3], ROUNDED) is None
    result = measure([(TOP, Simulated(ROUNDED, "log-probabilities"))], [])
    assert "the simulated activations are all 3" in result.unscored_reason
    # so little is still a difference
    assert pearson([3, 3 + 1e-9, 3 + 2e-9], [0, 1, 2]) == pytest.approx(1, abs=1e-6)


def test_predictions_become_the_truth_at_their_percentile():
    true, predicted = [30.0, 0.0, 10.0, 20.0], [4.0, 1.0, 2.0, 2.0]
    fitted = fit_percentiles(true, predicted)
    # The places of 1, 2, 2, 4 among four are 0, 1.5, 1.5, 3, those of the truth 0, 1, 2, 3.
    assert fitted([1, 2, 4]).tolist() == [0.0, 15.0, 30.0]
    assert fitted([0, 1.5, 3, 9]).tolist() == [0.0, 7.5, 22.5, 30.0]


def test_constant_predictions_and_none_have_no_percentiles_and_two_points_do():
    assert fit_percentiles([], []) is None
    assert fit_percentiles([1.0, 2.0, 3.0], [0.5, 0.5, 0.5]) is None
    assert fit_percentiles([5.0, 3.0], [1.0, 0.0])([0, 0.5, 1]).tolist() == [3.0, 4.0, 5.0]


def test_two_points_make_a_line():
    line = fit_linear([5.0, 3.0], [1.0, 0.0])
    assert (line.slope, line.intercept) == (pytest.approx(2), pytest.approx(3))


def test_nothing_explains_nothing():
    assert r_squared([], []) is None
    assert absolute_deviation_explained([], []) is None


def test_whole_numbers_are_squared_without_overflow():
    assert r_squared([10**10, 0], [0, 10**10]) == pytest.approx(-1)


def test_without_calibration_nothing_is_fitted_whatever_was_simulated():
    values = Simulated((9.0, 1.0, 0.0, 0.0), "values")
    result = measure([(TOP, values)], [(FITTED, values)], "none")
    assert (result.calibration, result.r_squared) == (None, None)
