"""From a planned study to voxels: deform the anatomy, paint the lesions, mix, scan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.interpolate import make_interp_spline

from selip.cohorts.phantom.anatomy import NORMAL_TISSUES, Atlas
from selip.cohorts.phantom.draws import CONTROL_POINTS, Pose, draw_acquisition, draw_pose, tissues_of
from selip.cohorts.phantom.patients import DrawnLesion, Focus, Study
from selip.cohorts.phantom.physics import adc_map, bias_field, mixed, rician
from selip.cohorts.phantom.profiles import Profile
from selip.data.cohort import LEVELS
from selip.data.volumes import percentile_minmax

BRAIN_ROWS = (0, 1)
MOST = len(LEVELS)
CSF_ROW = 2
WAVES, WOBBLE = (3.1, 2.7, 2.9), 0.06  # of the outline of a focus: rate on each axis, height as a share of the radius
RIPPLE = 6.0  # rate of its texture
PLANES_AT_ONCE = 4  # of samples, whose double precision a core's cache then holds


@dataclass(frozen=True)
class Head:
    """A study before the scanner: what is in every voxel.

    Attributes:
        fractions: (C, I, J, K) float32 share of each tissue.
        tissues: Names of the C tissues.
        lesions: (n_lesions, I, J, K) float32 share that each lesion took.
    """

    fractions: np.ndarray
    tissues: tuple[str, ...]
    lesions: np.ndarray

    @property
    def mask(self) -> np.ndarray:
        """(I, J, K) uint8: 0, or the number (1 to MOST) of the finding that fills at least half of the voxel.

        A lesion too small to fill half of any voxel keeps the voxels where it is strongest.
        """
        mask = np.zeros(self.fractions.shape[1:], np.uint8)
        for number, share in enumerate(self.lesions, start=1):
            if share.any():
                mask[share >= min(0.5, 0.7 * float(share.max()))] = min(number, MOST)
        return mask


def render(study: Study, profile: Profile, seed: int, atlas: Atlas) -> tuple[np.ndarray, np.ndarray]:
    """Volumes (n_contrasts, I, J, K) uint8 in the order of `study.contrasts`, and the mask (I, J, K) uint8."""
    head = build_head(study, profile, seed, atlas)
    images = scan(head, study, profile, seed)
    return np.stack([percentile_minmax(images[contrast]) for contrast in study.contrasts]), head.mask


def build_head(study: Study, profile: Profile, seed: int, atlas: Atlas) -> Head:
    """Tissue shares of a study: anatomy of the patient, pose of the study, lesions."""
    pose = draw_pose(study, profile, seed)
    points = _sample_points(pose, profile)
    names = tissues_of(study)
    fractions = np.zeros((len(names), *points.shape[1:]), np.float32)
    atlas.sample_tissues(_anatomy_points(points, pose, study, profile, atlas), fractions[: len(NORMAL_TISSUES)])
    _widen_sulci(fractions, pose.sulci)
    for structure in study.structures:
        _paint(fractions, names, structure, points, list(range(len(names))))
    shares = [_paint(fractions, names, lesion, points, replaced_rows(lesion, names)) for lesion in study.lesions]
    empty = np.zeros((0, *points.shape[1:]), np.float32)
    return Head(
        _average_slices(fractions, profile),
        names,
        _average_slices(np.stack(shares) if shares else empty, profile),
    )


def _sample_points(pose: Pose, profile: Profile) -> np.ndarray:
    """MNI millimetres (3, I, J, K * slice_samples) float32 of every sample, with lesions not yet pushing."""
    # A cubic spline reproduces an affine map exactly, so pose and warp share one interpolation.
    # einsum, not a matrix product: BLAS may sum in another order with another number of threads.
    across, along, up = spline_weights(profile)
    placed = np.einsum("jb,dibc->dijc", along, np.einsum("ia,dabc->dibc", across, pose.control_mm))
    up, points = np.asfortranarray(up), np.empty((*placed.shape[:3], len(up)), np.float32)
    for start in range(0, len(across), PLANES_AT_ONCE):
        planes = slice(start, start + PLANES_AT_ONCE)
        # Even and odd control points apart, as einsum itself sums five of them: the voxels hang on the order.
        even, odd = (np.einsum("kc,dijc->dijk", up[:, n::2], placed[:, planes, :, n::2]) for n in (0, 1))
        points[:, planes] = even + odd
    return points


@cache
def spline_weights(profile: Profile) -> tuple[np.ndarray, ...]:
    """For each axis the matrix (samples, control points) that turns control values into sample values."""
    samples = (*profile.shape[:2], profile.shape[2] * profile.slice_samples)
    weights = []
    for count, n in zip(CONTROL_POINTS, samples, strict=True):
        where = (np.arange(n) + 0.5) / n * (count - 1)
        weights.append(make_interp_spline(np.arange(count), np.eye(count), k=3)(where))
    return tuple(weights)


def _anatomy_points(points: np.ndarray, pose: Pose, study: Study, profile: Profile, atlas: Atlas) -> np.ndarray:
    """Points of the atlas to look up: moved by ventricle size and by what a growing lesion pushes aside."""
    count = profile.slice_samples
    shift = atlas.sample(atlas.push, points[..., count // 2 :: count])
    shift *= np.float32(pose.ventricles_mm)
    moved = points - np.repeat(shift, count, axis=-1)
    for lesion in study.lesions:
        for focus in lesion.foci if lesion.kind.displaces else ():
            offset = points - focus.centre_mm.astype(np.float32).reshape(3, 1, 1, 1)
            reach = np.float32(1.5 * focus.radii_mm.mean())
            moved -= np.float32(lesion.kind.displaces) * np.exp(-np.sum((offset / reach) ** 2, axis=0)) * offset
    return moved


def _widen_sulci(fractions: np.ndarray, amount: float) -> None:
    """Lets CSF take a larger share where it already has one (in place), with age and with atrophy."""
    csf = fractions[CSF_ROW]
    brain = fractions[0] + fractions[1]
    gain = np.minimum(csf * np.float32(amount) * (1 - csf), brain)
    fractions[:2] *= 1 - gain / np.maximum(brain, 1e-6)
    fractions[CSF_ROW] += gain


def replaced_rows(lesion: DrawnLesion, names: tuple[str, ...]) -> list[int]:
    """Rows of the tissues that a lesion replaces: brain, whatever was painted before, and CSF if extra-axial."""
    rows = [*BRAIN_ROWS, *range(len(NORMAL_TISSUES), len(names))]
    return [*rows, CSF_ROW] if lesion.kind.extra_axial else rows


def _paint(
    fractions: np.ndarray, names: tuple[str, ...], lesion: DrawnLesion, points: np.ndarray, rows: list[int]
) -> np.ndarray:
    """Replaces the tissues `rows` by the layers of a lesion (in place) and returns the share (...) that it took."""
    flat, places = fractions.reshape(len(fractions), -1), points.reshape(3, -1)
    share = np.zeros(flat.shape[1], np.float32)
    for focus in lesion.foci:
        near = _near(places, focus)
        local = flat[:, near]
        distance, texture = _distance(places[:, near], focus)
        width = lesion.kind.softness_mm / focus.radii_mm.mean()
        taken = np.zeros(near.size, np.float32)
        for number, (tissue, extent) in enumerate(lesion.kind.layers):
            alpha = np.clip(0.5 + (extent - distance) / width, 0, 1) * (1 - lesion.kind.patchiness * texture)
            moved = alpha * local[rows].sum(axis=0)
            local[rows] *= 1 - alpha
            local[names.index(tissue)] += moved
            taken = moved if number == 0 else taken
        flat[:, near] = local
        share[near] = np.maximum(share[near], taken)
    return share.reshape(points.shape[1:])


def _near(places: np.ndarray, focus: Focus) -> np.ndarray:
    """Indices of the samples in reach of a focus, its border included."""
    reach = 1.4 * focus.radii_mm.max() + 2
    near = np.flatnonzero(np.abs(places[0] - np.float32(focus.centre_mm[0])) < reach)
    for axis in (1, 2):
        near = near[np.abs(places[axis, near] - np.float32(focus.centre_mm[axis])) < reach]
    return near


def _distance(places: np.ndarray, focus: Focus) -> tuple[np.ndarray, np.ndarray]:
    """Distance to the centre as a share of the wobbly outline (1 on it), and a texture in [0, 1]; both (n,)."""
    local = np.einsum("ab,bn->an", focus.axes, places - focus.centre_mm[:, None]) / focus.radii_mm[:, None]
    waves = np.sin(np.array(WAVES)[:, None] * local + focus.phase[:, None])
    distance = np.linalg.norm(local, axis=0) * (1 + WOBBLE * waves.sum(axis=0))
    texture = 0.5 + 0.5 * np.prod(np.sin(RIPPLE * local + focus.phase[:, None]), axis=0)
    return distance.astype(np.float32), texture.astype(np.float32)


def _average_slices(samples: np.ndarray, profile: Profile) -> np.ndarray:
    """Mean over the samples across each slice: partial volume."""
    count = profile.slice_samples
    return sum((samples[..., step::count] for step in range(1, count)), samples[..., ::count]) / np.float32(count)


def scan(head: Head, study: Study, profile: Profile, seed: int) -> Mapping[str, np.ndarray]:
    """Images (I, J, K) float32 by contrast, with the tissue values of the patient and the faults of the scanner."""
    drawn, gain = draw_acquisition(study, profile, seed), study.site.gain
    field = bias_field(_unit_grid(profile), drawn.bend).astype(np.float32)
    images = {}
    for name, weights in drawn.weights.items():
        image = mixed(weights, head.fractions)
        image *= field
        images[name] = gain * rician(image, drawn.sigma, drawn.noise)
    if "ADC" in study.contrasts:
        images["ADC"] = adc_map(images["b0"] / gain, images["DWI"] / gain)
    return images


@cache
def _unit_grid(profile: Profile) -> tuple[np.ndarray, ...]:
    """Voxel coordinates in [-1, 1] along each axis, shaped to broadcast."""
    axes = np.meshgrid(*(np.linspace(-1, 1, n, dtype=np.float32) for n in profile.shape), indexing="ij", sparse=True)
    return tuple(axes)
