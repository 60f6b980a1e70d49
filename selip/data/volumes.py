"""NIfTI files to a cohort's grid: RAS axes, one spacing, centred, uint8.

The steps, and the policy of each:

1. *Read* with nibabel: `.nii` or `.nii.gz`, 3D or 4D with one volume, any orientation, finite and not constant.
   A file that does not say where left and right are is refused.
2. *Place* the grid (`study_grid`). `centre="foreground"`: the head's centroid falls where the template's head has it,
   whatever the origin in the header; right for native scans. `centre="world"`: the grid lies at a fixed place in world
   millimetres (`TEMPLATE_CENTRE_MM`); right for files that are in MNI space already. All volumes of a study share one
   grid, so that they and the mask stay aligned.
3. *Resample* with MONAI (trilinear). Where the grid is coarser than the file a Gaussian comes first, as wide as the
   difference of the two voxels' point spread (Cardoso et al., MICCAI 2015): no aliasing, small lesions blur instead of
   falling between samples. Outside the file's field of view the value is the file's 0.1 percentile.
4. *Intensity* on the final grid (`percentile_minmax`; arXiv:2503.19801): clip to the 0.1-99.9 percentiles, min-max.

Masks go the same way, as shares of lesion, and become whole levels again so that the volume of each level is kept and
no lesion vanishes (`mask_to_grid`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from selip.data.cohort import IGNORE, LEVELS
from selip.data.nifti import Image, label_levels, read_nifti
from selip.system.errors import InputError

Centre = Literal["foreground", "world"]

CLIP_PERCENTILES = (0.1, 99.9)
TEMPLATE_CENTRE_MM = (0.0, -17.0, 10.0)
TEMPLATE_HEAD_MM = (0.0, -22.0, 9.5)
HEAD_HEIGHT_MM = 150.0
MAX_STUDY_SPREAD_MM = 40.0
_FWHM_PER_SIGMA = 2 * np.sqrt(2 * np.log(2))


@dataclass(frozen=True)
class Grid:
    """A RAS grid: `shape` voxels of `spacing_mm`, its middle at `centre_mm` in world millimetres."""

    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    centre_mm: tuple[float, float, float] = TEMPLATE_CENTRE_MM

    @property
    def affine(self) -> NDArray[np.float64]:
        """(4, 4) voxel to world millimetres."""
        affine = np.diag([*self.spacing_mm, 1.0])
        affine[:3, 3] = np.asarray(self.centre_mm) - (np.asarray(self.shape) - 1) / 2 * self.spacing_mm
        return affine


def read_volume(
    path: Path | str, shape: tuple[int, int, int], spacing_mm: tuple[float, float, float], centre: Centre = "foreground"
) -> NDArray[np.uint8]:
    """One NIfTI file on a cohort's grid: uint8 of `shape`, RAS.

    Raises:
        InputError: As `read_nifti`, or nothing of the head lies in the grid.
    """
    image = read_nifti(path)
    return to_grid(image, study_grid([image], shape, spacing_mm, centre))


def study_grid(
    images: Sequence[Image], shape: tuple[int, int, int], spacing_mm: tuple[float, float, float], centre: Centre
) -> Grid:
    """The grid that all volumes of one study share.

    The volumes are in one world space, as a scanner writes them; `centre` is explained in the module.

    Raises:
        InputError: `centre` is unknown, or the heads of the volumes are not in one place.
    """
    if centre not in get_args(Centre):
        raise InputError(f"got centre {centre!r}; allowed: {', '.join(get_args(Centre))}; choose one")
    if centre == "world":
        return Grid(shape, spacing_mm)
    centres = np.array([head_centre_mm(image) for image in images])
    middle = centres.mean(axis=0)
    distances = np.linalg.norm(centres - middle, axis=1)
    if distances.max() > MAX_STUDY_SPREAD_MM:
        raise InputError(
            f"got {images[int(distances.argmax())].path}, whose head lies {distances.max():.0f} mm from the study's "
            f"other volumes; allowed: {MAX_STUDY_SPREAD_MM:.0f} mm; register the volumes of the study"
        )
    x, y, z = middle + TEMPLATE_CENTRE_MM - TEMPLATE_HEAD_MM
    return Grid(shape, spacing_mm, (float(x), float(y), float(z)))


def head_centre_mm(image: Image) -> NDArray[np.float64]:
    """Centroid (3,) of the head in world millimetres (right, front, top).

    The head is what is above the mean (air pulls the mean below tissue), down to HEAD_HEIGHT_MM under the vertex, so
    that a neck in the field of view does not pull the centroid down.
    """
    head = image.values > image.values.mean()
    counts = head.sum(axis=(0, 1))
    top = int(np.flatnonzero(counts >= 0.02 * counts.max())[-1])
    bottom = max(0, top - int(HEAD_HEIGHT_MM / image.spacing_mm[2]))
    voxel = np.array(ndimage.center_of_mass(head[:, :, bottom : top + 1])) + np.array([0, 0, bottom])
    return image.affine[:3, :3] @ voxel + image.affine[:3, 3]


def to_grid(image: Image, grid: Grid) -> NDArray[np.uint8]:
    """`image` on `grid`: anti-aliased, trilinear, then `percentile_minmax`.

    Raises:
        InputError: The volume is constant, in its file or within the grid.
    """
    try:
        floor, _ = _limits(image.values)
    except InputError as error:
        raise InputError(f"{image.path}: {error}") from error
    try:
        return percentile_minmax(_resample(image.values - np.float32(floor), image, grid))
    except InputError as error:
        raise InputError(
            f"got {image.path}, whose head lies outside the grid; allowed: inside; centre on the foreground"
        ) from error


def mask_to_grid(image: Image, grid: Grid, levels: Mapping[int, int] | None = None) -> NDArray[np.uint8]:
    """A lesion mask on `grid`: 0, the highest of LEVELS that a voxel has, or IGNORE.

    The voxels with the largest share of a level are of that level, as many as keep its volume in mm3: a threshold at
    one half would take nearly half of small plaques. A connected lesion that gets no voxel so keeps the one that holds
    most of it, so that none vanishes. Levels stay nested: the voxels of the level within come first.

    `levels` are as `label_levels` takes them.

    Raises:
        InputError: A label is unknown, or the file has a lesion and the whole of it lies outside the grid.
    """
    found = label_levels(image, levels or {})
    lesion = (found > 0) & (found != IGNORE)
    if lesion.any() and not _places(lesion, image, grid)[1].any():
        raise InputError(f"got mask {image.path}, all outside the grid; allowed: inside; enlarge shape or spacing")
    mask, inner = np.zeros(grid.shape, np.uint8), np.zeros(grid.shape, np.bool_)
    for level in sorted(set(LEVELS) & set(np.unique(found).tolist()), reverse=True):
        inner = _region_to_grid(lesion & (found >= level), image, grid, inner)
        mask[inner & (mask == 0)] = level
    if (found == IGNORE).any():
        mask[_region_to_grid(found == IGNORE, image, grid, np.zeros_like(inner)) & (mask == 0)] = IGNORE
    return mask


def _region_to_grid(region: NDArray[np.bool_], image: Image, grid: Grid, inner: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """`region` (voxels of `image`) on `grid`, its volume kept; it holds the voxels of `inner` (on the grid)."""
    index, inside = _places(region, image, grid)
    share = _resample(region.astype(np.float32), image, grid)
    share[inner] = np.inf
    size = min(round(inside.sum() * abs(np.linalg.det(_to_index(image, grid)[:3, :3]))), share.size)
    threshold = np.sort(share, axis=None)[-size] if size else np.inf
    mask: NDArray[np.bool_] = (share >= threshold) & (share > 0)
    flat = np.ravel_multi_index(tuple(index[inside].T), grid.shape)
    lesion_of = ndimage.label(region, structure=np.ones((3, 3, 3)))[0][region][inside]
    for number in np.unique(lesion_of):
        cells, counts = np.unique(flat[lesion_of == number], return_counts=True)
        if not mask.flat[cells].any():
            mask.flat[cells[counts.argmax()]] = True
    return mask


def _places(region: NDArray[np.bool_], image: Image, grid: Grid) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Nearest grid voxel (n, 3) of each voxel of `region` in C order, and whether it is in the grid (n,)."""
    to_index = _to_index(image, grid)
    index = np.rint(np.argwhere(region) @ to_index[:3, :3].T + to_index[:3, 3]).astype(np.int64)
    return index, np.all((index >= 0) & (index < grid.shape), axis=1)


def _to_index(image: Image, grid: Grid) -> NDArray[np.float64]:
    """(4, 4) voxel of `image` to voxel of `grid`."""
    return np.linalg.inv(grid.affine) @ image.affine


def percentile_minmax(volume: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Clips a volume to its 0.1-99.9 percentiles and scales it to 0..255.

    The rule is applied on the final grid (after resampling), so that a stored volume always spans 0..255.

    Args:
        volume: Any shape, any unit; finite.

    Returns:
        uint8 of the same shape; the 0.1 percentile is 0 and the 99.9 percentile is 255.

    Raises:
        InputError: A voxel is not finite, or the volume is constant between the percentiles.
    """
    values = np.asarray(volume, dtype=np.float32)
    low, high = _limits(values)
    scaled = values.astype(np.float64)
    np.clip(scaled, low, high, out=scaled)
    scaled -= low
    scaled *= 255.0 / (high - low)
    return np.rint(scaled, out=scaled).astype(np.uint8)


def _limits(values: NDArray[np.float32]) -> tuple[float, float]:
    """The 0.1 and 99.9 percentiles, checked to be finite and apart."""
    if not np.isfinite(values).all():
        raise InputError("got voxels that are NaN or infinite; allowed: finite numbers; mend or drop the volume")
    ranked = np.sort(values, axis=None)
    low, high = (_percentile(ranked, percentile) for percentile in CLIP_PERCENTILES)
    if not high > low:
        raise InputError(f"got a constant volume (all {low:g}); allowed: a volume with contrast; mend or drop it")
    return low, high


def _percentile(ranked: NDArray[np.float32], percentile: float) -> float:
    """Equal to `np.percentile` of sorted values (n,); sorting is faster than its partition at several places."""
    index, share = divmod(percentile / 100 * (ranked.size - 1), 1)
    lower, upper = ranked[[int(index), min(int(index) + 1, ranked.size - 1)]]
    step = float(upper - lower)  # rounded in single precision, as numpy does
    return float(lower) + step * share if share < 0.5 else float(upper) - step * (1 - share)


def _resample(values: NDArray[np.float32], image: Image, grid: Grid) -> NDArray[np.float32]:
    """`values` (voxels of `image`) at the voxels of `grid`; 0 outside the field of view."""
    import torch
    from monai.data import MetaTensor
    from monai.transforms import SpatialResample

    coarser = np.maximum(np.asarray(grid.spacing_mm) ** 2 - image.spacing_mm**2, 0.0)
    sigma = np.sqrt(coarser) / _FWHM_PER_SIGMA / image.spacing_mm
    smooth = ndimage.gaussian_filter(values, sigma, mode="nearest", truncate=3.0)
    source = MetaTensor(torch.from_numpy(smooth)[None], affine=torch.from_numpy(image.affine))
    resample = SpatialResample(mode="bilinear", padding_mode="zeros", dtype=torch.float64)
    out = resample(source, dst_affine=torch.from_numpy(grid.affine), spatial_size=grid.shape)
    return np.asarray(out[0].numpy(), dtype=np.float32)
