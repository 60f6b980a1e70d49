"""Adapters of public sets: their declarations, the examinations that they find in a folder, and tiny example files.

An adapter is one file that turns the folder a user downloaded into a `Scan`: names and small tables are read, voxels
never. `selip.cohorts.importing.importer` makes the cohort from it, the same way for every set.

Levels of a mask are nested; a voxel has its HIGHEST one:

    1 = lesion / whole tumour (WT), 2 = tumour core (TC), 3 = enhancing tumour (ET)

so WT = level >= 1, TC = level >= 2, ET = level >= 3. IGNORE (255) is not scored: neither truth nor prediction.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from zlib import crc32

import nibabel as nib
import numpy as np
import pydantic
import pydantic.dataclasses

from selip.data.cohort import IGNORE as IGNORE
from selip.data.cohort_declaration import CohortDeclaration
from selip.data.nifti import Image


@pydantic.dataclasses.dataclass(frozen=True, config=pydantic.ConfigDict(strict=True))
class StudyFiles:
    """One examination as found on disk; nothing is read but names and small tables.

    A value of another type, as an age that is a number, is an error where the adapter makes it.

    Attributes:
        patient: Id of the person; repeats of one person share it.
        study: Id of the examination, unique.
        volumes: Contrast of CONTRASTS -> NIfTI file.
        mask: Label file, None when the set has none of this study.
        mask_contrast: The volume whose grid the mask is on; "" is any of `volumes`.
        levels: Label value in the file -> level; empty means every value above one half is level 1.
        report: Free text; "" when the set has none.
        texts: Contrast -> findings text, where the set gives one a contrast.
        labels: Study labels, as "high-grade glioma".
        split: train, val, test, or "" (then seeded, by patient).
        site: Where it was acquired.
        age: Years.
        place: Region ("" where unknown) and side that a table gives, for what the mask shows; None where it gives none.
        own: Column `label:NAME`, `value:NAME` or `fold` to its value.
        reader: Reads a contrast, or "mask", of a set that is no NIfTI; its paths may then be folders. None: NIfTI.
    """

    patient: str
    study: str
    volumes: Mapping[str, Path]
    mask: Path | None = None
    mask_contrast: str = ""
    levels: Mapping[int, int] = field(default_factory=dict)
    report: str = ""
    texts: Mapping[str, str] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    split: str = ""
    site: str = ""
    age: str = ""
    place: tuple[str, str] | None = None
    own: Mapping[str, str] = field(default_factory=dict)
    reader: Callable[[Path, str], Image] | None = None


@dataclass(frozen=True)
class Scan:
    """Examinations that an adapter found in a folder.

    Attributes:
        studies: The examinations that can be imported.
        problems: One line each, as "BraTS20_Training_007: no t2 volume"; the study is left out or incomplete, as the
            line says.
    """

    studies: tuple[StudyFiles, ...]
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Adapter:
    """A public set: its facts and how its folder is read.

    Attributes:
        name: Registry name.
        summary: One line for `selip list cohorts`.
        licence: Terms of the data.
        citation: What to cite.
        source: Where the data are had.
        layout: What the folder must look like, shown when nothing is found.
        expected: Published counts, as {"studies": 335, "patients": 335, "HGG": 259, "LGG": 76}; any other key than
            "studies" and "patients" is a label.
        scan: Reads names and tables only, never voxels; raises InputError when nothing of its layout is there.
        centre: Where the grid lies, see `selip.data.volumes`.
        declares: Tasks, data sheet and more, see `selip.data.cohort_declaration`.
        texts: Where texts come from unless the user says, see `selip.cohorts.importing.study_texts`.
        example: Writes a tiny source of that layout below an empty folder and returns it, for the tests; see
            `write_case` and its like below.
    """

    name: str
    summary: str
    licence: str
    citation: str
    source: str
    layout: str
    expected: Mapping[str, int]
    scan: Callable[[Path], Scan]
    centre: Literal["foreground", "world"] = "foreground"
    declares: CohortDeclaration = field(default_factory=CohortDeclaration)
    texts: Literal["extracted", "none"] = "extracted"
    example: Callable[[Path], Path] | None = None


def unfit_label(labels: Iterable[str]) -> str:
    """A label that no task can take, with what is allowed; "" when all are fit.

    Labels become classes, and classes are part of a metric's key, which "/" divides.
    """
    found = next((label for label in sorted(labels) if "/" in label or not label.isprintable()), "")
    return f"label {found[:60]!r}; allowed: one name, without '/'; write a hyphen or choose one" if found else ""


_AFFINE = np.diag([10, 10, 10, 1])  # mm


def write_scan(path: Path, shape: tuple[int, int, int] = (12, 12, 12), seed: int = 0) -> Path:
    """Writes a volume of a bright ball in noise, which reaches a little below zero."""
    path.parent.mkdir(parents=True, exist_ok=True)
    points = np.stack(np.meshgrid(*(np.linspace(-1, 1, size) for size in shape), indexing="ij"))
    values = 100 * (np.linalg.norm(points, axis=0) < 0.8) + np.random.default_rng(seed).normal(size=shape)
    nib.save(nib.Nifti1Image(values.astype(np.float32), _AFFINE), path)
    return path


def write_labels(path: Path, values: Iterable[int] = (1, 2, 4), shape: tuple[int, int, int] = (12, 12, 12)) -> Path:
    """Writes a mask with label `values[i]` in slab i + 4 along the first axis, zero elsewhere."""
    path.parent.mkdir(parents=True, exist_ok=True)
    labels = np.zeros(shape, np.uint8)
    for slab, value in enumerate(values, start=4):
        labels[slab, 4:8, 4:8] = value
    nib.save(nib.Nifti1Image(labels, _AFFINE), path)
    return path


def write_case(
    prefix: Path | str, kinds: Iterable[str], mask: str = "", labels: Iterable[int] = (1, 2, 4), ending: str = ".nii.gz"
) -> None:
    """Writes the files `prefix + kind + ending`, and the mask of that kind where one is named."""
    for path in (Path(f"{prefix}{kind}{ending}") for kind in kinds):
        write_scan(path, seed=crc32("/".join(path.parts[-4:]).encode()))
    if mask:
        write_labels(Path(f"{prefix}{mask}{ending}"), labels)


def write_table(path: Path, rows: Iterable[Mapping[str, str]]) -> Path:
    """Writes a CSV file of rows, each column name to value; a value that a row lacks is empty."""
    lines = [dict(row) for row in rows]
    columns = dict.fromkeys(key for row in lines for key in row)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, columns, restval="")
        table.writeheader()
        table.writerows(lines)
    return path
