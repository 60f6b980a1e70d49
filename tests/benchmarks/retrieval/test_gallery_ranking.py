"""Rough cosines, made exact where an order hangs on them, give the ranks of exact ones."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.metrics.retrieval_metrics import NDCG, ndcg, rank_metrics
from benchmarks.retrieval import gallery_ranking
from benchmarks.retrieval.gallery_ranking import COSINE_STEP, cosine_tiles, exact_steps, search


def unit_vectors(n, size=64, seed=0, spread=1.0):
    rng = np.random.default_rng(seed)
    vectors = (rng.normal(size=size) + spread * rng.normal(size=(n, size))).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def exact(queries, candidates):
    """Every cosine in whole steps, one by one."""
    return np.array([[np.rint(float(np.dot(q, c)) / COSINE_STEP) for c in candidates.astype(float)] for q in
                     queries.astype(float)])  # fmt: skip


@pytest.mark.parametrize("size", [1, 8, 384])
def test_rough_cosines_are_off_by_the_margin_at_most_and_sharp_ones_by_nothing(size):
    queries, candidates = unit_vectors(40, size), unit_vectors(50, size, seed=1)
    expected = exact(queries, candidates)
    near = np.random.default_rng(0).random(expected.shape) < 0.02
    for tile in cosine_tiles(queries, candidates):
        assert np.abs(tile.scores - expected[tile.rows]).max() <= tile.margin
        found = tile.sharpened(near[tile.rows])
        np.testing.assert_array_equal(found[near[tile.rows]], expected[tile.rows][near[tile.rows]])


def test_pairs_are_summed_alike_in_parts(monkeypatch):
    a, b = unit_vectors(100), unit_vectors(100, seed=1)
    whole = exact_steps(a, b)
    monkeypatch.setattr(gallery_ranking, "PAIRS_AT_ONCE", 7)
    np.testing.assert_array_equal(exact_steps(a, b), whole)
    np.testing.assert_array_equal(whole, np.diag(exact(a, b)))
    assert exact_steps(a[:0], b[:0]).shape == (0,)


@pytest.mark.parametrize("spread", [1.0, 1e-3, 1e-6, 0.0])
@pytest.mark.parametrize("n_labels", [3, 40, 120])
def test_search_gives_the_metrics_of_exact_cosines(spread, n_labels, monkeypatch):
    """From spread-out embeddings to ones that are all the same; from many positives a query to one."""
    monkeypatch.setattr(gallery_ranking, "TILE_ENTRIES", 1000)
    queries, candidates = unit_vectors(60, spread=spread), unit_vectors(120, seed=1, spread=spread)
    candidates[:30] = candidates[30:60]
    labels = np.arange(120) % n_labels
    asked = labels[:60]
    relevance = np.round(np.random.default_rng(3).random((60, 120)), 1)
    relevance[:, 5] = np.nan
    relevance[7] = np.nan
    found = search(queries, candidates, asked, labels, lambda rows: relevance[rows], np.ones(60))
    scores = exact(queries, candidates)
    expected = rank_metrics(scores, asked[:, None] == labels)
    expected[NDCG], expected[f"{NDCG}/chance"] = ndcg(scores, relevance)
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)


def test_tiles_cover_all_queries_whatever_their_size(monkeypatch):
    queries, candidates = unit_vectors(37, 8), unit_vectors(11, 8, seed=1)
    monkeypatch.setattr(gallery_ranking, "TILE_ENTRIES", 100)
    tiles = list(cosine_tiles(queries, candidates))
    assert max(tile.scores.size for tile in tiles) <= 100
    assert np.concatenate([np.arange(37)[tile.rows] for tile in tiles]).tolist() == list(range(37))


def test_equal_embeddings_tie_wherever_they_stand():
    queries = unit_vectors(50, 384)
    copies = np.repeat(queries[:1], 301, axis=0)
    found = search(queries, copies, np.zeros(50, int), np.arange(301), lambda rows: np.ones((len(queries[rows]), 301)),
                   np.ones(50))  # fmt: skip
    assert (found["median_rank"] == 301).all(), "the one positive stands behind all that tie with it"
