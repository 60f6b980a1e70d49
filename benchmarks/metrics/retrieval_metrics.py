"""Rank metrics of a scored gallery, and what a random ranking would get.

Policies. Ties count against us: among equal scores the least relevant candidate ranks first, so a constant score gives
the worst rank, never R@1 = 1 by luck. A query may have several positives. Scores are compared, never tested for their
sign: a cosine below 0 ranks like any other. A score that is not finite is refused, since NaN would rank first.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from benchmarks.metrics.resampling import check_finite
from selip.system.arrays import BoolArray, FloatArray, IntArray

CUTOFFS = (1, 5, 10)
RANK_METRICS = (*(f"R@{k}" for k in CUTOFFS), "median_rank", "MRR", "mAP@R", "R-precision")
NDCG_CUTOFF = 10
NDCG = f"nDCG@{NDCG_CUTOFF}"
COUNTED_POSITIVES = 8  # of a query with more, the scores are sorted once


def worst_order(scores: npt.NDArray, merit: npt.NDArray) -> IntArray:
    """Candidates (Q, N) from the highest score down; equal scores from the least merit up.

    Raises:
        InputError: When a score is not finite.
    """
    check_finite(scores, "scores")
    return _ordered(scores, merit)


def _ordered(scores: npt.NDArray, merit: npt.NDArray) -> IntArray:
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

    Raises:
        InputError: When a score is not finite.
    """
    query, place, rank = positive_ranks(scores, positive)
    n_positives = np.bincount(query, minlength=len(scores))
    first = rank[place == 0].astype(np.float64)
    counted = rank <= n_positives[query]
    precision = np.where(counted, (place + 1) / rank, 0.0)
    found = {f"R@{k}": (first <= k).astype(np.float64) for k in CUTOFFS}
    found |= {"median_rank": first, "MRR": 1 / first}
    found["mAP@R"] = np.bincount(query, precision, len(scores)) / n_positives
    found["R-precision"] = np.bincount(query, counted, len(scores)) / n_positives
    return found


def true_entries(mask: BoolArray) -> tuple[IntArray, IntArray]:
    """Rows and columns of the True entries of a contiguous mask, row by row; np.nonzero, but fast where few are."""
    row, column = np.divmod(np.flatnonzero(mask), mask.shape[1])
    return row, column


def positive_ranks(scores: npt.NDArray, positive: BoolArray) -> tuple[IntArray, IntArray, IntArray]:
    """Rank of every positive, without ranking the others.

    The i-th best positive (from 0) of a query has rank i + 1 + the number of others that score as high or higher.

    Args:
        scores: (Q, N).
        positive: (Q, N).

    Returns:
        Three arrays (P,) in order of query and rank: query, i, and the rank from 1.

    Raises:
        InputError: When a score is not finite.
    """
    check_finite(scores, "scores")
    query, candidate = true_entries(positive)
    own = scores[query, candidate]
    order = np.lexsort((-own, query))
    query, own = query[order], own[order]
    starts = np.searchsorted(query, np.arange(len(scores)))
    place = np.arange(len(query)) - starts[query]
    last_equal = np.flatnonzero(np.r_[(query[1:] != query[:-1]) | (own[1:] != own[:-1]), True])
    equal_or_better = last_equal[np.searchsorted(last_equal, np.arange(len(query)))] - starts[query] + 1
    others = _at_least(scores, query, own, place) - equal_or_better
    return query, place, others + place + 1


def _at_least(scores: npt.NDArray, query: IntArray, own: npt.NDArray, place: IntArray) -> IntArray:
    """(P,) candidates of each query that score at least `own`: counted, or looked up where a query has many."""
    many = np.bincount(query, minlength=len(scores)) > COUNTED_POSITIVES
    found = np.empty(len(query), dtype=np.int64)
    for number in range(COUNTED_POSITIVES):
        at = np.flatnonzero((place == number) & ~many[query])
        its_scores = scores if len(at) == len(scores) else scores[query[at]]
        found[at] = np.count_nonzero(its_scores >= own[at, None], axis=1)
    for row in np.flatnonzero(many):
        its = slice(*np.searchsorted(query, [row, row + 1]))
        found[its] = scores.shape[1] - np.searchsorted(np.sort(scores[row]), own[its])
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

    Raises:
        InputError: When a score is not finite, whether or not its relevance is known.
    """
    check_finite(scores, "scores")
    known = np.isfinite(relevance)
    if not known.any():
        return np.full(len(scores), np.nan), np.full(len(scores), np.nan)
    gain = np.where(known, relevance, 0.0)
    kept = min(NDCG_CUTOFF, gain.shape[1])
    seen = np.where(known, scores, -np.inf)
    edge = -np.partition(-seen, kept - 1, axis=1)[:, kept - 1 : kept]
    reached = np.array([_top_gains(*row, kept) for row in zip(seen, gain, edge[:, 0], strict=True)]).reshape(
        len(gain), kept
    )
    best = -np.sort(np.partition(-gain, kept - 1, axis=1)[:, :kept], axis=1)
    discount = 1 / np.log2(np.arange(2, kept + 2))
    ideal = best @ discount
    with np.errstate(invalid="ignore"):
        n_known = known.sum(axis=1)
        places = np.arange(1, len(discount) + 1) <= n_known[:, None]
        return reached @ discount / ideal, gain.sum(axis=1) / n_known * (places @ discount) / ideal


def _top_gains(scores: FloatArray, gain: FloatArray, edge: float, kept: int) -> FloatArray:
    """(kept,) gains of the first candidates of one query, of which the last scores `edge`."""
    at = np.flatnonzero(scores >= edge)
    return gain[at][_ordered(scores[at], gain[at])[:kept]]


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
