"""Cosines of queries with a gallery, and the ranks of each query's answers, tile by tile, beside chance.

A cosine is a whole number of steps of COSINE_STEP, the noise of a float32 embedding, so that equal embeddings tie
however products are blocked: the ranking depends neither on the size of a tile nor on the order of the items. That
takes sums in float64. Products in float32 are several times faster, and wrong by a known amount, so they decide what is
further apart than that, and the rest is summed again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.metrics.resampling import check_finite
from benchmarks.metrics.retrieval_metrics import (
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
from selip.system.arrays import BoolArray, FloatArray, IntArray

METRICS = (*RANK_METRICS, NDCG)


def search(
    queries: npt.NDArray,
    candidates: npt.NDArray,
    query_label: IntArray,
    candidate_label: IntArray,
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


def _near_a_positive(tile: Tile, positive: BoolArray) -> BoolArray:
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


def _near_the_top(tile: Tile, known: BoolArray) -> BoolArray:
    """(q, N) whether a score could be among the first NDCG_CUTOFF of those whose relevance is known."""
    if not known.any():
        return known
    seen = np.where(known, tile.scores, -np.inf)
    kept = min(NDCG_CUTOFF, seen.shape[1])
    edge = -np.partition(-seen, kept - 1, axis=1)[:, kept - 1 : kept]
    return known & (seen >= edge - 2 * tile.margin)


def _by_chance(n_positives: IntArray, weight: FloatArray, n_candidates: int) -> dict[str, FloatArray]:
    distinct, place = np.unique(n_positives, return_inverse=True)
    expected = [chance(int(n), n_candidates) for n in distinct]
    columns = {f"{name}/chance": np.array([row[name] for row in expected])[place] for name in expected[0]}
    median = chance_median_rank(n_positives, weight, n_candidates)
    return columns | {"median_rank/chance": np.full(len(n_positives), median)}


COSINE_STEP = 1e-7
TILE_ENTRIES = 2**24  # 64 MiB; larger products are no faster
PAIRS_AT_ONCE = 2**11
SHARE_TO_SUM_ALL = 1 / 16  # a tile of which more than this is close is cheaper as one product in float64
FLOAT32_ROUNDING = 2.0**-24
Steps = npt.NDArray[np.float32]
"""Cosines in steps; whole numbers up to 2^24, more than a cosine of 1, are exact in float32."""


def exact_steps(a: npt.NDArray, b: npt.NDArray) -> Steps:
    """(n,) cosines in whole steps of the rows of `a` and `b` (n, E), of unit length.

    Raises:
        InputError: When a cosine is not finite.
    """
    summed = [
        np.einsum("ne,ne->n", a[part].astype(np.float64), b[part].astype(np.float64))
        for part in (slice(start, start + PAIRS_AT_ONCE) for start in range(0, max(1, len(a)), PAIRS_AT_ONCE))
    ]
    cosines = np.concatenate(summed)
    check_finite(cosines, "cosines")
    return _whole(cosines)


def _whole(cosines: FloatArray) -> Steps:
    return np.rint(cosines / COSINE_STEP).astype(np.float32)


@dataclass(frozen=True)
class Tile:
    """Some queries against the whole gallery.

    Attributes:
        rows: The queries.
        queries: (q, E) of unit length.
        candidates: (N, E) of unit length.
        scores: (q, N) cosines in steps, off by `margin` at most.
        margin: In steps.
    """

    rows: slice
    queries: npt.NDArray
    candidates: npt.NDArray
    scores: Steps
    margin: float

    def sharpened(self, near: BoolArray) -> Steps:
        """`scores` with the entries of `near` (q, N) made exact, in place."""
        query, candidate = true_entries(near)
        if len(query) > near.size * SHARE_TO_SUM_ALL:
            self.scores[:] = _whole(self.queries.astype(np.float64) @ self.candidates.astype(np.float64).T)
            return self.scores
        for start in range(0, len(query), PAIRS_AT_ONCE):
            part = slice(start, start + PAIRS_AT_ONCE)
            exact = exact_steps(self.queries[query[part]], self.candidates[candidate[part]])
            self.scores[query[part], candidate[part]] = exact
        return self.scores


def cosine_tiles(queries: npt.NDArray, candidates: npt.NDArray) -> Iterator[Tile]:
    """Rough cosines of all queries with all candidates; memory grows with N only, and each tile takes that of the last.

    The margin is the bound of a float32 sum of E products, whatever its order (Higham 2002, Accuracy and Stability of
    Numerical Algorithms, 3.1), with the rounding of the vectors and of the result to whole steps.

    Args:
        queries: (Q, E) of unit length.
        candidates: (N, E) of unit length.
    """
    gallery = torch.from_numpy(candidates.astype(np.float32)).T.contiguous()
    margin = (queries.shape[1] + 4) * FLOAT32_ROUNDING / COSINE_STEP + 1
    size = max(1, TILE_ENTRIES // max(1, len(candidates)))
    room = torch.empty(min(size, len(queries)), len(candidates))
    for start in range(0, len(queries), size):
        rows = slice(start, min(start + size, len(queries)))
        scaled = torch.from_numpy((queries[rows] / COSINE_STEP).astype(np.float32))
        scores = torch.mm(scaled, gallery, out=room[: len(scaled)])
        yield Tile(rows, queries[rows], candidates, scores.numpy(), margin)
