"""Lesions of a mask, and the places that they are in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from selip.data.cohort import IGNORE
from selip.reports.region_atlas import RegionAtlas

MIN_LESION_MM3 = 14.0  # a ball of 3 mm across, the least that counts as a plaque (Filippi et al., Brain 2019)
MIN_CORELESS_MM3 = 200.0  # beside a tumour with a core, less is the frayed edge of its oedema
LEAST_SHARE = 0.002  # of the volume of all lesions: a smaller piece beside them is not in the words
LARGE_RADIUS_MM = 12.0
MAX_REGIONS = 3
MIN_SHARE = 0.2
SECOND_SHARE = 0.1  # of the volume in one place: less makes it neither bilateral nor multiple
MIN_OFF_MIDLINE_MM = 4.0
SURROUNDED = 0.5
CORE, ENHANCING = 2, 3


@dataclass(frozen=True)
class MaskLesion:
    """One lesion of a mask.

    Attributes:
        points_mm: Voxel centres (n, 3) in world millimetres: of the core where there is one, else of all of it.
        levels: Their levels (n,).
        ring: Whether the enhancing part surrounds the rest of the core.
        volume_mm3: Volume of the whole lesion, oedema with it.
    """

    points_mm: NDArray[np.float64]
    levels: NDArray[np.uint8]
    ring: bool
    volume_mm3: float

    @property
    def radius_mm(self) -> float:
        """Radius of the ball of the same volume."""
        return float(np.cbrt(3 * self.volume_mm3 / (4 * np.pi)))


def lesions_of(levels: NDArray[np.uint8], affine: NDArray[np.float64]) -> list[MaskLesion]:
    """Lesions of a mask: its 26-connected pieces, largest first.

    Small pieces are left out unless there is nothing else: dust (MIN_LESION_MM3; MIN_CORELESS_MM3 where other lesions
    have a core), and what is less than LEAST_SHARE of the volume of all.

    Args:
        levels: Level (I, J, K) of each voxel, IGNORE for no lesion.
        affine: (4, 4) voxel to world millimetres.
    """
    found = _pieces(levels, affine)
    has_core = any(each.levels.max() >= CORE for each in found)
    least = LEAST_SHARE * sum(each.volume_mm3 for each in found)
    limits = [MIN_CORELESS_MM3 if has_core and each.levels.max() < CORE else MIN_LESION_MM3 for each in found]
    return [each for each, limit in zip(found, limits, strict=True) if each.volume_mm3 >= max(limit, least)] or found[
        :1
    ]


def count_left_out(levels: NDArray[np.uint8], affine: NDArray[np.float64]) -> int:
    """Pieces of a mask that `lesions_of` leaves out."""
    return len(_pieces(levels, affine)) - len(lesions_of(levels, affine))


def _pieces(levels: NDArray[np.uint8], affine: NDArray[np.float64]) -> list[MaskLesion]:
    levels = np.where(levels == IGNORE, np.uint8(0), levels)
    pieces, _ = ndimage.label(levels > 0, structure=np.ones((3, 3, 3)))
    found = []
    for number, box in enumerate(ndimage.find_objects(pieces), start=1):
        own = np.where(pieces[box] == number, levels[box], np.uint8(0))
        found.append(_lesion(own, affine, np.array([each.start for each in box])))
    return sorted(found, key=lambda each: -each.volume_mm3)


def _lesion(levels: NDArray[np.uint8], affine: NDArray[np.float64], start: NDArray[np.int_]) -> MaskLesion:
    """The lesion of a box (I, J, K) of levels whose first voxel is `start`."""
    whole = levels > 0
    placed = levels >= CORE if (levels >= CORE).any() else whole
    points = (np.argwhere(placed) + start) @ affine[:3, :3].T + affine[:3, 3]
    volume_mm3 = float(whole.sum() * abs(np.linalg.det(affine[:3, :3])))
    return MaskLesion(points, levels[placed], _is_ring(levels), volume_mm3)


def _is_ring(levels: NDArray[np.uint8]) -> bool:
    """True when the enhancing part encloses most of the rest of the core, slice by slice along any axis."""
    enhancing, rest = levels == ENHANCING, levels == CORE
    if not enhancing.any() or rest.sum() < 0.1 * enhancing.sum():
        return False
    closed = ndimage.binary_closing(np.pad(enhancing, 2), structure=np.ones((3, 3, 3)))[2:-2, 2:-2, 2:-2]
    filled = np.zeros_like(closed)
    for axis in range(3):
        slices = np.moveaxis(closed, axis, 0)
        np.moveaxis(filled, axis, 0)[:] |= np.stack([ndimage.binary_fill_holes(each) for each in slices])
    return bool((rest & filled).sum() >= SURROUNDED * rest.sum())


def regions_of(
    lesion: MaskLesion, to_template: NDArray[np.float64], atlas: RegionAtlas
) -> list[tuple[str, NDArray[np.float64]]]:
    """Regions of a lesion, the largest share first, each with its MNI points (m, 3).

    A lesion is in the region that holds most of it. A large one is in up to MAX_REGIONS of MIN_SHARE each; lobes take
    the place of the deep white matter where it has a core (a mass) or mostly lies outside that.
    """
    points = lesion.points_mm @ to_template[:3, :3].T + to_template[:3, 3]
    labels, large = atlas.at(points), lesion.radius_mm >= LARGE_RADIUS_MM
    deep = [atlas.names.index(name) for name in atlas.deep]
    if large and (lesion.levels.max() >= CORE or np.isin(labels, deep).mean() < 0.5):
        labels = atlas.at(points, lobes=True)
    counts = np.bincount(labels)
    order = np.argsort(-counts, kind="stable")[: MAX_REGIONS if large else 1]
    kept = [k for rank, k in enumerate(order) if rank == 0 or counts[k] >= MIN_SHARE * len(labels)]
    return [(atlas.names[k], points[labels == k]) for k in kept]


def side_of(parts: Sequence[NDArray[np.float64]], unpaired: bool) -> str:
    """Side of the lesions of one region by their volume: left, right, bilateral or midline.

    A lesion is on the side that holds all but MIN_SHARE of it, else on both; a side counts from SECOND_SHARE on.

    Args:
        parts: MNI points (m, 3) of each lesion, one a voxel.
        unpaired: Whether the region lies on the midline; what is well off it has a side all the same.
    """
    points_mm, to_right = np.concatenate(parts), 0.0
    for part in parts:
        share = float((part[:, 0] > 0).mean())
        to_right += len(part) * (share if MIN_SHARE <= share <= 1 - MIN_SHARE else round(share))
    to_right /= len(points_mm)
    if SECOND_SHARE <= to_right <= 1 - SECOND_SHARE:
        return "midline" if unpaired else "bilateral"
    off_midline = abs(points_mm[:, 0].mean()) >= MIN_OFF_MIDLINE_MM
    return ("right" if to_right > 0.5 else "left") if off_midline or not unpaired else "midline"


def is_multiple(parts: Sequence[NDArray[np.float64]]) -> bool:
    """True when lesions of one region are several by volume: all but the largest hold SECOND_SHARE of it at least."""
    sizes = sorted(map(len, parts))
    return sum(sizes[:-1]) >= SECOND_SHARE * sum(sizes)
