"""Infarcts in the shape of what an artery supplies, as chains of ellipsoids.

A cortical infarct is a wedge that widens from the artery towards the surface of the brain, a lenticulostriate one
rises from the base, one between two territories is a row along the white matter, one of the brainstem
reaches its front. Coarse on purpose; only the brain takes paint, so the surface gives the wedge its base.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from selip.cohorts.phantom.regions import whole_of


@dataclass(frozen=True)
class Territory:
    """The shape of an infarct of a region.

    Attributes:
        from_mm: Where its artery comes from, MNI millimetres on the left; the wedge widens away from it.
        narrow: Width at the artery's end, as a share of the width at the other.
        length: Half length, as a share of the radius.
    """

    from_mm: tuple[float, float, float]
    narrow: float = 0.35
    length: float = 1.3


_MIDDLE = Territory((-34, 0, 2))  # middle cerebral artery, out of the Sylvian fissure
_POSTERIOR = Territory((-8, -50, -2))
TERRITORIES: Mapping[str, Territory] = {
    "frontal lobe": _MIDDLE,
    "superior frontal gyrus": Territory((-3, 30, 10)),  # anterior cerebral artery
    "parietal lobe": Territory((-34, -22, 8)),
    "precuneus": Territory((-3, -40, 30)),
    "temporal lobe": Territory((-36, -8, -8)),
    "occipital lobe": _POSTERIOR,
    "insula": Territory((-36, -14, 2), 0.8, 1.4),
    "basal ganglia": Territory((-13, 4, -14), 0.6, 1.6),  # lenticulostriate arteries
    "thalamus": Territory((-4, -24, -8), 0.6, 1.2),
    "corona radiata": Territory((-26, -44, 30), 1.0, 1.8),  # between the territories
    "cerebellum": Territory((-10, -50, -30)),
    "brainstem": Territory((0, -42, -32), 0.6, 1.2),  # paramedian, to the front
}
SIZE = 0.8  # of the wedge to the ball of the same volume
LINKS = np.array([-0.9, -0.3, 0.3, 0.9])  # of the chain, as shares of its half length

Ellipsoid = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Centre (3,) in MNI millimetres, half axes (3,) in millimetres, and their directions as rows (3, 3)."""


def territorial(region: str, centre_mm: np.ndarray, radius_mm: float) -> Iterator[Ellipsoid]:
    """The links of an infarct at a centre (3,), about as large as the ball of that radius; none without a territory."""
    territory = TERRITORIES.get(region, TERRITORIES.get(whole_of(region)))
    if territory is None:
        return
    origin = np.array(territory.from_mm) * (np.sign(centre_mm[0]) * -1 if territory.from_mm[0] else 1, 1, 1)
    along, size = centre_mm - origin, SIZE * radius_mm
    axes = np.linalg.svd(along[None])[2]  # its first row is the direction, whatever the other two are
    axes[0] = along / np.linalg.norm(along)
    for link in LINKS:
        width = territory.narrow + (1 - territory.narrow) * (link + 1) / 2
        radii = size * np.array([0.5 * territory.length, width, width])
        yield centre_mm + link * territory.length * size * axes[0], radii, axes
