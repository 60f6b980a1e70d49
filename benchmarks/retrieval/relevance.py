"""Graded relevance of a text to a volume, from the true findings of the studies; never from report similarity S.

Grade of one finding to another, in thirds: same region, same side of that region, same lesion type. The side counts
only where the region agrees, since two findings of different places agree on "left" half of the time by chance. Equal
thirds leave no weight to tune. A bilateral finding and a one-sided one differ in side.

Two sets of findings: symmetric best match, the mean over either set of each finding's best grade in the other, averaged
over the two directions. Two normal volumes have 1, a normal and an abnormal one 0.

A volume counts as having the findings that its own contrast shows: an old infarct that DWI does not show makes a normal
DWI volume. A text's relevance to a volume is the mean over the volumes that carry the text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

from benchmarks.metrics.retrieval_metrics import ideal_and_chance, pieces
from selip.data.findings import Finding
from selip.system.arrays import BoolArray, FloatArray, IntArray

PAIRS_AT_ONCE = 2**8  # whose factors stay in the caches
Key = tuple[str, str, str]
"""Region, side and lesion type of a finding."""


@dataclass(frozen=True)
class Relevance:
    """Relevance of T texts to N volumes as products of factors, so that memory grows with T + N, not with T N.

    Attributes:
        of_text: (T, D) factors of each text, NaN for a text of unknown truth.
        of_set: (F + 1, D) factors of each distinct set of findings; the last, NaN, stands for unknown truth.
        set_of_volume: (N,) row of `of_set` of each volume.
    """

    of_text: FloatArray
    of_set: FloatArray
    set_of_volume: IntArray

    @property
    def known_texts(self) -> BoolArray:
        """(T,) texts whose relevance is known."""
        return np.isfinite(self.of_text.sum(axis=1))

    @property
    def known_volumes(self) -> BoolArray:
        """(N,) volumes whose truth is known."""
        return np.isfinite(self.of_set.sum(axis=1))[self.set_of_volume]

    def of_pairs(self, text: IntArray, volume: IntArray) -> FloatArray:
        """(P,) relevance of each text to the volume beside it.

        Where pairs repeat, as in an answer that ties with all, one matrix product says it sooner than their sums.
        """
        (texts, row), (sets, column) = (
            np.unique(one, return_inverse=True) for one in (text, self.set_of_volume[volume])
        )
        if len(texts) * len(sets) <= len(text):
            return _rounded(self.of_text[texts] @ self.of_set[sets].T)[row, column]
        parts = [slice(start, start + PAIRS_AT_ONCE) for start in range(0, len(text), PAIRS_AT_ONCE)]
        factors = ((self.of_text[text[part]], self.of_set[self.set_of_volume[volume[part]]]) for part in parts)
        return _rounded(np.concatenate([np.vecdot(*both) for both in factors]))

    def bounds(self) -> tuple[tuple[FloatArray, FloatArray], tuple[FloatArray, FloatArray]]:
        """The `ideal_and_chance` of each volume (N,), and of each text (T,); NaN where unknown."""
        texts, sets = np.flatnonzero(self.known_texts), np.flatnonzero(np.isfinite(self.of_set.sum(axis=1)))
        count = np.bincount(self.set_of_volume, minlength=len(self.of_set))[sets]
        of_sets = _bounds(self.of_set, sets, self.of_text[texts], np.ones(len(texts), dtype=np.int64))
        of_texts = _bounds(self.of_text, texts, self.of_set[sets[count > 0]], count[count > 0])
        return (of_sets[0][self.set_of_volume], of_sets[1][self.set_of_volume]), of_texts


def _bounds(factors: FloatArray, rows: IntArray, others: FloatArray, count: IntArray) -> tuple[FloatArray, FloatArray]:
    """`ideal_and_chance` of the known `rows` among `factors`, a piece at a time, NaN elsewhere."""
    found = np.full((2, len(factors)), np.nan)
    for part in pieces(len(rows), len(others)):
        found[:, rows[part]] = ideal_and_chance(_rounded(factors[rows[part]] @ others.T), count)
    return found[0], found[1]


def _rounded(relevance: FloatArray) -> FloatArray:
    """Equal grades are equal whatever sum they come from."""
    return np.round(relevance, 9)


def grade(a: Key, b: Key) -> float:
    """Grade of two findings in [0, 1]; see the module's docstring."""
    same_region = a[0] == b[0]
    return (same_region + (same_region and a[1] == b[1]) + (a[2] == b[2])) / 3


def relevance(items: pd.DataFrame, text_of_item: IntArray, findings: Mapping[str, Sequence[Finding]]) -> Relevance:
    """Relevance of the texts of a pool to its volumes.

    Args:
        items: One row a volume: study_id, contrast.
        text_of_item: (N,) number of the text of each volume; each of 0..T-1 occurs.
        findings: Study id to true findings; a missing key is unknown truth.
    """
    shown = [
        _shown(findings.get(study), contrast)
        for study, contrast in zip(items["study_id"], items["contrast"], strict=True)
    ]
    sets = sorted({found for found in shown if found is not None}, key=sorted)
    place = {found: column for column, found in enumerate(sets)}
    set_of_volume = np.array([len(sets) if found is None else place[found] for found in shown], dtype=np.intp)
    ones = np.ones(len(set_of_volume))
    size = (text_of_item.max() + 1, len(sets) + 1)
    known = sparse.csr_array((ones, (text_of_item, set_of_volume)), shape=size)[:, :-1]
    best, share = _factors(sets)
    left, right = np.hstack([best, share]) / 2, np.hstack([share, best])
    with np.errstate(invalid="ignore"):
        of_text = known @ left / known.sum(axis=1)[:, None]
    return Relevance(of_text, np.vstack([right, np.full((1, right.shape[1]), np.nan)]), set_of_volume)


def _factors(sets: Sequence[frozenset[Key]]) -> tuple[FloatArray, FloatArray]:
    """Two arrays (F, K + 1), of which `best @ share.T` is the mean over a set's findings of the best grade in another.

    The last column is 1 where there is no finding: two such sets match, and no others do with them.
    """
    keys = sorted(set().union(*sets))
    grades = np.array([[grade(a, b) for b in keys] for a in keys]).reshape(len(keys), len(keys))
    member = np.array([[key in found for key in keys] for found in sets], dtype=bool).reshape(len(sets), len(keys))
    best = np.array([grades[row].max(axis=0, initial=0.0) for row in member]).reshape(member.shape)
    size = member.sum(axis=1)
    empty = (size == 0)[:, None]
    return np.hstack([best, empty]), np.hstack([member / np.maximum(size, 1)[:, None], empty])


def _shown(findings: Sequence[Finding] | None, contrast: str) -> frozenset[Key] | None:
    if findings is None:
        return None
    visible = (finding for finding in findings if finding.clause(contrast) is not None)
    return frozenset((finding.region, finding.side, finding.lesion_type) for finding in visible)
