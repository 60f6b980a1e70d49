"""BraTS 2023: parts by name, repeats of a patient, enhancing tumour is label 3."""

from __future__ import annotations

from selip.cohorts import brats2021
from selip.cohorts.brats2023 import ADAPTER, scan
from selip.cohorts.importing.adapter import write_case

CASES = {
    "BraTS-GLI-00005-000": "glioma",
    "BraTS-GLI-00005-001": "glioma",
    "BraTS-MEN-00004-000": "meningioma",
    "BraTS-MET-00005-000": "metastasis",
    "BraTS-PED-00002-000": "pediatric high-grade glioma",
    "BraTS-SSA-00002-000": "glioma",
}


def example(here):
    for case in CASES:
        write_case(here / "BraTS2023" / case[:9] / case / f"{case}-", ("t1n", "t1c", "t2w", "t2f"), "seg", (1, 2, 3))
    return here / "BraTS2023"


def test_the_layout_is_read(source):
    found = scan(source)
    assert found.problems == ()
    assert {study.study: study.labels[0] for study in found.studies} == CASES
    assert all(list(study.volumes) == ["T1", "T2", "FLAIR", "T1c"] for study in found.studies)
    assert found.studies[0].volumes["FLAIR"].name == "BraTS-GLI-00005-000-t2f.nii.gz"
    assert {study.site for study in found.studies} == {"", "Sub-Saharan Africa"}
    assert {*ADAPTER.expected} <= {*CASES.values()}


def test_examinations_of_a_patient_share_it_and_others_do_not(source):
    patients = [study.patient for study in scan(source).studies]
    assert patients[:2] == ["BraTS-GLI-00005"] * 2
    assert len(set(patients)) == len(CASES) - 1


def test_letter_case_does_not_split_a_patient(source):
    for path in list(source.glob("*/*-001/*")):
        path.rename(path.with_name(path.name.lower()))
    found = scan(source)
    assert {study.patient for study in found.studies[:2]} == {"BraTS-GLI-00005"}


def test_the_levels_mean_the_same_as_with_label_4(source):
    case = source.parent / "old" / "BraTS2021_00000"
    write_case(case / "BraTS2021_00000_", ("t1",), mask="seg")
    old, new = brats2021.scan(case).studies[0].levels, scan(source).studies[0].levels
    assert {4 if label == 3 else label: level for label, level in new.items()} == dict(old)
    assert 4 not in new


def test_one_part_alone_is_read(source):
    assert [study.labels for study in scan(source / "BraTS-MEN").studies] == [("meningioma",)]
