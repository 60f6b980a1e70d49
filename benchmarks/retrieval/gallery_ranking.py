"""Cosines of texts with volumes, and the ranks of each one's answers among the others, beside chance.

A cosine is a whole number of steps of COSINE_STEP, the noise of a float32 embedding, so that equal embeddings tie
however products are blocked: the ranking depends neither on the size of a tile nor on the order of the items. That
takes sums in float64. Products in float32 are several times faster, and wrong by a known amount, so they decide what is
further apart than that, and the rest is summed again. Every product serves both directions: a tile holds some texts
with all volumes, so a text is ranked along its row, and what volumes gather along their columns is added up.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.metrics.resampling import check_finite
from benchmarks.metrics.retrieval_metrics import (
    NDCG,
    NDCG_CUTOFF,
    RANK_METRICS,
    Leaders,
    chance,
    chance_median_rank,
    pieces,
    rank_metrics,
    true_in_rows,
)
from benchmarks.retrieval.relevance import Relevance
from selip.system.arrays import BoolArray, FloatArray, IntArray

METRICS = (*RANK_METRICS, NDCG)
Columns = dict[str, FloatArray]


def search(
    volumes: npt.NDArray, texts: npt.NDArray, label: IntArray, truth: Relevance, weight: FloatArray
) -> tuple[Columns, Columns]:
    """Ranks all texts for every volume, and all volumes for every text.

    Args:
        volumes: (N, E) of unit length.
        texts: (T, E) of unit length.
        label: (N,) number of the text of each volume, its positive; each of 0..T-1 occurs.
        truth: Graded relevance.
        weight: (N,) weight of each volume, for the chance of the median rank.

    Returns:
        METRICS, each also with "/chance", of the volumes (N,) and of the texts (T,).

    Raises:
        InputError: When a cosine is not finite.
    """
    own = exact_steps(texts[label], volumes)
    reach_of_volume, reach_of_text = np.zeros((2, len(volumes)), dtype=np.int64)
    leaders = Leaders(len(volumes)), Leaders(len(texts))
    for tile in cosine_tiles(texts, volumes):
        tile.sharpen_if_close(label, own)
        reach_of_volume += tile.reach_columns(own)
        asked = np.flatnonzero((label >= tile.rows.start) & (label < tile.rows.stop))
        reach_of_text[asked] = tile.reach_rows(label[asked] - tile.rows.start, own[asked])
        _gather_leaders(tile, truth, *leaders)
    of_volumes, of_texts = truth.bounds()
    everyone, text_weight = np.arange(len(volumes)), np.bincount(label, weight).astype(np.float64)
    forth = rank_metrics(everyone, own, reach_of_volume) | leaders[0].ndcg(*of_volumes)
    back = rank_metrics(label, own, reach_of_text) | leaders[1].ndcg(*of_texts)
    forth |= _by_chance(np.ones(len(volumes), dtype=np.int64), weight, len(texts))
    return forth, back | _by_chance(np.bincount(label), text_weight, len(volumes))


def _gather_leaders(tile: Tile, truth: Relevance, of_volumes: Leaders, of_texts: Leaders) -> None:
    """Adds what of a tile could be among the first NDCG_CUTOFF of those whose relevance is known, exactly summed."""
    rows, columns = np.flatnonzero(truth.known_texts[tile.rows]), np.flatnonzero(truth.known_volumes)
    if not len(rows) or not len(columns):
        return
    edge = of_volumes.score[columns, -1] - tile.margin
    if not np.isfinite(edge).all():
        edge = _edge(tile.scores[rows], axis=0)[columns] - 2 * tile.margin
    for part in pieces(len(rows), tile.scores.shape[1], LEADERS_SELDOM):
        scores = tile.scores[rows[part]][:, columns]
        row, column = np.nonzero(scores >= edge)
        of_volumes.add(columns[column], *_judged(tile, truth, rows[part][row], columns[column]))
        row, column = np.nonzero(scores >= _edge(scores, axis=1)[:, None] - 2 * tile.margin)
        found = _judged(tile, truth, rows[part][row], columns[column])
        of_texts.add(tile.rows.start + rows[part][row], *found)


def _edge(scores: Steps, axis: int) -> Steps:
    """The score along `axis` that NDCG_CUTOFF others reach; -inf where they are not so many."""
    at = scores.shape[axis] - NDCG_CUTOFF
    lowest = np.full(scores.shape[1 - axis], -np.inf, scores.dtype)
    return np.partition(scores, at, axis=axis).take(at, axis=axis) if at > 0 else lowest


def _judged(tile: Tile, truth: Relevance, row: IntArray, volume: IntArray) -> tuple[Steps, FloatArray]:
    """(P,) exact cosines in steps of texts of a tile and volumes, and the relevance."""
    return tile.exact(row, volume), truth.of_pairs(tile.rows.start + row, volume)


def _by_chance(n_positives: IntArray, weight: FloatArray, n_candidates: int) -> dict[str, FloatArray]:
    distinct, place = np.unique(n_positives, return_inverse=True)
    expected = [chance(int(n), n_candidates) for n in distinct]
    columns = {f"{name}/chance": np.array([row[name] for row in expected])[place] for name in expected[0]}
    median = chance_median_rank(n_positives, weight, n_candidates)
    return columns | {"median_rank/chance": np.full(len(n_positives), median)}


COSINE_STEP = 1e-7
TILE_ENTRIES = 2**24  # 64 MiB; larger products are no faster
PAIRS_AT_ONCE = 2**8  # what they are summed from stays in the caches
COUNTED_POSITIVES = 32  # of a text with more, the scores are sorted once
LEADERS_SELDOM = 16  # pieces at once: each time, those of all volumes are sorted anew
SHARE_TO_SUM_ALL = 1 / 16  # a tile of which more than this is close is cheaper as one product in float64
FLOAT32_ROUNDING = 2.0**-24
Steps = npt.NDArray[np.float32]
"""Cosines in steps; whole numbers up to 2^24, more than a cosine of 1, are exact in float32."""


def exact_steps(a: npt.NDArray, b: npt.NDArray) -> Steps:
    """(n,) cosines in whole steps of the rows of `a` and `b` (n, E), of unit length.

    Raises:
        InputError: When a cosine is not finite.
    """
    parts = (slice(start, start + PAIRS_AT_ONCE) for start in range(0, max(1, len(a)), PAIRS_AT_ONCE))
    summed = [np.vecdot(a[part].astype(np.float64), b[part].astype(np.float64)) for part in parts]
    cosines = np.concatenate(summed)
    check_finite(cosines, "cosines")
    return _whole(cosines)


def stepped(volumes: npt.NDArray, texts: npt.NDArray) -> FloatArray:
    """(N, T) cosines in whole steps of all volumes and texts, for galleries that fit into memory.

    Raises:
        InputError: When a cosine is not finite.
    """
    cosines = volumes.astype(np.float64) @ texts.astype(np.float64).T
    check_finite(cosines, "cosines")
    return np.rint(cosines / COSINE_STEP)


def _whole(cosines: FloatArray) -> Steps:
    return np.rint(cosines / COSINE_STEP).astype(np.float32)


@dataclass
class Tile:
    """Some texts with all volumes.

    Attributes:
        rows: The texts.
        texts: (t, E) of unit length.
        volumes: (N, E) of unit length.
        scores: (t, N) cosines in steps, off by `margin` at most.
        margin: In steps.
    """

    rows: slice
    texts: npt.NDArray
    volumes: npt.NDArray
    scores: Steps
    margin: int

    def exact(self, row: IntArray, volume: IntArray) -> Steps:
        """(P,) cosines in whole steps of texts of the tile and volumes."""
        if not self.margin:
            return self.scores[row, volume]
        parts = range(0, max(1, len(row)), PAIRS_AT_ONCE)
        at = [(row[start : start + PAIRS_AT_ONCE], volume[start : start + PAIRS_AT_ONCE]) for start in parts]
        return np.concatenate([exact_steps(self.texts[text], self.volumes[other]) for text, other in at])

    def sharpen_if_close(self, label: IntArray, own: Steps) -> None:
        """Makes all scores exact where too many, by the first rows, are close to the positive of their volume."""
        some = self.scores[next(pieces(*self.scores.shape))]
        if np.count_nonzero(np.abs(some - own) <= self.margin) > some.size * SHARE_TO_SUM_ALL:
            self.scores[:] = _whole(self.texts.astype(np.float64) @ self.volumes.astype(np.float64).T)
            self.margin = 0
            at = np.flatnonzero((label >= self.rows.start) & (label < self.rows.stop))
            self.scores[label[at] - self.rows.start, at] = own[at]  # summed in another order

    def reach_columns(self, own: Steps) -> IntArray:
        """(N,) texts of the tile that score at least `own` (N,) with each volume."""
        found = np.zeros(len(own), dtype=np.int64)
        for part in pieces(*self.scores.shape):
            sure, row, column = self._compared(self.scores[part], own)
            close = self.exact(part.start + row, column) >= own[column]
            found += sure.view(np.uint8).sum(axis=0, dtype=np.uint8 if len(sure) < 256 else np.int64)
            found += np.bincount(column[close], minlength=len(own))
        return found

    def reach_rows(self, row: IntArray, own: Steps) -> IntArray:
        """(P,) volumes that score at least `own` (P,) with each of `row` (P,), texts of the tile."""
        found, by_row = np.zeros(len(own), dtype=np.int64), np.argsort(row, kind="stable")
        counts = np.bincount(row, minlength=len(self.scores))
        few = np.flatnonzero(counts[row] <= COUNTED_POSITIVES)
        for part in pieces(len(few), self.scores.shape[1]):
            at = few[part]
            sure, pair, column = self._compared(self.scores[row[at]], own[at, None])
            close = self.exact(row[at][pair], column) >= own[at][pair]
            found[at] = true_in_rows(sure) + np.bincount(pair[close], minlength=len(sure))
        for number in np.flatnonzero(counts > COUNTED_POSITIVES).tolist():
            at = by_row[counts[:number].sum() :][: counts[number]]
            found[at] = self._reach_row(number, own[at])
        return found

    def _reach_row(self, row: int, own: Steps) -> IntArray:
        """(n,) volumes that score at least `own` (n,) with one text: sorted once, those near any of `own` exact."""
        order = np.argsort(self.scores[row])
        ranked, size = self.scores[row][order], len(order)
        low, high = (np.searchsorted(ranked, own + shift) for shift in (-self.margin, self.margin))
        opened = np.bincount(low, minlength=size + 1) - np.bincount(high, minlength=size + 1)
        near = np.flatnonzero(np.cumsum(opened[:-1]))
        exact = np.sort(self.exact(np.full(len(near), row), order[near]))
        return size - high + np.searchsorted(near, high) - np.searchsorted(exact, own)

    def _compared(self, scores: Steps, own: Steps) -> tuple[BoolArray, IntArray, IntArray]:
        """(p, N) scores that reach `own` whatever the rounding, and rows and columns of those that might."""
        sure = scores >= own + self.margin
        near = np.flatnonzero((scores >= own - self.margin) ^ sure) if self.margin else np.empty(0, dtype=np.intp)
        return sure, *np.divmod(near, scores.shape[1])


def cosine_tiles(texts: npt.NDArray, volumes: npt.NDArray) -> Iterator[Tile]:
    """Rough cosines of all texts with all volumes; memory grows with N only, and each tile takes that of the last.

    The margin is the bound of a float32 sum of E products, whatever its order (Higham 2002, Accuracy and Stability of
    Numerical Algorithms, 3.1), with the rounding of the vectors and of the result to whole steps.

    Args:
        texts: (T, E) of unit length.
        volumes: (N, E) of unit length.
    """
    gallery = np.ascontiguousarray(volumes.T, dtype=np.float32)
    margin = int(np.ceil((texts.shape[1] + 4) * FLOAT32_ROUNDING / COSINE_STEP + 1))
    size = max(1, TILE_ENTRIES // max(1, len(volumes)))
    room = np.empty((min(size, len(texts)), len(volumes)), dtype=np.float32)
    for start in range(0, len(texts), size):
        rows = slice(start, min(start + size, len(texts)))
        scaled = (texts[rows] / COSINE_STEP).astype(np.float32)
        scores = np.matmul(scaled, gallery, out=room[: len(scaled)])
        yield Tile(rows, texts[rows], volumes, scores, margin)
