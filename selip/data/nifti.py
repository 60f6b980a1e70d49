"""NIfTI files as arrays whose axes are nearest to RAS, and the levels of the labels in a mask."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.orientations import OrientationError
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from selip.data.cohort import IGNORE, LEVELS
from selip.system.errors import InputError

_UNREADABLE = (
    OSError, EOFError, zlib.error, ValueError, OverflowError, MemoryError,
    ImageFileError, HeaderDataError, OrientationError,
)  # fmt: skip
MM_OF_UNIT: Mapping[int, tuple[str, float]] = {1: ("metre", 1000.0), 3: ("micron", 0.001)}
"""Code of a unit of length in a NIfTI header -> its name and its millimetres; all other codes are millimetres."""
HEAD_MM = (20.0, 1000.0)  # a field of view outside of this is of another unit than its header says
ANY_MM = (5.0, 5000.0)  # the same where the header names millimetres, or no unit: crops are small
MAX_TURN_DEGREES = 30.0  # software that aligns heads turns the sform by less; axes that change places turn by more
MAX_STRETCH = 1.5  # between the forms: that of one head to a template is less
CONVERTERS: Mapping[str, str] = {".dcm": "dcm2niix"} | dict.fromkeys(
    (".mha", ".mhd", ".nrrd", ".nhdr"), "SimpleITK: WriteImage(ReadImage(file), 'file.nii.gz')"
)

WHOLE = 1e-3  # to which label values are whole numbers
LARGEST_SHARE = 0.9  # of a volume's voxels that a lesion takes


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

    With `constant_ok` all voxels may be equal, as in an empty lesion mask.

    Raises:
        InputError: The file is missing, no NIfTI, truncated, empty, of several volumes, without one usable orientation,
            in a unit that no head fits, not finite or constant.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"got {path}, which is no file; allowed: a NIfTI file; mend the path")
    if not path.name.lower().endswith((".nii", ".nii.gz")):
        tool = CONVERTERS.get(path.suffix.lower(), "DICOM: dcm2niix; others: SimpleITK")
        raise InputError(f"got {path}; allowed: NIfTI, .nii or .nii.gz; convert it ({tool})")
    try:
        image = _load(path)
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
    return Image(np.ascontiguousarray(values), _affine_mm(image, path), path)


def _load(path: Path) -> nib.Nifti1Image:
    """The image of a file; one that is compressed is read to its end, where the checksum of its voxels is."""
    image = nib.load(path)
    packed = path.name.lower().endswith(".gz")
    return type(image).from_bytes(gzip.decompress(path.read_bytes())) if packed else image


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
    affines = [affine[:3, :3] for affine, code in (sform, qform) if code]
    if not all(map(_is_invertible, affines)) or not np.isfinite(image.affine).all():
        raise InputError(f"got {path} with a singular or non-finite affine; allowed: an invertible one; set sform")
    if len(affines) > 1:
        _check_agreement(affines[0], affines[1], path)


def _is_invertible(affine: NDArray[np.float64]) -> bool:
    """True when the axes (3, 3) have a length and span space, in any unit."""
    lengths = np.linalg.norm(affine, axis=0)
    return bool(np.isfinite(affine).all() and abs(np.linalg.det(affine)) > 1e-6 * lengths.prod())


def _check_agreement(sform: NDArray[np.float64], qform: NDArray[np.float64], path: Path) -> None:
    """Refuses axes (3, 3) that are mirrored, turned or of another length between the two forms of a header."""
    turn = _rotation(sform) @ _rotation(qform).T
    degrees = np.degrees(np.arccos(np.clip((np.trace(turn) - 1) / 2, -1, 1)))
    if np.linalg.det(turn) < 0 or degrees > MAX_TURN_DEGREES:
        how = "mirrored" if np.linalg.det(turn) < 0 else f"turned by {degrees:.0f} degrees"
        raise InputError(
            f"got {path} whose sform and qform disagree about left and right, front and top ({how}); allowed: one "
            "orientation; set both to the true one"
        )
    ratios = np.linalg.norm(sform, axis=0) / np.linalg.norm(qform, axis=0)
    if max(ratios.max(), 1 / ratios.min()) > MAX_STRETCH:
        raise InputError(
            f"got {path} whose sform and qform disagree about the size of a voxel (by {ratios.max():.3g} to "
            f"{ratios.min():.3g}); allowed: one size; set both to the true one"
        )


def _rotation(affine: NDArray[np.float64]) -> NDArray[np.float64]:
    """The nearest orthogonal matrix (3, 3), by polar decomposition: without spacing and shear."""
    left, _, right = np.linalg.svd(affine / np.linalg.norm(affine, axis=0))
    return np.asarray(left @ right)


def _affine_mm(image: nib.Nifti1Image, path: Path) -> NDArray[np.float64]:
    """The affine (4, 4) to millimetres, whatever unit of length the header names."""
    affine = np.asarray(image.affine, dtype=np.float64)
    unit, mm = MM_OF_UNIT.get(int(image.header["xyzt_units"]) % 8, ("", 1.0))
    affine[:3] *= mm
    widest = float((np.linalg.norm(affine[:3, :3], axis=0) * image.shape[:3]).max())
    low, high = HEAD_MM if unit else ANY_MM
    if not low <= widest <= high:
        raise InputError(
            f"got {path}, {widest:g} mm wide by the {unit or 'millimetre'} of its header; allowed: {low:g} to {high:g} "
            "mm; set the header's unit (xyzt_units) or its affine"
        )
    return affine


def same_grid(one: Image, other: Image) -> bool:
    """True when two files have the same voxels at the same places (to a hundredth of a millimetre at the corners)."""
    if one.values.shape != other.values.shape:
        return False
    corners = np.array(list(np.ndindex(2, 2, 2))) * (np.array(one.values.shape) - 1)
    difference = one.affine[:3] - other.affine[:3]
    return bool(np.abs(corners @ difference[:, :3].T + difference[:, 3]).max() < 0.01)


def label_levels(image: Image, levels: Mapping[int, int]) -> NDArray[np.uint8]:
    """Level of every voxel of a label file, uint8 in the shape of the file.

    Args:
        image: Label values.
        levels: Label value -> level of LEVELS, IGNORE, or 0 for what is no lesion; 0 is background in any case. Empty:
            every value above one half is level 1 (1, 2, 4 of BraTS all are).

    Raises:
        InputError: A level is none, a label value is not in `levels`, or without levels all values are one half or less
            and some are not 0.
    """
    if not levels:
        return _above_half(image)
    if not {*levels.values()} <= {0, *LEVELS, IGNORE}:
        raise InputError(f"got levels {dict(levels)}; allowed: 0, {', '.join(map(str, LEVELS))}, {IGNORE}; mend them")
    unknown = sorted({*np.unique(image.values[image.values != 0]).tolist()} - {*levels})
    if unknown:
        raise InputError(
            f"got mask {image.path} with label {unknown[0]:g}; allowed: {', '.join(map(str, sorted({0, *levels})))}; "
            "it is of another release or interpolated"
        )
    found = np.zeros(image.values.shape, np.uint8)
    for label, level in levels.items():
        found[image.values == label] = level
    return found


def _above_half(image: Image) -> NDArray[np.uint8]:
    """Level 1 above one half; a file of zeros is an empty mask, one of low values or interpolated labels is none."""
    found = (image.values > 0.5).astype(np.uint8)
    if image.values.any() and not found.any():
        low, high = float(image.values.min()), float(image.values.max())
        raise InputError(
            f"got mask {image.path} with values from {low:g} to {high:g} and no lesion voxel (above 0.5); allowed: "
            "lesion voxels above 0.5, or zeros alone; set lesion voxels to 1"
        )
    if found.mean() > LARGEST_SHARE:
        raise InputError(
            f"got mask {image.path} with a lesion in {found.mean():.0%} of its voxels; allowed: {LARGEST_SHARE:.0%}; "
            "it is inverted or no lesion mask"
        )
    broken = image.values[(image.values > 1) & (np.abs(image.values - np.rint(image.values)) > WHOLE)]
    if broken.size:
        raise InputError(
            f"got mask {image.path} with values between its labels, as {broken[0]:g}; allowed: whole labels, or shares "
            "up to 1; resample it by nearest neighbour, or divide by its highest value"
        )
    return found
