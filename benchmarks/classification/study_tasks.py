"""Classes of whole studies: the items of a study become one, and its vectors the mean of all its volumes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from benchmarks.classification.class_tasks import abnormal
from benchmarks.classification.labels import MIN_PATIENTS, Part, TaskData
from selip.models.embeddings import Embeddings
from selip.system.arrays import FloatArray


def study_task(data: TaskData, embedded: Mapping[str, Embeddings]) -> TaskData | None:
    """The task with one item a study, whose row is that of its first volume; None where too few have a class."""
    parts = {
        part: _part(data, own, embedded[part].items["study_id"].to_numpy(object)) for part, own in data.parts.items()
    }
    counts = [
        own.items.groupby(own.labels)["patient_id"].nunique().reindex(range(len(data.classes)), fill_value=0)
        for part, own in parts.items()
        if part != "val"
    ]
    kept = [number for number in range(len(data.classes)) if all(count[number] >= MIN_PATIENTS for count in counts)]
    if len(kept) < 2:
        return None
    chosen = {part: _of_classes(own, kept) for part, own in parts.items()}
    if not all(len(own.rows) for own in chosen.values()):
        return None
    return replace(data, classes=tuple(data.classes[number] for number in kept), parts=chosen)


def _part(data: TaskData, own: Part, study_of: npt.NDArray) -> Part:
    studies, volumes = np.unique(study_of, return_counts=True)
    several = set(studies[volumes > 1])
    names, first, of = np.unique(study_of[own.rows], return_index=True, return_inverse=True)
    lowest, highest = np.full(len(names), len(data.classes)), np.full(len(names), -1)
    np.minimum.at(lowest, of, own.labels)
    np.maximum.at(highest, of, own.labels)
    any_counts = data.task.label is abnormal
    kept = np.array([name in several for name in names]) & (any_counts | (lowest == highest))
    items = own.items.iloc[first[kept]].assign(item_id=names[kept], contrast="study", text="")
    return Part(items.reset_index(drop=True), own.rows[first[kept]], highest[kept])


def _of_classes(own: Part, kept: Sequence[int]) -> Part:
    chosen = np.isin(own.labels, kept)
    labels = np.searchsorted(kept, own.labels[chosen])
    return Part(own.items[chosen].reset_index(drop=True), own.rows[chosen], labels)


def of_studies(vectors: npt.NDArray, embedded: Embeddings, part: Part) -> FloatArray:
    """(n, F) means of the vectors (N, F) of all volumes of the n studies of a part."""
    names, of = np.unique(embedded.items["study_id"].to_numpy(object), return_inverse=True)
    total = np.zeros((len(names), vectors.shape[1]))
    np.add.at(total, of, vectors.astype(np.float64))
    mean = total / np.bincount(of)[:, None]
    return np.asarray(mean[of[part.rows]])
