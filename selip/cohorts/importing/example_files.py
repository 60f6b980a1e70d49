"""Tiny files in the layout of a set: a cohort's `example` writes them, so that its import is tested without data."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from zlib import crc32

import nibabel as nib
import numpy as np

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
