"""BraTS 2021: letter case, and the cases that are of one patient."""

from __future__ import annotations

import numpy as np

from selip.cohorts.brats2021 import COHORT, scan
from selip.cohorts.importing.adapter import write_case

KINDS = ("t1", "t1ce", "t2", "flair")


def example(here):
    for case in ("BraTS2021_00000", "BraTS2021_00557", "BraTS2021_00639"):
        write_case(here / "data" / case / f"{case}_", KINDS, mask="seg")
    return here / "data"


def test_the_layout_is_read(source):
    found = scan(source)
    assert found.problems == ()
    assert [study.patient for study in found.studies] == ["BraTS2021_00000", "BraTS2021_00639", "BraTS2021_00639"]
    assert {study.labels for study in found.studies} == {("glioma",)}


def test_letter_case_changes_nothing(source):
    expected = [(study.study.lower(), study.patient.lower(), sorted(study.volumes)) for study in scan(source).studies]
    for path in list(source.glob("*_00557/*")):
        path.rename(path.with_name(path.name.upper().replace(".NII.GZ", ".nii.gz")))
    found = [(study.study.lower(), study.patient.lower(), sorted(study.volumes)) for study in scan(source).studies]
    assert found == expected
    assert len({study.patient for study in scan(source).studies}) == 2


def test_the_import_keeps_patients_together_and_levels_apart(source, tmp_path):
    cohort = COHORT.import_from(
        source, tmp_path / "out", shape=(12, 12, 12), spacing_mm=(10, 10, 10), texts="report", workers=1
    )
    assert len(cohort.studies) == 3
    assert {*np.unique(cohort.read_masks([0]))} == {0, 1, 2, 3}
    assert cohort.studies.groupby("patient_id")["split"].nunique().max() == 1
