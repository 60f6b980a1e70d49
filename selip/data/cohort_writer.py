"""Writing a cohort folder, whole or not at all."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from glob import escape
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

import numpy as np
import zarr

from selip.data.cohort import (
    ROWS_PER_SHARD,
    SCHEMA_VERSION,
    STUDY_COLUMNS,
    VOLUME_COLUMNS,
    CohortInfo,
    manifest_hash,
    voxel_hash,
)
from selip.data.splits import split_fingerprint
from selip.system.errors import InputError
from selip.system.files import LOCK, held, partial_of, remove_leftovers, sealed_json, write_atomically

zarr.config.set({"codec_pipeline.batch_size": ROWS_PER_SHARD})  # volumes that it encodes at once; its default is one
TABLES = {"studies.csv": STUDY_COLUMNS, "volumes.csv": VOLUME_COLUMNS}


class CohortWriter:
    """Writes a cohort into a temporary sibling folder and renames it when everything went well.

    Studies are added in order; table rows are written at once and voxels a whole shard at a time, so memory does not
    grow with the cohort.

    Attributes:
        root: Folder of the finished cohort.
        partial: Folder it is made in; whatever else is put there becomes part of the cohort.
        info: Facts to write at the end; those outside the content hash may be replaced until then.

    Example:
        with CohortWriter(root, info) as writer:
            writer.add_study(study, volumes, arrays, mask)
        cohort = Cohort.open(root)
    """

    def __init__(
        self,
        root: Path | str,
        info: CohortInfo,
        partial: Path | None = None,
        more_columns: Mapping[str, Sequence[str]] = MappingProxyType({}),
    ) -> None:
        """Checks that `root` is free; nothing is written yet.

        Args:
            root: Folder of the cohort.
            info: Facts; the hashes are filled in at the end.
            partial: Temporary folder, on the same disk, of this process alone; default: a new one beside `root`.
            more_columns: Table to its columns beside COLUMNS, as the state of `selip.data.states` for volumes.csv.

        Raises:
            InputError: When `root` is a file or a folder that is not empty.
        """
        self.root, self.info = Path(root), info
        check_free(self.root)
        self.partial = partial or partial_of(self.root)
        self._more_columns = more_columns
        self._splits: dict[str, str] = {}
        self._open_files, self._hold = ExitStack(), ExitStack()

    def __enter__(self) -> Self:
        """Makes the temporary folder and the empty store; raises InputError when the folder cannot be made there."""
        remove_leftovers(self.root.parent, f".{escape(self.root.name)}.*.partial")
        shutil.rmtree(self.partial, ignore_errors=True)
        try:
            self._hold.enter_context(held(self.partial / LOCK, lambda holder: None))
        except OSError as error:
            raise InputError(
                f"got output {self.root}, which cannot be made ({error}); name another with --out"
            ) from error
        group = zarr.open_group(self.partial / "store.zarr", mode="w")
        self._arrays = {name: _Appender(group, name, self.info.shape) for name in ("volumes", "masks")}
        self._studies, self._volumes = (
            self._open_table(name, (*columns, *self._more_columns.get(name, ()))) for name, columns in TABLES.items()
        )
        return self

    def _open_table(self, name: str, columns: Sequence[str]) -> csv.DictWriter[str]:
        stream = self._open_files.enter_context((self.partial / name).open("w", encoding="utf-8", newline=""))
        table = csv.DictWriter(stream, columns, restval="", extrasaction="ignore", lineterminator="\n")
        table.writeheader()
        return table

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
            volumes: Values of VOLUME_COLUMNS but sha256, one mapping a volume, and the state where it is kept; ids,
                split and site default to the study's.
            arrays: Voxels (n, I, J, K) uint8 in the order of `volumes`.
            mask: Lesion mask (I, J, K) uint8 with the values of `Cohort.read_masks`, or None when there is none to
                know.
        """
        arrays = np.asarray(arrays)
        if arrays.dtype != np.uint8 or arrays.shape != (len(volumes), *self.info.shape):
            raise ValueError(f"arrays are {arrays.dtype} {arrays.shape}, not uint8 {(len(volumes), *self.info.shape)}")
        shared = {key: study[key] for key in ("study_id", "patient_id", "split", "site")}
        for volume, array in zip(volumes, arrays, strict=True):
            row = shared | {"volume_id": f"{study['study_id']}_{volume['contrast']}"} | dict(volume)
            self._volumes.writerow(row | {"sha256": voxel_hash(array)})
            self._arrays["volumes"].append(array)
        known = np.zeros(self.info.shape, np.uint8) if mask is None else np.asarray(mask, dtype=np.uint8)
        self._studies.writerow({**study, "has_mask": int(mask is not None), "mask_sha256": voxel_hash(known)})
        self._arrays["masks"].append(known)
        self._splits[study["patient_id"]] = study["split"]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finishes and renames the folder, or removes it when an error is on its way."""
        with self._hold:
            try:
                self._open_files.close()
                if kind is None:
                    self._finish()
            finally:
                shutil.rmtree(self.partial, ignore_errors=True)

    def _finish(self) -> None:
        for array in self._arrays.values():
            array.flush()
        info = replace(
            self.info,
            split_fingerprint=split_fingerprint(self._splits),
            content_hash=manifest_hash(self.info, *(self.partial / name for name in TABLES)),
        )
        facts = {"schema_version": SCHEMA_VERSION, **asdict(info)}
        write_atomically(self.partial / "cohort.json", sealed_json(facts, indent=2))
        if self.root.is_dir():
            self.root.rmdir()
        self.partial.rename(self.root)
        (self.root / LOCK).unlink()


def check_free(root: Path) -> None:
    """Refuses a place for a cohort that is in use.

    Raises:
        InputError: When `root` is a file or a folder that is not empty.
    """
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise InputError(f"got output {root}, which is not empty; name a new folder with --out")


class _Appender:
    """Appends rows to a sharded zarr array, whole shards at a time."""

    def __init__(self, group: zarr.Group, name: str, shape: Sequence[int]) -> None:
        # Looking for empty chunks takes as long as packing them: masks are often empty, volumes never.
        self._array = group.create_array(
            name,
            shape=(0, *shape),
            dtype="uint8",
            chunks=(1, *shape),
            shards=(ROWS_PER_SHARD, *shape),
            config={"write_empty_chunks": name == "volumes"},
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
