from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.classification.class_tasks import TASKS, Shown, lobe_of, own_pools, own_tasks
from benchmarks.classification.labels import MIN_PATIENTS, load_task, load_tasks
from benchmarks.classification.probes import metadata_vectors
from selip.cohorts.phantom.lesions import ATROPHY_REGION
from selip.cohorts.phantom.regions import REGIONS
from selip.data.cohort_declaration import DeclaredTask
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
        (None, {"infarct"}, ("abnormal", None, None, None)),
        (None, {"infarct", "plaque"}, ("abnormal", None, None, None)),
    ],
)
def test_a_volume_has_a_class_when_there_is_just_one(findings, labels, expected):
    volume = Shown("at left thalamus shows high signal", findings, frozenset(labels))
    names = ("abnormal", "lesion_type", "lobe", "side")
    assert tuple(BY_NAME[name].label(volume) for name in names) == expected


def test_a_label_of_a_study_is_a_task_of_its_own_and_never_a_lesion_type():
    grade = Shown("not described", None, frozenset({"grade 3"}))
    placed = replace(grade, findings=(replace(INFARCT, lesion_type=""),))
    for volume in (grade, placed):
        assert BY_NAME["study_label"].label(volume) == "grade 3"
        assert BY_NAME["lesion_type"].label(volume) is None
    assert BY_NAME["study_label"].label(replace(grade, findings=(INFARCT,))) is None
    assert BY_NAME["study_label"].label(replace(grade, findings=())) is None
    assert BY_NAME["study_label"].label(replace(grade, labels=frozenset({"grade 3", "cyst"}))) is None


def declared_cohort(**tasks):
    """The toy cohort with a hand of each patient, unknown for every fourth."""
    cohort = toys.toy_cohort()
    hands = [("" if row % 4 == 0 else "left" if row % 5 < 3 else "right") for row in range(len(cohort.studies))]
    studies = cohort.studies.assign(**{"label:hand": hands})
    return replace(cohort, studies=studies, info=replace(cohort.info, tasks={"label:hand": DeclaredTask(**tasks)}))


def test_a_declared_label_is_scored_under_its_own_name_where_its_contrasts_show_it():
    cohort = declared_cohort(classes=("right", "left"), contrasts=("T1",))
    tasks, notes = load_tasks(replace(toys.toy_subject(), cohort=cohort), PARTS)
    (hand,) = [data for data in tasks if data.task.name == "hand"]
    told = dict(zip(cohort.studies["patient_id"], cohort.studies["label:hand"], strict=True))
    for part in PARTS:
        items = hand.parts[part].items
        assert set(items["contrast"]) == {"T1"}
        assert [hand.classes[label] for label in hand.parts[part].labels] == [told[one] for one in items["patient_id"]]
        assert len(items) == sum(
            bool(told[one]) for one in set(cohort.volumes[cohort.volumes["split"] == part]["patient_id"])
        )
    assert hand.classes == ("right", "left")
    assert notes["task hand"].startswith("2 classes")
    assert own_pools(cohort) == ("hand",)


@pytest.mark.parametrize(("other", "left_out"), [(False, True), (True, False)])
def test_a_label_that_the_cohort_declares_too_is_scored_once(other, left_out):
    cohort = toys.toy_cohort()
    kinds = [("cyst", "glioma")[row % 2] for row in range(len(cohort.studies))]
    told = [kind[::-1] if other and row % 3 == 0 else kind for row, kind in enumerate(kinds)]
    studies = cohort.studies.assign(**{"label:kind": told, "labels": [f'["{kind}"]' for kind in kinds], "findings": ""})
    volumes = cohort.volumes.assign(text="not described", state="abnormal")
    info = replace(cohort.info, tasks={"label:kind": DeclaredTask(classes=("glioma", "cyst", *{*told} - {*kinds}))})
    cohort = replace(cohort, studies=studies, volumes=volumes, info=info)
    tasks, notes = load_tasks(replace(toys.toy_subject(), cohort=cohort), PARTS)
    assert [data.task.name for data in tasks] == ["kind"] if left_out else ["study_label", "kind"]
    said = "left out: the same as kind, a column of the cohort"
    assert (notes["task study_label"] == said) == left_out


def test_classes_of_a_cohort_in_folds_are_those_of_all_its_patients():
    cohort = declared_cohort()
    some = cohort.studies["label:hand"].eq("right") & cohort.studies["split"].eq("test")
    few = cohort.studies["label:hand"].mask(some & (some.cumsum() > 2), "")
    fewer = replace(cohort, studies=cohort.studies.assign(**{"label:hand": few}))
    (hand,) = own_tasks(fewer)
    assert load_task(hand, fewer, PARTS)[0] is None, "two patients are too few for a split"
    assert load_task(hand, replace(fewer, fold="1 of 5"), PARTS)[0].classes == ("left", "right")


def test_a_column_declared_as_metadata_joins_the_metadata_of_the_other_tasks_alone():
    cohort = declared_cohort(metadata=True)
    cohort = replace(cohort, studies=cohort.studies.assign(**{"value:edss": "1.5"}))
    tasks = {**cohort.info.tasks, "value:edss": DeclaredTask(metadata=True)}
    cohort = replace(cohort, info=replace(cohort.info, tasks=tasks))
    (hand,) = own_tasks(cohort)
    (side, note), (own, _) = (load_task(task, cohort, PARTS) for task in (BY_NAME["side"], hand))
    assert note.endswith("; metadata hold hand, edss too")
    plain = load_task(BY_NAME["side"], toys.toy_cohort(), PARTS)[0]
    width = [metadata_vectors(one)["val"].shape[1] for one in (plain, side, own)]
    hands = side.parts["train"].items["label:hand"].nunique()
    assert (width[1], "label:hand" in own.parts["train"].items) == (width[0] + hands + 1, False)
    told = cohort.studies.set_index("study_id").loc[side.parts["val"].patients]
    assert list(side.parts["val"].items["label:hand"]) == list(told["label:hand"])


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
