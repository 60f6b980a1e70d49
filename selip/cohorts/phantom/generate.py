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
from selip.cohorts.phantom.anatomy import Atlas, build_atlas, region_points
from selip.cohorts.phantom.draws import anatomy_of
from selip.cohorts.phantom.patients import Points, Study, draw_studies
from selip.cohorts.phantom.prevalence import held_out
from selip.cohorts.phantom.profiles import Profile, resolve
from selip.cohorts.phantom.regions import REGIONS, sides_of
from selip.cohorts.phantom.render import render
from selip.cohorts.phantom.study_reports import study_words
from selip.data.cohort import ANATOMY, COMBINATION, READ_FINDINGS, Cohort, CohortInfo
from selip.data.cohort_writer import CohortWriter
from selip.data.findings import clauses_of, findings_to_json
from selip.data.splits import assign_splits
from selip.data.states import ABNORMAL, NORMAL
from selip.data.states import COLUMN as STATE
from selip.system.child_processes import in_processes, living_workers

LICENCE = "Apache-2.0 (simulated); anatomy: ICBM 2009a templates, (C) 1993-2004 Louis Collins, McGill University"
CITATION = (
    "Fonov et al. 2011, NeuroImage 54:313 (ICBM-152 templates, as nilearn distributes them); "
    "simulation and reports: selip-bench"
)
CHUNK = 4
WITHOUT_TEST = (0.75, 0.25, 0.0)  # train, val, test of the other patients, where the test part has its own
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
        profile: "quick", "standard", "hard" or "reports".
        seed: Seed of everything, the split included.
        out: Folder to write; must not exist or be empty.
        workers: Processes; 0 for one a core.
        command: The command to record as the one that builds it.
        progress: Called with (studies done, studies in all).
        device: Where voxels are made: "cpu" by numpy, "cuda" by torch, with the same heads and other noise.
        patients: Number of patients, beside `test_patients` where the profile has some; None for as many as it has.
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
    writer = CohortWriter(out, replace(info, renderer=renderer), more_columns=_more_columns(dials))
    atlas = build_atlas(dials.atlas_step_mm)
    studies = draw(dials, seed, lesion_points(atlas))
    splits = _splits(studies, dials, info.seed)
    with writer, living_workers():
        rendered = render_all(studies, dials, seed, atlas)
        for done, (study, (arrays, mask)) in enumerate(zip(studies, rendered, strict=True), start=1):
            writer.add_study(*study_rows(study, splits[study.patient_id], dials, seed), arrays, mask)
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
        findings_source="truth+extracted" if profile.is_read else "truth",
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


def _splits(studies: Sequence[Study], dials: Profile, seed: int) -> dict[str, str]:
    """Patient id to its part; the first `test_patients` are the test part, where there are some."""
    judges = {study.patient_id: "test" for study in studies if study.patient < dials.test_patients}
    others = [study for study in studies if study.patient_id not in judges]
    patients, labels = [study.patient_id for study in others], ["|".join(study.labels) for study in others]
    return judges | assign_splits(patients, labels, seed, *([WITHOUT_TEST] if judges else []))


def _more_columns(dials: Profile) -> dict[str, tuple[str, ...]]:
    """Columns of the tables beside those of every cohort."""
    asked = {STATE: dials.is_read, COMBINATION: dials.held_out, ANATOMY: dials.odd_anatomies}
    own = tuple(column for column, wanted in asked.items() if wanted)
    return ({"studies.csv": (READ_FINDINGS,)} if dials.is_read else {}) | ({"volumes.csv": own} if own else {})


def study_rows(study: Study, split: str, dials: Profile, seed: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Manifest row of a study and of each of its volumes."""
    words = study_words(study, dials, seed, split != "train")
    row = {
        "study_id": study.study_id,
        "patient_id": study.patient_id,
        "split": split,
        "site": study.site.name,
        "report": words.report,
        "findings": findings_to_json(study.findings),
        "labels": json.dumps(study.labels),
        "age": str(study.age),
        **({} if words.read is None else {READ_FINDINGS: findings_to_json(words.read)}),
    }
    unseen = held_out(dials, seed)
    volumes = [
        {
            "contrast": contrast,
            "text": text,
            STATE: ABNORMAL if clauses_of(words.said, contrast) else NORMAL,
            COMBINATION: _combination(study, contrast, unseen),
            ANATOMY: anatomy_of(study, dials, seed),
        }
        for contrast, text in words.texts.items()
    ]
    return row, volumes


def _combination(study: Study, contrast: str, unseen: frozenset[tuple[str, str]]) -> str:
    """Say of a volume with findings whether train has their combinations of type and place: "seen" or "unseen"."""
    shown = {lesion.combination for lesion in study.lesions if contrast in lesion.kind.signs}
    return ("unseen" if shown & unseen else "seen") if shown else ""


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
    summary="simulated head MRI on the ICBM-152 anatomy, 14 finding types; profiles quick, standard, hard, reports",
    source=CITATION,
    licence=LICENCE,
    build=build,
    on_device=True,
    has_settings=True,
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
    studies = draw_studies(replace(profile, n_patients=patients, test_patients=0, held_out=0.0), 0, nowhere)
    rows = [study_rows(study, "train", profile, 0) for study in studies]
    of_text = {
        volume["text"]: {**volume, **row, "text": volume["text"], "sha256": "noise"}
        for row, volumes in rows
        for volume in volumes
    }
    volumes = pd.DataFrame(list(islice(of_text.values(), 2 * pairs)))
    info = CohortInfo("random", profile.name, 0, True, profile.shape, profile.spacing_mm, profile.contrasts)
    return _RandomCohort(Path(), info, pd.DataFrame([row for row, _ in rows]), volumes)
