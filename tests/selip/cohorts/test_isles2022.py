"""ISLES 2022: with and without rawdata/, letter case, FLAIR on another grid than the mask's DWI."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from selip.cohorts.importing.adapter import write_labels, write_scan
from selip.cohorts.isles2022 import COHORT, scan
from selip.data.cohort_check import check_cohort
from selip.system.errors import InputError

CASES = ("sub-strokecase0001", "sub-strokecase0002", "sub-strokecase0003")


def example(here):
    """Three cases as released; the second has FLAIR and folders in other letter case, the third lacks ADC."""
    folder = here / "ISLES-2022"
    for seed, case in enumerate(CASES):
        name = f"{case}_ses-0001"
        if case == CASES[1]:
            name = name.replace("case", "Case")
        session, flair = folder / "rawdata" / case / "ses-0001", "flair" if case == CASES[1] else "FLAIR"
        write_scan(session / "dwi" / f"{name}_dwi.nii.gz", seed=seed)
        if case != CASES[2]:
            write_scan(session / "dwi" / f"{name}_adc.nii.gz", seed=seed + 10)
        write_scan(session / "anat" / f"{name}_{flair}.nii.gz", (14, 13, 12), seed=seed + 20)
        write_labels(folder / "derivatives" / case / "ses-0001" / f"{name}_msk.nii.gz", [1])
    (folder / "participants.tsv").write_text("participant_id\tsex\tage\nsub-strokecase0001\tm\t71\n")
    return folder


def test_the_layout_is_read(source):
    found = scan(source)
    assert found.problems == (f"{CASES[2]}_ses-0001: no adc volume",)
    assert [study.study for study in found.studies] == [f"{case}_ses-0001" for case in CASES]
    assert [study.patient for study in found.studies] == [*CASES]
    assert [tuple(study.volumes) for study in found.studies] == [("FLAIR", "DWI", "ADC")] * 2 + [("FLAIR", "DWI")]
    assert {study.mask_contrast for study in found.studies} == {"DWI"}
    assert [study.age for study in found.studies] == ["71", "", ""]
    assert all(study.mask and study.mask.name.endswith("_msk.nii.gz") for study in found.studies)


def test_releases_without_rawdata_read_the_same(source):
    before = scan(source)
    for folder in (source / "rawdata").iterdir():
        folder.rename(source / folder.name)
    after = scan(source)
    assert [study.study for study in after.studies] == [study.study for study in before.studies]
    assert after.problems == before.problems


def test_resampled_copies_under_derivatives_are_not_taken(source):
    name = f"{CASES[0]}_ses-0001"
    write_scan(source / "derivatives" / CASES[0] / "ses-0001" / f"{name}_flair.nii.gz")
    assert scan(source).studies[0].volumes["FLAIR"].parent.name == "anat"
    assert len(scan(source).problems) == 1


def test_a_case_without_mask_or_volumes_is_named(source):
    shutil.rmtree(source / "derivatives" / CASES[0])
    shutil.rmtree(source / "rawdata" / CASES[1])
    found = scan(source)
    assert [study.patient for study in found.studies] == [CASES[0], CASES[2]]
    assert found.studies[0].mask is None
    assert {f"{CASES[0]}_ses-0001: no mask", "sub-strokecase0002_ses-0001: no volume, left out"} <= {*found.problems}


def test_another_folder_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing here")
    with pytest.raises(InputError, match=r"no examination.*sub-strokecase0001"):
        scan(tmp_path)


def test_the_mask_is_taken_on_the_grid_of_dwi(source, tmp_path):
    cohort = COHORT.import_from(
        source, tmp_path / "out", shape=(12, 12, 12), spacing_mm=(10, 10, 10), texts="report", workers=1
    )
    assert check_cohort(cohort.root) == []
    assert len(cohort.studies) == 3
    assert {*np.unique(cohort.read_masks(range(3)))} == {0, 1}
