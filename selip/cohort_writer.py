"""Writing a cohort folder, whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pandas as pd
import zarr

from selip.cohort import (
    ROWS_PER_SHARD,
    SCHEMA_VERSION,
    STUDY_COLUMNS,
    VOLUME_COLUMNS,
    CohortInfo,
    manifest_hash,
    voxel_hash,
)  # fmt: skip
from selip.errors import InputError
from selip.files import write_atomically
from selip.splits import split_fingerprint


class CohortWriter:
    """Writes a cohort into a temporary sibling folder and renames it when everything went well.

    Studies are added in order and written a whole shard at a time, so memory does not grow with the cohort.

    Example:
        with CohortWriter(root, info) as writer:
            writer.add_study(study, volumes, arrays, mask)
        cohort = Cohort.open(root)
    """

    def __init__(self, root: Path | str, info: CohortInfo) -> None:
        """Checks that `root` is free; nothing is written yet.

        Raises:
            InputError: When `root` is a file or a folder that is not empty.
        """
        self.root = Path(root)
        if self.root.exists() and (not self.root.is_dir() or any(self.root.iterdir())):
            raise InputError(f"got output {self.root}, which is not empty; name a new folder with --out")
        self._info = info
        self._partial = self.root.parent / f".{self.root.name}.{os.getpid()}.partial"
        self._studies: list[dict[str, Any]] = []
        self._volumes: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        """Makes the temporary folder and the empty store.

        Raises:
            InputError: When the folder cannot be made there.
        """
        shutil.rmtree(self._partial, ignore_errors=True)  # of a killed process that had the same number
        try:
            self._partial.mkdir(parents=True)
        except OSError as error:
            raise InputError(
                f"got output {self.root}, which cannot be made ({error}); name another with --out"
            ) from error
        group = zarr.open_group(self._partial / "store.zarr", mode="w")
        self._arrays = {name: _Appender(group, name, self._info.shape) for name in ("volumes", "masks")}
        return self

    def add_study(
        self,
        study: Mapping[str, Any],
        volumes: Sequence[Mapping[str, Any]],
        arrays: np.ndarray,
        mask: np.ndarray | None,
    ) -> None:
        """Adds one study with its volumes.

        Args:
            study: Values of STUDY_COLUMNS but has_mask and mask_sha256.
            volumes: Values of VOLUME_COLUMNS but sha256, one mapping a volume; ids, split and site default to the
                study's.
            arrays: Voxels (n, I, J, K) uint8 in the order of `volumes`.
            mask: Lesion mask (I, J, K) uint8, or None when there is none to know.
        """
        arrays = np.asarray(arrays)
        if arrays.dtype != np.uint8 or arrays.shape != (len(volumes), *self._info.shape):
            raise ValueError(f"arrays are {arrays.dtype} {arrays.shape}, not uint8 {(len(volumes), *self._info.shape)}")
        shared = {key: study[key] for key in ("study_id", "patient_id", "split", "site")}
        for volume, array in zip(volumes, arrays, strict=True):
            row = shared | {"volume_id": f"{study['study_id']}_{volume['contrast']}"} | dict(volume)
            self._volumes.append(row | {"sha256": voxel_hash(array)})
            self._arrays["volumes"].append(array)
        known = np.zeros(self._info.shape, np.uint8) if mask is None else np.asarray(mask, dtype=np.uint8)
        self._studies.append({"age": "", **study, "has_mask": int(mask is not None), "mask_sha256": voxel_hash(known)})
        self._arrays["masks"].append(known)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finishes and renames the folder, or removes it when an error is on its way."""
        try:
            if kind is None:
                self._finish()
        finally:
            shutil.rmtree(self._partial, ignore_errors=True)

    def _finish(self) -> None:
        for array in self._arrays.values():
            array.flush()
        studies = pd.DataFrame(self._studies, columns=list(STUDY_COLUMNS)).to_csv(index=False)
        volumes = pd.DataFrame(self._volumes, columns=list(VOLUME_COLUMNS)).to_csv(index=False)
        (self._partial / "studies.csv").write_text(studies)
        (self._partial / "volumes.csv").write_text(volumes)
        splits = {row["patient_id"]: row["split"] for row in self._studies}
        info = replace(
            self._info,
            split_fingerprint=split_fingerprint(splits),
            content_hash=manifest_hash(self._info, studies, volumes),
        )
        facts = {"schema_version": SCHEMA_VERSION, **asdict(info)}
        write_atomically(self._partial / "cohort.json", json.dumps(facts, indent=2) + "\n")
        if self.root.is_dir():
            self.root.rmdir()
        self._partial.rename(self.root)


class _Appender:
    """Appends rows to a sharded zarr array, whole shards at a time."""

    def __init__(self, group: zarr.Group, name: str, shape: Sequence[int]) -> None:
        self._array = group.create_array(
            name, shape=(0, *shape), dtype="uint8", chunks=(1, *shape), shards=(ROWS_PER_SHARD, *shape)
        )
        self._buffer: list[np.ndarray] = []

    def append(self, row: np.ndarray) -> None:
        self._buffer.append(np.asarray(row, dtype=np.uint8))
        if len(self._buffer) == ROWS_PER_SHARD:
            self.flush()

    def flush(self) -> None:
        if self._buffer:
            self._array.append(np.stack(self._buffer), axis=0)
            self._buffer = []
