"""Rank metrics of a scored gallery, and what a random ranking would get.

Policies. Ties count against us: among equal scores the least relevant candidate ranks first, so a constant score gives
the worst rank, never R@1 = 1 by luck. A query may have several positives. Scores are compared, never tested for their
sign: a cosine below 0 ranks like any other. A score that is not finite is refused, since NaN would rank first.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from benchmarks.metrics.resampling import check_finite
from selip.system.arrays import BoolArray, FloatArray, IntArray

CUTOFFS = (1, 5, 10)
RANK_METRICS = (*(f"R@{k}" for k in CUTOFFS), "median_rank", "MRR", "mAP@R", "R-precision")
NDCG_CUTOFF = 10
NDCG = f"nDCG@{NDCG_CUTOFF}"
PIECE_ENTRIES = 2**18  # of a table that is gone through piece by piece: what stays in the processor's caches


def rank_metrics(query: IntArray, own: npt.NDArray, at_least: IntArray) -> dict[str, FloatArray]:
    """RANK_METRICS of each query, from its positives alone.

    The i-th best positive (from 0) of a query has rank i + 1 + the number of others that score as high or higher.
    R@k is the hit rate: 1 when a positive is among the first k. median_rank is the rank of the first positive (the
    median is taken over items) and MRR its reciprocal. With n positives, R-precision is the share of positives among
    the first n, and mAP@R the mean over these n ranks of precision where a positive stands and 0 elsewhere
    (Musgrave et al. 2020, arXiv:2003.08505, section 3.3).

    Args:
        query: (P,) number of the query of each positive; each of 0..Q-1 occurs.
        own: (P,) score of each positive.
        at_least: (P,) candidates of its query, itself among them, that score at least `own`.

    Raises:
        InputError: When a score is not finite.
    """
    check_finite(own, "scores")
    order = np.lexsort((-own, query))
    query, own, at_least = query[order], own[order], at_least[order]
    n_positives = np.bincount(query)
    starts = np.cumsum(n_positives) - n_positives
    place = np.arange(len(query)) - starts[query]
    last_equal = np.flatnonzero(np.r_[(query[1:] != query[:-1]) | (own[1:] != own[:-1]), True])
    equal_or_better = last_equal[np.searchsorted(last_equal, np.arange(len(query)))] - starts[query] + 1
    rank = at_least - equal_or_better + place + 1
    first = rank[starts].astype(np.float64)
    counted = rank <= n_positives[query]
    found = {f"R@{k}": (first <= k).astype(np.float64) for k in CUTOFFS}
    found |= {"median_rank": first, "MRR": 1 / first}
    found["mAP@R"] = np.bincount(query, np.where(counted, (place + 1) / rank, 0.0)) / n_positives
    found["R-precision"] = np.bincount(query, counted) / n_positives
    return found


def pieces(n_rows: int, n_columns: int, times: int = 1) -> Iterator[slice]:
    """Rows of a table, as many at once as `times` PIECE_ENTRIES are."""
    size = max(1, times * PIECE_ENTRIES // max(1, n_columns))
    return (slice(start, min(start + size, n_rows)) for start in range(0, n_rows, size))


def true_in_rows(mask: BoolArray) -> IntArray:
    """(n,) True entries of each row of a mask (n, m); several times as fast as np.count_nonzero by axis."""
    return np.bitwise_count(np.packbits(mask, axis=1)).sum(axis=1, dtype=np.int64)


class Leaders:
    """The first NDCG_CUTOFF candidates of each query among those seen; of equal scores the least gain comes first.

    Attributes:
        score: (Q, NDCG_CUTOFF), -inf where fewer were seen.
        gain: (Q, NDCG_CUTOFF), 0 where fewer were seen.
    """

    def __init__(self, n_queries: int) -> None:
        self.score = np.full((n_queries, NDCG_CUTOFF), -np.inf)
        self.gain = np.zeros_like(self.score)

    def add(self, query: IntArray, score: npt.NDArray, gain: FloatArray) -> None:
        """Adds candidates (P,) that were not seen yet, in any order."""
        touched, row = np.unique(query, return_inverse=True)
        rows = np.r_[np.repeat(np.arange(len(touched)), NDCG_CUTOFF), row]
        scores, gains = np.r_[self.score[touched].ravel(), score], np.r_[self.gain[touched].ravel(), gain]
        order = np.lexsort((gains, -scores, rows))
        first = np.searchsorted(rows[order], np.arange(len(touched)))
        kept = order[first[:, None] + np.arange(NDCG_CUTOFF)]
        self.score[touched], self.gain[touched] = scores[kept], gains[kept]

    def ndcg(self, ideal: FloatArray, expected: FloatArray) -> dict[str, FloatArray]:
        """NDCG and its chance, from the `ideal_and_chance` of each query; NaN where that is 0 or unknown."""
        reached = np.divide(self.gain @ DISCOUNT, ideal, out=np.full(len(ideal), np.nan), where=ideal > 0)
        return {NDCG: reached, f"{NDCG}/chance": expected}


DISCOUNT: FloatArray = 1 / np.log2(np.arange(2, NDCG_CUTOFF + 2))
"""Gain is the relevance itself and the discount 1 / log2(rank + 1) (Jarvelin & Kekalainen 2002)."""


def ideal_and_chance(gain: FloatArray, count: IntArray) -> tuple[FloatArray, FloatArray]:
    """Discounted gain of the best ranking of each query, and the nDCG of a random one on average.

    Candidates whose relevance is unknown are taken out of the ranking (condensed lists, Sakai 2007), not counted as
    irrelevant: they are not among these.

    Args:
        gain: (Q, S) relevance in [0, 1] of each kind of candidate.
        count: (S,) > 0 candidates of each kind.

    Returns:
        Two arrays (Q,); the second is NaN for a query to which nothing is relevant.
    """
    kept, total = min(NDCG_CUTOFF, gain.shape[1]), count.sum()
    best = np.argsort(-gain, axis=1)[:, :kept]
    reached = np.minimum(count[best].cumsum(axis=1), NDCG_CUTOFF)
    discounts = np.r_[0.0, np.cumsum(DISCOUNT)]
    shares = np.diff(discounts[reached], axis=1, prepend=0.0)
    ideal = (np.take_along_axis(gain, best, 1) * shares).sum(axis=1)
    random = gain @ count / max(1, total) * discounts[min(NDCG_CUTOFF, total)]
    return ideal, np.divide(random, ideal, out=np.full(len(gain), np.nan), where=ideal > 0)


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


def ranked_rows(scores: npt.NDArray, positive: BoolArray) -> dict[str, FloatArray]:
    """R@10 and MRR of each row of a table that fits into memory, with "/chance"; ties count against it.

    Args:
        scores: (n, m) of each query and candidate.
        positive: (n, m), one at least in each row.

    Raises:
        InputError: When a score is not finite.
    """
    check_finite(scores, "scores")
    best = np.where(positive, scores, -np.inf).max(axis=1, keepdims=True)
    rank = 1.0 + ((scores >= best) & ~positive).sum(axis=1)
    counts, place = np.unique(positive.sum(axis=1), return_inverse=True)
    expected = [chance(int(count), scores.shape[1]) for count in counts]
    beside = {f"{name}/chance": np.array([one[name] for one in expected])[place] for name in ("R@10", "MRR")}
    return {"R@10": (rank <= 10).astype(np.float64), "MRR": 1 / rank} | beside
