"""Ranks a gallery for every query, tile by tile, and says what chance would have got."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from benchmarks.metrics.rank_metrics import (
    COUNTED_POSITIVES,
    NDCG,
    NDCG_CUTOFF,
    RANK_METRICS,
    chance,
    chance_median_rank,
    ndcg,
    rank_metrics,
    true_entries,
)
from benchmarks.retrieval.cosines import Tile, cosine_tiles

FloatArray = npt.NDArray[np.float64]
METRICS = (*RANK_METRICS, NDCG)


def search(
    queries: npt.NDArray,
    candidates: npt.NDArray,
    query_label: npt.NDArray[np.intp],
    candidate_label: npt.NDArray[np.intp],
    relevance_of: Callable[[slice], FloatArray],
    weight: FloatArray,
) -> dict[str, FloatArray]:
    """Ranks all candidates for every query.

    Args:
        queries: (Q, E) of unit length.
        candidates: (N, E) of unit length.
        query_label: (Q,) number of the query's text; candidates with the same number are its positives.
        candidate_label: (N,) number of the candidate's text.
        relevance_of: Rows of the queries to their graded relevance (q, N).
        weight: (Q,) weight of each query, for the chance of the median rank.

    Returns:
        METRICS, each also with "/chance"; each (Q,).
    """
    parts = []
    for tile in cosine_tiles(queries, candidates):
        positive, relevance = query_label[tile.rows, None] == candidate_label, relevance_of(tile.rows)
        near = _near_a_positive(tile, positive)
        near |= _near_the_top(tile, np.isfinite(relevance))
        scores = tile.sharpened(near)
        found = rank_metrics(scores, positive)
        found[NDCG], found[f"{NDCG}/chance"] = ndcg(scores, relevance)
        parts.append(found)
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    n_positives = np.bincount(candidate_label)[query_label]
    return columns | _by_chance(n_positives, weight, len(candidates))


def _near_a_positive(tile: Tile, positive: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """(q, N) whether a score could be that of a positive of its query; all of a query with many of them."""
    query, candidate = true_entries(positive)
    n_positives = np.bincount(query, minlength=len(positive))
    near = np.zeros(positive.shape, dtype=bool)
    near[n_positives > COUNTED_POSITIVES] = True
    place = np.arange(len(query)) - (np.cumsum(n_positives) - n_positives)[query]
    for number in range(min(COUNTED_POSITIVES, int(n_positives.max()))):
        at = place == number
        own = tile.scores[query[at], candidate[at], None]
        # Without a copy where every query has such a positive, as where each has one.
        rows = slice(None) if at.sum() == len(positive) else query[at]
        its_scores = tile.scores[rows]
        close = its_scores >= own - 2 * tile.margin
        close &= its_scores <= own + 2 * tile.margin
        near[rows] |= close
    return near


def _near_the_top(tile: Tile, known: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """(q, N) whether a score could be among the first NDCG_CUTOFF of those whose relevance is known."""
    if not known.any():
        return known
    seen = np.where(known, tile.scores, -np.inf)
    kept = min(NDCG_CUTOFF, seen.shape[1])
    edge = -np.partition(-seen, kept - 1, axis=1)[:, kept - 1 : kept]
    return known & (seen >= edge - 2 * tile.margin)


def _by_chance(n_positives: npt.NDArray[np.intp], weight: FloatArray, n_candidates: int) -> dict[str, FloatArray]:
    distinct, place = np.unique(n_positives, return_inverse=True)
    expected = [chance(int(n), n_candidates) for n in distinct]
    columns = {f"{name}/chance": np.array([row[name] for row in expected])[place] for name in expected[0]}
    median = chance_median_rank(n_positives, weight, n_candidates)
    return columns | {"median_rank/chance": np.full(len(n_positives), median)}
