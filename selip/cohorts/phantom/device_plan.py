"""Draws of several studies, as tensors for a renderer that makes them at once.

Studies are sorted by the ellipsoids that are painted, most first: those that have a further one are always the first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch

from selip.cohorts.phantom.draws import Acquisition, draw_acquisition, draw_pose, tissues_of
from selip.cohorts.phantom.patients import STUDY_STREAM, DrawnLesion, Focus, Study
from selip.cohorts.phantom.physics import TISSUES, weights_of
from selip.cohorts.phantom.profiles import Profile
from selip.cohorts.phantom.render import replaced_rows
from selip.data.volume_batches import to_device

NO_LAYER = -1e3  # share of a radius that no sample is within
VOXEL_NOISE = 2  # stream of a study, beside that of its scan and that of its wording


@dataclass(frozen=True)
class Strokes:
    """The ellipsoids of B studies in the order in which they are painted, at most T a study; float32.

    Attributes:
        counts: How many studies have a stroke, for each of the T.
        pushing: Whether any of them pushes tissue aside, for each of the T.
        centre_mm: (T, B, 3) MNI millimetres.
        radii_mm: (T, B, 3) half axes.
        axes: (T, B, 3, 3), rows are the axes of the ellipsoid.
        phase: (T, B, 3) of outline and texture.
        width: (T, B) of the border, as a share of the mean radius.
        patchiness: (T, B) share that the texture takes away.
        displaces: (T, B) how far tissue is pushed aside.
        extents: (T, B, n_layers) share of the radius that each layer reaches; NO_LAYER where there is none.
        tissues: (T, B, n_layers, C), 1 for the tissue of each layer.
        replaced: (T, B, C), 1 for the tissues that give way.
        lesions: (T, B, n_lesions), 1 for the lesion that the stroke is of; none for a normal structure.
    """

    counts: tuple[int, ...]
    pushing: tuple[bool, ...]
    centre_mm: torch.Tensor
    radii_mm: torch.Tensor
    axes: torch.Tensor
    phase: torch.Tensor
    width: torch.Tensor
    patchiness: torch.Tensor
    displaces: torch.Tensor
    extents: torch.Tensor
    tissues: torch.Tensor
    replaced: torch.Tensor
    lesions: torch.Tensor


@dataclass(frozen=True)
class Plan:
    """B studies before any voxel of them is made; float32.

    Attributes:
        places: (B,) int64: `rows[places]` brings rows of the sorted studies back into the order they were given in.
        images: Names of the W images that are scanned.
        noise_seeds: Seed of the voxel noise of each study.
        n_lesions: Most lesions of a study.
        control_mm: (B, 3, *CONTROL_POINTS) MNI millimetres seen from the control points of the grid.
        ventricles_mm: (B,) how far the walls of the ventricles are moved out.
        sulci: (B,) how much the CSF takes of the tissue beside it.
        weights: (B, W, C) of each tissue in each image; 0 for images and tissues that a study does not have.
        bend: (B, BIAS_TERMS) coefficients of the receive field.
        sigma: (B,) spread of the noise.
        strokes: What is painted.
    """

    places: torch.Tensor
    images: tuple[str, ...]
    noise_seeds: tuple[int, ...]
    n_lesions: int
    control_mm: torch.Tensor
    ventricles_mm: torch.Tensor
    sulci: torch.Tensor
    weights: torch.Tensor
    bend: torch.Tensor
    sigma: torch.Tensor
    strokes: Strokes


class _Stroke(NamedTuple):
    lesion: DrawnLesion
    focus: Focus
    layers: Sequence[tuple[int, float]]
    rows: Sequence[int]
    number: int | None


def plan_studies(studies: Sequence[Study], profile: Profile, seed: int, device: torch.device) -> Plan:
    """Draws what `render` draws of each study, and a seed for the noise of its voxels."""
    strokes = [list(_strokes_of(study)) for study in studies]
    order = sorted(range(len(studies)), key=lambda index: -len(strokes[index]))
    ordered = [studies[index] for index in order]
    poses = [draw_pose(study, profile, seed) for study in ordered]
    acquisitions = [draw_acquisition(study, profile, seed) for study in ordered]
    images = tuple(weights_of((TISSUES["csf"],), profile.contrasts))
    n_tissues = max(len(tissues_of(study)) for study in studies)
    n_lesions = max(len(study.lesions) for study in studies)
    return Plan(
        places=to_device(np.argsort(order), device),
        images=images,
        noise_seeds=tuple(_noise_seed(study, seed) for study in ordered),
        n_lesions=n_lesions,
        control_mm=_floats([pose.control_mm for pose in poses], device),
        ventricles_mm=_floats([pose.ventricles_mm for pose in poses], device),
        sulci=_floats([pose.sulci for pose in poses], device),
        weights=_floats([_weights(scan, images, n_tissues) for scan in acquisitions], device),
        bend=_floats([scan.bend for scan in acquisitions], device),
        sigma=_floats([scan.sigma for scan in acquisitions], device),
        strokes=_together([strokes[index] for index in order], n_tissues, n_lesions, device),
    )


def _floats(values: Any, device: torch.device) -> torch.Tensor:  # noqa: ANN401 (whatever numpy makes an array of)
    return to_device(np.asarray(values, np.float32), device)


def _noise_seed(study: Study, seed: int) -> int:
    sequence = np.random.SeedSequence((seed, STUDY_STREAM, study.index), spawn_key=(VOXEL_NOISE,))
    return int(sequence.generate_state(1, np.uint64)[0])


def _weights(scan: Acquisition, images: Sequence[str], n_tissues: int) -> np.ndarray:
    """(W, C) with zeros for what the study does not have."""
    weights = np.zeros((len(images), n_tissues), np.float32)
    for image, values in scan.weights.items():
        weights[images.index(image), : len(values)] = values
    return weights


def _strokes_of(study: Study) -> Iterator[_Stroke]:
    """Structures first, which may replace anything, then lesions."""
    names = tissues_of(study)
    numbers = (*[None] * len(study.structures), *range(len(study.lesions)))
    for number, lesion in zip(numbers, (*study.structures, *study.lesions), strict=True):
        rows = range(len(names)) if number is None else replaced_rows(lesion, names)
        layers = [(names.index(tissue), extent) for tissue, extent in lesion.kind.layers]
        yield from (_Stroke(lesion, focus, layers, rows, number) for focus in lesion.foci)


def _together(strokes: Sequence[Sequence[_Stroke]], n_tissues: int, n_lesions: int, device: torch.device) -> Strokes:
    """The strokes of sorted studies, the first of each in front."""
    n_steps = max(map(len, strokes))
    at = [(step, row) for row, some in enumerate(strokes) for step in range(len(some))]
    every = [stroke for some in strokes for stroke in some]
    n_layers = max((len(stroke.layers) for stroke in every), default=0)
    where = tuple(np.array(at, int).reshape(-1, 2).T)

    def spread(values: Sequence[Any], *shape: int) -> torch.Tensor:
        full = np.zeros((n_steps, len(strokes), *shape), np.float32)
        full[where] = np.reshape(values, (len(every), *shape))
        return to_device(full, device)

    def padded(stroke: _Stroke) -> list[tuple[int, float]]:
        return [*stroke.layers, *[(0, NO_LAYER)] * (n_layers - len(stroke.layers))]

    rows, numbers = np.eye(n_tissues), np.eye(n_lesions)
    return Strokes(
        counts=tuple(sum(len(some) > step for some in strokes) for step in range(n_steps)),
        pushing=tuple(
            any(some[step].lesion.kind.displaces for some in strokes if len(some) > step) for step in range(n_steps)
        ),
        centre_mm=spread([stroke.focus.centre_mm for stroke in every], 3),
        radii_mm=spread([stroke.focus.radii_mm for stroke in every], 3),
        axes=spread([stroke.focus.axes for stroke in every], 3, 3),
        phase=spread([stroke.focus.phase for stroke in every], 3),
        width=spread([stroke.lesion.kind.softness_mm / stroke.focus.radii_mm.mean() for stroke in every]),
        patchiness=spread([stroke.lesion.kind.patchiness for stroke in every]),
        displaces=spread([stroke.lesion.kind.displaces for stroke in every]),
        extents=spread([[extent for _, extent in padded(stroke)] for stroke in every], n_layers),
        tissues=spread([[rows[tissue] for tissue, _ in padded(stroke)] for stroke in every], n_layers, n_tissues),
        replaced=spread([rows[list(stroke.rows)].sum(axis=0) for stroke in every], n_tissues),
        lesions=spread(
            [np.zeros(n_lesions) if stroke.number is None else numbers[stroke.number] for stroke in every], n_lesions
        ),
    )
