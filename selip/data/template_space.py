"""An affine from the world millimetres of a study to those of the MNI152 template that nilearn ships.

Twelve parameters, mutual information (Mattes et al., IEEE TMI 2003), from coarse to fine on 4 mm voxels, by SimpleITK:
seconds a study on one core. Enough to name a lobe, not to draw a gyrus. A lesion is left out of the comparison, since
the template has none (Brett et al., NeuroImage 2001).

The template is a brain without its skull (ICBM-152, Fonov et al. 2011), a study may be a whole head: it is laid on the
brain and on the brain with shells for skull and scalp, and the one whose brain agrees better is kept. The name or grid
of a file does not say that it is in MNI space (some sets are turned to it but keep their size), so all are searched.
The search starts from upright heads: left and right cannot change places.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np
import SimpleITK as sitk  # noqa: N813 (the name that its own documentation uses)
from numpy.typing import NDArray
from scipy import ndimage

from selip.data.nifti import Image
from selip.data.volumes import TEMPLATE_HEAD_MM, head_centre_mm
from selip.system.errors import InputError

ALIGNED_BY = ("T1", "FLAIR", "T2", "T1c", "DWI", "ADC")
WORKING_MM = 4
BRAIN_MARGIN_MM, HEAD_MARGIN_MM = 8.0, 22.0
SKULL_MM, SCALP_MM = 7.0, 14.0
SKULL_SIGNAL, SCALP_SIGNAL = 0.2, 0.5  # of the template's scale, where white matter is about 0.85
HEAD_FROM_MM = 0.0  # below it there is a face and a neck, which shells do not draw
_Linear = sitk.AffineTransform | sitk.Similarity3DTransform
USUAL_SCALE = 0.9  # the template is larger than most heads
PITCHES = (-0.3, 0.0, 0.3)  # radians; heads nod far more than they turn or tilt
SIZES = (0.72, 1.05)  # of the template, along an edge: it holds 1.9 litres, heads 0.8 to 2
MIN_OVERLAP = 0.6
NEAR_MM = 3.0
TOP = 2.0
BRAIN_BOX_MM = np.array(list(product((-65, 65), (-100, 65), (-45, 75))), dtype=np.float64)


@dataclass(frozen=True)
class Template:
    """The MNI152 template (2009, symmetric), axes RAS.

    Attributes:
        t1: (197, 233, 189) float32 in [0, 1], brain only.
        grey: Probability of grey matter, same shape.
        white: Probability of white matter, same shape.
        brain: Whether a voxel is in the brain, same shape.
        affine: (4, 4) voxel to MNI millimetres.
    """

    t1: NDArray[np.float32]
    grey: NDArray[np.float32]
    white: NDArray[np.float32]
    brain: NDArray[np.bool_]
    affine: NDArray[np.float64]


@dataclass(frozen=True)
class _Target:
    """An image that a study is laid on, and the voxels that are compared."""

    image: sitk.Image
    mask: sitk.Image


@cache
def mni_template() -> Template:
    """The template at 1 mm, read once a process."""
    # nilearn takes seconds to import (it brings scikit-learn along) and only masks without reports need it.
    from nilearn import datasets

    loads = (datasets.load_mni152_template, datasets.load_mni152_gm_template, datasets.load_mni152_wm_template)
    images = [load(1) for load in loads]
    t1, grey, white = (image.get_fdata(dtype=np.float32) for image in images)
    brain = datasets.load_mni152_brain_mask(1).get_fdata(dtype=np.float32) > 0.5
    return Template(t1, grey, white, brain, np.asarray(images[0].affine, dtype=np.float64))


def world_to_template(volumes: Mapping[str, Image], lesion: Image | None = None) -> NDArray[np.float64]:
    """The affine (4, 4) that takes world millimetres of a study to MNI millimetres.

    A study that the search leaves within NEAR_MM of where it is, is in MNI space already and gets the identity.

    Args:
        volumes: Contrast to volume, in one world space; the first of ALIGNED_BY that can be laid there is used.
        lesion: What is no normal brain: values above one half, on any grid of the same world.

    Raises:
        InputError: No volume of ALIGNED_BY, or none that can be laid on the template.
    """
    images = [volumes[name] for name in ALIGNED_BY if name in volumes]
    if not images:
        raise InputError(f"got contrasts {sorted(volumes)}; add one of {', '.join(ALIGNED_BY)}")
    with _one_thread():
        for image in images:
            to_world = _register(image, lesion)
            if not (refused := _refused(to_world, image)):
                break
        else:
            raise InputError(refused)
    to_template = np.linalg.inv(to_world)
    moved = BRAIN_BOX_MM @ to_template[:3, :3].T + to_template[:3, 3] - BRAIN_BOX_MM
    near = np.linalg.norm(moved, axis=1).max() < NEAR_MM
    return np.eye(4) if near else np.asarray(to_template, dtype=np.float64)


@contextmanager
def _one_thread() -> Iterator[None]:
    """One thread for SimpleITK: sums then repeat to the last bit, and workers of an import do not fight for cores."""
    before = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    try:
        yield
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(before)


def _register(image: Image, lesion: Image | None) -> NDArray[np.float64]:
    """The affine (4, 4) from MNI to world millimetres."""
    moving = _thinned(image)
    usable = None if lesion is None else _to_sitk((lesion.values <= 0.5).astype(np.uint8), lesion.affine)
    brain, head = _target(head=False), _target(head=True)
    found = []
    for target in (brain, head):
        start = _turned(target, moving, usable, head_centre_mm(image))
        affine = sitk.AffineTransform(start.GetMatrix(), start.GetTranslation(), start.GetCenter())
        _search(target, usable, affine, 2).Execute(target.image, moving)
        found.append((_disagreement(brain, moving, usable, affine), target, affine))
    _, target, best = min(found, key=lambda each: each[0])
    _search(target, usable, best, 1).Execute(target.image, moving)
    return _matrix(best)


def _turned(
    target: _Target, moving: sitk.Image, usable: sitk.Image | None, centre_mm: NDArray[np.float64]
) -> sitk.Similarity3DTransform:
    """The best shift, turn and size, searched from each of PITCHES with the two heads' centres on one another."""
    found = []
    for pitch in PITCHES:
        start = sitk.Similarity3DTransform()
        start.SetCenter(TEMPLATE_HEAD_MM)
        start.SetRotation((1.0, 0.0, 0.0), pitch)
        start.SetScale(USUAL_SCALE)
        start.SetTranslation((centre_mm - TEMPLATE_HEAD_MM).tolist())
        _search(target, usable, start, 3).Execute(target.image, moving)
        found.append(start)
    return min(found, key=lambda start: _disagreement(target, moving, usable, start))


def _search(target: _Target, usable: sitk.Image | None, start: _Linear, shrink: int) -> sitk.ImageRegistrationMethod:
    """A search on `shrink` times WORKING_MM that moves `start`. Every voxel counts: nothing is drawn."""
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(32)
    method.SetMetricSamplingStrategy(method.NONE)
    method.SetMetricFixedMask(target.mask)
    if usable is not None:
        method.SetMetricMovingMask(usable)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=2.0, minStep=0.05, numberOfIterations=60, relaxationFactor=0.6, gradientMagnitudeTolerance=1e-6
    )
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([shrink])
    method.SetSmoothingSigmasPerLevel([shrink * WORKING_MM / 2])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    method.SetInitialTransform(start, inPlace=True)
    return method


def _disagreement(target: _Target, moving: sitk.Image, usable: sitk.Image | None, transform: _Linear) -> float:
    """Minus the mutual information (nats) of target and study under a transform; 0, as by chance, beyond SIZES."""
    if not SIZES[0] <= _size(transform) <= SIZES[1]:
        return 0.0
    return _search(target, usable, transform, 2).MetricEvaluate(target.image, moving)


def _size(transform: _Linear) -> float:
    """Edge length of the study's brain, in units of the template's."""
    return float(np.cbrt(np.linalg.det(np.reshape(transform.GetMatrix(), (3, 3)))))


@cache
def _target(head: bool) -> _Target:
    """The template's T1 on WORKING_MM voxels, with shells for skull and scalp when `head`."""
    template = mni_template()
    step_mm, thin = WORKING_MM, (slice(None, None, WORKING_MM),) * 3
    affine = template.affine @ np.diag([step_mm, step_mm, step_mm, 1])
    outside = ndimage.distance_transform_edt(~template.brain[thin], sampling=step_mm)
    values = ndimage.gaussian_filter(template.t1, step_mm / 2)[thin]
    mask = outside <= BRAIN_MARGIN_MM
    if head:
        values = np.where((outside > 0) & (outside <= SKULL_MM), np.maximum(values, SKULL_SIGNAL), values)
        values = np.where((outside > SKULL_MM) & (outside <= SCALP_MM), SCALP_SIGNAL, values)
        top = affine[2, 3] + step_mm * np.arange(values.shape[2]) > HEAD_FROM_MM
        mask = (outside <= step_mm) | (top & (outside <= HEAD_MARGIN_MM))
    return _Target(_to_sitk(values.astype(np.float32), affine), _to_sitk(mask.astype(np.uint8), affine))


def _thinned(image: Image) -> sitk.Image:
    """A volume on voxels of at least half of WORKING_MM.

    Signal beyond TOP times the head's median is cut off: bright scalp would take most bins of the histogram.
    """
    high = TOP * np.median(image.values[image.values > image.values.mean()])
    values = np.clip(image.values, np.percentile(image.values[::4, ::4, ::2], 0.5), high).astype(np.float32)
    steps = np.maximum(np.floor(WORKING_MM / 2 / image.spacing_mm + 1e-3), 1).astype(int)
    values = ndimage.gaussian_filter(values, np.where(steps > 1, steps / 2, 0))
    thin = tuple(slice(None, None, int(step)) for step in steps)
    return _to_sitk(values[thin], image.affine @ np.diag([*steps, 1.0]))


def _to_sitk(values: NDArray, affine: NDArray[np.float64]) -> sitk.Image:
    """An array (I, J, K) as an image of SimpleITK, whose physical space is then our RAS millimetres (not its LPS)."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(values.T))
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(affine[:3, 3].tolist())
    image.SetDirection((affine[:3, :3] / spacing).ravel().tolist())
    return image


def _matrix(transform: sitk.AffineTransform) -> NDArray[np.float64]:
    """The transform as a (4, 4) matrix."""
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(transform.GetMatrix(), (3, 3))
    matrix[:3, 3] = transform.TransformPoint((0.0, 0.0, 0.0))
    return matrix


def _refused(to_world: NDArray[np.float64], image: Image) -> str:
    """Say why an alignment is no head on a head: a size beyond SIZES, a brain outside the volume; "" for nothing."""
    size = float(np.cbrt(np.linalg.det(to_world[:3, :3])))
    points = np.argwhere(mni_template().brain)[::997] + mni_template().affine[:3, 3]
    to_voxel = np.linalg.inv(image.affine) @ to_world
    voxels = points @ to_voxel[:3, :3].T + to_voxel[:3, 3]
    overlap = np.all((voxels > -1) & (voxels < image.values.shape), axis=1).mean()
    if SIZES[0] <= size <= SIZES[1] and overlap >= MIN_OVERLAP:
        return ""
    return (
        f"got {image.path}, which does not lie on the MNI template (size {size:.2f}, {overlap:.0%} of the brain in "
        f"view; needed: {SIZES[0]} to {SIZES[1]}, {MIN_OVERLAP:.0%}); register it to MNI space first"
    )
