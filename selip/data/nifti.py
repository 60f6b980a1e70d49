"""NIfTI files as arrays whose axes are nearest to RAS."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.orientations import OrientationError
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from selip.system.errors import InputError

_UNREADABLE = (
    OSError, EOFError, zlib.error, ValueError, OverflowError, MemoryError,
    ImageFileError, HeaderDataError, OrientationError,
)  # fmt: skip


@dataclass(frozen=True)
class Image:
    """A volume as it was in its file, axes nearest to RAS.

    Attributes:
        values: (I, J, K) float32, finite.
        affine: (4, 4) voxel to world millimetres (right, front, top).
        path: File it came from.
    """

    values: NDArray[np.float32]
    affine: NDArray[np.float64]
    path: Path

    @property
    def spacing_mm(self) -> NDArray[np.float64]:
        """Voxel edges (3,) in millimetres."""
        return np.linalg.norm(self.affine[:3, :3], axis=0)


def read_nifti(path: Path | str, *, constant_ok: bool = False) -> Image:
    """Reads a NIfTI volume and turns its axes nearest to RAS (no interpolation).

    Args:
        path: `.nii` or `.nii.gz` file.
        constant_ok: Whether all voxels may be equal, as in an empty lesion mask.

    Raises:
        InputError: The file is missing, no NIfTI, truncated, empty, of several volumes, without a usable orientation,
            not finite or constant.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"got {path}, which is no file; allowed: a NIfTI file; mend the path")
    if not path.name.lower().endswith((".nii", ".nii.gz")):
        raise InputError(f"got {path}; allowed: NIfTI, .nii or .nii.gz; convert it (DICOM: dcm2niix)")
    try:
        image = nib.load(path)
        _check_header(image, path)
        with np.errstate(over="ignore"):  # what is beyond float32 becomes infinite and is refused below
            image = nib.as_closest_canonical(image)
            values = np.asarray(image.dataobj, dtype=np.float32).reshape(image.shape[:3])
    except _UNREADABLE as error:
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise InputError(
            f"got {path}, unreadable or truncated ({reason}); allowed: a whole NIfTI file; copy it again"
        ) from error
    if not np.isfinite(values).all():
        raise InputError(f"got {path} with NaN or infinite voxels; allowed: finite numbers; set them to 0 or drop it")
    if not constant_ok and values.min() == values.max():
        raise InputError(f"got {path}, constant (all {values.min():g}); allowed: a volume with contrast; drop it")
    return Image(np.ascontiguousarray(values), np.asarray(image.affine, dtype=np.float64), path)


def _check_header(image: nib.Nifti1Image, path: Path) -> None:
    """Refuses what is no single volume with a known orientation, before any voxel is read."""
    shape, dtype = tuple(image.shape), image.get_data_dtype()
    if 0 in shape or len(shape) < 3:
        raise InputError(f"got {path} of shape {shape}; allowed: 3D with voxels in it; export the volume again")
    if any(size != 1 for size in shape[3:]):
        raise InputError(f"got {path} with several volumes, shape {shape}; allowed: one volume; split it (fslsplit)")
    if dtype.kind not in "iuf":
        raise InputError(f"got {path} with voxels of type {dtype}; allowed: integers and real numbers; convert it")
    sform, qform = (getattr(image, f"get_{form}")(coded=True) for form in ("sform", "qform"))
    if not sform[1] and not qform[1]:
        raise InputError(f"got {path} without orientation (sform and qform codes are 0); allowed: either; set one")
    determinants = [np.linalg.det(affine[:3, :3]) for affine, code in (sform, qform) if code]
    if not all(np.isfinite(d) and abs(d) > 1e-9 for d in determinants) or not np.isfinite(image.affine).all():
        raise InputError(f"got {path} with a singular or non-finite affine; allowed: an invertible one; set sform")
    if len({d > 0 for d in determinants}) > 1:
        raise InputError(f"got {path} whose sform and qform disagree about left and right; allowed: one; set both")


def same_grid(one: Image, other: Image) -> bool:
    """Whether two files have the same voxels at the same places (to a hundredth of a millimetre at the corners)."""
    if one.values.shape != other.values.shape:
        return False
    corners = np.array(list(np.ndindex(2, 2, 2))) * (np.array(one.values.shape) - 1)
    difference = one.affine[:3] - other.affine[:3]
    return bool(np.abs(corners @ difference[:, :3].T + difference[:, 3]).max() < 0.01)
