"""Tiny files in the layouts of public sets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

WriteScan = Callable[..., Path]
WriteLabels = Callable[..., Path]
WriteCase = Callable[..., None]


@pytest.fixture
def write_scan() -> WriteScan:
    """write_scan(path, shape, seed): a volume of a bright ball in noise, which reaches a little below zero."""

    def write(path: Path, shape: tuple[int, int, int] = (12, 12, 12), seed: int = 0) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        points = np.stack(np.meshgrid(*(np.linspace(-1, 1, size) for size in shape), indexing="ij"))
        values = 100 * (np.linalg.norm(points, axis=0) < 0.8) + np.random.default_rng(seed).normal(size=shape)
        nib.save(nib.Nifti1Image(values.astype(np.float32), np.diag([10, 10, 10, 1])), path)
        return path

    return write


@pytest.fixture
def write_labels() -> WriteLabels:
    """write_labels(path, values, shape): label `values[i]` in slab i + 4 along the first axis, zero elsewhere."""

    def write(path: Path, values: Iterable[int] = (1, 2, 4), shape: tuple[int, int, int] = (12, 12, 12)) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        labels = np.zeros(shape, np.uint8)
        for slab, value in enumerate(values, start=4):
            labels[slab, 4:8, 4:8] = value
        nib.save(nib.Nifti1Image(labels, np.diag([10, 10, 10, 1])), path)
        return path

    return write


@pytest.fixture
def write_case(write_scan: WriteScan, write_labels: WriteLabels) -> WriteCase:
    """write_case(prefix, kinds, mask, labels, ending): files `prefix + kind + ending`, and the mask of that kind."""

    def write(
        prefix: Path | str,
        kinds: Iterable[str],
        mask: str = "",
        labels: Iterable[int] = (1, 2, 4),
        ending: str = ".nii.gz",
    ) -> None:
        for seed, kind in enumerate(kinds):
            write_scan(Path(f"{prefix}{kind}{ending}"), seed=seed)
        if mask:
            write_labels(Path(f"{prefix}{mask}{ending}"), labels)

    return write


@pytest.fixture
def write_csv() -> Callable[[Path, Iterable[Mapping[str, str]]], Path]:
    """write_csv(path, rows): a table with the columns of the first row."""

    def write(path: Path, rows: Iterable[Mapping[str, str]]) -> Path:
        lines = [dict(row) for row in rows]
        text = [",".join(lines[0]), *(",".join(line.values()) for line in lines)]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(text) + "\n")
        return path

    return write
