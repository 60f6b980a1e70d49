"""Random draws of a study beside its lesions: pose and shape of the head, tissues of the patient, the scanner's state.

Nothing here works on a voxel, so every renderer sees the same head in the same scanner.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from functools import cache

import numpy as np
from scipy.spatial.transform import Rotation

from selip.cohorts.phantom.anatomy import NORMAL_TISSUES
from selip.cohorts.phantom.patients import PATIENT_STREAM, STUDY_STREAM, Study, generator
from selip.cohorts.phantom.physics import BIAS_TERMS, TISSUES, Scanner, Tissue, weights_of
from selip.cohorts.phantom.profiles import Profile
from selip.data.cohort import USUAL

CONTROL_POINTS = (5, 6, 5)
ATROPHY_VENTRICLES_MM = 5.0
ATROPHY_SULCI = 1.0
ANATOMIES = ("wide ventricles", "wide sulci", "long head")
"""Heads that train lacks: ventricles or sulci of atrophy without the other, and one longer and narrower."""
FLUIDS = ("csf", "cavity")
NOMINAL = {name: astuple(tissue) for name, tissue in TISSUES.items()}


@dataclass(frozen=True)
class Pose:
    """Position and shape of the head of a study.

    Attributes:
        control_mm: (3, *CONTROL_POINTS) MNI millimetres seen from the control points of the grid.
        ventricles_mm: How far the walls of the ventricles are moved out.
        sulci: How much the CSF takes of the tissue beside it.
    """

    control_mm: np.ndarray
    ventricles_mm: float
    sulci: float


@dataclass(frozen=True)
class Acquisition:
    """State of the scanner in a study, and the patient in it.

    Attributes:
        weights: Image to the weight (C,) of each of `tissues_of` the study, as `weights_of`; noise comes in its order.
        bend: (BIAS_TERMS,) coefficients of the receive field.
        sigma: Spread of the noise as a share of white matter signal.
        noise: Source of the noise of every image.
    """

    weights: Mapping[str, np.ndarray]
    bend: np.ndarray
    sigma: float
    noise: np.random.Generator


def draw_pose(study: Study, profile: Profile, seed: int) -> Pose:
    """Pose of the study on the head of its patient."""
    head, _, ventricles = generator(seed, PATIENT_STREAM, study.patient).spawn(3)
    pose = generator(seed, STUDY_STREAM, study.index)
    control = _control_points(profile)
    centre = np.array(profile.centre_mm).reshape(3, 1, 1, 1)
    turn = Rotation.from_euler("xyz", pose.normal(0, profile.rotation_deg, 3), degrees=True).as_matrix()
    odd, longer = anatomy_of(study, profile, seed), max(0.1, 5 * profile.scale)
    size = (1 + head.normal(0, profile.scale, 3)) * ((1 - longer, 1 + longer, 1) if odd == "long head" else 1)
    shift = pose.normal(0, profile.shift_mm, 3).reshape(3, 1, 1, 1)
    # einsum, not a matrix product: BLAS may sum in another order with another number of threads.
    placed = np.einsum("ab,b...->a...", turn @ np.diag(1 / size), control - centre) + centre + shift
    placed += head.normal(0, profile.warp_mm, control.shape)
    ageing, atrophic = max(0, study.age - 40) / 50, any(not lesion.kind.layers for lesion in study.lesions)
    width = float(ventricles.normal(0, profile.ventricle_mm))
    width += ageing * 2.0 + (ATROPHY_VENTRICLES_MM if atrophic else 0.0)
    width += max(ATROPHY_VENTRICLES_MM, 2 + 6 * profile.ventricle_mm) if odd == "wide ventricles" else 0.0
    return Pose(placed, width, 0.3 * ageing + (ATROPHY_SULCI if atrophic or odd == "wide sulci" else 0.0))


def anatomy_of(study: Study, profile: Profile, seed: int) -> str:
    """One of ANATOMIES for a share of the patients of the test part, USUAL for others, "" for atrophic ones."""
    if any(not lesion.kind.layers for lesion in study.lesions):
        return ""
    odd = generator(seed, PATIENT_STREAM, study.patient).spawn(4)[3]
    is_odd = study.patient < profile.test_patients and odd.random() < profile.odd_anatomies
    return str(odd.choice(ANATOMIES)) if is_odd else USUAL


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


def tissues_of(study: Study) -> tuple[str, ...]:
    """Names of the tissues that the head of a study is made of, NORMAL_TISSUES first."""
    drawn = (*study.structures, *study.lesions)
    return (*NORMAL_TISSUES, *dict.fromkeys(tissue for lesion in drawn for tissue, _ in lesion.kind.layers))


def draw_acquisition(study: Study, profile: Profile, seed: int) -> Acquisition:
    """Scanner of the study, with the tissue values of its patient."""
    rng = generator(seed, STUDY_STREAM, study.index).spawn(1)[0]
    patient = generator(seed, PATIENT_STREAM, study.patient).spawn(2)[1]
    values = _jittered(tissues_of(study), profile, patient)
    # The inversion time varies less: it is set to suppress CSF.
    timing = 1 + rng.normal(0, profile.timing_jitter, 3) * np.array([1, 1, 0.25])
    weights = weights_of(values, study.contrasts, _retimed(study.site, timing))
    bend = rng.normal(0, profile.bias * study.site.bias, BIAS_TERMS)
    return Acquisition(weights, bend, profile.noise * study.site.noise, rng)


def _jittered(names: Sequence[str], profile: Profile, rng: np.random.Generator) -> list[Tissue]:
    """The tissues in one patient. Density varies a third as much, and fluid, nearly free water, a quarter as much."""
    spread = np.tile(profile.tissue_jitter * np.array([1, 1, 1 / 3, 1, 1]), (len(names), 1))
    spread[[name in FLUIDS for name in names]] *= 0.25
    spread[:, 4] += profile.agent_jitter
    factors = np.maximum(1 + rng.normal(0, 1, spread.shape) * spread, 0)
    return [Tissue(*values) for values in (np.array([NOMINAL[name] for name in names]) * factors).tolist()]


def _retimed(site: Scanner, factors: np.ndarray) -> Scanner:
    tr, te, ti = (float(factor) for factor in factors)
    return replace(site, tr=site.tr * tr, te=site.te * te, ti=site.ti * ti)
