from __future__ import annotations

import numpy as np
import pytest

from benchmarks.metrics.label_metrics import (
    accuracy,
    balanced_accuracy,
    defined_mean,
    hard_resampler,
    macro_f1,
    mcc,
    ratio,
)

FORMULAS = (accuracy, balanced_accuracy, macro_f1, mcc)
TRUTH, PREDICTED = np.array([0.0, 0, 0, 1, 1, 2]), np.array([0.0, 0, 1, 1, 2, 2])


def value(formula, truth, predicted, weights=None, counts=None):
    """Each item is a patient, drawn once unless counts say otherwise."""
    weights = np.ones(len(truth)) if weights is None else np.asarray(weights, float)
    counts = np.ones(len(truth)) if counts is None else np.asarray(counts, float)
    resampler = hard_resampler(truth, predicted, weights, np.arange(len(truth)), formula)
    return float(resampler(counts[None])[0, 0])


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        (accuracy, 4 / 6),
        (balanced_accuracy, (2 / 3 + 1 / 2 + 1) / 3),
        (macro_f1, (2 * 2 / 5 + 2 * 1 / 4 + 2 * 1 / 3) / 3),
        (mcc, (4 * 6 - (3 * 2 + 2 * 2 + 1 * 2)) / np.sqrt((36 - 14) * (36 - 12))),
    ],
)
def test_worked_by_hand(formula, expected):
    assert value(formula, TRUTH, PREDICTED) == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("formula", FORMULAS)
def test_laws(formula):
    rng = np.random.default_rng(0)
    truth, predicted = (rng.integers(0, 4, 60).astype(float) for _ in range(2))
    assert value(formula, truth, truth) == pytest.approx(1, abs=1e-15)
    found = value(formula, truth, predicted)
    order, names = rng.permutation(60), np.array([7.0, 3.0, 5.0, 1.0])
    assert value(formula, truth[order], predicted[order]) == pytest.approx(found)
    assert value(formula, names[truth.astype(int)], names[predicted.astype(int)]) == pytest.approx(found)
    copies = rng.integers(1, 4, 60)
    written_out = value(formula, np.repeat(truth, copies), np.repeat(predicted, copies))
    assert value(formula, truth, predicted, weights=copies) == pytest.approx(written_out)
    assert value(formula, truth, predicted, counts=copies) == pytest.approx(written_out)
    unknown = np.r_[truth, np.nan]
    assert value(formula, unknown, np.r_[predicted, 0.0]) == pytest.approx(found)
    assert value(formula, unknown, np.r_[predicted, 9.0]) == pytest.approx(found)


def test_guessing_is_worth_what_it_should():
    rng = np.random.default_rng(0)
    truth, guess = (rng.integers(0, 4, 20_000).astype(float) for _ in range(2))
    assert value(balanced_accuracy, truth, guess) == pytest.approx(0.25, abs=0.02)
    assert value(mcc, truth, guess) == pytest.approx(0, abs=0.02)
    one_answer = np.zeros(20_000)
    assert value(balanced_accuracy, truth, one_answer) == pytest.approx(0.25)
    assert value(mcc, truth, one_answer) == 0


def test_mcc_of_one_answer_is_zero_whatever_the_weights_round_to():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 30).astype(float)
    for weights in 1 / rng.integers(1, 50, (40, 30)):
        assert value(mcc, truth, np.zeros(30), weights) == 0
        assert value(mcc, np.zeros(30), truth, weights) == 0


def test_a_resample_knows_only_the_classes_it_draws():
    assert value(balanced_accuracy, TRUTH, PREDICTED, counts=[1, 1, 1, 0, 0, 0]) == pytest.approx(2 / 3)
    assert value(macro_f1, TRUTH, PREDICTED, counts=[1, 1, 1, 0, 0, 0]) == pytest.approx((4 / 5 + 0) / 2)
    for formula in FORMULAS:
        assert np.isnan(value(formula, np.r_[TRUTH, np.nan], np.r_[PREDICTED, 0.0], counts=[0, 0, 0, 0, 0, 0, 7]))


def test_quotients_and_means_of_nothing_are_unknown():
    np.testing.assert_array_equal(ratio(np.array([1.0, 0.0]), np.array([2.0, 0.0])), [0.5, np.nan])
    np.testing.assert_array_equal(defined_mean(np.array([[1.0, np.nan, 2.0], [np.nan] * 3])), [1.5, np.nan])
