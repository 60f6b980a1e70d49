"""A cohort on disk: manifest tables, a volume store and one frozen split.

    cohort.json    facts, grid, split fingerprint, content hash
    studies.csv    one row a study (an examination), with findings, labels, report and split
    volumes.csv    one row a volume (one contrast of a study), with the findings text it is paired with
    store.zarr     arrays `volumes` (N, I, J, K) and `masks` (S, I, J, K), uint8, one row a volume / a study

Voxel axes are RAS: axis 0 grows to the patient's right, axis 1 to the front, axis 2 to the top.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pandas as pd
import zarr
from pydantic import TypeAdapter

from selip.errors import InputError
from selip.files import content_hash, write_atomically
from selip.findings import Finding, findings_from_json
from selip.splits import SPLITS, split_fingerprint

SCHEMA_VERSION = 1
STUDY_COLUMNS = (
    "study_id", "patient_id", "split", "site", "report", "findings", "labels", "has_mask", "age",
)  # fmt: skip
VOLUME_COLUMNS = ("volume_id", "study_id", "patient_id", "contrast", "split", "site", "text", "sha256")
ROWS_PER_SHARD = 64


@dataclass(frozen=True)
class CohortInfo:
    """Facts about a cohort; the last two are filled in by `CohortWriter`.

    Attributes:
        name: Name of the cohort, as "phantom".
        profile: Variant of it, as "quick".
        seed: Seed it was generated or split with.
        synthetic: Whether the volumes are simulated.
        shape: Voxels along right, front, top.
        spacing_mm: Voxel edges in millimetres along the same axes.
        contrasts: Contrasts that occur.
        licence: Terms of the data.
        citation: What to cite.
        command: Command that rebuilds it.
        intensity: Rule by which voxels became uint8.
        split_fingerprint: Hash of patients and their parts.
        content_hash: Hash of both manifests, voxel hashes included.
    """

    name: str
    profile: str
    seed: int
    synthetic: bool
    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    contrasts: tuple[str, ...]
    licence: str = ""
    citation: str = ""
    command: str = ""
    intensity: str = "minmax"
    split_fingerprint: str = ""
    content_hash: str = ""


@dataclass(frozen=True)
class Cohort:
    """An opened cohort. Voxels are read lazily from the store."""

    root: Path
    info: CohortInfo
    studies: pd.DataFrame
    volumes: pd.DataFrame

    @classmethod
    def open(cls, root: Path | str) -> Cohort:
        """Opens a cohort folder.

        Raises:
            InputError: When a file is missing or a table does not have the columns of the schema.
        """
        root = Path(root)
        if not (root / "cohort.json").is_file():
            raise InputError(
                f"got {root}, which holds no cohort.json; allowed: a cohort folder; make one with 'selip cohort build'"
            )
        try:
            facts = json.loads((root / "cohort.json").read_text())
            version = facts.pop("schema_version", None)
            info = TypeAdapter(CohortInfo).validate_python(facts)
        except (ValueError, AttributeError) as error:
            raise InputError(f"got an unreadable {root / 'cohort.json'} ({error!r}); build the cohort again") from error
        if version != SCHEMA_VERSION:
            raise InputError(
                f"got cohort schema {version} in {root}; allowed: {SCHEMA_VERSION}; build the cohort again"
            )
        studies = _read_table(root / "studies.csv", STUDY_COLUMNS)
        return cls(root, info, studies, _read_table(root / "volumes.csv", VOLUME_COLUMNS))

    def rows(self, split: str) -> np.ndarray:
        """Row numbers (n,) int64 of the volumes in `split`; "all" gives every row."""
        if split == "all":
            return np.arange(len(self.volumes))
        if split not in SPLITS:
            raise InputError(f"got split {split!r}; allowed: {', '.join(SPLITS)}, all")
        return np.flatnonzero(self.volumes["split"].to_numpy() == split)

    def read_volumes(self, rows: Sequence[int] | range | np.ndarray) -> np.ndarray:
        """Voxels (n, I, J, K) uint8 of the given rows of `volumes`."""
        return self._read("volumes", rows)

    def read_masks(self, rows: Sequence[int] | range | np.ndarray) -> np.ndarray:
        """Lesion masks (n, I, J, K) uint8 of the given rows of `studies`."""
        return self._read("masks", rows)

    def findings(self, study_id: str) -> list[Finding] | None:
        """True findings of a study: empty when it is normal, None when nobody knows them."""
        text = str(self.studies.set_index("study_id")["findings"].at[study_id])
        return findings_from_json(text) if text else None

    def _read(self, array: str, rows: Sequence[int] | range | np.ndarray) -> np.ndarray:
        try:
            store = zarr.open_array(self.root / "store.zarr" / array, mode="r")
        except (OSError, KeyError, ValueError) as error:
            raise InputError(f"got no volume store in {self.root} ({error}); build the cohort again") from error
        wanted = np.asarray(rows, dtype=np.int64)
        if len(wanted) and not 0 <= wanted.min() <= wanted.max() < len(store):
            raise IndexError(f"rows {wanted.min()} to {wanted.max()} of {len(store)} {array}")
        # Runs of neighbours as slices: orthogonal indexing of a sharded array is 10 to 100 times slower.
        runs = np.split(wanted, np.flatnonzero(np.diff(wanted) != 1) + 1)
        parts = [np.asarray(store[int(run[0]) : int(run[-1]) + 1]) for run in runs if len(run)]
        return np.concatenate(parts) if parts else np.empty((0, *store.shape[1:]), np.uint8)


def _read_table(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    if not path.is_file():
        raise InputError(f"got no {path}; a cohort needs it; build the cohort again")
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise InputError(f"got {path} without the columns {', '.join(missing)}; build the cohort again")
    return table


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
        """Makes the temporary folder and the empty store."""
        self._partial.mkdir(parents=True)
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
            study: Values of STUDY_COLUMNS but has_mask.
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
        self._studies.append({"age": "", **study, "has_mask": int(mask is not None)})
        self._arrays["masks"].append(np.zeros(self._info.shape, np.uint8) if mask is None else mask)

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


def voxel_hash(array: np.ndarray) -> str:
    """SHA-256 (hex) of a volume's voxels in C order."""
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def manifest_hash(info: CohortInfo, studies: str, volumes: str) -> str:
    """SHA-256 (hex) of a cohort's name, profile, grid, intensity rule and the text of both tables."""
    spacing_mm = [float(edge) for edge in info.spacing_mm]
    return content_hash([info.name, info.profile, info.shape, spacing_mm, info.intensity, studies, volumes])
