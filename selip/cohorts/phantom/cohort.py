"""The registered phantom cohort."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from selip.cohorts.cohort_source import CohortSource
from selip.cohorts.phantom.generate import CITATION, LICENCE, build
from selip.data.cohort import Cohort


def build_phantom(
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
    """`generate.build` with the number of patients as the one setting that the command line has."""
    settings: dict[str, Any] = {} if patients is None else {"n_patients": patients}
    return build(profile, seed, out, workers=workers, command=command, progress=progress, device=device, **settings)


COHORT = CohortSource(
    name="phantom",
    summary="simulated head MRI on the ICBM-152 anatomy, 14 finding types; profiles quick, standard, hard",
    source=f"{CITATION}. {LICENCE}",
    build=build_phantom,
    on_device=True,
)
