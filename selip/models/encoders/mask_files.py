"""Lesion masks that were predicted elsewhere: <volume_id>.nii.gz or <study_id>.nii.gz on the cohort's grid."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from selip.data.cohort import Cohort, CohortInfo
from selip.data.nifti import read_nifti
from selip.models.encoder import EncoderKind, Stated, VolumeBatch, Wants
from selip.system.arrays import BoolArray
from selip.system.errors import InputError, UnavailableError
from selip.system.files import content_hash

ENDINGS = (".nii.gz", ".nii")
NOTHING_ELSE = "masks say nothing of embeddings and classes; leave other benchmarks than segmentation out"


class MaskFiles:
    """Masks of a folder as an Encoder."""

    wants, device = Wants(), torch.device("cpu")

    def __init__(self, folder: Path, info: CohortInfo) -> None:
        names = {path.name: path for path in sorted(folder.glob("*.nii*"))}
        self.files = {
            name.removesuffix(end): path for end in ENDINGS for name, path in names.items() if name.endswith(end)
        }
        if not self.files:
            raise InputError(f"got {folder} without NIfTI files; name a folder with <volume_id>.nii.gz")
        self.folder, self.info, self.study_of = folder, info, dict[str, str]()
        self.weights_hash = content_hash([[key, path.stat().st_size] for key, path in self.files.items()])

    def check(self, cohorts: Sequence[Cohort]) -> None:
        """Refuses files that are of no volume or study of the cohort."""
        tables = [cohort.volumes for cohort in cohorts]
        self.study_of = {v: s for table in tables for v, s in zip(table["volume_id"], table["study_id"], strict=True)}
        strange = sorted(set(self.files) - {*self.study_of, *self.study_of.values()})
        if strange:
            raise InputError(
                f"got {len(strange)} masks of no volume or study, first {strange[0]!r}; name or remove them"
            )

    def masks(self, ids: Sequence[str]) -> BoolArray:
        """(n, I, J, K) masks of volumes, their own or their study's.

        Raises:
            InputError: When one is missing, unreadable or on another grid.
        """
        keys = [one if one in self.files else self.study_of.get(one, one) for one in ids]
        missing = [one for one, key in zip(ids, keys, strict=True) if key not in self.files]
        if missing:
            raise InputError(
                f"got no mask of {len(missing)} of {len(ids)} volumes in {self.folder}, first {missing[0]!r}; add them"
            )
        return np.stack([self._read(self.files[key]) for key in keys])

    def _read(self, path: Path) -> BoolArray:
        image = read_nifti(path, constant_ok=True)
        edges_mm = np.linalg.norm(image.affine[:3, :3], axis=0)
        grid = (image.values.shape, tuple(round(float(edge), 3) for edge in edges_mm))
        wanted = (tuple(self.info.shape), tuple(round(float(edge), 3) for edge in self.info.spacing_mm))
        if grid != wanted:
            raise InputError(
                f"got {path} of {grid[0]} voxels of {grid[1]} mm for a cohort of {wanted[0]} voxels of {wanted[1]} mm; "
                "resample it to that grid"
            )
        return np.asarray(image.values > 0)

    def encode_volumes(self, batch: VolumeBatch) -> torch.Tensor:
        """Nothing: raises UnavailableError."""
        raise UnavailableError(NOTHING_ELSE)

    def encode_texts(self, texts: Sequence[str]) -> torch.Tensor:
        """Nothing: raises UnavailableError."""
        raise UnavailableError(NOTHING_ELSE)


def _open(argument: str, settings: Stated, info: CohortInfo) -> MaskFiles:
    return MaskFiles(Path(argument), info)


ENCODER = EncoderKind(
    name="masks",
    summary="lesion masks that were predicted elsewhere, as NIfTI on the cohort's grid",
    source="masks:DIR",
    open=_open,
)
