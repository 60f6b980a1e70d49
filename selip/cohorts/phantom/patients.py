"""Patients of the cohort, their lesions and their studies, drawn before any voxel is made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from selip.cohorts.phantom.lesions import ATROPHY_REGION, Kind, kinds_shown, phrase
from selip.cohorts.phantom.physics import SITES, Scanner
from selip.cohorts.phantom.prevalence import Combination, held_out, pick_kind, pick_region
from selip.cohorts.phantom.profiles import Profile
from selip.cohorts.phantom.regions import REGIONS, parts_of, sides_of, whole_of
from selip.cohorts.phantom.territories import territorial
from selip.data.findings import Finding

PATIENT_STREAM, STUDY_STREAM = 0, 1
PART_SHARE = 0.5  # of findings that are placed in a named part of their region, where there are parts
NORMAL_AGES = (20, 85)
Points = Mapping[tuple[str, str], np.ndarray]


@dataclass(frozen=True)
class Focus:
    """One blob of a lesion, in MNI millimetres.

    Attributes:
        centre_mm: (3,).
        radii_mm: (3,) half axes.
        axes: (3, 3) rotation, rows are the axes of the ellipsoid.
        phase: (3,) of its outline and texture.
    """

    centre_mm: np.ndarray
    radii_mm: np.ndarray
    axes: np.ndarray
    phase: np.ndarray


@dataclass(frozen=True)
class DrawnLesion:
    """A finding before it is drawn. A diffuse change has no focus."""

    kind: Kind
    region: str
    side: str
    radius_mm: float
    foci: tuple[Focus, ...]

    @property
    def combination(self) -> Combination:
        """Its type and whole region."""
        return self.kind.name, whole_of(self.region)

    def finding(self, contrasts: tuple[str, ...]) -> Finding:
        """The finding as the truth keeps it, with the signs of `contrasts`."""
        multiple = len(self.foci) > 1 and self.kind.foci > 1  # what fills a territory is one lesion
        signals = {name: phrase(self.kind, name, multiple) for name in contrasts if name in self.kind.signs}
        return Finding(self.kind.name, self.region, self.side, signals, round(self.radius_mm, 1), multiple)


@dataclass(frozen=True)
class Study:
    """One examination to simulate.

    Attributes:
        index: Seeds what belongs to the scan.
        patient: Seeds what belongs to the head.
        visit: From 1.
        site: The scanner.
        age: Years.
        contrasts: What was acquired.
        lesions: What there is to find.
        structures: What is painted like a lesion but is normal: no finding, not in the mask.
        prefix: First letter of the ids, another one for each cohort.
    """

    index: int
    patient: int
    visit: int
    site: Scanner
    age: int
    contrasts: tuple[str, ...]
    lesions: tuple[DrawnLesion, ...]
    structures: tuple[DrawnLesion, ...] = ()
    prefix: str = "p"

    @property
    def patient_id(self) -> str:
        """As "p00012"."""
        return f"{self.prefix}{self.patient:05d}"

    @property
    def study_id(self) -> str:
        """As "p00012-1"."""
        return f"{self.patient_id}-{self.visit}"

    @property
    def findings(self) -> list[Finding]:
        """True findings with the signs of the contrasts that the study has."""
        return [lesion.finding(self.contrasts) for lesion in self.lesions]

    @property
    def labels(self) -> list[str]:
        """Names of the lesion types, sorted; ["normal"] when there is none."""
        return sorted({lesion.kind.name for lesion in self.lesions}) or ["normal"]


def generator(seed: int, stream: int, index: int) -> np.random.Generator:
    """Randomness that depends on nothing but the three numbers, so studies can be made in any order."""
    return np.random.default_rng(np.random.SeedSequence((seed, stream, index)))


def draw_studies(profile: Profile, seed: int, points: Points) -> list[Study]:
    """Every study of the cohort, patient by patient; `test_patients` come first, so that more others change no test.

    Args:
        profile: The dials.
        seed: Seed of the cohort.
        points: (region, side) to MNI millimetres (n, 3) where a lesion may be centred.
    """
    patients = range(profile.test_patients + profile.n_patients)
    drawn = (study for patient in patients for study in _studies_of(patient, profile, seed, points))
    return [replace(study, index=index) for index, study in enumerate(drawn)]


def _studies_of(patient: int, profile: Profile, seed: int, points: Points) -> Iterator[Study]:
    rng = generator(seed, PATIENT_STREAM, patient)
    barred = frozenset() if patient < profile.test_patients else held_out(profile, seed)
    lesions = _draw_lesions(profile, points, rng, barred)
    low, high = lesions[0].kind.ages if lesions else NORMAL_AGES
    first = Study(0, patient, 1, _draw_site(rng), int(rng.integers(low, high + 1)), (), lesions)
    yield replace(first, contrasts=_draw_contrasts(profile, rng))
    if rng.random() < profile.follow_up:
        later = tuple(_grown(lesion, profile, rng, barred) for lesion in lesions)
        second = replace(first, visit=2, site=_draw_site(rng), age=first.age + 1, lesions=later)
        yield replace(second, contrasts=_draw_contrasts(profile, rng))


def _draw_site(rng: np.random.Generator) -> Scanner:
    return SITES[rng.integers(len(SITES))]


def _draw_contrasts(profile: Profile, rng: np.random.Generator) -> tuple[str, ...]:
    keep = rng.random(len(profile.contrasts)) >= profile.missing_contrast
    keep[rng.integers(len(keep))] |= not keep.any()
    return tuple(name for name, kept in zip(profile.contrasts, keep, strict=True) if kept)


def _grown(
    lesion: DrawnLesion, profile: Profile, rng: np.random.Generator, barred: frozenset[Combination]
) -> DrawnLesion:
    """The lesion a year later: another stage where there is one, else a little larger or smaller."""
    stages = {kind.name: kind for kind in _kinds(profile) if (kind.name, lesion.combination[1]) not in barred}
    kind = stages.get(lesion.kind.later, lesion.kind)
    factor = float(rng.uniform(0.9, 1.1))
    foci = tuple(replace(focus, radii_mm=focus.radii_mm * factor) for focus in lesion.foci)
    return replace(lesion, kind=kind, radius_mm=lesion.radius_mm * factor, foci=foci)


def _kinds(profile: Profile) -> tuple[Kind, ...]:
    return kinds_shown(profile.contrasts, profile.regions, profile.lesion_types)


def _draw_lesions(
    profile: Profile, points: Points, rng: np.random.Generator, barred: frozenset[Combination]
) -> tuple[DrawnLesion, ...]:
    lesions: list[DrawnLesion] = []
    if rng.random() < profile.normal:
        return ()
    while not lesions or (len(lesions) < profile.max_findings and rng.random() < profile.second_finding):
        taken = {name for lesion in lesions for name in lesion.combination}
        mass = any(lesion.kind.displaces for lesion in lesions)
        kinds = [kind for kind in _kinds(profile) if kind.name not in taken and not (mass and kind.displaces)]
        kinds = [kind for kind in kinds if _regions(kind, profile, taken, barred)]
        if not kinds:
            break
        kind = pick_kind(kinds, profile.tail, rng)
        lesions.append(draw_lesion(kind, _regions(kind, profile, taken, barred), profile, points, rng))
    return tuple(lesions)


def _regions(kind: Kind, profile: Profile, taken: set[str], barred: frozenset[Combination]) -> list[str]:
    """Regions of a type that the profile allows and no other finding has: one place, one finding."""
    allowed = [name for name in kind.regions if not profile.regions or name in (*profile.regions, ATROPHY_REGION)]
    return [name for name in allowed if name not in taken and (kind.name, name) not in barred]


def draw_lesion(
    kind: Kind, regions: Sequence[str], profile: Profile, points: Points, rng: np.random.Generator
) -> DrawnLesion:
    """A lesion of a type in one of `regions`, with place, size and outline drawn.

    Args:
        kind: What it is.
        regions: Names from the region table.
        profile: Its radii and its chance of several foci.
        points: (region, side) to MNI millimetres (n, 3) where a lesion may be centred.
        rng: Source of randomness.
    """
    region = pick_region(regions, profile.tail, rng)
    if profile.place_levels > 3 and parts_of(region) and rng.random() < PART_SHARE:
        region = pick_region(parts_of(region), 0, rng)
    if not kind.layers:
        return DrawnLesion(kind, region, "bilateral", 0.0, ())
    sides = sides_of(region)
    side = sides[rng.integers(len(sides))]
    count = int(rng.integers(2, kind.foci + 1)) if kind.foci > 1 and rng.random() < profile.several_foci else 1
    if count > 1 and REGIONS[region].paired and rng.random() < kind.bilateral:
        side = "bilateral"
    low, high = np.clip(kind.radius_mm, *profile.radius_mm)
    radius = float(rng.uniform(low, high))
    places = [sides[index % 2] if side == "bilateral" else side for index in range(count)]
    scales = [1.0, *rng.uniform(0.6, 1.0, count - 1)]
    foci: list[Focus] = []
    for place, scale in zip(places, scales, strict=True):
        centre = _draw_centre(points[region, place], foci, rng)
        foci.append(_draw_focus(centre, radius * scale, kind, rng))
    if profile.territories and "infarct" in kind.name:
        foci = _territorial(region, foci[0], radius) or foci
    return DrawnLesion(kind, region, side, radius, tuple(foci))


def _draw_centre(points: np.ndarray, foci: Sequence[Focus], rng: np.random.Generator) -> np.ndarray:
    """A point of the region; of several draws the one farthest from the other foci, so that they stay apart."""
    drawn = points[rng.integers(len(points), size=8 if foci else 1)]
    gaps = [min((float(np.linalg.norm(point - focus.centre_mm)) for focus in foci), default=0.0) for point in drawn]
    return drawn[int(np.argmax(gaps))] + rng.uniform(-1, 1, 3)


def _draw_focus(centre_mm: np.ndarray, radius_mm: float, kind: Kind, rng: np.random.Generator) -> Focus:
    stretch = np.array([kind.elongation ** rng.uniform(0, 1), 1.0, rng.uniform(0.85, 1.0)])
    stretch /= np.cbrt(stretch.prod())
    axes, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    return Focus(centre_mm, radius_mm * stretch, axes, rng.uniform(0, 2 * np.pi, 3))


def _territorial(region: str, focus: Focus, radius_mm: float) -> list[Focus]:
    """Foci that fill the territory around a focus, with outlines of their own."""
    links = territorial(region, focus.centre_mm, radius_mm)
    return [Focus(*link, focus.phase + number) for number, link in enumerate(links)]
