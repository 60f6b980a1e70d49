from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.classification.labels import MIN_PATIENTS, TASKS, Shown, load_task, load_tasks, lobe_of
from selip.cohorts.phantom.lesions import ATROPHY_REGION
from selip.cohorts.phantom.regions import REGIONS
from selip.data.findings import NORMAL_TEXT, Finding, findings_from_json
from selip.system.errors import InputError

spec = importlib.util.spec_from_file_location("toy_subject", Path(__file__).parents[1] / "toy_subject.py")
toys = importlib.util.module_from_spec(spec)
spec.loader.exec_module(toys)

PARTS = ("train", "val", "test")
BY_NAME = {task.name: task for task in TASKS}
INFARCT = Finding("infarct", "thalamus", "left", {"DWI": "high signal"})
PLAQUE = Finding("plaque", "insula", "right", {"DWI": "high signal"})


def expected_label(task, cohort, volume):
    """From the truth alone, for studies of at most one finding."""
    study = cohort.studies.set_index("study_id").loc[volume.study_id]
    shown = [one for one in findings_from_json(study["findings"]) if volume.contrast in one.signals]
    if task == "abnormal":
        return "abnormal" if shown else "normal"
    field = {"lesion_type": "lesion_type", "lobe": "region", "side": "side"}[task]
    return getattr(shown[0], field) if shown else None


@pytest.mark.parametrize("name", ["abnormal", "lesion_type", "lobe", "side"])
def test_labels_are_the_truth_that_the_contrast_shows(name):
    cohort = toys.toy_cohort()
    data, _ = load_task(BY_NAME[name], cohort, PARTS)
    for part in PARTS:
        volumes = cohort.volumes.iloc[cohort.rows(part)]
        expected = [expected_label(name, cohort, volume) for volume in volumes.itertuples()]
        found = data.parts[part]
        assert [data.classes[label] for label in found.labels] == [label for label in expected if label]
        assert list(volumes["volume_id"].iloc[found.rows]) == list(found.items["item_id"])
        assert list(found.items["item_id"]) == [
            volume.volume_id for volume, label in zip(volumes.itertuples(), expected, strict=True) if label
        ]


@pytest.mark.parametrize(
    ("findings", "labels", "expected"),
    [
        ((INFARCT,), {"infarct"}, ("abnormal", "infarct", "thalamus", "left")),
        ((INFARCT, PLAQUE), {"infarct", "plaque"}, ("abnormal", None, None, None)),
        ((INFARCT, replace(INFARCT, lesion_type="plaque")), set(), ("abnormal", None, "thalamus", "left")),
        ((replace(INFARCT, side="bilateral"),), {"infarct"}, ("abnormal", "infarct", "thalamus", None)),
        (None, {"infarct"}, ("abnormal", "infarct", None, None)),
        (None, {"infarct", "plaque"}, ("abnormal", None, None, None)),
    ],
)
def test_a_volume_has_a_class_when_there_is_just_one(findings, labels, expected):
    volume = Shown("at left thalamus shows high signal", findings, frozenset(labels))
    names = ("abnormal", "lesion_type", "lobe", "side")
    assert tuple(BY_NAME[name].label(volume) for name in names) == expected


def test_a_volume_whose_text_is_normal_shows_no_label_of_its_study():
    volume = Shown(NORMAL_TEXT, None, frozenset({"infarct"}))
    assert BY_NAME["abnormal"].label(volume) == "normal"
    assert BY_NAME["lesion_type"].label(volume) is None


def test_every_region_of_the_phantom_has_a_structure_and_a_diffuse_change_has_none():
    assert all(lobe_of(region) for region in REGIONS)
    assert lobe_of(ATROPHY_REGION) is None
    assert lobe_of("Postcentral gyrus") == "parietal lobe"
    assert lobe_of("pons") == "brainstem"
    assert lobe_of("planet") is None


def test_classes_with_few_patients_in_train_or_test_are_left_out_and_named():
    cohort = toys.toy_cohort()
    rare = cohort.studies["labels"].eq('["cyst"]') & cohort.studies["split"].eq("test")
    gone = set(cohort.studies.loc[rare, "study_id"].iloc[MIN_PATIENTS - 1 :])
    fewer = replace(cohort, volumes=cohort.volumes[~cohort.volumes["study_id"].isin(gone)].reset_index(drop=True))
    data, note = load_task(BY_NAME["lesion_type"], fewer, PARTS)
    assert data.classes == ("infarct", "plaque")
    assert f"fewer than {MIN_PATIENTS} patients in a part: cyst" in note
    assert not data.parts["train"].items["text"].str.contains("round").any()


def test_items_carry_what_a_metadata_model_may_see():
    cohort = toys.toy_cohort()
    unknown = replace(cohort, studies=cohort.studies.assign(age=""))
    data, _ = load_task(BY_NAME["side"], cohort, PARTS)
    ages = cohort.studies.set_index("study_id")["age"].astype(float)
    assert list(data.parts["val"].items["age"]) == list(ages[data.parts["val"].patients])
    assert data.parts["val"].items[["spacing_right", "spacing_top"]].to_numpy()[0].tolist() == [1, 3]
    assert load_task(BY_NAME["side"], unknown, PARTS)[0].parts["val"].items["age"].isna().all()


def test_grades_are_a_task_where_there_is_a_second_cohort():
    tasks, notes = load_tasks(toys.toy_subject(), PARTS)
    assert "glioma_grade" not in [data.task.name for data in tasks]
    assert notes["task glioma_grade"].startswith("left out")
    tasks, notes = load_tasks(toys.toy_subject(transfer=toys.glioma_cohort()), PARTS)
    grade = next(data for data in tasks if data.task.name == "glioma_grade")
    assert grade.classes == ("low-grade glioma", "high-grade glioma")
    assert np.unique(grade.parts["test"].labels).tolist() == [0, 1]


def test_a_cohort_without_any_task_is_refused():
    with pytest.raises(InputError, match="no task to classify"):
        load_tasks(toys.toy_subject(cohort=toys.toy_cohort(6)), PARTS)
