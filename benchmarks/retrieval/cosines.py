"""Cosines of queries with a gallery: rough ones of all, exact ones wherever an order hangs on them.

A cosine is a whole number of steps of COSINE_STEP, the noise of a float32 embedding, so that equal embeddings tie
however products are blocked: the ranking depends neither on the size of a tile nor on the order of the items. That
takes sums in float64. Products in float32 are several times faster, and wrong by a known amount, so they decide what is
further apart than that, and the rest is summed again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.finite import check_finite
from benchmarks.metrics.rank_metrics import true_entries

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


def _whole(cosines: npt.NDArray[np.float64]) -> Steps:
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

    def sharpened(self, near: npt.NDArray[np.bool_]) -> Steps:
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
