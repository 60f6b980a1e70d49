"""A second phantom cohort, to transfer to: the grade of a glioma on T1 after contrast agent.

Every patient has one glioma, high or low grade, in the ratio of BraTS 2019 (259 : 76, Bakas et al. 2018,
arXiv:1811.02629). Anatomy, rendering and reports are the phantom's; patients, heads and the scanner are others.

The grade decides nothing but how the tumour looks (APPEARANCES), and each appearance occurs in both grades: a few
high-grade gliomas do not enhance, and a few low-grade ones do. So the best possible AUROC from a noise-free image is
known (.935). Place, size, shape, border, age, site and contrast are drawn alike in both grades: neither
the metadata nor the mask says anything about it. (Real patients with a low-grade glioma are younger; here they are not,
so that what is transferred is what the image shows.)

The dural sinuses take up contrast agent in everybody: without them an enhancing tumour would be the brightest thing in
the head, and min-max scaling would tell it from the brightness of the whole image. They are drawn thicker than life, so
that the thickest slices still hold pure blood.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType

import numpy as np

from selip.cohorts.cohort_source import CohortSource
from selip.cohorts.phantom.generate import CITATION, LICENCE, cohort_info, write_cohort
from selip.cohorts.phantom.lesions import Kind, Sign
from selip.cohorts.phantom.patients import PATIENT_STREAM, DrawnLesion, Focus, Points, Study, draw_lesion, generator
from selip.cohorts.phantom.physics import Scanner
from selip.cohorts.phantom.profiles import PROFILES, Profile, resolve
from selip.data.cohort import Cohort

HIGH, LOW = "high-grade glioma", "low-grade glioma"
BRATS_2019 = (259, 76)
COHORT_STREAM, GRADE_STREAM = 2, 3
AGES = (20, 80)
# Where it has a clear side: the largest would reach across the midline from the occipital lobe.
PLACES = ("frontal lobe", "parietal lobe", "temporal lobe", "insula")
RADIUS_MM = (15.0, 28.0)
SITE = Scanner("site-g", tr=0.93, te=1.12, ti=0.97, gain=3.1, bias=1.5, noise=1.4)


@dataclass(frozen=True)
class Appearance:
    """A look that a glioma may have.

    Attributes:
        shares: How many of the high-grade and of the low-grade gliomas look so, in [0, 1].
        layers: Tissue and the range of the share of the radius it reaches, from the outside in.
        sign: What T1 after contrast agent shows.
    """

    shares: tuple[float, float]
    layers: tuple[tuple[str, tuple[float, float]], ...]
    sign: Sign

    def kind(self, grade: str, rng: np.random.Generator) -> Kind:
        """A lesion type of this look, with its extents drawn. Whatever is not the look is alike for all."""
        layers = tuple((tissue, float(rng.uniform(*extent))) for tissue, extent in self.layers)
        return Kind(
            grade, 1.0, layers, {"T1c": self.sign}, PLACES, RADIUS_MM, softness_mm=2.0, elongation=1.3, displaces=0.25
        )


APPEARANCES: Mapping[str, Appearance] = MappingProxyType({
    "ring": Appearance(
        (0.78, 0.04), (("oedema", (1.0, 1.0)), ("tumour rim", (0.6, 0.8)), ("necrosis", (0.3, 0.5))),
        Sign("ring of high signal with low centre", "ring"),
    ),
    "solid": Appearance(
        (0.12, 0.06), (("oedema", (1.0, 1.0)), ("tumour rim", (0.4, 0.6))), Sign("nodular high signal", "core")
    ),
    "faint": Appearance(
        (0.06, 0.25), (("low-grade tumour", (1.0, 1.0)), ("faint tumour", (0.5, 0.75))),
        Sign("slightly high signal with low rim", "core"),
    ),
    "none": Appearance((0.04, 0.65), (("low-grade tumour", (1.0, 1.0)),), Sign("homogeneous low signal")),
})  # fmt: skip

GLIOMA_PROFILES: Mapping[str, Profile] = MappingProxyType({
    name: replace(
        PROFILES[name], n_patients=patients, contrasts=("T1c",), lesion_types=(HIGH, LOW), regions=PLACES, normal=0.0,
        second_finding=0.0, several_foci=0.0, follow_up=0.0, missing_contrast=0.0, radius_mm=RADIUS_MM,
        agent_jitter=0.15,
    )
    for name, patients in (("quick", 200), ("standard", sum(BRATS_2019)), ("hard", 1000))
})  # fmt: skip


def draw_gliomas(profile: Profile, seed: int, points: Points) -> list[Study]:
    """One study of each patient; exactly the share of BRATS_2019, rounded, is high grade.

    Args:
        profile: The dials.
        seed: Seed of the patients.
        points: (region, side) to MNI millimetres (n, 3) where a lesion may be centred.
    """
    n_high = round(profile.n_patients * BRATS_2019[0] / sum(BRATS_2019))
    ranks = generator(seed, GRADE_STREAM, 0).permutation(profile.n_patients)
    return [_study_of(patient, bool(rank < n_high), profile, seed, points) for patient, rank in enumerate(ranks)]


def _study_of(patient: int, high: bool, profile: Profile, seed: int, points: Points) -> Study:
    rng = generator(seed, PATIENT_STREAM, patient)
    looks = tuple(APPEARANCES.values())
    look = looks[rng.choice(len(looks), p=[look.shares[0 if high else 1] for look in looks])]
    kind = look.kind(HIGH if high else LOW, rng)
    lesion = draw_lesion(kind, kind.regions, profile, points, rng)
    age = int(rng.integers(AGES[0], AGES[1] + 1))
    return Study(patient, patient, 1, SITE, age, profile.contrasts, (lesion,), (dural_sinuses(),), prefix="g")


def build_glioma(
    profile: str,
    seed: int,
    out: Path | str,
    *,
    patients: int | None = None,
    workers: int = 0,
    command: str = "",
    progress: Callable[[int, int], None] | None = None,
    device: str = "cpu",
) -> Cohort:
    """Simulates the cohort and writes it, with the arguments and errors of `selip.cohorts.phantom.generate.build`."""
    dials = resolve(profile, {} if patients is None else {"n_patients": patients}, GLIOMA_PROFILES)
    # The phantom's seed itself would bring back its heads and its noise.
    own = int(np.random.SeedSequence((seed, COHORT_STREAM)).generate_state(1, np.uint64)[0])
    info = cohort_info("phantom_glioma", dials, seed, command)
    return write_cohort(info, dials, own, out, draw_gliomas, workers, progress, device)


COHORT = CohortSource(
    name="phantom_glioma",
    summary="simulated T1 after contrast agent, gliomas of high and low grade; profiles quick, standard, hard",
    source=CITATION,
    licence=LICENCE,
    build=build_glioma,
    on_device=True,
)


SINUS_RADIUS_MM = 6.0
HALF_LENGTH_MM = 14.0
# MNI millimetres along the superior sagittal sinus to the confluence, and from there along the right transverse sinus.
SAGITTAL = ((0, 58, 48), (0, 25, 66), (0, -15, 76), (0, -55, 72), (0, -88, 44), (0, -102, 10), (0, -96, -12))
TRANSVERSE = ((0, -96, -12), (30, -88, -18), (54, -62, -26), (56, -42, -38))
_KIND = Kind("dural sinuses", 0.0, (("blood pool", 1.0),), {}, (), (SINUS_RADIUS_MM, SINUS_RADIUS_MM))


def dural_sinuses() -> DrawnLesion:
    """The sinuses as a chain of overlapping ellipsoids, to be painted like a lesion."""
    mirrored = tuple((-x, y, z) for x, y, z in TRANSVERSE)
    foci = (focus for line in (SAGITTAL, TRANSVERSE, mirrored) for focus in _along(np.array(line, float)))
    return DrawnLesion(_KIND, "dura", "midline", SINUS_RADIUS_MM, tuple(foci))


def _along(line: np.ndarray) -> Iterator[Focus]:
    """Ellipsoids along the polyline (m, 3), each reaching over its neighbours' ends."""
    for start, end in pairwise(line):
        count = round(float(np.linalg.norm(end - start)) / HALF_LENGTH_MM)
        # The first axis of a full singular basis is the direction, whatever the other two are.
        axes = np.linalg.svd((end - start)[None])[2]
        for share in (np.arange(count) + 0.5) / count:
            radii = np.array([HALF_LENGTH_MM, SINUS_RADIUS_MM, SINUS_RADIUS_MM])
            yield Focus(start + share * (end - start), radii, axes, np.zeros(3))
