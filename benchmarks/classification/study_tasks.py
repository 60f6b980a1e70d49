"""Classes of whole studies: the items of a study become one, and its vectors the mean of all its volumes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.classification.class_tasks import Shown, Task
from benchmarks.classification.labels import Part, items_of, shown_of
from selip.data.cohort import Cohort
from selip.data.states import ABNORMAL, NORMAL, UNKNOWN
from selip.models.embeddings import Embeddings
from selip.system.arrays import FloatArray
from selip.system.errors import InputError


def named_studies(task: Task, cohort: Cohort, part: str) -> pd.DataFrame:
    """Studies of one part with two volumes at least, with the name of their class; `row` is that of the first volume.

    A study shows what any of its volumes does, its contrast is all of them, and it is of unknown state where a volume
    is, unless another is abnormal.
    """
    items, studies = items_of(task, cohort, part)
    names = studies.index.to_numpy(object)
    shown, rows = shown_of(cohort, part, studies), pd.Series(np.arange(len(items))).groupby(names)
    found = []
    for name, own in ((name, own.to_numpy()) for name, own in rows if len(own) > 1):
        contrasts = items["contrast"].iloc[own]
        whole = _whole([shown[row] for row in own])
        label = None if whole.state == UNKNOWN else task.label(whole)
        if task.column:
            told = studies[task.column].iloc[own[0]]
            label = told if told and contrasts.isin(task.contrasts or [*contrasts]).any() else None
        found.append((own[0], label, name, " + ".join(sorted(set(contrasts)))))
    first, labels, ids, contrasts_of = zip(*found, strict=True) if found else ([], [], [], [])
    table = items.iloc[list(first)].assign(label=np.array(labels, dtype=object), item_id=ids, contrast=contrasts_of)
    return table[table["label"].notna()]


def _whole(volumes: Sequence[Shown]) -> Shown:
    """All that is known of a study, from what is of its volumes."""
    states = {one.state for one in volumes}
    state = next((one for one in (ABNORMAL, UNKNOWN) if one in states), NORMAL)
    known = [one.findings for one in volumes]
    findings = None if None in known else tuple(finding for some in known for finding in some or ())
    text = next((one.text for one in volumes if one.state == state), volumes[0].text)
    return Shown(text, findings, frozenset().union(*(one.labels for one in volumes)), state)


def of_studies(vectors: npt.NDArray, embedded: Embeddings, part: Part) -> FloatArray:
    """(n, F) means of the vectors (N, F) of all volumes of the n studies of a part.

    Raises:
        InputError: When they are not finite.
    """
    if not np.isfinite(vectors).all():
        raise InputError("got features that are not finite; train again")
    names, of = np.unique(embedded.items["study_id"].to_numpy(object), return_inverse=True)
    total = np.zeros((len(names), vectors.shape[1]))
    np.add.at(total, of, vectors.astype(np.float64))
    mean = total / np.bincount(of)[:, None]
    return np.asarray(mean[of[part.rows]])
