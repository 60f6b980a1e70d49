from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import torch
from retrieval_oracles import metrics_by_loop, ndcg_by_loop, ranked
from sklearn.metrics import ndcg_score
from torchmetrics.functional import retrieval as oracle

from benchmarks.metrics import retrieval_metrics


def random_problem(rng, n_queries=30, n_candidates=25, ties=True):
    scores = rng.normal(size=(n_queries, n_candidates)) - 1.0
    if ties:
        scores = np.round(scores)
    positive = rng.random((n_queries, n_candidates)) < 0.2
    positive[np.arange(n_queries), rng.integers(0, n_candidates, n_queries)] = True
    return scores, positive


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("ties", [True, False])
def test_rank_metrics_equal_the_loop(seed, ties):
    scores, positive = random_problem(np.random.default_rng(seed), ties=ties)
    found = ranked(scores, positive)
    for query in range(len(scores)):
        expected = metrics_by_loop(scores[query], positive[query])
        assert {name: values[query] for name, values in found.items()} == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(3))
def test_rank_metrics_equal_torchmetrics_on_shifted_scores(seed):
    scores, positive = random_problem(np.random.default_rng(seed), ties=False)
    assert (scores < 0).mean() > 0.5
    found = ranked(scores, positive)
    shifted = torch.from_numpy(scores - scores.min() + 1)
    for query in range(len(scores)):
        one = (shifted[query], torch.from_numpy(positive[query]))
        for k in (1, 5, 10):
            assert found[f"R@{k}"][query] == pytest.approx(float(oracle.retrieval_hit_rate(*one, top_k=k)))
        assert found["MRR"][query] == pytest.approx(float(oracle.retrieval_reciprocal_rank(*one)))
        assert found["R-precision"][query] == pytest.approx(float(oracle.retrieval_r_precision(*one)))


def test_only_the_order_of_scores_counts():
    scores, positive = random_problem(np.random.default_rng(0))
    found = ranked(scores, positive)
    for other in (scores + 100, scores - 100, np.exp(scores), 1e-3 * scores):
        np.testing.assert_equal(ranked(other, positive), found)
    shuffled = np.random.default_rng(1).permutation(scores.shape[1])
    np.testing.assert_equal(ranked(scores[:, shuffled], positive[:, shuffled]), found)


def test_a_constant_score_gets_the_worst_rank():
    positive = np.zeros((1, 20), dtype=bool)
    positive[0, [0, 7]] = True
    found = ranked(np.zeros((1, 20)), positive)
    assert found["median_rank"] == 19
    assert found["R@10"] == found["mAP@R"] == found["R-precision"] == 0


def test_a_perfect_score_gets_one_everywhere():
    _, positive = random_problem(np.random.default_rng(0))
    for name, values in ranked(positive - 2.0, positive).items():
        np.testing.assert_array_equal(values, 1.0, err_msg=name)


def test_one_candidate_is_found_and_chance_says_so():
    found = ranked(np.array([[-0.5]]), np.array([[True]]))
    assert set(found) == set(retrieval_metrics.RANK_METRICS)
    assert all(values[0] == 1 for values in found.values())
    assert retrieval_metrics.chance(1, 1) == pytest.approx(
        {"R@1": 1, "R@5": 1, "R@10": 1, "MRR": 1, "mAP@R": 1, "R-precision": 1}
    )


@pytest.mark.parametrize("n_positives", [1, 2, 4, 6])
def test_chance_is_the_mean_over_all_orders(n_positives):
    n_candidates = 6
    orders = np.array(list(permutations(range(n_candidates))), dtype=float)
    positive = np.broadcast_to(np.arange(n_candidates) < n_positives, orders.shape)
    found = ranked(orders, positive)
    for name, expected in retrieval_metrics.chance(n_positives, n_candidates).items():
        assert found[name].mean() == pytest.approx(expected), name
    survival = [(found["median_rank"] > rank).mean() for rank in range(n_candidates + 1)]
    np.testing.assert_allclose(retrieval_metrics.first_rank_survival(n_positives, n_candidates), survival, atol=1e-12)


def test_chance_of_the_median_rank_is_the_median_of_the_mixture():
    rng = np.random.default_rng(0)
    n_positives, weights = np.array([1, 1, 3, 8]), np.array([1.0, 2.0, 1.0, 0.5])
    drawn = rng.choice(4, size=40_000, p=weights / weights.sum())
    ranks = [rng.permutation(20)[: n_positives[item]].min() + 1 for item in drawn]
    assert retrieval_metrics.chance_median_rank(n_positives, weights, 20) == np.median(ranks)
    assert retrieval_metrics.chance_median_rank(np.array([1]), np.array([1.0]), 9) == 5


def ndcg(scores, relevance, parts=1):
    """nDCG (Q,) of a table (Q, N), seen in some parts, and its chance; a candidate of unknown relevance has NaN."""
    known = np.flatnonzero(np.isfinite(relevance).all(axis=0))
    leaders = retrieval_metrics.Leaders(len(scores))
    for some in np.array_split(known, parts):
        query, place = np.divmod(np.arange(len(scores) * len(some)), max(1, len(some)))
        leaders.add(query, scores[query, some[place]], relevance[query, some[place]])
    bounds = retrieval_metrics.ideal_and_chance(relevance[:, known], np.ones(len(known), dtype=int))
    return tuple(leaders.ndcg(*bounds).values())


def test_ndcg_equals_scikit_learn_without_ties():
    rng = np.random.default_rng(0)
    scores, relevance = rng.normal(size=(20, 30)), rng.random((20, 30))
    found, _ = ndcg(scores, relevance)
    for query in range(20):
        expected = ndcg_score(relevance[None, query], scores[None, query], k=10, ignore_ties=True)
        assert found[query] == pytest.approx(expected)


@pytest.mark.parametrize("parts", [1, 3, 25])
@pytest.mark.parametrize("n_candidates", [1, 7, 25])
def test_ndcg_equals_the_loop_with_ties_and_in_parts(n_candidates, parts):
    rng = np.random.default_rng(0)
    scores, relevance = np.round(rng.normal(size=(30, n_candidates))), np.round(rng.random((30, n_candidates)), 1)
    relevance[:, 4:6] = np.nan
    relevance[3] = np.where(np.isnan(relevance[3]), np.nan, 0)
    found, _ = ndcg(scores, relevance, parts)
    np.testing.assert_allclose(found, [ndcg_by_loop(*row) for row in zip(scores, relevance, strict=True)])
    assert np.isnan(found[3])


def test_ndcg_is_one_for_the_ideal_order_and_ties_count_against_us():
    relevance = np.random.default_rng(0).random((5, 40))
    np.testing.assert_allclose(ndcg(relevance - 3, relevance)[0], 1)
    np.testing.assert_allclose(ndcg(np.zeros((5, 40)), relevance)[0], ndcg(-relevance, relevance)[0])


def test_ndcg_chance_is_the_mean_over_all_orders():
    orders = np.array(list(permutations(range(6))), dtype=float)
    relevance = np.broadcast_to([0.0, 0.2, 1.0, 0.5, np.nan, 0.0], orders.shape)
    found, chance = ndcg(orders, relevance)
    assert found.mean() == pytest.approx(chance[0])


def test_the_ideal_counts_each_kind_of_candidate_as_often_as_it_occurs():
    rng = np.random.default_rng(0)
    gain, count = np.round(rng.random((20, 6)), 1), np.array([1, 3, 12, 2, 1, 1])
    kinds = retrieval_metrics.ideal_and_chance(gain, count)
    spelt_out = retrieval_metrics.ideal_and_chance(np.repeat(gain, count, axis=1), np.ones(count.sum(), dtype=int))
    np.testing.assert_allclose(kinds, spelt_out)


def test_ndcg_leaves_unknown_candidates_out():
    rng = np.random.default_rng(0)
    scores, relevance = rng.normal(size=(4, 30)), rng.random((4, 30))
    with_unknown = np.concatenate([relevance, np.full((4, 5), np.nan)], axis=1)
    found = ndcg(np.concatenate([scores, np.full((4, 5), 9.0)], axis=1), with_unknown)
    np.testing.assert_allclose(found, ndcg(scores, relevance))
    assert np.isnan(ndcg(scores, np.full_like(scores, np.nan))[0]).all()
    assert np.isnan(ndcg(scores, np.zeros_like(scores))[0]).all()
