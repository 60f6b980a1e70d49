"""The dural sinuses, which take up contrast agent in everybody.

Without them an enhancing tumour would be the brightest thing in the head, and min-max scaling would tell it from the
brightness of the whole image. They are drawn thicker than life, so that the thickest slices still hold pure blood.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from selip.cohorts.phantom.lesions import Kind
from selip.cohorts.phantom.patients import Focus, Lesion

RADIUS_MM = 6.0
HALF_LENGTH_MM = 14.0
# MNI millimetres along the superior sagittal sinus to the confluence, and from there along the right transverse sinus.
SAGITTAL = ((0, 58, 48), (0, 25, 66), (0, -15, 76), (0, -55, 72), (0, -88, 44), (0, -102, 10), (0, -96, -12))
TRANSVERSE = ((0, -96, -12), (30, -88, -18), (54, -62, -26), (56, -42, -38))
_KIND = Kind("dural sinuses", 0.0, (("blood pool", 1.0),), {}, (), (RADIUS_MM, RADIUS_MM))


def dural_sinuses() -> Lesion:
    """The sinuses as a chain of overlapping ellipsoids, to be painted like a lesion."""
    mirrored = tuple((-x, y, z) for x, y, z in TRANSVERSE)
    foci = (focus for line in (SAGITTAL, TRANSVERSE, mirrored) for focus in _along(np.array(line, float)))
    return Lesion(_KIND, "dura", "midline", RADIUS_MM, tuple(foci))


def _along(line: np.ndarray) -> Iterator[Focus]:
    """Ellipsoids along the polyline (m, 3), each reaching over its neighbours' ends."""
    for start, end in pairwise(line):
        count = round(float(np.linalg.norm(end - start)) / HALF_LENGTH_MM)
        # The first axis of a full singular basis is the direction, whatever the other two are.
        axes = np.linalg.svd((end - start)[None])[2]
        for share in (np.arange(count) + 0.5) / count:
            radii = np.array([HALF_LENGTH_MM, RADIUS_MM, RADIUS_MM])
            yield Focus(start + share * (end - start), radii, axes, np.zeros(3))
