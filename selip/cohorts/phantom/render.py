"""From a planned study to voxels: deform the anatomy, paint the lesions, mix, scan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass, replace
from functools import cache

import numpy as np
from scipy.interpolate import make_interp_spline
from scipy.spatial.transform import Rotation

from selip.cohorts.phantom.anatomy import NORMAL_TISSUES, Atlas
from selip.cohorts.phantom.cases import PATIENT_STREAM, STUDY_STREAM, Focus, Lesion, Study, generator
from selip.cohorts.phantom.physics import TISSUES, Site, Tissue, adc_map, bias_field, images_of, rician
from selip.cohorts.phantom.profiles import Profile
from selip.volumes import percentile_minmax

CONTROL_POINTS = (5, 6, 5)
ATROPHY_VENTRICLES_MM = 5.0
ATROPHY_SULCI = 1.0
BRAIN_ROWS = (0, 1)
CSF_ROW = 2
FLUIDS = ("csf", "cavity")


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
        """(I, J, K) uint8: 0, or the number (from 1) of the finding that fills at least half of the voxel.

        A lesion too small to fill half of any voxel keeps the voxels where it is strongest.
        """
        mask = np.zeros(self.fractions.shape[1:], np.uint8)
        for number, share in enumerate(self.lesions, start=1):
            if share.any():
                mask[share >= min(0.5, 0.7 * float(share.max()))] = number
        return mask


def render(study: Study, profile: Profile, seed: int, atlas: Atlas) -> tuple[np.ndarray, np.ndarray]:
    """Volumes (n_contrasts, I, J, K) uint8 in the order of `study.contrasts`, and the mask (I, J, K) uint8."""
    head = build_head(study, profile, seed, atlas)
    images = scan(head, study, profile, seed)
    return np.stack([percentile_minmax(images[contrast]) for contrast in study.contrasts]), head.mask


def build_head(study: Study, profile: Profile, seed: int, atlas: Atlas) -> Head:
    """Tissue shares of a study: anatomy of the patient, pose of the study, lesions."""
    points = _sample_points(study, profile, seed)
    anatomy = _anatomy_points(points, study, profile, seed, atlas)
    fractions = atlas.sample_tissues(anatomy)
    _widen_sulci(fractions, study)
    drawn = (*study.structures, *study.lesions)
    painted = dict.fromkeys(tissue for lesion in drawn for tissue, _ in lesion.kind.layers)
    names = (*NORMAL_TISSUES, *painted)
    fractions = np.concatenate([fractions, np.zeros((len(painted), *points.shape[1:]), np.float32)])
    for structure in study.structures:
        _paint(fractions, names, structure, points, list(range(len(names))))
    shares = [_paint(fractions, names, lesion, points, _replaced(lesion, names)) for lesion in study.lesions]
    empty = np.zeros((0, *points.shape[1:]), np.float32)
    return Head(
        _average_slices(fractions, profile),
        names,
        _average_slices(np.stack(shares) if shares else empty, profile),
    )


def _sample_points(study: Study, profile: Profile, seed: int) -> np.ndarray:
    """MNI millimetres (3, I, J, K * slice_samples) float32 of every sample, with lesions not yet pushing."""
    head, pose = generator(seed, PATIENT_STREAM, study.patient).spawn(2)[0], generator(seed, STUDY_STREAM, study.index)
    control = _control_points(profile)
    centre = np.array(profile.centre_mm).reshape(3, 1, 1, 1)
    turn = Rotation.from_euler("xyz", pose.normal(0, profile.rotation_deg, 3), degrees=True).as_matrix()
    size = 1 + head.normal(0, profile.scale, 3)
    shift = pose.normal(0, profile.shift_mm, 3).reshape(3, 1, 1, 1)
    placed = np.einsum("ab,b...->a...", turn @ np.diag(1 / size), control - centre) + centre + shift
    placed += head.normal(0, profile.warp_mm, control.shape)
    # A cubic spline reproduces an affine map exactly, so pose and warp share one interpolation.
    # einsum, not a matrix product: BLAS may sum in another order with another number of threads.
    axes = ("ia,dabc->dibc", "jb,dibc->dijc", "kc,dijc->dijk")
    for weights, indices in zip(_spline_weights(profile), axes, strict=True):
        placed = np.einsum(indices, weights, placed)
    return placed.astype(np.float32)


@cache
def _control_points(profile: Profile) -> np.ndarray:
    """MNI millimetres (3, *CONTROL_POINTS) that span the grid."""
    axes = []
    for count, voxels, spacing, centre in zip(
        CONTROL_POINTS, profile.shape, profile.spacing_mm, profile.centre_mm, strict=True
    ):
        half = voxels * spacing / 2
        axes.append(np.linspace(centre - half, centre + half, count))
    return np.stack(np.meshgrid(*axes, indexing="ij"))


@cache
def _spline_weights(profile: Profile) -> tuple[np.ndarray, ...]:
    """For each axis the matrix (samples, control points) that turns control values into sample values."""
    samples = (*profile.shape[:2], profile.shape[2] * profile.slice_samples)
    weights = []
    for count, n in zip(CONTROL_POINTS, samples, strict=True):
        where = (np.arange(n) + 0.5) / n * (count - 1)
        weights.append(make_interp_spline(np.arange(count), np.eye(count), k=3)(where))
    return tuple(weights)


def _anatomy_points(points: np.ndarray, study: Study, profile: Profile, seed: int, atlas: Atlas) -> np.ndarray:
    """Where in the atlas to look: moved by ventricle size and by what a growing lesion pushes aside."""
    middle = points[..., profile.slice_samples // 2 :: profile.slice_samples]
    width = float(generator(seed, PATIENT_STREAM, study.patient).spawn(3)[2].normal(0, profile.ventricle_mm))
    width += _ageing(study) * 2.0 + (ATROPHY_VENTRICLES_MM if _atrophic(study) else 0.0)
    push = atlas.sample(atlas.push, middle)
    moved = points - np.float32(width) * np.repeat(push, profile.slice_samples, axis=-1)
    for lesion in study.lesions:
        for focus in lesion.foci if lesion.kind.displaces else ():
            offset = points - focus.centre_mm.astype(np.float32).reshape(3, 1, 1, 1)
            reach = np.float32(1.5 * focus.radii_mm.mean())
            moved -= np.float32(lesion.kind.displaces) * np.exp(-np.sum((offset / reach) ** 2, axis=0)) * offset
    return moved


def _ageing(study: Study) -> float:
    return max(0, study.age - 40) / 50


def _atrophic(study: Study) -> bool:
    return any(not lesion.kind.layers for lesion in study.lesions)


def _widen_sulci(fractions: np.ndarray, study: Study) -> None:
    """Lets CSF take a larger share where it already has one (in place), with age and with atrophy."""
    amount = 0.3 * _ageing(study) + (ATROPHY_SULCI if _atrophic(study) else 0.0)
    csf = fractions[CSF_ROW]
    gain = np.minimum(csf * np.float32(amount) * (1 - csf), fractions[0] + fractions[1])
    brain = np.maximum(fractions[0] + fractions[1], 1e-6)
    fractions[:2] *= 1 - gain / brain
    fractions[CSF_ROW] += gain


def _replaced(lesion: Lesion, names: tuple[str, ...]) -> list[int]:
    """Rows of the tissues that a lesion replaces: brain, whatever was painted before, and CSF if extra-axial."""
    rows = [*BRAIN_ROWS, *range(len(NORMAL_TISSUES), len(names))]
    return [*rows, CSF_ROW] if lesion.kind.extra_axial else rows


def _paint(
    fractions: np.ndarray, names: tuple[str, ...], lesion: Lesion, points: np.ndarray, rows: list[int]
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
    waves = np.sin(np.array([[3.1], [2.7], [2.9]]) * local + focus.phase[:, None])
    distance = np.linalg.norm(local, axis=0) * (1 + 0.06 * waves.sum(axis=0))
    texture = 0.5 + 0.5 * np.prod(np.sin(6 * local + focus.phase[:, None]), axis=0)
    return distance.astype(np.float32), texture.astype(np.float32)


def _average_slices(samples: np.ndarray, profile: Profile) -> np.ndarray:
    """Mean over the samples across each slice: partial volume."""
    count = profile.slice_samples
    return sum((samples[..., step::count] for step in range(1, count)), samples[..., ::count]) / np.float32(count)


def scan(head: Head, study: Study, profile: Profile, seed: int) -> Mapping[str, np.ndarray]:
    """Images (I, J, K) float32 by contrast, with the tissue values of the patient and the faults of the scanner."""
    rng = generator(seed, STUDY_STREAM, study.index).spawn(1)[0]
    patient = generator(seed, PATIENT_STREAM, study.patient).spawn(2)[1]
    site, tissues = study.site, [_jittered(name, profile, patient) for name in head.tissues]
    # The inversion time varies less: it is set to suppress CSF.
    timing = 1 + rng.normal(0, profile.timing_jitter, 3) * np.array([1, 1, 0.25])
    clean = images_of(head.fractions, tissues, study.contrasts, _retimed(site, timing))
    field = bias_field(_unit_grid(profile), profile.bias * site.bias, rng).astype(np.float32)
    sigma = profile.noise * site.noise
    images = {}
    for contrast, image in clean.items():
        if contrast != "ADC":
            images[contrast] = site.gain * rician(image * field, sigma, rng)
    if "ADC" in clean:
        images["ADC"] = adc_map(images["b0"] / site.gain, images["DWI"] / site.gain)
    return images


def _jittered(name: str, profile: Profile, rng: np.random.Generator) -> Tissue:
    """The tissue in one patient. Density varies a third as much, and fluid, nearly free water, a quarter as much."""
    spread = profile.tissue_jitter * np.array([1, 1, 1 / 3, 1, 1]) * (0.25 if name in FLUIDS else 1)
    spread[4] += profile.agent_jitter
    factors = np.maximum(1 + rng.normal(0, 1, 5) * spread, 0)
    values = zip(astuple(TISSUES[name]), factors, strict=True)
    return Tissue(*(float(value * factor) for value, factor in values))


def _retimed(site: Site, factors: np.ndarray) -> Site:
    tr, te, ti = (float(factor) for factor in factors)
    return replace(site, tr=site.tr * tr, te=site.te * te, ti=site.ti * ti)


@cache
def _unit_grid(profile: Profile) -> tuple[np.ndarray, ...]:
    """Voxel coordinates in [-1, 1] along each axis, shaped to broadcast."""
    axes = np.meshgrid(*(np.linspace(-1, 1, n, dtype=np.float32) for n in profile.shape), indexing="ij", sparse=True)
    return tuple(axes)
