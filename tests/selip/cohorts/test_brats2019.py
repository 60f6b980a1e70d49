"""BraTS 2019: grades by folder or table, ages, what is missing; the real case through the importer."""

from __future__ import annotations

import shutil

import nibabel as nib
import numpy as np
import pytest

from selip.cohorts.brats2019 import ADAPTER, COHORT, scan
from selip.cohorts.importing.adapter import write_case, write_table
from selip.system.errors import InputError

KINDS = ("t1", "t1ce", "t2", "flair")
CASES = (("HGG", "BraTS19_CBICA_AAB_1"), ("HGG", "BraTS19_TCIA01_131_1"), ("LGG", "BraTS19_2013_0_1"))
REAL = {"t1": "t1", "t1ce": "t1c", "t2": "t2", "flair": "fla"}


def example(here):
    folder = here / "MICCAI_BraTS_2019_Data_Training"
    for grade, case in CASES:
        write_case(folder / grade / case / f"{case}_", KINDS, mask="seg")
    ages = {CASES[0][1]: "60.463", CASES[2][1]: "NA"}
    write_table(folder / "survival_data.csv", [{"BraTS19ID": case, "Age": age} for case, age in ages.items()])
    write_table(folder / "name_mapping.csv", [{"Grade": grade, "BraTS_2019_subject_ID": case} for grade, case in CASES])
    return folder


def by_case(found):
    return {study.study: study for study in found.studies}


def test_the_layout_is_read(source):
    found = scan(source)
    assert found.problems == ()
    studies = by_case(found)
    assert {case: study.labels for case, study in studies.items()} == {
        CASES[0][1]: ("high-grade glioma",), CASES[1][1]: ("high-grade glioma",), CASES[2][1]: ("low-grade glioma",),
    }  # fmt: skip
    study = studies[CASES[0][1]]
    assert list(study.volumes) == ["T1", "T2", "FLAIR", "T1c"]
    assert study.volumes["T1c"].name == f"{study.study}_t1ce.nii.gz"
    assert study.mask.name == f"{study.study}_seg.nii.gz"
    assert (study.patient, study.site, study.age, study.split) == (study.study, "CBICA", "60.463", "")
    assert studies[CASES[2][1]].age == ""
    assert ADAPTER.expected["high-grade glioma"] + ADAPTER.expected["low-grade glioma"] == ADAPTER.expected["studies"]


def test_levels_are_nested_and_the_core_is_within_the_whole(source):
    levels = scan(source).studies[0].levels
    assert {label for label, level in levels.items() if level >= 1} == {1, 2, 4}
    assert {label for label, level in levels.items() if level >= 2} == {1, 4}
    assert {label for label, level in levels.items() if level >= 3} == {4}


def test_a_level_too_high_or_too_low_finds_the_same(source):
    assert by_case(scan(source.parent)).keys() == by_case(scan(source)).keys()
    (study,) = scan(source / "LGG").studies
    assert study.labels == ("low-grade glioma",)
    (study,) = scan(source / "HGG" / CASES[0][1]).studies
    assert study.labels == ("high-grade glioma",)


def test_without_grade_folders_the_table_tells_the_grade(source):
    for grade in ("HGG", "LGG"):
        for folder in list((source / grade).iterdir()):
            folder.rename(source / folder.name)
        (source / grade).rmdir()
    assert [study.labels[0] for study in scan(source).studies].count("low-grade glioma") == 1
    (source / "name_mapping.csv").unlink()
    assert {study.labels for study in scan(source).studies} == {()}


def test_what_is_missing_is_said(source):
    first, second, third = (source / grade / case for grade, case in CASES)
    (first / f"{first.name}_t2.nii.gz").unlink()
    (second / f"{second.name}_seg.nii.gz").unlink()
    for path in third.glob("*_[tf]*"):
        path.unlink()
    (source / "survival_data.csv").write_bytes(b"\xff\x00")
    found = scan(source)
    assert {study.study for study in found.studies} == {first.name, second.name}
    assert f"{first.name}: no t2 volume" in found.problems
    assert f"{second.name}: no segmentation, taken without a mask" in found.problems
    assert f"{third.name}: no volume, left out" in found.problems
    assert any("survival_data.csv" in line for line in found.problems)
    assert all("\n" not in line for line in found.problems)


def test_another_folder_is_refused_with_the_layout(tmp_path):
    (tmp_path / "x.nii.gz").write_text("x")
    with pytest.raises(InputError, match=r"\Agot .*; allowed: \{HGG,LGG\}/BraTS19_.*; name [^\n]*\Z"):
        scan(tmp_path)


def test_the_import_passes_a_corrupt_file_and_keeps_the_levels(source, tmp_path):
    (source / "HGG" / CASES[1][1] / f"{CASES[1][1]}_flair.nii.gz").write_bytes(b"\x1f\x8b broken")
    cohort = COHORT.import_from(
        source, tmp_path / "out", shape=(12, 12, 12), spacing_mm=(10, 10, 10), texts="report", workers=1
    )
    assert sorted(cohort.studies["study_id"]) == sorted([CASES[0][1], CASES[2][1]])
    assert CASES[1][1] in (tmp_path / "out" / "quarantine.csv").read_text()


def test_the_real_case_comes_through(real_data, tmp_path):
    case = "BraTS19_TCIA10_6692_1"
    for kind, name in {**REAL, "seg": ""}.items():
        target = tmp_path / "LGG" / case / f"{case}_{kind}.nii.gz"
        target.parent.mkdir(parents=True, exist_ok=True)
        found = f"OtherEXampleFromTCIA_{name}_bet.nii.gz" if name else "fusion_simple.nii.gz"
        shutil.copy(real_data / "brats_like" / "TCGA-FG-6692" / found, target)
    (study,) = scan(tmp_path).studies
    assert (study.labels, study.site) == (("low-grade glioma",), "TCIA10")
    cohort = COHORT.import_from(
        tmp_path, tmp_path / "out", shape=(60, 72, 60), spacing_mm=(3, 3, 3), texts="report", workers=1
    )
    (mask,) = cohort.read_masks([0])
    labels = np.asarray(nib.load(study.mask).dataobj)
    native_mm3 = [np.isin(labels, region).sum() for region in ((1, 2, 4), (1, 4), (4,))]  # of 1 mm3 voxels
    assert [27 * (mask >= level).sum() for level in (1, 2, 3)] == pytest.approx(native_mm3, rel=0.01)
    assert set(np.unique(mask)) <= {0, 1, 2, 3}
