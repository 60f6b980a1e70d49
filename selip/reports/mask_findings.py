"""Findings that are measured on a lesion mask, for studies without a report.

1. The study is laid on the MNI template (`selip.data.template_space`).
2. Lesions are the connected pieces of the mask, and each has its region and side (`selip.reports.mask_lesions`,
   `selip.reports.region_atlas`). Lesions of one region are one finding, of one side or bilateral, single or multiple by
   their volume there, not by their number; a large lesion that spans several regions gives one finding for each. Places
   come in order of the volume in them. Where a mask has a tumour core, the core is placed and measured, not the oedema
   around it.
3. Each contrast is measured against normal-appearing white matter: the template's, brought back to the study
   (`selip.reports.mask_signal`).

The words are those of the phantom's reports. MaskLesion types are not guessed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from selip.data.findings import CONTRASTS, Finding
from selip.data.mask_labels import label_levels
from selip.data.nifti import Image
from selip.data.template_space import world_to_template
from selip.reports.mask_lesions import MaskLesion, is_multiple, lesions_of, regions_of, side_of
from selip.reports.mask_signal import fluid_finder, sample, signal_of, white_points
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
        findings.append(Finding("", region, side, signals, round(here[0].radius_mm, 1), multiple))
    return findings
