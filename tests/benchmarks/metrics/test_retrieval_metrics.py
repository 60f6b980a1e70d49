from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import torch
from sklearn.metrics import ndcg_score
from torchmetrics.functional import retrieval as oracle

from benchmarks.metrics import retrieval_metrics


def positives_by_loop(scores, positive):
    """Ranks of the positives of one query, written as the protocol says it: worst case among equals."""
    order = sorted(range(len(scores)), key=lambda n: (-scores[n], positive[n]))
    return [rank for rank, n in enumerate(order, start=1) if positive[n]]


def metrics_by_loop(scores, positive):
    ranks = positives_by_loop(scores, positive)
    count = len(ranks)
    found = {f"R@{k}": float(min(ranks) <= k) for k in (1, 5, 10)}
    found["median_rank"] = min(ranks)
    found["MRR"] = 1 / min(ranks)
    found["R-precision"] = sum(rank <= count for rank in ranks) / count
    found["mAP@R"] = sum(hits / rank for hits, rank in enumerate(ranks, start=1) if rank <= count) / count
    return found


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
    found = retrieval_metrics.rank_metrics(scores, positive)
    for query in range(len(scores)):
        expected = metrics_by_loop(scores[query], positive[query])
        assert {name: values[query] for name, values in found.items()} == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(3))
def test_rank_metrics_equal_torchmetrics_on_shifted_scores(seed):
    scores, positive = random_problem(np.random.default_rng(seed), ties=False)
    assert (scores < 0).mean() > 0.5
    found = retrieval_metrics.rank_metrics(scores, positive)
    shifted = torch.from_numpy(scores - scores.min() + 1)
    for query in range(len(scores)):
        one = (shifted[query], torch.from_numpy(positive[query]))
        for k in (1, 5, 10):
            assert found[f"R@{k}"][query] == pytest.approx(float(oracle.retrieval_hit_rate(*one, top_k=k)))
        assert found["MRR"][query] == pytest.approx(float(oracle.retrieval_reciprocal_rank(*one)))
        assert found["R-precision"][query] == pytest.approx(float(oracle.retrieval_r_precision(*one)))


def test_only_the_order_of_scores_counts():
    scores, positive = random_problem(np.random.default_rng(0))
    found = retrieval_metrics.rank_metrics(scores, positive)
    for other in (scores + 100, scores - 100, np.exp(scores), 1e-3 * scores):
        np.testing.assert_equal(retrieval_metrics.rank_metrics(other, positive), found)
    shuffled = np.random.default_rng(1).permutation(scores.shape[1])
    np.testing.assert_equal(retrieval_metrics.rank_metrics(scores[:, shuffled], positive[:, shuffled]), found)


def test_a_constant_score_gets_the_worst_rank():
    positive = np.zeros((1, 20), dtype=bool)
    positive[0, [0, 7]] = True
    found = retrieval_metrics.rank_metrics(np.zeros((1, 20)), positive)
    assert found["median_rank"] == 19
    assert found["R@10"] == found["mAP@R"] == found["R-precision"] == 0


def test_a_perfect_score_gets_one_everywhere():
    _, positive = random_problem(np.random.default_rng(0))
    for name, values in retrieval_metrics.rank_metrics(positive - 2.0, positive).items():
        np.testing.assert_array_equal(values, 1.0, err_msg=name)


def test_one_candidate_is_found_and_chance_says_so():
    found = retrieval_metrics.rank_metrics(np.array([[-0.5]]), np.array([[True]]))
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
    found = retrieval_metrics.rank_metrics(orders, positive)
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


def test_ndcg_equals_scikit_learn_without_ties():
    rng = np.random.default_rng(0)
    scores, relevance = rng.normal(size=(20, 30)), rng.random((20, 30))
    found, _ = retrieval_metrics.ndcg(scores, relevance)
    for query in range(20):
        expected = ndcg_score(relevance[None, query], scores[None, query], k=10, ignore_ties=True)
        assert found[query] == pytest.approx(expected)


def test_ndcg_is_one_for_the_ideal_order_and_ties_count_against_us():
    relevance = np.random.default_rng(0).random((5, 40))
    np.testing.assert_allclose(retrieval_metrics.ndcg(relevance - 3, relevance)[0], 1)
    np.testing.assert_allclose(
        retrieval_metrics.ndcg(np.zeros((5, 40)), relevance)[0], retrieval_metrics.ndcg(-relevance, relevance)[0]
    )


def test_ndcg_chance_is_the_mean_over_all_orders():
    orders = np.array(list(permutations(range(6))), dtype=float)
    relevance = np.broadcast_to([0.0, 0.2, 1.0, 0.5, np.nan, 0.0], orders.shape)
    found, chance = retrieval_metrics.ndcg(orders, relevance)
    assert found.mean() == pytest.approx(chance[0])


def test_ndcg_leaves_unknown_candidates_out():
    rng = np.random.default_rng(0)
    scores, relevance = rng.normal(size=(4, 30)), rng.random((4, 30))
    with_unknown = np.concatenate([relevance, np.full((4, 5), np.nan)], axis=1)
    found, chance = retrieval_metrics.ndcg(np.concatenate([scores, np.full((4, 5), 9.0)], axis=1), with_unknown)
    np.testing.assert_allclose(found, retrieval_metrics.ndcg(scores, relevance)[0])
    np.testing.assert_allclose(chance, retrieval_metrics.ndcg(scores, relevance)[1])
    nothing_known, _ = retrieval_metrics.ndcg(scores, np.full_like(scores, np.nan))
    nothing_relevant, _ = retrieval_metrics.ndcg(scores, np.zeros_like(scores))
    assert np.isnan(nothing_known).all()
    assert np.isnan(nothing_relevant).all()
