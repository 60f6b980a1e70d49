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
        part_of: Name of the region that it is a part of; "" for a whole one.
    """

    name: str
    centre_mm: tuple[float, float, float]
    radii_mm: tuple[float, float, float]
    tissue: str
    paired: bool = True
    part_of: str = ""

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
        Region("superior frontal gyrus", (-15, 36, 42), (8, 18, 10), "brain", part_of="frontal lobe"),
        Region("middle frontal gyrus", (-36, 34, 30), (9, 15, 9), "brain", part_of="frontal lobe"),
        Region("inferior frontal gyrus", (-47, 24, 12), (8, 12, 9), "brain", part_of="frontal lobe"),
        Region("precentral gyrus", (-40, -8, 52), (9, 8, 13), "brain", part_of="frontal lobe"),
        Region("postcentral gyrus", (-46, -27, 50), (9, 8, 12), "brain", part_of="parietal lobe"),
        Region("angular gyrus", (-45, -64, 36), (9, 9, 9), "brain", part_of="parietal lobe"),
        Region("precuneus", (-9, -62, 44), (6, 11, 11), "brain", part_of="parietal lobe"),
        Region("superior temporal gyrus", (-55, -18, 4), (8, 19, 6), "brain", part_of="temporal lobe"),
        Region("inferior temporal gyrus", (-51, -32, -24), (8, 17, 7), "brain", part_of="temporal lobe"),
        Region("cuneus", (-9, -84, 24), (6, 8, 9), "brain", part_of="occipital lobe"),
        Region("lingual gyrus", (-14, -74, -4), (8, 12, 6), "brain", part_of="occipital lobe"),
        Region("caudate nucleus", (-13, 13, 10), (5, 9, 9), "brain", part_of="basal ganglia"),
        Region("putamen", (-26, 4, 2), (6, 12, 8), "brain", part_of="basal ganglia"),
        Region("midbrain", (0, -24, -12), (8, 6, 7), "brain", paired=False, part_of="brainstem"),
        Region("pons", (0, -27, -32), (9, 8, 9), "brain", paired=False, part_of="brainstem"),
    )
}
WHOLE = tuple(name for name, region in REGIONS.items() if not region.part_of)
CORTEX = ("frontal lobe", "parietal lobe", "temporal lobe", "occipital lobe", "insula")
DEEP_GREY = ("basal ganglia", "thalamus")
WHITE = ("periventricular white matter", "corona radiata", "centrum semiovale")
INFRATENTORIAL = ("cerebellum", "brainstem")
CALLOSUM = ("splenium of the corpus callosum", "genu of the corpus callosum")
SURFACE = ("frontal convexity", "parietal convexity", "sphenoid wing", "falx")


def parts_of(name: str) -> tuple[str, ...]:
    """Names of the parts of a region."""
    return tuple(part.name for part in REGIONS.values() if part.part_of == name)


def whole_of(name: str) -> str:
    """The region that a part belongs to; any other name itself."""
    return (REGIONS[name].part_of if name in REGIONS else "") or name


def sides_of(name: str) -> tuple[str, ...]:
    """Sides that a region has: left and right, or the midline.

    Raises:
        InputError: When there is no such region.
    """
    if name not in REGIONS:
        raise InputError(f"got region {name!r}; allowed: {', '.join(REGIONS)}")
    return ("left", "right") if REGIONS[name].paired else ("midline",)
