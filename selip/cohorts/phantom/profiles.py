"""Profiles of the phantom: one set of dials, from easy to native. All of them run the same code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from selip.cohorts.phantom.lesions import KINDS, kinds_shown
from selip.cohorts.phantom.regions import REGIONS
from selip.data.findings import CONTRASTS
from selip.system.errors import InputError


@dataclass(frozen=True)
class Profile:
    """Settings of a phantom: number of studies, grid and difficulty.

    Attributes:
        name: Name of the profile.
        n_patients: Patients; some have a second study.
        shape: Voxels along right, front, top.
        spacing_mm: Voxel edges.
        centre_mm: MNI millimetres of the middle of the grid.
        atlas_step_mm: Voxel edge of the sampled anatomy.
        slice_samples: Samples across the thickness of a slice that are averaged (partial volume).
        contrasts: Contrasts of a study.
        lesion_types: Lesion types to draw; empty for all that the contrasts show.
        regions: Regions to draw; empty for all.
        normal: Share of normal patients.
        second_finding: Chance of one more finding, applied again after each (at most three).
        several_foci: Chance that a type which comes in several foci does so.
        follow_up: Share of patients with a second study.
        missing_contrast: Chance that a study lacks a contrast (never all of them).
        radius_mm: Range into which the radii of the lesion types are clipped.
        rotation_deg: Spread of head rotation about each axis.
        shift_mm: Spread of head position along each axis.
        scale: Spread of head size along each axis.
        warp_mm: Spread of the smooth deformation.
        ventricle_mm: Spread of ventricle wall position.
        tissue_jitter: Relative spread of tissue T1, T2, density and ADC between patients.
        agent_jitter: What the uptake of contrast agent varies more than that.
        timing_jitter: Relative spread of TR and TE (a quarter of it for TI) between studies.
        bias: Spread of the coefficients of the receive field.
        noise: Spread of the noise as a share of white matter signal.
        max_findings: Most findings of a patient.
        tail: Exponent of the fall of prevalence, from type to type and from region to region; 0 leaves it as it is.
        place_levels: Levels of the tree of places: 3 are compartment, structure and side; 4 adds parts of a structure.
        territories: Whether infarcts fill the supply of an artery, not an ellipsoid.
        texts: What a volume is paired with: its true "findings" in clauses, or a "report" of what it shows.
        wordings: Ways to word a place and a signal, in texts and reports; 1 is the truth's.
        report_errors: Chance that a report of the train part leaves a finding out or names the other side.
        held_out: Share of the combinations of place and type that only the test part has; needs `test_patients`.
        odd_anatomies: Share of the test part's patients without atrophy whose head is like none of train; needs
            `test_patients`.
        test_patients: Patients of the test part, beside `n_patients`, and the same ones however many those are; 0: a
            fifth of `n_patients`.
    """

    name: str
    n_patients: int = 1500
    shape: tuple[int, int, int] = (40, 48, 16)
    spacing_mm: tuple[float, float, float] = (4.5, 4.5, 10.0)
    centre_mm: tuple[float, float, float] = (0.0, -17.0, 10.0)
    atlas_step_mm: int = 3
    slice_samples: int = 3
    contrasts: tuple[str, ...] = ("FLAIR", "DWI")
    lesion_types: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    normal: float = 0.25
    second_finding: float = 0.02
    several_foci: float = 0.1
    follow_up: float = 0.04
    missing_contrast: float = 0.0
    radius_mm: tuple[float, float] = (8.0, 16.0)
    rotation_deg: float = 1.0
    shift_mm: float = 1.0
    scale: float = 0.015
    warp_mm: float = 1.0
    ventricle_mm: float = 0.7
    tissue_jitter: float = 0.02
    agent_jitter: float = 0.0
    timing_jitter: float = 0.005
    bias: float = 0.02
    noise: float = 0.02
    max_findings: int = 3
    tail: float = 0.0
    place_levels: Literal[3, 4] = 3
    territories: bool = False
    texts: Literal["findings", "report"] = "findings"
    wordings: int = 1
    report_errors: float = 0.0
    held_out: float = 0.0
    odd_anatomies: float = 0.0
    test_patients: int = 0

    @property
    def is_read(self) -> bool:
        """True when texts are not the truth in clauses, so that training takes findings from what reports say."""
        return self.texts == "report" or self.wordings > 1 or self.report_errors > 0


PROFILES: Mapping[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile("quick"),
        Profile(
            "standard",
            shape=(64, 64, 24),
            spacing_mm=(3.0, 3.5, 6.5),
            atlas_step_mm=2,
            contrasts=("T1", "T2", "FLAIR", "DWI", "ADC"),
            second_finding=0.2,
            several_foci=0.4,
            follow_up=0.06,
            radius_mm=(5.0, 22.0),
            rotation_deg=3.0,
            shift_mm=3.0,
            scale=0.03,
            warp_mm=2.0,
            ventricle_mm=1.0,
            tissue_jitter=0.04,
            timing_jitter=0.02,
            bias=0.06,
            noise=0.03,
        ),
        Profile(
            "hard",
            shape=(96, 112, 32),
            spacing_mm=(2.0, 2.0, 5.0),
            atlas_step_mm=2,
            contrasts=("T1", "T2", "FLAIR", "DWI", "ADC"),
            second_finding=0.4,
            several_foci=0.8,
            follow_up=0.1,
            missing_contrast=0.15,
            radius_mm=(2.5, 32.0),
            rotation_deg=4.0,
            shift_mm=5.0,
            scale=0.04,
            warp_mm=2.5,
            ventricle_mm=1.5,
            tissue_jitter=0.06,
            timing_jitter=0.05,
            bias=0.12,
            noise=0.05,
        ),
        Profile(
            "reports",
            n_patients=2400,
            shape=(32, 40, 16),
            spacing_mm=(5.6, 5.4, 10.0),
            slice_samples=2,
            contrasts=("FLAIR",),
            second_finding=0.4,
            several_foci=0.3,
            follow_up=0.0,
            noise=0.025,
            max_findings=4,
            tail=0.5,
            place_levels=4,
            territories=True,
            texts="report",
            wordings=8,
            report_errors=0.1,
            held_out=0.2,
            test_patients=2100,
        ),
    )
}


def resolve(name: str, overrides: Mapping[str, Any], profiles: Mapping[str, Profile] = PROFILES) -> Profile:
    """The named one of `profiles` with fields replaced, checked.

    Raises:
        InputError: For an unknown profile, field, contrast, lesion type or region, or a value out of range.
    """
    if name not in profiles:
        raise InputError(f"got phantom profile {name!r}; allowed: {', '.join(profiles)}")
    settings = asdict(profiles[name])
    unknown = sorted(set(overrides) - (set(settings) - {"name"}))
    if unknown:
        raise InputError(f"got phantom setting {unknown[0]!r}; allowed: {', '.join(sorted(set(settings) - {'name'}))}")
    try:
        profile = TypeAdapter(Profile).validate_python(settings | dict(overrides))
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"got phantom setting {first['loc'][0]} = {first['input']!r}; {first['msg']}") from error
    _check(profile)
    return profile


def _check(profile: Profile) -> None:
    _check_names("contrast", profile.contrasts, CONTRASTS)
    _check_names("lesion type", profile.lesion_types, tuple(KINDS))
    _check_names("region", profile.regions, tuple(REGIONS))
    numbers = {key: value for key, value in asdict(profile).items() if isinstance(value, (int, float))}
    negative = [key for key, value in numbers.items() if value < 0]
    if negative:
        raise InputError(f"got {negative[0]} {numbers[negative[0]]}; allowed: 0 or more")
    for key in ("n_patients", "atlas_step_mm", "slice_samples", "max_findings", "wordings"):
        if numbers[key] < 1:
            raise InputError(f"got {key} {numbers[key]}; allowed: 1 or more")
    for key in ("report_errors", "held_out", "odd_anatomies"):
        if numbers[key] >= 1:
            raise InputError(f"got {key} {numbers[key]}; allowed: 0 or more and below 1")
    for key in ("held_out", "odd_anatomies"):
        if numbers[key] and not profile.test_patients:
            raise InputError(f"got {key} {numbers[key]} without test_patients; give both, as test_patients=500")
    if not profile.contrasts:
        raise InputError(f"got no contrast; allowed: {', '.join(CONTRASTS)}; name at least one")
    if not kinds_shown(profile.contrasts, profile.regions, profile.lesion_types):
        raise InputError("got contrasts, regions and lesion_types that no finding fits; name more of them")


def _check_names(what: str, names: tuple[str, ...], allowed: tuple[str, ...]) -> None:
    for name in names:
        if name not in allowed:
            raise InputError(f"got {what} {name!r}; allowed: {', '.join(allowed)}")
