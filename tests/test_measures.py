"""Every measure against scikit-learn, scipy and its own words: range, chance, when undefined."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from sklearn import metrics

from neuron_eval.measures import ALPHA, MEASURES, measures, threshold
from neuron_eval.stats import pearson

LABELLED = ("auprc", "f1", "iou", "auroc", "recall", "precision", "accuracy", "balanced_accuracy")
RANKED = ("spearman", "auprc", "auroc")

SKLEARN = {
    "auprc": metrics.average_precision_score,
    "auroc": metrics.roc_auc_score,
    "f1": metrics.f1_score,
    "iou": metrics.jaccard_score,
    "recall": metrics.recall_score,
    "precision": metrics.precision_score,
    "accuracy": metrics.accuracy_score,
    "balanced_accuracy": metrics.balanced_accuracy_score,
}


@st.composite
def compared(draw, levels=11):
    """True, predicted, active and weights of 2 to 40 tokens, with ties; some are active."""
    n = draw(st.integers(2, 40))
    whole = st.lists(st.integers(0, 10), min_size=n, max_size=n)
    true, weights = np.array(draw(whole)) / 2, 1.0 + np.array(draw(whole))
    predicted = np.array(draw(whole)) % levels / (levels - 1)
    active = np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    active[:2] = True, False
    return true, predicted, active, weights


def same(numbers, others):
    assert numbers.keys() == others.keys()
    for name, number in numbers.items():
        assert number == (None if others[name] is None else pytest.approx(others[name], abs=1e-9))


@given(compared())
def test_each_measure_stays_in_its_range_and_is_not_undefined_where_it_says_it_is_defined(of):
    for arrays in (of, of[:3]):
        numbers = measures(*arrays)
        assert list(numbers) == list(MEASURES)
        for name, number in numbers.items():
            measure = MEASURES[name]
            assert number is None or measure.low <= number <= measure.high
        assert all(numbers[name] is not None for name in LABELLED if name != "precision")


@given(compared(levels=2))
def test_hard_predictions_get_the_values_of_scikit_learn(of):
    _, predicted, active, weights = of
    for sample_weight in (None, weights):
        numbers = measures(*of[:3], sample_weight)
        for name, function in SKLEARN.items():
            if name != "precision" or predicted.any():
                expected = function(active, predicted, sample_weight=sample_weight)
                assert numbers[name] == pytest.approx(expected, abs=1e-9), name


@given(compared())
def test_correlations_and_cosine_are_those_of_numpy_and_scipy(of):
    true, predicted, _, _ = of
    numbers = measures(*of[:3])
    assert numbers["pearson"] == pearson(true, predicted)
    if np.ptp(true) and np.ptp(predicted):
        rho = scipy_stats.spearmanr(true, predicted).statistic
        assert numbers["spearman"] == pytest.approx(rho, abs=1e-9)
    if true.any() and predicted.any():
        (row,) = metrics.pairwise.cosine_similarity([true], [predicted])
        assert numbers["cosine"] == pytest.approx(row[0], abs=1e-9)


@given(compared())
def test_a_whole_weight_is_as_much_as_so_many_copies_of_the_token(of):
    *arrays, weights = of
    copies = [np.repeat(array, weights.astype(int)) for array in arrays]
    same(measures(*arrays, weights), measures(*copies))


@given(compared(), st.floats(1e-6, 1e6))
def test_only_the_ratios_of_weights_count_and_tokens_of_weight_0_do_not(of, factor):
    *arrays, weights = of
    same(measures(*arrays, weights * factor), measures(*arrays, weights))
    same(measures(*arrays, np.ones_like(weights) * factor), measures(*arrays))
    longer = [np.append(array, array[:3]) for array in arrays]
    same(measures(*longer, np.append(weights, [0, 0, 0][: len(weights)])), measures(*of))


@given(compared(), st.floats(0.01, 100), st.floats(-5, 5))
def test_measures_ignore_what_they_should(of, factor, shift):
    true, predicted, active, weights = of
    numbers = measures(*of)

    def kept(names, other_true, other_predicted):
        others = measures(other_true, other_predicted, active, weights)
        same({name: numbers[name] for name in names}, {name: others[name] for name in names})

    kept(LABELLED, np.roll(true, 1), predicted)
    kept(RANKED, true, np.exp(predicted * 3))
    kept(("spearman",), true**3, predicted)
    kept(("pearson", "spearman"), factor * true + shift, predicted)
    kept(("pearson", "spearman", "auprc", "auroc"), true, factor * predicted + shift)
    kept(("cosine",), factor * true, predicted / factor)


@given(compared())
def test_a_perfect_prediction_gets_the_highest_value(of):
    _, _, active, weights = of
    numbers = measures(active, active, active, weights)
    same(numbers, {name: measure.high for name, measure in MEASURES.items()})


@given(
    st.lists(st.tuples(st.integers(1, 9), st.booleans()), min_size=2, max_size=8),
    st.lists(st.integers(0, 10), min_size=2, max_size=8),
)
def test_a_prediction_independent_of_the_truth_gets_the_value_of_chance(rows, levels):
    """Every true value meets every prediction once, so the two are independent exactly."""
    (true, active), p = np.array(rows).T, np.array(levels) / 10
    active = active.astype(bool)
    t, a = np.repeat(true, len(p)), np.repeat(active, len(p))
    numbers = measures(t, np.tile(p, len(true)), a)
    s, q = active.mean(), p.mean()
    chance = {
        "pearson": 0,
        "spearman": 0,
        "cosine": true.mean() * q / np.sqrt((true**2).mean() * (p**2).mean() or 1),
        "auprc": s,
        "f1": 2 * s * q / (s + q or 1),
        "iou": s * q / (s + q - s * q or 1),
        "auroc": 0.5,
        "recall": q,
        "precision": s,
        "accuracy": s * q + (1 - s) * (1 - q),
        "balanced_accuracy": 0.5,
    }
    assert chance.keys() == numbers.keys()
    for name, number in numbers.items():
        assert number is None or number == pytest.approx(chance[name], abs=1e-9), name


T, A = np.array([0.0, 0.0, 3.0, 1.0]), np.array([False, False, True, False])
P = np.array([0.1, 0.0, 0.9, 0.3])
CORRELATIONS = {"pearson", "spearman"}


@pytest.mark.parametrize(
    ("true", "predicted", "active", "undefined"),
    [
        (T, P, A, set()),
        (T, P, A & False, set(LABELLED)),
        (T, P, A | True, set(LABELLED)),
        (T, np.zeros(4), A, {*CORRELATIONS, "cosine", "precision"}),
        (T, np.full(4, 0.3), A, CORRELATIONS),
        (T, np.array([0.1 + 0.2, 0.3, 0.3, 0.3]), A, CORRELATIONS),
        (np.zeros(4), P, A & False, set(MEASURES)),
        (np.ones(4), P, A, CORRELATIONS),
        (np.array([]), np.array([]), np.array([], dtype=bool), set(MEASURES)),
        (np.array([1.0]), np.array([1.0]), np.array([True]), set(MEASURES) - {"cosine"}),
    ],
)
def test_what_is_undefined_is_none_for_any_weights_and_with_no_warning(
    true, predicted, active, undefined
):
    for weights in (None, np.ones(true.size), np.arange(1, true.size + 1)):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            numbers = measures(true, predicted, active, weights)
        assert {name for name, number in numbers.items() if number is None} == undefined


def test_no_prediction_at_all_misses_every_active_token():
    numbers = measures(T, np.zeros(4), A)
    assert [numbers[name] for name in ("f1", "iou", "recall", "auroc", "auprc")] == [
        0, 0, 0, 0.5, 0.25,
    ]  # fmt: skip


def test_saying_yes_to_everything_is_balanced_out_but_not_seen_by_recall():
    numbers = measures(T, np.ones(4), A)
    assert (numbers["recall"], numbers["balanced_accuracy"]) == (1, 0.5)


def test_predictions_between_0_and_1_are_counted_in_part_and_what_lies_beyond_is_clipped():
    numbers = measures([0, 0, 5, 5], [-0.2, 0.5, 0.25, 1.7], [False, False, True, True])
    assert numbers["recall"] == pytest.approx(1.25 / 2)
    assert numbers["precision"] == pytest.approx(1.25 / 1.75)
    assert numbers["f1"] == pytest.approx(2 * 1.25 / (2 + 1.75))
    assert numbers["iou"] == pytest.approx(1.25 / (2 + 1.75 - 1.25))
    assert numbers["accuracy"] == pytest.approx((1.25 + 1 + 0.5) / 4)


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_the_size_of_activations_changes_nothing(scale):
    same(measures(T * scale, P, A), measures(T, P, A))
    same(measures(T * scale, P, A, [1, 2, 3, 4]), measures(T, P, A, [1, 2, 3, 4]))


@pytest.mark.parametrize(
    ("arrays", "match"),
    [
        (([1, 2], [1], [True, False]), "one shape"),
        (([[1, 2]], [[1, 2]], [[True, False]]), "one shape"),
        (([1, 2], [1, 2], [True, False], [1]), "one shape"),
        (([1, float("nan")], [1, 2], [True, False]), "finite"),
        (([1, 2], [1, 2], [True, False], [1, float("inf")]), "finite"),
        (([1, 2], [1, 2], [True, False], [1, -1]), "at least 0"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(arrays, match):
    with pytest.raises(ValueError, match=match):
        measures(*arrays)


def test_the_recorded_boundary_at_the_level_is_the_threshold_where_levels_reach_it():
    natural = np.arange(100.0)
    boundaries = {"levels": (0.9, 0.99, 0.999), "boundaries": (1.0, 2.0, 3.0)}
    assert threshold(natural, **boundaries, alpha=0.001) == pytest.approx(3)
    assert threshold(natural, **boundaries, alpha=0.01) == pytest.approx(2)
    assert threshold(natural, **boundaries, alpha=0.1) == pytest.approx(1)
    assert threshold(natural, **boundaries, alpha=0.5) == 1
    assert threshold(natural, **boundaries) == pytest.approx(2 + np.log10(2))
    assert threshold(natural, levels=(0.9, 0.99), boundaries=(1, 2)) == 98
    assert threshold(natural, levels=(0.999,), boundaries=(-0.1,)) == 0
    assert threshold(natural, boundaries=(1, 2, 3)) == 98


@given(
    st.lists(st.tuples(st.integers(-3, 9), st.integers(1, 9)), min_size=1, max_size=60),
    st.sampled_from([ALPHA, 0.1, 0.5]),
)
def test_the_fewest_tokens_that_make_up_the_share_are_active_and_none_at_0_or_below(rows, alpha):
    true, weights = np.array(rows).T
    above = threshold(true, weights, alpha=alpha)
    assert above >= 0
    shares = weights / weights.sum()
    for value in np.unique(true[true > above]):  # to leave out the lowest active ones is too few
        assert shares[true > value].sum() < alpha
    if shares[true > 0].sum() >= alpha:
        assert shares[true > above].sum() >= alpha - 1e-9
    else:
        assert above == 0


@pytest.mark.parametrize(
    ("natural", "active"),
    [
        ([], 0),
        ([0.0] * 50, 0),
        ([-1.0] * 50, 0),
        ([2.0] * 50, 50),
        ([0.0] * 999 + [0.1], 1),
        ([0.0] * 980 + [1.0] * 10 + [2.0] * 10, 10),
        ([0.0] * 980 + [*range(1, 21)], 5),
    ],
)
def test_of_a_silent_neuron_nothing_is_active_and_ties_are_active_together(natural, active):
    assert int(sum(value > threshold(natural) for value in natural)) == active


def test_each_measure_is_described_in_words():
    for name, measure in MEASURES.items():
        texts = (measure.label, measure.formula, measure.chance, measure.undefined)
        assert all((*texts, measure.unnoticed)), name
