from __future__ import annotations

import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import binary_calibration_error, multiclass_calibration_error

from benchmarks.metrics import curve_metrics
from benchmarks.metrics.class_metrics import (
    accuracy,
    balanced_accuracy,
    defined_mean,
    ece_resampler,
    hard_resampler,
    macro_f1,
    mcc,
    ratio,
)
from benchmarks.metrics.curve_metrics import auprc, auroc, rank_resampler
from selip.system.errors import InputError


def rank_value(metric, truths, scores, weights=None, counts=None):
    truths, scores = (np.asarray(table, float).reshape(len(table), -1) for table in (truths, scores))
    weights = np.ones(len(truths)) if weights is None else np.asarray(weights, float)
    counts = np.ones(len(truths)) if counts is None else np.asarray(counts, float)
    return float(rank_resampler(truths, scores, weights, np.arange(len(truths)), metric)(counts[None])[0, 0])


def ece(truths, scores, weights=None):
    truths, scores = (np.asarray(table, float).reshape(len(table), -1) for table in (truths, scores))
    weights = np.ones(len(truths)) if weights is None else np.asarray(weights, float)
    return float(ece_resampler(truths, scores, weights, np.arange(len(truths)))(np.ones((1, len(truths))))[0, 0])


def ece_by_loop(truths, scores, weights):
    """Guo et al. 2017, eq. 3: bins (lower, upper], 0 in the first."""
    gaps = 0.0
    for number in range(10):
        inside = [
            (row.max(), truth[row.argmax()], weight)
            for truth, row, weight in zip(truths, scores, weights, strict=True)
            if number / 10 < row.max() <= (number + 1) / 10 or (number == 0 and row.max() == 0)
        ]
        mass = sum(weight for *_, weight in inside)
        if mass:
            confidence = sum(c * weight for c, _, weight in inside) / mass
            right = sum(r * weight for _, r, weight in inside) / mass
            gaps += mass / weights.sum() * abs(confidence - right)
    return gaps


@pytest.mark.parametrize(
    ("metric", "truth", "scores", "expected"),
    [
        (auroc, [1, 0, 1, 0], [4, 3, 2, 1], 3 / 4),
        (auroc, [1, 0, 1, 0], [2, 2, 2, 1], (0.5 + 1 + 0.5 + 1) / 4),
        (auroc, [1, 0, 0], [-1, -2, -3], 1),
        (auprc, [1, 0, 1, 0], [4, 3, 2, 1], (1 + 2 / 3) / 2),
        (auprc, [1, 0, 1, 0], [2, 2, 2, 1], 2 / 3),
        (auprc, [0, 1, 0, 1, 0], [9, 8, 7, 7, 1], (1 / 2 + 2 / 4) / 2),
    ],
)
def test_worked_by_hand(metric, truth, scores, expected):
    assert rank_value(metric, truth, scores) == pytest.approx(expected, rel=1e-14)


HARMONIC = sum(1 / rank for rank in range(1, 101))


@pytest.mark.parametrize(
    ("metric", "of_ties", "of_luck"), [(auroc, 0.5, 0.5), (auprc, 0.3, 29 / 99 + 70 / (100 * 99) * HARMONIC)]
)
def test_laws(metric, of_ties, of_luck):
    """30 of 100 items are positive; a random order of few items has a little more precision than equal scores."""
    rng = np.random.default_rng(0)
    truth = rng.permutation(np.arange(100) < 30).astype(float)
    scores = rng.integers(-5, 5, 100) + truth
    found = rank_value(metric, truth, scores)
    assert rank_value(metric, truth, truth) == 1
    assert rank_value(metric, truth, np.zeros(100)) == pytest.approx(of_ties, rel=1e-14)
    many = [rank_value(metric, truth, rng.random(100)) for _ in range(300)]
    assert np.mean(many) == pytest.approx(of_luck, abs=0.01)
    order = rng.permutation(100)
    assert rank_value(metric, truth[order], scores[order]) == pytest.approx(found)
    assert rank_value(metric, truth, np.exp(scores / 3)) == pytest.approx(found)
    copies = rng.integers(1, 4, 100)
    written_out = rank_value(metric, np.repeat(truth, copies), np.repeat(scores, copies))
    assert rank_value(metric, truth, scores, weights=copies) == pytest.approx(written_out)
    assert rank_value(metric, truth, scores, counts=copies) == pytest.approx(written_out)
    assert rank_value(metric, np.r_[truth, np.nan], np.r_[scores, 99]) == pytest.approx(found)


def test_auroc_mirrors():
    rng = np.random.default_rng(1)
    truth, scores = (rng.random(50) < 0.4).astype(float), rng.integers(0, 6, 50)
    found = rank_value(auroc, truth, scores)
    assert rank_value(auroc, truth, -scores) == pytest.approx(1 - found)
    assert rank_value(auroc, 1 - truth, scores) == pytest.approx(1 - found)


@pytest.mark.parametrize("metric", [auroc, auprc])
def test_single_precision_is_taken_only_where_it_rounds_nothing(monkeypatch, metric):
    rng = np.random.default_rng(0)
    truths, scores = (rng.random((300, 3)) < 0.3).astype(float), rng.integers(0, 40, (300, 3)).astype(float)
    codes = np.arange(300) // 2
    counts = rng.multinomial(150, np.full(150, 1 / 150), size=50).astype(float)
    uneven = np.where(codes % 3, 1.0, 1 / 3)
    single, of_uneven = (rank_resampler(truths, scores, weights, codes, metric) for weights in (uneven**0, uneven))
    monkeypatch.setattr(curve_metrics, "FLOAT32_WHOLE", 0)
    double, also = (rank_resampler(truths, scores, weights, codes, metric) for weights in (uneven**0, uneven))
    assert np.array_equal(single(counts), double(counts))
    assert np.array_equal(of_uneven(counts), also(counts))


@pytest.mark.parametrize("metric", [auroc, auprc])
def test_a_class_without_both_kinds_is_left_out_of_the_mean(metric):
    rng = np.random.default_rng(0)
    truths, scores = (rng.random((40, 4)) < 0.5).astype(float), rng.random((40, 4))
    truths[:, 1], truths[:, 2] = 0, 1
    alone = [rank_value(metric, truths[:, n], scores[:, n]) for n in range(4)]
    assert np.isnan(alone).tolist() == [False, True, True, False]
    assert rank_value(metric, truths, scores) == pytest.approx((alone[0] + alone[3]) / 2)
    counts = np.where(truths[:, 0] == 1, 1, 0)  # a resample that draws no negative of the first class
    expected = rank_value(metric, truths[:, 3], scores[:, 3], counts=counts)
    assert rank_value(metric, truths, scores, counts=counts) == pytest.approx(expected)


def test_calibration_worked_by_hand():
    assert ece([1, 1, 0, 0], [0.9, 0.8, 0.2, 0.1]) == pytest.approx((0.1 + 0.2 + 0.2 + 0.1) / 4)
    assert ece([1, 0, 0, 1, 0], [0.62, 0.64, 0.66, 0.68, 0.70]) == pytest.approx(0.66 - 2 / 5)  # one bin: (.6, .7]
    assert ece([1, 0], [1, 0]) == 0
    assert ece([0, 1], [1, 0]) == 1
    assert ece(np.eye(3), np.eye(3)) == 0
    assert ece([1, 0], [0.5, 0.5]) == 0
    assert ece([[1, 0], [0, 1]], [[0.6, 0.4], [0.5, 0.5]]) == pytest.approx((0.4 + 0.5) / 2)  # a tie: the first class


@pytest.mark.parametrize("n_classes", [1, 4])
def test_calibration_is_the_loop_and_nearly_torchmetrics(n_classes):
    rng = np.random.default_rng(n_classes)
    scores = rng.dirichlet(np.ones(max(2, n_classes)), 300)[:, :n_classes]
    picked = np.array(
        [rng.choice(len(row) + 1, p=np.r_[row, max(0, 1 - row.sum())] / max(1, row.sum())) for row in scores]
    )
    truths, weights = (picked[:, None] == np.arange(n_classes)).astype(float), rng.random(300) + 0.1
    assert ece(truths, scores, weights) == pytest.approx(ece_by_loop(truths, scores, weights), rel=1e-12)
    probabilities = torch.from_numpy(np.ascontiguousarray(scores))
    if n_classes == 1:
        oracle = binary_calibration_error(probabilities[:, 0], torch.from_numpy(truths[:, 0]).long(), n_bins=10)
    else:
        whole = picked < n_classes
        truths, scores, probabilities = truths[whole], scores[whole], probabilities[whole]
        labels = torch.from_numpy(picked[whole])
        oracle = multiclass_calibration_error(probabilities, labels, num_classes=n_classes, n_bins=10)
    assert ece(truths, scores) == pytest.approx(float(oracle), rel=1e-6)  # no score stands on the edge of a bin


def test_edges_belong_to_the_bin_below():
    tenths = np.arange(1, 11) / 10
    rng = np.random.default_rng(0)
    scores, truths = rng.choice(tenths, (200, 1)), rng.integers(0, 2, (200, 1)).astype(float)
    assert ece(truths, scores) == pytest.approx(ece_by_loop(truths, scores, np.ones(200)))
    halves = np.tile(tenths[:9, None] + (0.0, 0.05), 1).ravel()  # were .1 and .15 of one bin, 1 and 0 would cancel out
    assert ece(np.ones(18), halves) == pytest.approx(np.mean(1 - halves))
    assert ece(np.tile([1, 0], 9), halves) == pytest.approx(
        ece_by_loop(np.tile([[1], [0]], (9, 1)), halves[:, None], np.ones(18))
    )


def test_what_is_unknown_is_left_out_and_what_is_no_probability_refused():
    truths, scores = [[1, 0], [np.nan, 1], [0, np.nan]], [[0.8, 0.2], [0.9, 0.1], [0.7, np.nan]]
    assert ece(truths, scores) == pytest.approx((0.2 + 0.7) / 2)
    with pytest.raises(InputError, match=r"got a score of -0.2 for ece, no probability"):
        ece([1, 0], [0.5, -0.2])


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
def test_predicted_classes_worked_by_hand(formula, expected):
    assert value(formula, TRUTH, PREDICTED) == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("formula", FORMULAS)
def test_laws_of_predicted_classes(formula):
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
