"""BraTS 2020: the misnamed segmentation of case 355, grades and ages by table, .nii beside .nii.gz."""

from __future__ import annotations

import pytest

from selip.cohorts.brats2020 import ADAPTER, scan
from selip.cohorts.importing.adapter import write_case, write_labels, write_table

KINDS = ("t1", "t1ce", "t2", "flair")


def example(here):
    folder = here / "BraTS2020_TrainingData" / "MICCAI_BraTS2020_TrainingData"
    for case, ending in (("001", ".nii"), ("002", ".nii.gz")):
        name = f"BraTS20_Training_{case}"
        write_case(folder / name / f"{name}_", KINDS, mask="seg", ending=ending)
    odd = folder / "BraTS20_Training_355"
    write_case(odd / f"{odd.name}_", KINDS, ending=".nii")
    write_labels(odd / "W39_1998.09.19_Segm.nii")
    mapping = {"001": "HGG", "002": "LGG", "355": "HGG"}
    rows = [{"Grade": grade, "BraTS_2020_subject_ID": f"BraTS20_Training_{case}"} for case, grade in mapping.items()]
    write_table(folder / "name_mapping.csv", rows)
    write_table(folder / "survival_info.csv", [{"Brats20ID": "BraTS20_Training_002", "Age": "45.5"}])
    return folder


@pytest.mark.parametrize("up", [0, 1, 2])
def test_the_layout_is_read_from_any_level(source, up):
    found = scan([source, *source.parents][up])
    assert found.problems == ()
    assert [study.study[-3:] for study in found.studies] == ["001", "002", "355"]
    assert [study.labels for study in found.studies] == [
        ("high-grade glioma",), ("low-grade glioma",), ("high-grade glioma",),
    ]  # fmt: skip
    assert [study.age for study in found.studies] == ["", "45.5", ""]
    assert [sorted(study.volumes) for study in found.studies] == [["FLAIR", "T1", "T1c", "T2"]] * 3


def test_the_segmentation_of_case_355_is_found(source):
    assert scan(source).studies[2].mask.name == "W39_1998.09.19_Segm.nii"
    (study,) = scan(source / "BraTS20_Training_355").studies
    assert study.mask.name == "W39_1998.09.19_Segm.nii"


def test_validation_cases_are_taken_without_a_mask_and_said(source):
    name = "BraTS20_Validation_001"
    write_case(source.parent / name / f"{name}_", KINDS)
    found = scan(source.parent)
    assert found.problems == (f"{name}: no segmentation, taken without a mask",)
    assert found.studies[-1].study == name
    assert found.studies[-1].mask is None


def test_published_counts_add_up():
    assert ADAPTER.expected["high-grade glioma"] + ADAPTER.expected["low-grade glioma"] == ADAPTER.expected["studies"]
