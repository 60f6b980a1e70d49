"""Findings that are measured on a lesion mask, for studies without a report.

1. The study is laid on the MNI template (`selip.data.template_space`).
2. Lesions are the connected pieces of the mask, and each has its region and side (`selip.reports.mask_lesions`,
   `selip.reports.region_atlas`). Lesions of one region are one finding, of one side or bilateral, single or multiple by
   their volume there, not by their number; a large lesion that spans several regions gives one finding for each. Places
   come in order of the volume in them. Where a mask has a tumour core, the core is placed and measured, not the oedema
   around it.
3. Each contrast is measured against normal-appearing white matter: the template's, brought back to the study
   (`white_points`, `signal_of`).

The words are those of the phantom's reports. MaskLesion types are not guessed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import KDTree

from selip.data.findings import CONTRASTS, Finding
from selip.data.nifti import Image, label_levels
from selip.data.template_space import mni_template, world_to_template
from selip.reports.mask_lesions import ENHANCING, MaskLesion, is_multiple, lesions_of, regions_of, side_of
from selip.reports.region_atlas import atlas_with_ventricles


def findings_from_mask(volumes: Mapping[str, Image], mask: Image, levels: Mapping[int, int]) -> list[Finding]:
    """Findings of a study, measured on its mask; the place with most of the lesions' volume first.

    Args:
        volumes: Contrast to volume, in one world space; grids may differ.
        mask: Label values on any grid of the same world.
        levels: As `label_levels` takes them.

    Returns:
        Findings without lesion type; none for an empty mask. A contrast that does not cover the brain is absent.

    Raises:
        InputError: A label is unknown, or the study cannot be laid on the template.
    """
    found = label_levels(mask, levels)
    lesions = lesions_of(found, mask.affine)
    if not lesions:
        return []
    marked = Image((found > 0).astype(np.float32), mask.affine, mask.path)
    marked_mm = np.argwhere(found > 0) @ mask.affine[:3, :3].T + mask.affine[:3, 3]
    to_template = world_to_template(volumes, marked)
    return describe(volumes, lesions, to_template, white_points(volumes, marked_mm, to_template))


def describe(
    volumes: Mapping[str, Image],
    lesions: list[MaskLesion],
    to_template: NDArray[np.float64],
    white_mm: NDArray[np.float64],
) -> list[Finding]:
    """Findings of an aligned study.

    Args:
        volumes: Contrast to volume, in one world space.
        lesions: Its lesions, largest first.
        to_template: (4, 4) world to MNI millimetres.
        white_mm: World millimetres (n, 3) of normal-appearing white matter.
    """
    white = {contrast: sample(volumes[contrast], white_mm) for contrast in CONTRASTS if contrast in volumes}
    atlas = atlas_with_ventricles(fluid_finder(volumes, white, to_template))
    places: defaultdict[str, list[tuple[MaskLesion, NDArray[np.float64]]]] = defaultdict(list)
    for lesion in lesions:
        for region, points in regions_of(lesion, to_template, atlas):
            places[region].append((lesion, points))
    findings = []
    for region, members in sorted(places.items(), key=lambda place: -sum(len(points) for _, points in place[1])):
        here, parts = [lesion for lesion, _ in members], [points for _, points in members]
        side, multiple = side_of(parts, region in atlas.unpaired), is_multiple(parts)
        words = {name: signal_of(name, volumes[name], here, white[name], multiple) for name in white}
        signals = {contrast: phrase for contrast, phrase in words.items() if phrase}
        findings.append(Finding("", region, side, signals, round(here[0].radius_mm, 1), multiple, "mask"))
    return findings


WHITE_PRIOR = 0.9
WHITE_STEP = 3  # of the template's voxels: some ten thousand points are enough for a median
GAP_MM = 6.0
DARK_SHARE = 0.3
MIN_WHITE = 50
LEAST_SPREAD, MOST_SPREAD = 0.04, 0.1  # of the median: no volume is more even; more is not white matter alone
ISO, SLIGHT = 1.0, 2.0  # spreads from white matter: iso up to the first, "slightly" up to the second
HETEROGENEOUS = 2.5
UNEVEN_RADIUS_MM = 8.0  # the rim of smaller lesions shares voxels with normal tissue
FLUID = {"T1": 0.45, "T1c": 0.45, "FLAIR": 0.65}  # CSF is .23, .22 and .51 of white matter, plaques .76, .74 and 1.33
_NORMAL_MAD = 1.4826  # of a normal distribution: standard deviation over MAD
_NORMAL_IQR = 1.349


def white_points(
    volumes: Mapping[str, Image], lesion_mm: NDArray[np.float64], to_template: NDArray[np.float64]
) -> NDArray[np.float64]:
    """World millimetres (n, 3) where white matter is nearly sure, and GAP_MM from any lesion.

    The darkest DARK_SHARE on T1 is left out: there an affine alignment has put cortex or CSF on white matter.

    Args:
        volumes: Contrast to volume, in one world space.
        lesion_mm: Points (m, 3) of the lesions in world millimetres.
        to_template: (4, 4) world to MNI millimetres.
    """
    template = mni_template()
    thin = template.white[(slice(None, None, WHITE_STEP),) * 3]
    to_world = np.linalg.inv(to_template) @ template.affine @ np.diag([WHITE_STEP] * 3 + [1])
    points = np.argwhere(thin > WHITE_PRIOR) @ to_world[:3, :3].T + to_world[:3, 3]
    away, _ = KDTree(lesion_mm).query(points, distance_upper_bound=GAP_MM)
    points = points[np.isinf(away)]
    if "T1" not in volumes or not len(points):
        return points
    t1 = sample(volumes["T1"], points)
    return points[t1 >= np.quantile(t1[np.isfinite(t1)], DARK_SHARE)] if np.isfinite(t1).any() else points


def fluid_finder(
    volumes: Mapping[str, Image], white: Mapping[str, NDArray[np.float32]], to_template: NDArray[np.float64]
) -> Callable[[NDArray[np.float64]], NDArray[np.bool_]]:
    """A function that says which MNI points (n, 3) are CSF: dark on the first of FLUID that the study has.

    Args:
        volumes: Contrast to volume, in one world space.
        white: Contrast to values of white matter.
        to_template: (4, 4) world to MNI millimetres.
    """
    contrast = next((name for name in FLUID if name in volumes and np.isfinite(white[name]).any()), None)
    to_world = np.linalg.inv(to_template)

    def is_fluid(points: NDArray[np.float64]) -> NDArray[np.bool_]:
        if contrast is None:
            return np.zeros(len(points), np.bool_)
        voxels = _voxels(volumes[contrast], points @ to_world[:3, :3].T + to_world[:3, 3])
        bright = float(np.nanmedian(white[contrast]))
        values = ndimage.map_coordinates(volumes[contrast].values, voxels, order=1, mode="constant", cval=bright)
        return np.asarray(values < FLUID[contrast] * bright)

    return is_fluid


def _voxels(image: Image, points_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Voxel coordinates (3, n) of world points (n, 3)."""
    inverse = np.linalg.inv(image.affine)
    return (points_mm @ inverse[:3, :3].T + inverse[:3, 3]).T


def sample(image: Image, points_mm: NDArray[np.float64]) -> NDArray[np.float32]:
    """Trilinear values (n,) of a volume at world points (n, 3), NaN outside its field of view."""
    voxels = _voxels(image, points_mm)
    last = np.array(image.values.shape)[:, None] - 1
    inside = ((voxels >= -0.5) & (voxels <= last + 0.5)).all(axis=0)
    values = ndimage.map_coordinates(image.values, voxels, order=1, mode="nearest", output=np.float32)
    return np.where(inside, values, np.float32(np.nan))


def signal_of(
    contrast: str, image: Image, lesions: Sequence[MaskLesion], white: NDArray[np.float32], multiple: bool
) -> str:
    """Signal in `image` of the lesions of one finding, as "multiple foci of high signal"; "" when nobody can tell.

    After contrast agent the enhancing part speaks for a lesion that has one.

    Args:
        contrast: One of CONTRASTS.
        image: The volume.
        lesions: The lesions, the largest first.
        white: Values of normal-appearing white matter in `image`.
        multiple: Whether they count as several.
    """
    main = lesions[0]
    enhancing, textured = main.levels == ENHANCING, main.radius_mm >= UNEVEN_RADIUS_MM
    if contrast == "T1c" and enhancing.any():
        words = words_of(sample(image, main.points_mm[enhancing]), white, textured)
        if "high" in words and main.ring:
            words = "ring of high signal with low centre"
    else:
        words = words_of(sample(image, np.concatenate([each.points_mm for each in lesions])), white, textured)
    return f"multiple foci of {words}" if words and multiple else words


def words_of(values: NDArray[np.float32], white: NDArray[np.float32], textured: bool = True) -> str:
    """Words for values (n,) of a lesion against values (m,) of white matter.

    The distance of the medians in robust spreads of white matter (median absolute deviation, within LEAST_SPREAD
    and MOST_SPREAD of its median) gives iso, slightly high or low, high or low.

    Args:
        values: Of the lesion.
        white: Of normal-appearing white matter. NaN is skipped in both; "" when there is too little of either.
        textured: Whether a spread of HETEROGENEOUS times that of white matter is called heterogeneous.
    """
    values, white = values[np.isfinite(values)], white[np.isfinite(white)]
    if not len(values) or len(white) < MIN_WHITE:
        return ""
    middle = float(np.median(white))
    deviation = _NORMAL_MAD * float(np.median(np.abs(white - middle)))
    spread = min(max(deviation, LEAST_SPREAD * abs(middle)), MOST_SPREAD * abs(middle))
    if spread == 0:
        return ""
    low, median, high = np.percentile(values, (25, 50, 75))
    distance = (median - middle) / spread
    uneven = textured and (high - low) / _NORMAL_IQR > HETEROGENEOUS * spread
    if abs(distance) < ISO:
        return "heterogeneous iso signal" if uneven else "iso signal"
    polarity = "high signal" if distance > 0 else "low signal"
    if uneven:
        return f"heterogeneous {polarity}"
    return f"slightly {polarity}" if abs(distance) < SLIGHT else polarity
