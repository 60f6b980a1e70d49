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
import numpy.typing as npt
import pandas as pd

from selip.findings import Finding

FloatArray = npt.NDArray[np.float64]
Key = tuple[str, str, str]
"""Region, side and lesion type of a finding."""


@dataclass(frozen=True)
class Relevance:
    """Relevance of T texts to N volumes, kept as a table over the distinct sets of findings.

    Attributes:
        table: (T, F + 1) relevance of each text to each set of findings in [0, 1], NaN for a text of unknown truth; the
            last column, all NaN, stands for unknown truth.
        set_of_volume: (N,) column of each volume.
    """

    table: FloatArray
    set_of_volume: npt.NDArray[np.intp]

    def of_volumes(self, rows: slice) -> FloatArray:
        """(n, T) relevance of all texts to some volumes."""
        return self.table[:, self.set_of_volume[rows]].T

    def of_texts(self, rows: slice) -> FloatArray:
        """(t, N) relevance of some texts to all volumes."""
        return self.table[rows][:, self.set_of_volume]


def grade(a: Key, b: Key) -> float:
    """Grade of two findings in [0, 1]; see the module's docstring."""
    same_region = a[0] == b[0]
    return (same_region + (same_region and a[1] == b[1]) + (a[2] == b[2])) / 3


def relevance(
    items: pd.DataFrame, text_of_item: npt.NDArray[np.intp], findings: Mapping[str, Sequence[Finding]]
) -> Relevance:
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
    carried = np.zeros((text_of_item.max() + 1, len(sets) + 1))
    np.add.at(carried, (text_of_item, set_of_volume), 1.0)
    known = carried[:, :-1]
    with np.errstate(invalid="ignore"):
        table = known @ set_grades(sets) / known.sum(axis=1, keepdims=True)
    return Relevance(np.column_stack([table, np.full(len(table), np.nan)]), set_of_volume)


def set_grades(sets: Sequence[frozenset[Key]]) -> FloatArray:
    """(F, F) symmetric best match of every two sets of findings, in [0, 1]."""
    keys = sorted(set().union(*sets))
    grades = np.array([[grade(a, b) for b in keys] for a in keys]).reshape(len(keys), len(keys))
    member = np.array([[key in found for key in keys] for found in sets], dtype=bool).reshape(len(sets), len(keys))
    best = np.array([grades[row].max(axis=0, initial=0.0) for row in member]).reshape(member.shape)
    size = member.sum(axis=1)
    one_way = best @ (member / np.maximum(size, 1)[:, None]).T
    matched = (one_way + one_way.T) / 2
    matched[np.ix_(size == 0, size == 0)] = 1.0
    return matched


def _shown(findings: Sequence[Finding] | None, contrast: str) -> frozenset[Key] | None:
    if findings is None:
        return None
    visible = (finding for finding in findings if finding.clause(contrast) is not None)
    return frozenset((finding.region, finding.side, finding.lesion_type) for finding in visible)
