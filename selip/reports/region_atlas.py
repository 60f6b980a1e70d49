"""Names of places in the brain: a parcellation of MNI152 space by planes and ellipsoids, `region_atlas.yaml`.

nilearn ships templates and no atlas, and free lobe atlases need the network, so this one is ours. White matter,
ventricles and cortex come from the template's tissue probabilities.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray
from scipy import ndimage

from selip.data.template_space import mni_template

STEP_MM = 2
REACH_MM = 14.0
IN_VENTRICLE_MM = (12.0, -20.0, 22.0)
RULES = Path(__file__).with_suffix(".yaml")


@dataclass(frozen=True)
class RegionAtlas:
    """A region for every voxel of the template's box, beyond the brain too (tumours and alignments cross its rim).

    Attributes:
        names: Names of the regions without side.
        unpaired: Those that lie on the midline.
        deep: Those of the deep white matter.
        regions: (99, 117, 95) uint8, index into `names`; axes RAS.
        lobes: The same without the deep white matter, for large lesions.
        affine: (4, 4) voxel to MNI millimetres, STEP_MM apart.
    """

    names: tuple[str, ...]
    unpaired: frozenset[str]
    deep: frozenset[str]
    regions: NDArray[np.uint8]
    lobes: NDArray[np.uint8]
    affine: NDArray[np.float64]

    def at(self, points_mm: NDArray[np.floating], *, lobes: bool = False) -> NDArray[np.uint8]:
        """Index into `names` (n,) of MNI points (n, 3); a point outside the box takes its nearest voxel."""
        labels = self.lobes if lobes else self.regions
        voxels = np.rint((points_mm - self.affine[:3, 3]) / STEP_MM).astype(int)
        return labels[tuple(np.clip(voxels, 0, np.array(labels.shape) - 1).T)]


@cache
def region_atlas() -> RegionAtlas:
    """The atlas of the template, made once a process in about a second."""
    return _atlas(_space())


def atlas_with_ventricles(is_fluid: Callable[[NDArray[np.float64]], NDArray[np.bool_]]) -> RegionAtlas:
    """The atlas of a person whose ventricles may be wider than the template's, as in age and disease.

    Args:
        is_fluid: Which of MNI points (n, 3) are CSF in the study, (n,). Asked within REACH_MM of the template's lateral
            ventricles; what hangs together with them is ventricle.
    """
    space, affine = _space(), region_atlas().affine
    near = space.to_ventricle <= REACH_MM
    ventricles = space.to_ventricle == 0
    fluid = ventricles.copy()
    fluid[near] |= is_fluid(np.argwhere(near) * STEP_MM + affine[:3, 3])
    wide = ndimage.binary_propagation(ventricles, mask=fluid)
    distance = ndimage.distance_transform_edt(~wide, sampling=STEP_MM).astype(np.float32)
    return _atlas(replace(space, to_ventricle=distance))


def _atlas(space: _Space) -> RegionAtlas:
    rules = yaml.safe_load(RULES.read_text())["regions"]
    names = tuple(dict.fromkeys(rule["name"] for rule in rules))
    unpaired = frozenset(rule["name"] for rule in rules if not rule.get("paired", True))
    deep = frozenset(rule["name"] for rule in rules if rule.get("deep", False))
    lobar = [rule for rule in rules if rule["name"] not in deep]
    affine = mni_template().affine @ np.diag([STEP_MM, STEP_MM, STEP_MM, 1])
    return RegionAtlas(names, unpaired, deep, _labels(rules, names, space), _labels(lobar, names, space), affine)


@dataclass(frozen=True)
class _Space:
    """Quantities that rules ask of a voxel: place in mm (r = |x|), tissue, and distances in mm, all (X, Y, Z)."""

    r: NDArray[np.float32]
    y: NDArray[np.float32]
    z: NDArray[np.float32]
    white: NDArray[np.float32]
    grey: NDArray[np.float32]
    to_ventricle: NDArray[np.float32]
    to_cortex: NDArray[np.float32]


@cache
def _space() -> _Space:
    template = mni_template()
    thin = (slice(None, None, STEP_MM),) * 3
    grey, white, brain = template.grey[thin], template.white[thin], template.brain[thin]
    axes = [template.affine[k, 3] + STEP_MM * np.arange(size) for k, size in enumerate(white.shape)]
    x, y, z = np.meshgrid(*axes, indexing="ij")
    # The fluid inside is a piece of its own, apart from that around the brain.
    fluid, _ = ndimage.label(brain & (grey + white < 0.5))
    inside = fluid[tuple(np.rint((np.array(IN_VENTRICLE_MM) - template.affine[:3, 3]) / STEP_MM).astype(int))]
    distances = (ndimage.distance_transform_edt(~near, sampling=STEP_MM) for near in (fluid == inside, grey > 0.5))
    return _Space(np.abs(x), y, z, white, grey, *(each.astype(np.float32) for each in distances))


def _labels(rules: Sequence[Mapping], names: tuple[str, ...], space: _Space) -> NDArray[np.uint8]:
    """For each voxel the index into `names` of the first rule that holds."""
    held = [_holds(rule, space) for rule in rules]
    return np.select(held, [np.uint8(names.index(rule["name"])) for rule in rules]).astype(np.uint8)


def _holds(rule: Mapping, space: _Space) -> NDArray[np.bool_]:
    """True where all conditions of a rule hold, (X, Y, Z)."""
    held = np.ones(space.r.shape, dtype=bool)
    for sign, key in ((1, "above"), (-1, "below")):
        for a, b, c, limit in rule.get(key, ()):
            held &= sign * (a * space.r + b * space.y + c * space.z - limit) >= 0
    if "ellipsoid" in rule:
        centre, axes = rule["ellipsoid"]
        steps = zip((space.r, space.y, space.z), centre, axes, strict=True)
        held &= sum(((place - middle) / half) ** 2 for place, middle, half in steps) <= 1
    held &= (space.white >= rule.get("white", 0)) & (space.grey >= rule.get("grey", 0))
    held &= space.to_ventricle <= rule.get("ventricle_mm", np.inf)
    return held & (space.to_cortex >= rule.get("cortex_mm", 0))
