from __future__ import annotations

from dataclasses import replace

import pytest

from selip.cohorts.phantom.anatomy import build_atlas
from selip.cohorts.phantom.generate import build, lesion_points
from selip.cohorts.phantom.patients import draw_studies
from selip.cohorts.phantom.profiles import resolve

CONTRASTS = ("T1", "T2", "FLAIR", "DWI", "ADC", "T1c")
STILL = {
    "contrasts": CONTRASTS, "normal": 0, "second_finding": 0, "several_foci": 0, "follow_up": 0, "missing_contrast": 0,
    "rotation_deg": 0, "shift_mm": 0, "scale": 0, "warp_mm": 0, "ventricle_mm": 0, "tissue_jitter": 0,
    "timing_jitter": 0, "bias": 0, "noise": 0, "radius_mm": (12, 16),
}  # fmt: skip


@pytest.fixture(scope="session")
def atlas():
    """Anatomy at the resolution of the standard profile."""
    return build_atlas(2)


@pytest.fixture(scope="session")
def still():
    """Standard profile without any variation, so that every patient has the template's head."""
    return resolve("standard", STILL)


@pytest.fixture(scope="session")
def draw(atlas, still):
    """draw(lesion type, n): n studies with one large lesion of the type in the still head; "" for a normal head."""
    points = lesion_points(atlas)

    def drawn(name, count):
        profile = replace(still, lesion_types=(name,) if name else (), normal=0 if name else 1, n_patients=count)
        return [replace(study, age=40) for study in draw_studies(profile, 3, points)]

    return drawn


@pytest.fixture(scope="session")
def cohort(tmp_path_factory):
    """A built quick cohort of 60 patients."""
    return build("quick", 5, tmp_path_factory.mktemp("phantom") / "cohort", workers=1, n_patients=60, follow_up=0.2)
