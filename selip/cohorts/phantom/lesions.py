"""Lesion types: what they are made of, where they sit, and what each contrast shows of them.

A lesion is painted from the outside in: each layer is a tissue of `physics.TISSUES` that fills the lesion up to a share
of its radius. The signal phrase of a contrast is a statement about the simulated image, and the tests hold every one of
them against the signal of the part that it names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from selip.cohorts.phantom.regions import CALLOSUM, CORTEX, DEEP_GREY, INFRATENTORIAL, SURFACE, WHITE

ATROPHY_REGION = "cerebral hemispheres"


@dataclass(frozen=True)
class Sign:
    """Signal phrase of a contrast and the part of the lesion that its first polarity speaks of.

    Attributes:
        phrase: As "high signal with low rim".
        part: "whole", or "core" (innermost layer), or "ring" (the layer around the core).
    """

    phrase: str
    part: str = "whole"


@dataclass(frozen=True)
class Kind:
    """A lesion type.

    Attributes:
        name: As "acute infarct".
        weight: Relative frequency among findings.
        layers: Tissue and the share of the radius it reaches, from the outside in; empty for a diffuse change.
        signs: Contrast to what it shows; an absent contrast shows nothing.
        regions: Names from the region table.
        radius_mm: Smallest and largest radius.
        foci: Largest number of separate foci.
        bilateral: Chance that several foci lie on both sides.
        softness_mm: Width of the border.
        elongation: Ratio of the longest to the shortest axis.
        patchiness: Share of the lesion that its texture takes away, in [0, 1).
        displaces: How far it pushes tissue aside, in [0, 1).
        extra_axial: Whether it also replaces CSF (outside the brain) and not only brain.
        later: Name of the type it turns into at follow-up.
        ages: Youngest and oldest patient.
    """

    name: str
    weight: float
    layers: tuple[tuple[str, float], ...]
    signs: Mapping[str, Sign]
    regions: tuple[str, ...]
    radius_mm: tuple[float, float]
    foci: int = 1
    bilateral: float = 0.0
    softness_mm: float = 1.5
    elongation: float = 1.4
    patchiness: float = 0.0
    displaces: float = 0.0
    extra_axial: bool = False
    later: str = ""
    ages: tuple[int, int] = (40, 88)


def _signs(**phrases: str | tuple[str, str]) -> dict[str, Sign]:
    return {contrast: Sign(*((phrase,) if isinstance(phrase, str) else phrase)) for contrast, phrase in phrases.items()}


_BRAIN = (*CORTEX, *DEEP_GREY, *INFRATENTORIAL)
_DEEP = (*DEEP_GREY, "corona radiata", *INFRATENTORIAL)
_LOBES = CORTEX[:4]
_RIM = "low signal with high rim"

KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            "white matter hyperintensity", 26, (("leukoaraiosis", 1.0),),
            _signs(T1="slightly low signal", T2="patchy high signal", FLAIR="patchy high signal",
                   ADC="slightly high signal", T1c="slightly low signal"),
            WHITE, (3, 9), foci=6, bilateral=0.5, softness_mm=2.0, elongation=1.8, patchiness=0.25, ages=(52, 90),
        ),
        Kind(
            "multiple sclerosis plaque", 8, (("plaque", 1.0),),
            _signs(T1="ovoid low signal", T2="ovoid high signal", FLAIR="ovoid high signal",
                   ADC="ovoid high signal", T1c="ovoid low signal"),
            (*WHITE, *CALLOSUM, *INFRATENTORIAL), (3, 8), foci=6, bilateral=0.5, softness_mm=1.0, elongation=2.0,
            ages=(20, 55),
        ),
        Kind(
            "acute infarct", 11, (("acute infarct", 1.0),),
            _signs(T1="slightly low signal", T2="high signal", FLAIR="high signal", DWI="markedly high signal",
                   ADC="low signal", T1c="slightly low signal"),
            (*_BRAIN, "corona radiata"), (6, 26), later="old infarct",
        ),
        Kind(
            "subacute infarct", 7, (("subacute infarct", 1.0),),
            _signs(T1="low signal", T2="markedly high signal", FLAIR="markedly high signal", DWI="high signal",
                   T1c="gyriform high signal"),
            (*_BRAIN, "corona radiata"), (6, 24), patchiness=0.1, later="old infarct",
        ),
        Kind(
            "old infarct", 7, (("gliosis", 1.0), ("cavity", 0.75)),
            _signs(T1="low signal", T2="markedly high signal", FLAIR=(_RIM, "core"), DWI=("low signal", "core"),
                   ADC="markedly high signal", T1c="low signal"),
            _BRAIN, (6, 24), softness_mm=1.0,
        ),
        Kind(
            "lacune", 6, (("gliosis", 1.0), ("cavity", 0.7)),
            _signs(T1="punctate low signal", T2="punctate high signal", FLAIR=("punctate " + _RIM, "core"),
                   DWI=("punctate low signal", "core"), ADC="punctate high signal", T1c="punctate low signal"),
            _DEEP, (2.5, 7), softness_mm=0.7, elongation=1.2, ages=(50, 90),
        ),
        Kind(
            "acute haemorrhage", 5, (("oedema", 1.0), ("acute blood", 0.8)),
            _signs(T1=("iso signal", "core"), T2=(_RIM, "core"), FLAIR=(_RIM, "core"),
                   DWI=("markedly low signal", "core"), ADC=(_RIM, "core"), T1c=("iso signal", "core")),
            (*_LOBES, *_DEEP), (7, 24), displaces=0.2, later="chronic haemorrhage",
        ),
        Kind(
            "subacute haemorrhage", 4, (("siderin", 1.0), ("subacute blood", 0.85)),
            _signs(T1=("markedly high signal", "core"), T2=("high signal with low rim", "core"),
                   FLAIR=("markedly high signal with low rim", "core"), DWI=("high signal with low rim", "core"),
                   T1c=("markedly high signal", "core")),
            (*_LOBES, *_DEEP), (7, 24), displaces=0.1, later="chronic haemorrhage",
        ),
        Kind(
            "chronic haemorrhage", 3, (("siderin", 1.0), ("old blood", 0.7)),
            _signs(T1="low signal", T2=("high signal with low rim", "core"), FLAIR=("high signal with low rim", "core"),
                   DWI=("low signal with low rim", "core"), ADC=("high signal", "core"), T1c="low signal"),
            (*_LOBES, *_DEEP), (6, 20), softness_mm=1.0,
        ),
        Kind(
            "high-grade glioma", 6, (("oedema", 1.0), ("tumour rim", 0.7), ("necrosis", 0.42)),
            _signs(T1="heterogeneous low signal", T2="heterogeneous high signal", FLAIR="heterogeneous high signal",
                   DWI=("ring of high signal with low centre", "ring"), ADC="heterogeneous high signal",
                   T1c=("ring of high signal with low centre", "ring")),
            (*_LOBES, "insula", "thalamus", *CALLOSUM), (14, 32), elongation=1.3, displaces=0.3,
        ),
        Kind(
            "low-grade glioma", 4, (("low-grade tumour", 1.0),),
            _signs(T1="homogeneous low signal", T2="homogeneous high signal", FLAIR="homogeneous high signal",
                   ADC="homogeneous high signal", T1c="homogeneous low signal"),
            (*_LOBES, "insula", "brainstem", "cerebellum"), (10, 24), softness_mm=3.0, displaces=0.2, ages=(22, 55),
        ),
        Kind(
            "meningioma", 5, (("meningioma", 1.0),),
            _signs(T1="iso signal", T2="extra-axial high signal", FLAIR="extra-axial high signal",
                   DWI="extra-axial high signal", T1c="extra-axial markedly high signal"),
            SURFACE, (8, 22), softness_mm=0.7, elongation=1.2, displaces=0.35, extra_axial=True,
        ),
        Kind(
            "metastasis", 5, (("oedema", 1.0), ("metastasis", 0.55)),
            _signs(T1=("nodular low signal", "core"), T2="nodular high signal", FLAIR="nodular high signal",
                   DWI=("nodular high signal", "core"), ADC=("iso signal with high rim", "core"),
                   T1c=("nodular markedly high signal", "core")),
            (*_LOBES, "cerebellum", "basal ganglia"), (6, 16), foci=4, bilateral=0.0, elongation=1.1, displaces=0.1,
        ),
        Kind(
            "atrophy", 5, (),
            _signs(T1="widened sulci and ventricles of low signal", T2="widened sulci and ventricles of high signal",
                   FLAIR="widened sulci and ventricles of low signal", DWI="widened sulci and ventricles of low signal",
                   ADC="widened sulci and ventricles of high signal",
                   T1c="widened sulci and ventricles of low signal"),
            (ATROPHY_REGION,), (0, 0), ages=(60, 92),
        ),
    )
}  # fmt: skip


def phrase(kind: Kind, contrast: str, multiple: bool) -> str:
    """Signal phrase of a lesion in a contrast, "" when the contrast does not show it."""
    sign = kind.signs.get(contrast)
    if sign is None:
        return ""
    return f"multiple foci of {sign.phrase}" if multiple else sign.phrase


def kinds_shown(
    contrasts: tuple[str, ...], regions: tuple[str, ...] = (), names: tuple[str, ...] = ()
) -> tuple[Kind, ...]:
    """Types of `names` that at least one contrast shows in at least one of `regions`; none named: any."""
    return tuple(
        kind
        for kind in KINDS.values()
        if any(contrast in kind.signs for contrast in contrasts)
        and (not names or kind.name in names)
        and (not regions or kind.regions == (ATROPHY_REGION,) or set(kind.regions) & set(regions))
    )
