"""Rough cosines, made exact where an order hangs on them, give the ranks of exact ones."""

from __future__ import annotations

import numpy as np
import pytest
from retrieval_oracles import metrics_by_loop, ndcg_by_loop

from benchmarks.metrics import retrieval_metrics
from benchmarks.metrics.retrieval_metrics import NDCG
from benchmarks.retrieval import gallery_ranking
from benchmarks.retrieval.gallery_ranking import COSINE_STEP, cosine_tiles, exact_steps, search
from benchmarks.retrieval.relevance import Relevance


def unit_vectors(n, size=64, seed=0, spread=1.0):
    rng = np.random.default_rng(seed)
    vectors = (rng.normal(size=size) + spread * rng.normal(size=(n, size))).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def exact(queries, candidates):
    """Every cosine in whole steps, one by one."""
    return np.array([[np.rint(float(np.dot(q, c)) / COSINE_STEP) for c in candidates.astype(float)] for q in
                     queries.astype(float)])  # fmt: skip


@pytest.mark.parametrize("size", [1, 8, 384])
def test_rough_cosines_are_off_by_the_margin_at_most_and_exact_ones_by_nothing(size):
    queries, candidates = unit_vectors(40, size), unit_vectors(50, size, seed=1)
    expected = exact(queries, candidates)
    row, column = np.nonzero(np.random.default_rng(0).random(expected.shape) < 0.02)
    for tile in cosine_tiles(queries, candidates):
        assert np.abs(tile.scores - expected[tile.rows]).max() <= tile.margin
        np.testing.assert_array_equal(tile.exact(row, column), expected[tile.rows][row, column])


def test_pairs_are_summed_alike_in_parts(monkeypatch):
    a, b = unit_vectors(100), unit_vectors(100, seed=1)
    whole = exact_steps(a, b)
    monkeypatch.setattr(gallery_ranking, "PAIRS_AT_ONCE", 7)
    np.testing.assert_array_equal(exact_steps(a, b), whole)
    np.testing.assert_array_equal(whole, np.diag(exact(a, b)))
    assert exact_steps(a[:0], b[:0]).shape == (0,)


def truth_of(relevance, known_volumes):
    """Relevance as it is in a table (T, N); a text of unknown truth has NaN throughout."""
    n_volumes = relevance.shape[1]
    of_set = np.vstack([np.eye(n_volumes), np.full((1, n_volumes), np.nan)])
    return Relevance(relevance, of_set, np.where(known_volumes, np.arange(n_volumes), n_volumes))


@pytest.mark.parametrize("spread", [1.0, 1e-3, 1e-6, 0.0])
@pytest.mark.parametrize("n_texts", [3, 40, 120])
@pytest.mark.parametrize("known", [True, False])
def test_search_gives_the_metrics_of_exact_cosines(spread, n_texts, known, monkeypatch):
    """From spread-out embeddings to ones that are all the same; from many volumes a text to one."""
    monkeypatch.setattr(gallery_ranking, "TILE_ENTRIES", 1900)
    monkeypatch.setattr(retrieval_metrics, "PIECE_ENTRIES", 500)
    monkeypatch.setattr(gallery_ranking, "COUNTED_POSITIVES", 2)
    volumes, texts = unit_vectors(120, spread=spread), unit_vectors(n_texts, seed=1, spread=spread)
    volumes[:30] = volumes[30:60]
    label = np.random.default_rng(2).permutation(np.arange(120) % n_texts)
    relevance, known_volumes = np.round(np.random.default_rng(3).random((n_texts, 120)), 1), np.arange(120) % 7 != 5
    relevance[[1, *range(20 if known else 0, n_texts)]] = np.nan
    found = search(volumes, texts, label, truth_of(relevance, known_volumes), np.ones(120))
    scores, positive = exact(volumes, texts), label[:, None] == np.arange(n_texts)
    gains = np.where(known_volumes, relevance, np.nan).T
    for columns, table in zip(found, ((scores, positive, gains), (scores.T, positive.T, gains.T)), strict=True):
        for query, (own_scores, own_positive, own_gains) in enumerate(zip(*table, strict=True)):
            expected = metrics_by_loop(own_scores, own_positive) | {NDCG: ndcg_by_loop(own_scores, own_gains)}
            values = {name: columns[name][query] for name in expected}
            assert values == pytest.approx(expected, nan_ok=True), query


def test_tiles_cover_all_queries_whatever_their_size(monkeypatch):
    queries, candidates = unit_vectors(37, 8), unit_vectors(11, 8, seed=1)
    monkeypatch.setattr(gallery_ranking, "TILE_ENTRIES", 100)
    tiles = list(cosine_tiles(queries, candidates))
    assert max(tile.scores.size for tile in tiles) <= 100
    assert np.concatenate([np.arange(37)[tile.rows] for tile in tiles]).tolist() == list(range(37))


def test_equal_embeddings_tie_wherever_they_stand():
    volumes = unit_vectors(301, 384)
    copies, nothing = np.repeat(volumes[:1], 301, axis=0), Relevance(*np.full((2, 301, 1), np.nan), np.arange(301))
    for pair in ((volumes, copies), (copies, volumes)):
        found = search(*pair, np.arange(301), nothing, np.ones(301))
        alike = found[0] if pair[1] is copies else found[1]
        assert (alike["median_rank"] == 301).all(), "the one positive stands behind all that tie with it"
