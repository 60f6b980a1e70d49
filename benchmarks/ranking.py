"""Ranks a gallery for every query, tile by tile, and says what chance would have got."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from benchmarks.metrics import NDCG, RANK_METRICS, chance, chance_median_rank, cosine_tiles, ndcg, rank_metrics

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
    for rows, scores in cosine_tiles(queries, candidates):
        found = rank_metrics(scores, query_label[rows, None] == candidate_label)
        found[NDCG], found[f"{NDCG}/chance"] = ndcg(scores, relevance_of(rows))
        parts.append(found)
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    n_positives = np.bincount(candidate_label)[query_label]
    return columns | _by_chance(n_positives, weight, len(candidates))


def _by_chance(n_positives: npt.NDArray[np.intp], weight: FloatArray, n_candidates: int) -> dict[str, FloatArray]:
    distinct, place = np.unique(n_positives, return_inverse=True)
    expected = [chance(int(n), n_candidates) for n in distinct]
    columns = {f"{name}/chance": np.array([row[name] for row in expected])[place] for name in expected[0]}
    median = chance_median_rank(n_positives, weight, n_candidates)
    return columns | {"median_rank/chance": np.full(len(n_positives), median)}
