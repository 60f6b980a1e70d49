"""Places of findings: a small table of ellipsoids in MNI152 millimetres, intersected with tissue.

Axes are RAS (x grows to the patient's right), so a left region has a negative x. The table lists the left one of each
pair; the right one is its mirror image, which is exact because the template is symmetric.
"""

from __future__ import annotations

from dataclasses import dataclass

from selip.system.errors import InputError


@dataclass(frozen=True)
class Region:
    """An ellipsoid and the tissue that counts inside it.

    Attributes:
        name: Name without side, as "thalamus".
        centre_mm: Centre (x, y, z) in MNI millimetres; of the left one when `paired`.
        radii_mm: Half axes in millimetres.
        tissue: "grey", "white", "brain" (either) or "surface" (the rim of the brain, for extra-axial lesions).
        paired: Whether there is a left and a right one; otherwise it lies on the midline.
    """

    name: str
    centre_mm: tuple[float, float, float]
    radii_mm: tuple[float, float, float]
    tissue: str
    paired: bool = True

    def centre_of(self, side: str) -> tuple[float, float, float]:
        """Centre of the region on `side` ("left", "right" or "midline")."""
        x, y, z = self.centre_mm
        return (-x, y, z) if side == "right" else (x, y, z)


REGIONS = {
    region.name: region
    for region in (
        Region("frontal lobe", (-30, 38, 22), (17, 22, 20), "brain"),
        Region("parietal lobe", (-36, -54, 46), (16, 18, 14), "brain"),
        Region("temporal lobe", (-50, -16, -18), (12, 24, 12), "brain"),
        Region("occipital lobe", (-20, -86, 4), (14, 12, 16), "brain"),
        Region("insula", (-38, 4, 2), (5, 16, 11), "grey"),
        Region("basal ganglia", (-22, 6, 2), (9, 13, 9), "brain"),
        Region("thalamus", (-11, -19, 8), (8, 10, 8), "brain"),
        Region("corona radiata", (-26, -4, 27), (9, 16, 7), "white"),
        Region("centrum semiovale", (-24, -20, 42), (8, 20, 6), "white"),
        Region("periventricular white matter", (-29, -54, 16), (9, 20, 9), "white"),
        Region("cerebellum", (-26, -64, -38), (17, 15, 13), "brain"),
        Region("brainstem", (0, -27, -32), (9, 8, 16), "brain", paired=False),
        Region("splenium of the corpus callosum", (0, -39, 14), (12, 7, 8), "white", paired=False),
        Region("genu of the corpus callosum", (0, 27, 8), (10, 8, 8), "white", paired=False),
        Region("frontal convexity", (-38, 30, 44), (22, 26, 20), "surface"),
        Region("parietal convexity", (-42, -48, 56), (22, 22, 20), "surface"),
        Region("sphenoid wing", (-40, 20, -16), (12, 12, 12), "surface"),
        Region("falx", (0, 10, 58), (6, 34, 20), "surface", paired=False),
    )
}
CORTEX = ("frontal lobe", "parietal lobe", "temporal lobe", "occipital lobe", "insula")
DEEP_GREY = ("basal ganglia", "thalamus")
WHITE = ("periventricular white matter", "corona radiata", "centrum semiovale")
INFRATENTORIAL = ("cerebellum", "brainstem")
CALLOSUM = ("splenium of the corpus callosum", "genu of the corpus callosum")
SURFACE = ("frontal convexity", "parietal convexity", "sphenoid wing", "falx")


def sides_of(name: str) -> tuple[str, ...]:
    """Sides that a region has: left and right, or the midline.

    Raises:
        InputError: When there is no such region.
    """
    if name not in REGIONS:
        raise InputError(f"got region {name!r}; allowed: {', '.join(REGIONS)}")
    return ("left", "right") if REGIONS[name].paired else ("midline",)
