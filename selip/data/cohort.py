"""A cohort on disk: manifest tables, a volume store and one frozen split.

    cohort.json    facts, grid, split fingerprint, content hash
    studies.csv    one row a study (an examination), with findings, labels, report and split
    volumes.csv    one row a volume (one contrast of a study), with the findings text it is paired with
    store.zarr     arrays `volumes` (N, I, J, K) and `masks` (S, I, J, K), uint8, one row a volume / a study
    quarantine.csv what an import left out, with the reason (imported cohorts)

Voxel axes are RAS: axis 0 grows to the patient's right, axis 1 to the front, axis 2 to the top.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import TypeAdapter

from selip.data.cohort_declaration import DataSheet, DeclaredTask
from selip.data.findings import Finding, findings_from_json
from selip.data.splits import LEFT_OUT, SPLITS
from selip.system.errors import InputError, one_line
from selip.system.files import canonical_json, unsealed_json

if TYPE_CHECKING:
    import pandas as pd
    import zarr

SCHEMA_VERSION = 1
STUDY_COLUMNS = (
    "study_id", "patient_id", "split", "site", "report", "findings", "labels", "has_mask", "age", "mask_sha256",
)  # fmt: skip
VOLUME_COLUMNS = ("volume_id", "study_id", "patient_id", "contrast", "split", "site", "text", "sha256")
READ_FINDINGS = "read_findings"
"""Optional column of studies.csv: findings that were read from the report, for training; `findings` judge."""
COMBINATION, ANATOMY, USUAL = "combination", "anatomy", "usual"
"""Optional columns of volumes.csv: "seen" or "unseen", as train has types in places; "usual", or what is odd."""
ROWS_PER_SHARD = 64
CHARACTERS_AT_ONCE = 2**20
LEVELS = (1, 2, 3)  # of a mask: lesion / whole tumour, tumour core, enhancing tumour; a voxel has its highest
IGNORE = 255  # of a mask: not scored, neither truth nor prediction
AGAIN = "build the cohort again"
BROKEN_STORE = (OSError, KeyError, ValueError, TypeError, RuntimeError)  # what zarr raises for damaged files


@dataclass(frozen=True)
class CohortInfo:
    """Facts about a cohort; the last two are filled in by `CohortWriter`.

    Attributes:
        name: Name of the cohort, as "phantom"; `profile` is a variant of it, `seed` the one it was generated with.
        synthetic: Whether the volumes are simulated.
        shape: Voxels along right, front, top; their edges in millimetres are `spacing_mm`.
        contrasts: Contrasts that occur.
        licence: Terms of the data; `citation` is what to cite.
        command: Command that rebuilds it; `intensity` is the rule by which voxels became uint8.
        findings_source: Where texts and findings come from: "truth" (simulated), "given" (with the set), "extracted"
            (from reports, by rule), "masks" (measured), "table", "" (texts are reports); joined by "+", not hashed.
        renderer: What made simulated voxels, as "torch 2.15.0 on NVIDIA H100"; "" for numpy, or when imported.
        tasks: Column of studies.csv, as "label:idh", to the task that it is; `sheet` is the data sheet.
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
    findings_source: str = ""
    renderer: str = ""
    tasks: dict[str, DeclaredTask] = field(default_factory=dict)
    sheet: DataSheet = field(default_factory=DataSheet)
    split_fingerprint: str = ""
    content_hash: str = ""

    @property
    def is_measured(self) -> bool:
        """True when texts were measured on masks or read off a table, and none is a report."""
        found = {*self.findings_source.split("+")}
        return bool({"masks", "table"} & found) and found <= {"given", "masks", "table"}


@dataclass(frozen=True)
class Cohort:
    """An opened cohort. Voxels are read lazily from the store; `fold` is "" or which fold is its test part."""

    root: Path
    info: CohortInfo
    studies: pd.DataFrame
    volumes: pd.DataFrame
    fold: str = ""

    @classmethod
    def open(cls, root: Path | str, verify: bool = True) -> Cohort:
        """Opens a cohort folder.

        Raises:
            InputError: When a file is missing or damaged, a table does not have the columns of the schema or, with
                `verify`, is not that of the content hash.
        """
        root = Path(root)
        try:
            facts = unsealed_json(facts_file(root).read_bytes())
            version = facts.pop("schema_version", None)
            info = TypeAdapter(CohortInfo).validate_python(facts)
        except (ValueError, AttributeError, TypeError) as error:
            raise InputError(f"got an unreadable {root}/cohort.json ({one_line(error)}); {AGAIN}") from error
        if version != SCHEMA_VERSION:
            raise InputError(f"got cohort schema {version} in {root}, not {SCHEMA_VERSION}; {AGAIN}")
        paths = (root / "studies.csv", root / "volumes.csv")
        studies, volumes = _read_table(paths[0], STUDY_COLUMNS), _read_table(paths[1], VOLUME_COLUMNS)
        if verify and manifest_hash(info, *paths) != info.content_hash:
            raise InputError(f"got tables in {root} that are not those of its cohort.json; {AGAIN}")
        return cls(root, info, studies, volumes)

    def rows(self, split: str) -> np.ndarray:
        """Row numbers (n,) int64 of the volumes in `split`; "all" gives every row that is not left out."""
        if split == "all":
            return np.flatnonzero(self.volumes["split"].to_numpy() != LEFT_OUT)
        if split not in SPLITS:
            raise InputError(f"got split {split!r}; allowed: {', '.join(SPLITS)}, all")
        return np.flatnonzero(self.volumes["split"].to_numpy() == split)

    def read_volumes(self, rows: Sequence[int] | range | np.ndarray) -> np.ndarray:
        """Voxels (n, I, J, K) uint8 of the given rows of `volumes`.

        Raises:
            InputError: When the store is damaged.
        """
        return self._verified("volumes", rows, self.volumes["sha256"], self.volumes["volume_id"])

    def read_masks(self, rows: Sequence[int] | range | np.ndarray) -> np.ndarray:
        """Lesion masks (n, I, J, K) uint8 of the given rows of `studies`; errors as in `read_volumes`.

        A voxel has its highest level of LEVELS (a plain lesion mask has level 1 alone); 0 is background and IGNORE is
        not scored. See `lesion_of`.
        """
        return self._verified("masks", rows, self.studies["mask_sha256"], self.studies["study_id"])

    def _verified(
        self, array: str, rows: Sequence[int] | range | np.ndarray, hashes: pd.Series, names: pd.Series
    ) -> np.ndarray:
        found = self.read(array, rows)
        wanted = np.asarray(rows, dtype=np.int64)
        for voxels, expected, row in zip(found, hashes.iloc[wanted], wanted, strict=True):
            if voxel_hash(voxels) != expected:
                place = f"{self.root} than were written (store.zarr/{array} is damaged)"
                raise InputError(f"got other voxels of {names.iloc[row]} in {place}; {AGAIN}")
        return found

    def findings(self, study_id: str) -> list[Finding] | None:
        """True findings of a study: empty when it is normal, None when nobody knows them."""
        return self.known_findings([study_id]).get(study_id)

    def known_findings(self, studies: Iterable[str]) -> dict[str, list[Finding]]:
        """True findings of those of `studies` whose findings somebody knows; empty when the study is normal."""
        texts = dict(zip(self.studies["study_id"], self.studies["findings"], strict=True))
        return {study: findings_from_json(texts[study]) for study in sorted(set(studies)) if texts[study]}

    def store(self, array: str) -> zarr.Array:
        """The array "volumes" or "masks" of the store, opened for reading; raises InputError when it is damaged."""
        import zarr

        try:
            return zarr.open_array(self.root / "store.zarr" / array, mode="r")
        except BROKEN_STORE as error:
            raise InputError(f"got no store.zarr/{array} in {self.root} ({error}); {AGAIN}") from error

    def read(self, array: str, rows: Sequence[int] | range | np.ndarray) -> np.ndarray:
        """Rows (n, I, J, K) uint8 of the stored array `array`, as they are.

        Raises:
            InputError: When the store is damaged.
        """
        from selip.system.shards import read_rows  # it brings codecs along, which nobody needs to look at a folder

        try:
            return read_rows(self.root / "store.zarr" / array, np.asarray(rows, dtype=np.int64))
        except BROKEN_STORE as error:
            raise InputError(f"got a damaged store.zarr/{array} in {self.root} ({error}); build it again") from error


def facts_file(root: Path) -> Path:
    """The file that makes a folder a cohort; raises InputError when it is not there."""
    if not (root / "cohort.json").is_file():
        raise InputError(f"got {root}, which holds no cohort.json; make a cohort with 'selip cohort build' or 'import'")
    return root / "cohort.json"


def _read_table(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    import pandas as pd

    if not path.is_file():
        raise InputError(f"got no {path}; a cohort needs it; {AGAIN}")
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except ValueError as error:
        raise InputError(f"got an unreadable {path} ({one_line(error)}); {AGAIN}") from error
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise InputError(f"got {path} without the columns {', '.join(missing)}; {AGAIN}")
    return table


def voxel_hash(array: np.ndarray) -> str:
    """SHA-256 (hex) of a volume's voxels in C order."""
    return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()


def lesion_of(masks: np.ndarray) -> np.ndarray:
    """Lesion voxels of stored masks, of any level (bool, same shape); IGNORE is none."""
    return (masks > 0) & (masks != IGNORE)


def manifest_hash(info: CohortInfo, studies: Path, volumes: Path) -> str:
    """SHA-256 (hex) of a cohort's name, profile, grid, intensity rule, tasks if any, and the text of both tables.

    It is the hash of the canonical JSON of these as a list; the tables are read a piece at a time.
    """
    spacing_mm = [float(edge) for edge in info.spacing_mm]
    tasks = [{column: asdict(task) for column, task in info.tasks.items()}] if info.tasks else []
    head = canonical_json([info.name, info.profile, info.shape, spacing_mm, info.intensity, *tasks])
    digest = hashlib.sha256(head.removesuffix("]").encode())
    for path in (studies, volumes):
        digest.update(b',"')
        with path.open(encoding="utf-8", newline="") as stream:  # reports keep their own line ends
            while text := stream.read(CHARACTERS_AT_ONCE):
                digest.update(json.dumps(text)[1:-1].encode())
        digest.update(b'"')
    digest.update(b"]")
    return digest.hexdigest()
