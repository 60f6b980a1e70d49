"""A user's own NIfTI files and reports, listed in a CSV file: one row a volume.

Columns, the last six optional:
    patient, study: Ids; a study is one examination of one patient.
    contrast: T1, T2, FLAIR, DWI, ADC or T1c, or an alias (CONTRAST_ALIASES); letter case, "-", "_", " " do not matter.
    path: NIfTI file, relative to the CSV's folder (or to `root`).
    report: Free text of the study, the same in all its rows.
    findings: What this contrast shows, "at X shows Y; at Z shows W" or the normal sentence. Without it the report
        itself is the text of the pair.
    mask: Lesion mask on the grid of this row's volume, one file a study; label values above one half are lesion.
    labels: Names separated by semicolons; the split is stratified on them.
    split: train, val or test, in all rows or in none; with none the split is seeded, by patient.
    site, age: Of the study; age in years.

The whole table is checked before the first voxel is read, and the cohort appears whole or not at all. Structured
findings (the truth that graded relevance needs) stay unknown: they are not guessed from text.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from selip.cohort import Cohort, CohortInfo
from selip.cohort_source import CohortSource
from selip.cohort_writer import CohortWriter
from selip.cohorts.table_rows import Row, group_studies, patient_splits, read_rows
from selip.errors import InputError
from selip.findings import CONTRASTS
from selip.nifti import Image, read_nifti, same_grid
from selip.volumes import Centre, mask_to_grid, study_grid, to_grid

Shape = tuple[int, int, int]
Spacing = tuple[float, float, float]


def import_table(
    csv_file: Path | str,
    out: Path | str,
    *,
    shape: Shape,
    spacing_mm: Spacing,
    seed: int = 0,
    root: Path | str | None = None,
    name: str = "",
    centre: Centre = "foreground",
    command: str = "",
    progress: Callable[[int, int], None] | None = None,
) -> Cohort:
    """Imports the volumes of a table into a new cohort.

    Args:
        csv_file: The table, see the module.
        out: Cohort folder to make; must not exist, or be empty.
        shape: Voxels of the cohort's grid along right, front, top.
        spacing_mm: Voxel edges along the same axes.
        seed: Seed of the split when the table gives none.
        root: Data folder that paths are relative to and may not leave; the CSV's folder by default.
        name: Name of the cohort; the CSV's by default.
        centre: Where the grid lies, "foreground" (native scans) or "world" (files in MNI space), see `selip.volumes`.
        command: Command that rebuilds the cohort, for its facts.
        progress: Called with (studies done, studies in all).

    Raises:
        InputError: One line that names row, study or file; nothing is written then.
    """
    csv_file = Path(csv_file)
    _check_grid(shape, spacing_mm)
    rows = read_rows(csv_file, csv_file.parent if root is None else Path(root))
    studies, splits = group_studies(rows), patient_splits(rows, seed)
    used = {row.contrast for row in rows}
    contrasts = tuple(contrast for contrast in CONTRASTS if contrast in used)
    info = CohortInfo(name or csv_file.stem, "table", seed, False, shape, spacing_mm, contrasts, command=command)
    with CohortWriter(out, info) as writer:
        for done, members in enumerate(studies, start=1):
            arrays, mask = _load_study(members, shape, spacing_mm, centre)
            volumes = [{"contrast": row.contrast, "text": row.text} for row in members]
            writer.add_study(_study_values(members[0], splits[members[0].patient]), volumes, arrays, mask)
            if progress is not None:
                progress(done, len(studies))
    return Cohort.open(out)


def _study_values(row: Row, split: str) -> dict[str, str]:
    return {
        "study_id": row.study,
        "patient_id": row.patient,
        "split": split,
        "site": row.site,
        "report": row.report,
        "findings": "",
        "labels": json.dumps(row.labels),
        "age": row.age,
    }


def _load_study(
    rows: Sequence[Row], shape: Shape, spacing_mm: Spacing, centre: Centre
) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    """Volumes (n, I, J, K) of a study in the order of its rows, and its mask (I, J, K) or None."""
    images: list[Image] = []
    lesion: Image | None = None
    for row in rows:
        try:
            images.append(read_nifti(row.path))
            lesion = _read_mask(row.mask, images[-1]) if row.mask else lesion
        except InputError as error:
            raise InputError(f"{row.place}: {error}") from error
    try:
        grid = study_grid(images, shape, spacing_mm, centre)
        arrays = np.stack([to_grid(image, grid) for image in images])
        return arrays, None if lesion is None else mask_to_grid(lesion, grid)
    except InputError as error:
        raise InputError(f"row {rows[0].number}, study {rows[0].study}: {error}") from error


def _read_mask(path: Path, volume: Image) -> Image:
    mask = read_nifti(path, constant_ok=True)
    if not same_grid(mask, volume):
        raise InputError(
            f"got mask {path} on another grid than its volume ({mask.values.shape}, {volume.values.shape}); allowed: "
            "the same voxels and affine; resample it, or list it in the row of the volume it was drawn on"
        )
    return mask


def _check_grid(shape: Sequence[int], spacing_mm: Sequence[float]) -> None:
    if len(shape) != 3 or any(size < 1 for size in shape):
        raise InputError(f"got shape {tuple(shape)}; allowed: three positive whole numbers; mend it")
    if len(spacing_mm) != 3 or not all(0 < size < np.inf for size in spacing_mm):
        raise InputError(f"got spacing {tuple(spacing_mm)}; allowed: three positive lengths in mm; mend it")


COHORT = CohortSource(
    name="table",
    summary="Your own NIfTI files and reports, listed in a CSV file",
    source="The user's own; their terms hold.",
    import_from=import_table,
)
