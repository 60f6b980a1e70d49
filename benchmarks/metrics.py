"""Rank metrics of a scored gallery, and what a random ranking would get.

Policies. Ties count against us: among equal scores the least relevant candidate ranks first, so a constant score gives
the worst rank, never R@1 = 1 by luck. A query may have several positives. Scores are compared, never tested for their
sign: a cosine below 0 ranks like any other.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

CUTOFFS = (1, 5, 10)
RANK_METRICS = (*(f"R@{k}" for k in CUTOFFS), "median_rank", "MRR", "mAP@R", "R-precision")
NDCG_CUTOFF = 10
NDCG = f"nDCG@{NDCG_CUTOFF}"
COSINE_STEP = 1e-7
_TILE_ENTRIES = 2**20


def cosine_tiles(queries: npt.NDArray, candidates: npt.NDArray) -> Iterator[tuple[slice, IntArray]]:
    """Cosines of a tile of queries with all candidates, in whole steps of COSINE_STEP.

    The step is the noise of a float32 embedding. Whole steps make equal embeddings tie however the products were
    blocked, so the ranking depends neither on the size of the tile nor on the order of the items.

    Args:
        queries: (Q, E) of unit length.
        candidates: (N, E) of unit length.

    Yields:
        The rows of the tile and their scores (q, N); q * N is bounded, so memory grows with N only.
    """
    gallery = candidates.astype(np.float64).T
    step = max(1, _TILE_ENTRIES // max(1, len(candidates)))
    for start in range(0, len(queries), step):
        rows = slice(start, min(start + step, len(queries)))
        yield rows, np.rint(queries[rows].astype(np.float64) @ gallery / COSINE_STEP).astype(np.int64)


def worst_order(scores: npt.NDArray, merit: npt.NDArray) -> IntArray:
    """Candidates (Q, N) from the highest score down; equal scores from the least merit up."""
    return np.lexsort((merit, -scores), axis=-1)


def rank_metrics(scores: npt.NDArray, positive: BoolArray) -> dict[str, FloatArray]:
    """RANK_METRICS of each query.

    R@k is the hit rate: 1 when a positive is among the first k. median_rank is the rank of the first positive (the
    median is taken over items) and MRR its reciprocal. With n positives, R-precision is the share of positives among
    the first n, and mAP@R the mean over these n ranks of precision where a positive stands and 0 elsewhere
    (Musgrave et al. 2020, arXiv:2003.08505, section 3.3).

    Args:
        scores: (Q, N), any real or integer scores.
        positive: (Q, N), at least one True in each row.
    """
    hits = np.take_along_axis(positive, worst_order(scores, positive), axis=1)
    ranks = np.arange(1, hits.shape[1] + 1)
    n_positives = hits.sum(axis=1)
    first = hits.argmax(axis=1) + 1.0
    counted = hits & (ranks <= n_positives[:, None])
    precision = hits.cumsum(axis=1) / ranks
    found = {f"R@{k}": (first <= k).astype(np.float64) for k in CUTOFFS}
    found |= {"median_rank": first, "MRR": 1 / first}
    found["mAP@R"] = np.where(counted, precision, 0.0).sum(axis=1) / n_positives
    found["R-precision"] = counted.sum(axis=1) / n_positives
    return found


def ndcg(scores: npt.NDArray, relevance: FloatArray) -> tuple[FloatArray, FloatArray]:
    """nDCG@10 of each query and its expectation under a random ranking.

    Gain is the relevance itself and the discount 1 / log2(rank + 1) (Jarvelin & Kekalainen 2002). Candidates whose
    relevance is unknown are taken out of the ranking (condensed lists, Sakai 2007), not counted as irrelevant.

    Args:
        scores: (Q, N).
        relevance: (Q, N) in [0, 1], NaN where unknown.

    Returns:
        Two arrays (Q,), NaN for a query to which nothing of known relevance is relevant.
    """
    known = np.isfinite(relevance)
    gain = np.where(known, relevance, 0.0)
    top = np.lexsort((gain, -scores, ~known), axis=-1)[:, :NDCG_CUTOFF]
    best = -np.sort(-gain, axis=1)[:, :NDCG_CUTOFF]
    discount = 1 / np.log2(np.arange(2, top.shape[1] + 2))
    ideal = best @ discount
    with np.errstate(invalid="ignore"):
        reached = np.take_along_axis(gain, top, axis=1) @ discount / ideal
        n_known = known.sum(axis=1)
        places = np.arange(1, len(discount) + 1) <= n_known[:, None]
        return reached, gain.sum(axis=1) / n_known * (places @ discount) / ideal


def first_rank_survival(n_positives: int, n_candidates: int) -> FloatArray:
    """P(the first positive ranks below r) for r = 0..N under a random ranking (negative hypergeometric), (N + 1,)."""
    drawn = np.arange(n_candidates)
    negatives_left = np.maximum(n_candidates - n_positives - drawn, 0)
    return np.concatenate([[1.0], np.cumprod(negatives_left / (n_candidates - drawn))])


def chance(n_positives: int, n_candidates: int) -> dict[str, float]:
    """Expectation of the mean-type RANK_METRICS under a random ranking, exact and in closed form.

    For n positives among N: R@k from the hypergeometric distribution; MRR from that of the first rank; R-precision is
    n / N, as each place is a positive with that probability; mAP@R follows from E[positives before rank i | positive
    at i] = (i - 1) (n - 1) / (N - 1).
    """
    survival = first_rank_survival(n_positives, n_candidates)
    ranks = np.arange(1, n_candidates + 1)
    share = n_positives / n_candidates
    before = (ranks - 1) * (n_positives - 1) / max(1, n_candidates - 1)
    expected = {f"R@{k}": float(1 - survival[min(k, n_candidates)]) for k in CUTOFFS}
    expected["MRR"] = float((-np.diff(survival) / ranks).sum())
    expected["mAP@R"] = float(share * ((1 + before) / ranks)[:n_positives].mean())
    return expected | {"R-precision": share}


def chance_median_rank(n_positives: IntArray, weights: FloatArray, n_candidates: int) -> float:
    """Weighted median of the first rank under a random ranking: of the mixture over items (n,) of its distribution."""
    survival = np.zeros(n_candidates + 1)
    for count in np.unique(n_positives):
        survival += weights[n_positives == count].sum() * first_rank_survival(int(count), n_candidates)
    return float((survival <= 0.5 * survival[0] * (1 + 1e-9)).argmax())
