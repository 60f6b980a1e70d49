"""Every public metric refuses a score that is not finite, wherever it stands; undefined items keep their NaN."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from bootstrap_oracles import patient_bootstrap

from benchmarks.metrics import class_metrics, curve_metrics
from benchmarks.metrics.class_metrics import ece_resampler, hard_resampler
from benchmarks.metrics.curve_metrics import rank_resampler
from benchmarks.metrics.mask_metrics import dice_scores, lesion_f1, score_masks
from benchmarks.metrics.resampling import Table, check_finite, check_no_infinity, resampler_of, side_by_side
from benchmarks.metrics.retrieval_metrics import rank_metrics
from benchmarks.retrieval.gallery_ranking import exact_steps, search
from benchmarks.retrieval.relevance import Relevance
from benchmarks.statistics.pool_statistics import STATISTICS, resampler_for
from benchmarks.statistics.significance import friedman_ranks, sign_flip
from selip.system.errors import InputError

BROKEN = (np.nan, np.inf, -np.inf)
N = 6
ONES, CODES = np.ones(N), np.arange(N)
TRUTH = np.array([0.0, 1.0] * (N // 2))


def unit(scores):
    vectors = np.ones((N, 2)) / np.sqrt(2)
    return vectors * np.where(np.isfinite(scores), 1.0, scores)[:, :2]


def by_name(statistic, column):
    frame = pd.DataFrame({"patient_id": CODES.astype(str), "weight": 1.0, "truth": TRUTH, "truth:x": TRUTH})
    frame["predicted"] = column
    frame["score:x"] = column
    return resampler_for(frame.assign(**{statistic: column}), statistic, statistic)


def retrieval(volumes, texts):
    return search(unit(volumes), unit(texts), CODES, Relevance(np.eye(N), np.eye(N), CODES), ONES)


METRICS = {
    "rank_metrics": lambda scores: rank_metrics(CODES, scores[:, 0], CODES + 1),
    "search, volumes": lambda scores: retrieval(scores, np.ones((N, N))),
    "search, texts": lambda scores: retrieval(np.ones((N, N)), scores),
    "exact_steps": lambda scores: exact_steps(unit(scores), unit(np.ones((N, N)))),
    "auroc": lambda scores: rank_resampler(TRUTH[:, None], scores[:, :1], ONES, CODES, curve_metrics.auroc),
    "auprc": lambda scores: rank_resampler(TRUTH[:, None], scores[:, :1], ONES, CODES, curve_metrics.auprc),
    "ece": lambda scores: ece_resampler(TRUTH[:, None], scores[:, :1], ONES, CODES),
    "accuracy": lambda scores: hard_resampler(TRUTH, scores[:, 0], ONES, CODES, class_metrics.accuracy),
    "friedman": lambda scores: friedman_ranks(pd.DataFrame(scores)),
    "sign_flip": lambda scores: sign_flip(scores[:, 0]),
}
BY_NAME = [name for name in STATISTICS if name not in {"mean", "median"}]


@pytest.mark.parametrize("value", BROKEN)
@pytest.mark.parametrize("place", [(0, 0), (3, 0), (N - 1, 0)])
@pytest.mark.parametrize("name", METRICS)
def test_a_metric_takes_finite_scores_and_refuses_one_that_is_not(name, place, value):
    scores = np.full((N, N), 0.5)
    METRICS[name](scores)
    scores[place] = value
    with pytest.raises(InputError, match=r"finite|probabilit|no score"):
        METRICS[name](scores)


@pytest.mark.parametrize("value", BROKEN)
@pytest.mark.parametrize("statistic", BY_NAME)
def test_a_statistic_by_name_refuses_too(statistic, value):
    column = TRUTH.copy()
    by_name(statistic, column)
    column[2] = value
    with pytest.raises(InputError, match=r"finite|probabilit"):
        by_name(statistic, column)


@pytest.mark.parametrize("statistic", ["mean", "median"])
def test_a_mean_leaves_undefined_items_out_and_refuses_infinite_ones(statistic):
    values = np.array([1.0, np.nan, 3.0, 1.0, 1.0, 1.0])
    known = np.isfinite(values)
    whole = patient_bootstrap(values, ONES, CODES, 10, statistic=statistic).value
    assert whole == patient_bootstrap(values[known], ONES[known], CODES[known], 10, statistic=statistic).value
    values[1] = -np.inf
    table = Table(values[:, None], ONES, CODES)
    for refuses in (lambda: resampler_of(*table, statistic), lambda: side_by_side([table], statistic)):
        with pytest.raises(InputError, match="1 of 6 scores that are infinite"):
            refuses()


def test_an_item_of_unknown_truth_needs_no_score():
    truth = np.where(CODES == 2, np.nan, TRUTH)
    scores = np.where(CODES == 2, np.nan, 0.5)
    once = np.ones((1, N))
    assert rank_resampler(truth[:, None], scores[:, None], ONES, CODES, curve_metrics.auroc)(once) == 0.5
    assert np.isfinite(ece_resampler(truth[:, None], scores[:, None], ONES, CODES)(once))
    assert np.isfinite(hard_resampler(truth, scores, ONES, CODES, class_metrics.accuracy)(once))


@pytest.mark.parametrize("metric", [dice_scores, lesion_f1])
def test_masks_with_numbers_in_them_are_refused(metric):
    masks = np.full((2, 3, 3), np.nan)
    with pytest.raises(InputError, match="masks of float64"):
        metric(masks, np.zeros((2, 3, 3), bool))
    with pytest.raises(InputError, match="masks of bool and float64"):
        score_masks(np.zeros((1, 2, 3, 3), bool), masks[None], (1, 1, 1))
    with pytest.raises(InputError, match="spacing_mm"):
        score_masks(np.zeros((1, 2, 3, 3), bool), np.zeros((1, 2, 3, 3), bool), (1, np.nan, 1))


def test_the_line_counts_what_is_lost():
    with pytest.raises(InputError, match=r"^got 2 of 4 scores that are not finite; score every item"):
        check_finite([[1, np.nan], [np.inf, 0]], "scores")
    check_finite(np.zeros((0, 3)), "scores")
    check_finite([1, 2], "scores")
    check_no_infinity([np.nan, 1.0], "scores")
