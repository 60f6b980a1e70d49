"""Controls of real cohorts: what they see by hand, and a cohort whose classes are in them alone."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.benchmark import ScoreOptions
from benchmarks.classification.class_tasks import own_tasks
from benchmarks.classification.labels import load_task
from benchmarks.classification.shortcut_controls import CONTROLS, control_vectors, extents, histograms
from benchmarks.settings import ProbeConfig
from benchmarks.tasks import calibration, few_shot, linear_probe
from selip.cohorts.importing.adapter import Scan, StudyFiles, write_labels, write_scan
from selip.cohorts.importing.import_plan import SetFacts
from selip.cohorts.importing.importer import import_studies
from selip.data.splits import LEFT_OUT
from selip.models.embeddings import Embeddings
from selip.models.scored_model import Subject

spec = importlib.util.spec_from_file_location("toy_subject", Path(__file__).parents[1] / "toy_subject.py")
toys = importlib.util.module_from_spec(spec)
spec.loader.exec_module(toys)

OPTIONS = ScoreOptions(n_resamples=20, probe=ProbeConfig(label_fractions=(1.0,), shots=(4,), draws=2))


def test_histogram_and_extent_by_hand():
    voxels = np.zeros((1, 4, 4, 3), np.uint8)
    voxels[0, 1, :2, 0] = (15, 255)
    assert extents(voxels).tolist() == [[1, 2, 1]]
    assert histograms(voxels)[0, [0, 15]].tolist() == [0.5, 0.5]
    assert histograms(np.zeros_like(voxels)).sum() == 0


def test_volumes_that_are_left_out_are_not_counted(subject):
    """Of patients with two volumes two lose one."""
    volumes = subject.cohort.volumes
    pairs = np.array([int(one[1:]) // 2 for one in volumes["patient_id"]])
    left_out = np.isin(pairs, (4, 10)) & np.array([int(one[1:]) % 2 == 1 for one in volumes["patient_id"]])
    changed = {"patient_id": [f"p{pair}" for pair in pairs], "split": volumes["split"].mask(left_out, LEFT_OUT)}
    cohort = replace(subject.cohort, volumes=volumes.assign(**changed))
    data = load_task(own_tasks(cohort)[0], cohort, ("train", "test"))[0]
    counts = control_vectors(replace(subject, cohort=cohort), data)["extent"]
    assert set(counts["train"][:, -1]) == {2}
    found = dict(zip(data.parts["test"].patients, counts["test"][:, -1], strict=True))
    assert {name for name, count in found.items() if count == 1} == {"p4", "p10"}
    assert set(found.values()) == {1, 2}


@pytest.fixture(scope="module")
def subject(tmp_path_factory):
    """A real cohort, by its facts, whose class is the size of the mask, seen by an encoder that sees nothing."""
    here = tmp_path_factory.mktemp("files")
    studies = []
    for number in range(48):
        wide = number % 2
        name = f"p{number:02d}"
        mask = write_labels(here / name / "m.nii.gz", (1,) * (1 + 4 * wide))
        scan = write_scan(here / name / "t1.nii.gz", seed=number)
        split = ("train", "train", "train", "val", "test", "test")[number // 2 % 6]
        own = {"label:kind": ("small", "wide")[wide]}
        studies.append(StudyFiles(name, name, {"T1": scan}, mask, split=split, own=own))
    grid = {"shape": (12, 12, 12), "spacing_mm": (10.0, 10.0, 10.0), "workers": 1, "texts": "none"}
    cohort = import_studies(SetFacts("real"), Scan(tuple(studies)), here / "cohort", **grid)
    known = {}
    for part in ("train", "val", "test"):
        items = cohort.volumes.iloc[cohort.rows(part)].reset_index(drop=True)
        noise = np.random.default_rng(len(items)).normal(size=(len(items), 8))
        known["cohort", part] = Embeddings(items, toys.unit(noise), noise.astype(np.float32), toys.encode_text, {}, [])
    return Subject(None, cohort, [], _known=known)


def test_a_class_that_the_lesion_volume_tells_is_told_by_that_control_alone(subject):
    found = linear_probe.BENCHMARK.score(subject, OPTIONS).metrics
    key = "kind/features_linear_balanced_accuracy"
    assert found[f"{key}/lesion_ml"].value == 1
    assert {name for name in CONTROLS if f"{key}/{name}" in found} == set(CONTROLS)
    assert found[f"{key}/extent"].value < 0.8
    shots = few_shot.BENCHMARK.score(subject, OPTIONS).metrics
    assert shots["kind/features_4shot_balanced_accuracy/lesion_ml"].value == 1
    sure = calibration.BENCHMARK.score(subject, OPTIONS).metrics
    assert sure["kind/linear_error/lesion_ml"].value == 0 < sure["kind/linear_error/extent"].value


def test_a_simulated_cohort_has_no_such_controls(subject):
    (task,) = own_tasks(subject.cohort)
    data, _ = load_task(task, subject.cohort, ("train", "val", "test"))
    simulated = replace(subject.cohort, info=replace(subject.cohort.info, synthetic=True))
    assert control_vectors(replace(subject, cohort=simulated), data) == {}
