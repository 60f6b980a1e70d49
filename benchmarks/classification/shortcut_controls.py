"""Controls of real cohorts that know no anatomy: intensities without places, how many slices there are, lesion volume.

A task that one of them answers as well as a method may be answered by how the images were made.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np

from benchmarks.classification.labels import TaskData
from selip.data.cohort import Cohort, lesion_of
from selip.data.splits import LEFT_OUT
from selip.models.scored_model import Subject
from selip.system.arrays import FloatArray

CONTROLS = {"histogram": "intensity histogram", "extent": "slice count", "lesion_ml": "lesion volume"}
BINS = 16
AT_ONCE = 64
NOTE = (
    f"histogram: shares of a volume's voxels above 0 in {BINS} bins; extent: slices that are not empty along each "
    "axis, and volumes of the patient; lesion_ml: logarithm of the volume of the mask; each through the same probe"
)


def control_notes(subject: Subject) -> dict[str, str]:
    """The note of what the controls are; none of a simulated cohort, which has none."""
    return {} if subject.cohort.info.synthetic else {"controls of a real cohort": NOTE}


def control_vectors(subject: Subject, data: TaskData) -> dict[str, dict[str, FloatArray]]:
    """Vectors (n, F) of the items of every part, for each of CONTROLS; none of a simulated cohort."""
    cohort = subject.transfer if data.task.is_transfer and subject.transfer else subject.cohort
    if cohort.info.synthetic:
        return {}
    known = dict(_of_cohort(cohort.root, cohort.info.content_hash))
    known["extent"] = np.column_stack([known["extent"], _n_volumes(cohort)])
    rows = {name: cohort.rows(name)[part.rows] for name, part in data.parts.items()}
    return {name: {part: vectors[own] for part, own in rows.items()} for name, vectors in known.items()}


@lru_cache(maxsize=2)
def _of_cohort(root: Path, content_hash: str) -> Mapping[str, FloatArray]:
    """Vectors of all volumes (N, F) of a cohort by control; the hash tells two cohorts of one folder apart."""
    cohort = Cohort.open(root, verify=False)
    batches = np.array_split(np.arange(len(cohort.volumes)), max(1, len(cohort.volumes) // AT_ONCE))
    read = [cohort.read_volumes(rows) for rows in batches]
    return {
        "histogram": np.concatenate([histograms(voxels) for voxels in read]),
        "extent": np.concatenate([extents(voxels) for voxels in read]),
        "lesion_ml": _lesion_ml(cohort),
    }


def _n_volumes(cohort: Cohort) -> FloatArray:
    """(N,) volumes of the patient of each volume, without those that are left out."""
    is_in = (cohort.volumes["split"] != LEFT_OUT).astype(np.float64)
    return np.asarray(is_in.groupby(cohort.volumes["patient_id"]).transform("sum"), dtype=np.float64)


def histograms(voxels: np.ndarray) -> FloatArray:
    """(n, BINS) shares of the voxels above 0 of stored volumes (n, I, J, K) uint8."""
    counts = np.stack([np.bincount(one[one > 0].astype(np.int64) * BINS // 256, minlength=BINS) for one in voxels])
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


def extents(voxels: np.ndarray) -> FloatArray:
    """(n, 3) slices along each axis of stored volumes (n, I, J, K) uint8 that hold anything."""
    axes = ((2, 3), (1, 3), (1, 2))
    return np.stack([voxels.any(axis=axis).sum(axis=1) for axis in axes], axis=1).astype(np.float64)


def _lesion_ml(cohort: Cohort) -> FloatArray:
    """(N, 2) logarithm of 1 + millilitres of the study's mask, and whether it has one."""
    batches = np.array_split(np.arange(len(cohort.studies)), max(1, len(cohort.studies) // AT_ONCE))
    counts = np.concatenate([lesion_of(cohort.read_masks(rows)).sum(axis=(1, 2, 3)) for rows in batches])
    table = np.column_stack(
        [np.log1p(counts * np.prod(cohort.info.spacing_mm) / 1000), cohort.studies["has_mask"] == "1"]
    )
    place = {study: row for row, study in enumerate(cohort.studies["study_id"])}
    return np.asarray(table[[place[study] for study in cohort.volumes["study_id"]]], dtype=np.float64)
