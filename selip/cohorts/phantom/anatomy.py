"""Anatomy of the phantom: tissue fractions from the ICBM-152 templates that nilearn carries (Fonov et al. 2011).

Grey and white matter are the template's probabilities, CSF is what is left of the brain mask, skull and scalp are
shells around it. Coarse on purpose: a study samples this stack, so its resolution only has to match the voxels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np
from scipy import ndimage

from selip.cohorts.phantom.regions import REGIONS, sides_of

NORMAL_TISSUES = ("grey matter", "white matter", "csf", "skull", "scalp")
TOGETHER = (slice(0, 3), slice(3, 4), slice(4, 5))
FIELD_MM = ((-96.0, 96.0), (-130.0, 98.0), (-90.0, 104.0))
SKULL_MM = 7.0
SCALP_MM = 7.0
VENTRICLES_MM = ((0.0, -14.0, 12.0), (36.0, 52.0, 24.0))
PUSH_MM = 14.0
POINTS_AT_ONCE = 2**14  # what a core's cache holds of indices, weights and values
ONE_IN = 4  # about as few of a study's points are in tissues that are sampled together
IN_RANGE = "wrap"  # no index is out of range, but with the mode that checks for it numpy would buffer `out`


@dataclass(frozen=True)
class Atlas:
    """Tissue fractions on a regular grid.

    Attributes:
        tissues: (5, X, Y, Z) float32 in [0, 1], in the order of NORMAL_TISSUES; the rest is air.
        cells: (3, X, Y, Z) bool, whether the cell from this voxel to the next ones holds brain or CSF, skull, scalp.
        push: (3, X, Y, Z) float32, direction away from the lateral ventricles, fading over PUSH_MM.
        depth_mm: (X, Y, Z) float32, distance to the rim of the brain, negative outside.
        origin_mm: MNI millimetres of voxel (0, 0, 0).
        step_mm: Voxel edge.
    """

    tissues: np.ndarray
    cells: np.ndarray
    push: np.ndarray
    depth_mm: np.ndarray
    origin_mm: tuple[float, float, float]
    step_mm: float

    def sample_tissues(self, points_mm: np.ndarray, out: np.ndarray) -> None:
        """Writes tissue fractions at MNI millimetres (3, ...), as `sample` gives them, into `out` (5, ...) of zeros."""
        flat, values, step = points_mm.reshape(3, -1), out.reshape(len(out), -1), ONE_IN * POINTS_AT_ONCE
        for start in range(0, flat.shape[1], step):
            piece = slice(start, start + step)
            first, shares = self._cells(flat[:, piece])
            for rows, cells in zip(TOGETHER, self.cells, strict=True):  # hardly a cell holds all five
                kept = np.flatnonzero(cells.take(first, mode=IN_RANGE))
                found = _interpolate(self.tissues[rows], first.take(kept), shares.take(kept, axis=1))
                for value, new in zip(values[rows, piece], found, strict=True):
                    value[kept] = new

    def sample(self, maps: np.ndarray, points_mm: np.ndarray) -> np.ndarray:
        """Trilinear values (m, ...) float32 of `maps` (m, X, Y, Z) at MNI millimetres (3, ...).

        Points outside take the nearest border value. Equal to scipy's map_coordinates of order 1, and ten times faster
        for several maps because they share corners and weights.

        Args:
            maps: Arrays on the grid of the atlas.
            points_mm: Where to look.
        """
        flat = points_mm.reshape(3, -1)
        values = np.empty((len(maps), flat.shape[1]), np.float32)
        for start in range(0, flat.shape[1], POINTS_AT_ONCE):
            piece = slice(start, start + POINTS_AT_ONCE)
            values[:, piece] = _interpolate(maps, *self._cells(flat[:, piece]))
        return values.reshape(len(maps), *points_mm.shape[1:])

    def _cells(self, points_mm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Flat index (n,) of the first corner of each point's cell, and where in the cell it lies (3, n)."""
        index, shares = np.zeros(points_mm.shape[1], np.float32), np.empty_like(points_mm)
        for axis, length in enumerate(self.depth_mm.shape):
            grid = points_mm[axis] - np.float32(self.origin_mm[axis])
            grid *= np.float32(1 / self.step_mm)
            np.clip(grid, 0, np.float32(length - 1.001), out=grid)
            corner = np.floor(grid)
            np.subtract(grid, corner, out=shares[axis])
            index *= length
            index += corner  # exact: even at 1 mm the atlas has fewer than 2**24 voxels
        return index.astype(np.intp), shares


def _interpolate(maps: np.ndarray, first: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Trilinear values (m, n) of `maps` in the cells that begin at flat index `first` (n,), at `shares` (3, n)."""
    _, _, rows, columns = maps.shape
    flat, ends = maps.reshape(len(maps), -1), (1 - shares, shares)
    values, term = np.zeros((len(maps), first.size), np.float32), np.empty(first.size, np.float32)
    for x, y in product((0, 1), repeat=2):
        column = ends[x][0] * ends[y][1]
        for z in (0, 1):
            weight, corner = column * ends[z][2], (x * rows + y) * columns + z
            for value, source in zip(values, flat[:, corner:], strict=True):
                source.take(first, out=term, mode=IN_RANGE)
                term *= weight
                value += term
    return values


def _cells_with(maps: np.ndarray) -> np.ndarray:
    """(X, Y, Z) bool: whether any of `maps` (m, X, Y, Z) is not zero at a corner of the cell that begins there."""
    # The origin shifts the window of two voxels from (before, here) to (here, after).
    return ndimage.maximum_filter((maps != 0).any(axis=0), size=2, origin=-1)


@cache
def build_atlas(step_mm: int = 2) -> Atlas:
    """The atlas at `step_mm` (whole millimetres), averaged from the 1 mm templates."""
    # nilearn takes seconds to import (it brings scikit-learn along) and only the process that builds needs it.
    from nilearn import datasets

    images = (datasets.load_mni152_gm_template(1), datasets.load_mni152_wm_template(1))
    mask = datasets.load_mni152_brain_mask(1)
    grey, white, brain = (
        _average(image.get_fdata(dtype=np.float32), image.affine, step_mm) for image in (*images, mask)
    )
    # The probabilities sum to a little more than one in places, and reach a little beyond the mask.
    excess = np.maximum(grey + white, 1)
    grey, white = grey / excess, white / excess
    brain = np.maximum(brain, grey + white)
    csf = np.maximum(brain - grey - white, 0)
    outside = ndimage.distance_transform_edt(brain < 0.5, sampling=step_mm).astype(np.float32)
    inside = ndimage.distance_transform_edt(brain >= 0.5, sampling=step_mm).astype(np.float32)
    # The half-voxel ramps give the shells the partial volume that a hard threshold would lose.
    to_skull = np.clip((SKULL_MM - outside) / step_mm + 0.5, 0, 1)
    to_scalp = np.clip((SKULL_MM + SCALP_MM - outside) / step_mm + 0.5, 0, 1)
    skull = to_skull * (1 - brain)
    scalp = np.clip(to_scalp - to_skull, 0, 1) * (1 - brain)
    tissues = np.stack([grey, white, csf, skull, scalp]).astype(np.float32)
    return Atlas(
        tissues=tissues,
        cells=np.stack([_cells_with(tissues[rows]) for rows in TOGETHER]),
        push=_ventricle_push(csf, step_mm),
        depth_mm=inside - outside,
        origin_mm=(FIELD_MM[0][0], FIELD_MM[1][0], FIELD_MM[2][0]),
        step_mm=float(step_mm),
    )


def _average(volume: np.ndarray, affine: np.ndarray, step_mm: int) -> np.ndarray:
    """Box average of a 1 mm RAS volume on the grid of FIELD_MM."""
    volume = ndimage.uniform_filter(volume, size=step_mm, mode="constant")
    axes = [np.arange(low, high + 0.5, step_mm) for low, high in FIELD_MM]
    # An even box is centred half a millimetre below its voxel.
    offset = 0.5 if step_mm % 2 == 0 else 0.0
    voxels = [axis - affine[row, 3] + offset for row, axis in enumerate(axes)]
    grid = np.stack(np.meshgrid(*voxels, indexing="ij")).astype(np.float32)
    return ndimage.map_coordinates(volume, grid, order=1, mode="constant", output=np.float32)


def _ventricle_push(csf: np.ndarray, step_mm: int) -> np.ndarray:
    """Unit vectors away from the lateral ventricles, times exp(-distance / PUSH_MM)."""
    centre, radii = VENTRICLES_MM
    ventricles = (csf > 0.5) & (_ellipsoid(csf.shape, step_mm, centre, radii) < 1)
    away = ndimage.distance_transform_edt(~ventricles, sampling=step_mm)
    signed = ndimage.gaussian_filter(away - ndimage.distance_transform_edt(ventricles, sampling=step_mm), 1.0)
    gradient = np.stack(np.gradient(signed, step_mm))
    gradient /= np.maximum(np.linalg.norm(gradient, axis=0), 1e-6)
    return (gradient * np.exp(-np.clip(signed, 0, None) / PUSH_MM)).astype(np.float32)


def _ellipsoid(
    shape: tuple[int, ...], step_mm: float, centre_mm: tuple[float, float, float], radii_mm: tuple[float, float, float]
) -> np.ndarray:
    """Normalised distance (X, Y, Z) to a centre: 1 on the ellipsoid."""
    squares = []
    for axis, (centre, radius) in enumerate(zip(centre_mm, radii_mm, strict=True)):
        mm = FIELD_MM[axis][0] + step_mm * np.arange(shape[axis])
        squares.append(((mm - centre) / radius) ** 2)
    return np.sqrt(squares[0][:, None, None] + squares[1][None, :, None] + squares[2][None, None, :])


def region_points(atlas: Atlas, name: str, side: str) -> np.ndarray:
    """MNI millimetres (n, 3) of the grid voxels of a region: its ellipsoid intersected with its tissue."""
    region = REGIONS[name]
    if side not in sides_of(name):
        raise ValueError(f"{name} has no {side} side")
    near = _ellipsoid(atlas.depth_mm.shape, atlas.step_mm, region.centre_of(side), region.radii_mm) < 1
    grey, white = atlas.tissues[0], atlas.tissues[1]
    tissue = {
        "grey": grey > 0.6,
        "white": white > 0.6,
        "brain": grey + white > 0.8,
        "surface": (atlas.depth_mm > 0) & (atlas.depth_mm <= 2 * atlas.step_mm)
        if region.paired
        else grey + white > 0.3,
    }[region.tissue]
    points = np.argwhere(near & tissue) * atlas.step_mm + np.array(atlas.origin_mm)
    beyond = {"left": points[:, 0] < 0, "right": points[:, 0] > 0}.get(side)
    return points if beyond is None else points[beyond]
