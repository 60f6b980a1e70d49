"""The phantom cohort: draw the patients, render them in parallel, write them in order."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from joblib import cpu_count, delayed  # type: ignore[import-untyped, unused-ignore]

from selip.cohorts.cohort_source import CohortSource
from selip.cohorts.phantom import wording
from selip.cohorts.phantom.anatomy import Atlas, build_atlas, region_points
from selip.cohorts.phantom.patients import STUDY_STREAM, Points, Study, draw_studies, generator
from selip.cohorts.phantom.profiles import Profile, resolve
from selip.cohorts.phantom.regions import REGIONS, sides_of
from selip.cohorts.phantom.render import render
from selip.data.cohort import Cohort, CohortInfo
from selip.data.cohort_writer import CohortWriter
from selip.data.findings import clauses_of, findings_text, findings_to_json
from selip.data.splits import assign_splits
from selip.system.child_processes import in_processes, living_workers

LICENCE = "Apache-2.0 (simulated); anatomy: ICBM 2009a templates, (C) 1993-2004 Louis Collins, McGill University"
CITATION = (
    "Fonov et al. 2011, NeuroImage 54:313 (ICBM-152 templates, as nilearn distributes them); "
    "simulation and reports: selip-bench"
)
CHUNK = 4
PATIENTS_A_PAIR = 8  # enough for two different texts a pair, so that a batch is full whatever is flipped

_RenderAll = Callable[[Sequence[Study], Profile, int, Atlas], Iterator[tuple[np.ndarray, np.ndarray]]]


def build(
    profile: str,
    seed: int,
    out: Path | str,
    workers: int = 0,
    command: str = "",
    progress: Callable[[int, int], None] | None = None,
    device: str = "cpu",
    patients: int | None = None,
    **overrides: Any,  # noqa: ANN401 (each field of Profile has its own type)
) -> Cohort:
    """Simulates a cohort and writes it. The bytes depend on profile, overrides, seed and device, not on `workers`.

    Args:
        profile: "quick", "standard" or "hard".
        seed: Seed of everything, the split included.
        out: Folder to write; must not exist or be empty.
        workers: Processes; 0 for one a core.
        command: The command to record as the one that builds it.
        progress: Called with (studies done, studies in all).
        device: Where voxels are made: "cpu" by numpy, "cuda" by torch, with the same heads and other noise.
        patients: Number of patients; None for as many as the profile has.
        **overrides: Fields of `Profile`, as follow_up=0.2.

    Raises:
        InputError: For wrong settings, or when `out` is not empty.
    """
    dials = resolve(profile, overrides if patients is None else {**overrides, "n_patients": patients})
    info = cohort_info("phantom", dials, seed, command)
    return write_cohort(info, dials, seed, out, draw_studies, workers, progress, device)


def write_cohort(
    info: CohortInfo,
    dials: Profile,
    seed: int,
    out: Path | str,
    draw: Callable[[Profile, int, Points], list[Study]],
    workers: int = 0,
    progress: Callable[[int, int], None] | None = None,
    device: str = "cpu",
) -> Cohort:
    """Draws the studies of a phantom cohort, splits them by patient and label set, renders and writes them.

    Args:
        info: Facts about the cohort; its seed is that of the split.
        dials: The dials.
        seed: Seed of patients and scans; two cohorts with the same one would have the same heads.
        out: Folder to write; must not exist or be empty.
        draw: draw(dials, seed, points) gives the studies, as `cases.draw_studies`.
        workers: Processes; 0 for one a core.
        progress: Called with (studies done, studies in all).
        device: Where voxels are made; the info names any but "cpu".

    Raises:
        InputError: When `out` is not empty, or there is no such device.
    """
    render_all, renderer = _renderer(device, workers or cpu_count())
    writer = CohortWriter(out, replace(info, renderer=renderer))
    atlas = build_atlas(dials.atlas_step_mm)
    studies = draw(dials, seed, lesion_points(atlas))
    patients, labels = [study.patient_id for study in studies], ["|".join(study.labels) for study in studies]
    splits = assign_splits(patients, labels, info.seed)
    with writer, living_workers():
        rendered = render_all(studies, dials, seed, atlas)
        for done, (study, (arrays, mask)) in enumerate(zip(studies, rendered, strict=True), start=1):
            writer.add_study(*study_rows(study, splits[study.patient_id], seed), arrays, mask)
            if progress is not None:
                progress(done, len(studies))
    return Cohort.open(out)


def cohort_info(name: str, profile: Profile, seed: int, command: str = "") -> CohortInfo:
    """Facts about the cohort, before the writer adds its hashes."""
    return CohortInfo(
        name=name,
        profile=profile.name,
        seed=seed,
        synthetic=True,
        findings_source="truth",
        shape=profile.shape,
        spacing_mm=profile.spacing_mm,
        contrasts=profile.contrasts,
        licence=LICENCE,
        citation=CITATION,
        command=command,
    )


def lesion_points(atlas: Atlas) -> dict[tuple[str, str], np.ndarray]:
    """(region, side) to MNI millimetres (n, 3) where a lesion may be centred."""
    return {(name, side): region_points(atlas, name, side) for name in REGIONS for side in sides_of(name)}


def study_rows(study: Study, split: str, seed: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Manifest row of a study and of each of its volumes."""
    findings = study.findings
    words = generator(seed, STUDY_STREAM, study.index).spawn(2)[1]
    row = {
        "study_id": study.study_id,
        "patient_id": study.patient_id,
        "split": split,
        "site": study.site.name,
        "report": wording.report(findings, study.contrasts, words),
        "findings": findings_to_json(findings),
        "labels": json.dumps(study.labels),
        "age": str(study.age),
    }
    volumes = [
        {"contrast": contrast, "text": findings_text(clauses_of(findings, contrast))} for contrast in study.contrasts
    ]
    return row, volumes


def _renderer(device: str, workers: int) -> tuple[_RenderAll, str]:
    """Renderer of studies on `device`, and its name in the cohort: "" for the one that needs no device."""
    if device == "cpu":
        return partial(_render_all, workers=workers), ""
    # Processes that render with numpy need no torch, which takes seconds to import.
    from selip.cohorts.phantom.device_render import describe_renderer, find_device, render_on_device

    found = find_device(device)
    return partial(render_on_device, device=found), describe_renderer(found)


def _render_all(
    studies: Sequence[Study], profile: Profile, seed: int, atlas: Atlas, workers: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Voxels and mask of every study, in order. Worker processes share the atlas as a memory map."""
    if workers == 1 or len(studies) <= CHUNK:
        return (render(study, profile, seed, atlas) for study in studies)
    tasks = (delayed(render)(study, profile, seed, atlas) for study in studies)
    return in_processes(tasks, workers, return_as="generator", batch_size=CHUNK)


COHORT = CohortSource(
    name="phantom",
    summary="simulated head MRI on the ICBM-152 anatomy, 14 finding types; profiles quick, standard, hard",
    source=CITATION,
    licence=LICENCE,
    build=build,
    on_device=True,
)


class _RandomCohort(Cohort):
    """A cohort of noise that is nowhere on disk."""

    def read_volumes(self, rows: Sequence[int] | range | np.ndarray) -> np.ndarray:
        """Noise (n, I, J, K) uint8."""
        rng = np.random.default_rng(self.info.seed)
        return rng.integers(0, 256, (len(rows), *self.info.shape), dtype=np.uint8)


def random_cohort(profile: Profile, pairs: int) -> Cohort:
    """Noise on the grid of `profile`, with up to 2 `pairs` different texts of its patients, all in the train part."""
    nowhere = {(name, side): np.zeros((1, 3)) for name in REGIONS for side in sides_of(name)}
    patients = min(profile.n_patients, PATIENTS_A_PAIR * pairs)
    studies = draw_studies(replace(profile, n_patients=patients), 0, nowhere)
    of_text = {
        findings_text(clauses_of(study.findings, contrast)): (study, contrast)
        for study in studies
        for contrast in study.contrasts
    }
    rows = [
        {"study_id": study.study_id, "contrast": contrast, "text": text, "split": "train", "sha256": "noise"}
        for text, (study, contrast) in islice(of_text.items(), 2 * pairs)
    ]
    labels = [{"study_id": study.study_id, "labels": json.dumps(study.labels), "findings": ""} for study in studies]
    info = CohortInfo("random", profile.name, 0, True, profile.shape, profile.spacing_mm, profile.contrasts)
    return _RandomCohort(Path(), info, pd.DataFrame(labels), pd.DataFrame(rows))
