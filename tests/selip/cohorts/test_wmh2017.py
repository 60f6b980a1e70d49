"""WMH 2017: Amsterdam one folder deeper, pre before orig, label 2 is not scored."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from selip.cohorts.importing.adapter import write_case, write_labels
from selip.cohorts.wmh2017 import COHORT, scan
from selip.data.cohort import IGNORE
from selip.system.errors import InputError

PLACES = ("training/Utrecht/0", "training/Singapore/50", "training/Amsterdam/GE3T/100", "test/Amsterdam/GE1T5/160")
STUDIES = ("Amsterdam-GE1T5-160", "Amsterdam-GE3T-100", "Singapore-50", "Utrecht-0")


def example(here):
    folder = here / "wmh"
    for place in PLACES:
        write_case(f"{folder / place}/pre/", ("FLAIR", "T1"))
        write_case(f"{folder / place}/orig/", ("FLAIR", "T1", "3DT1"))
        write_labels(folder / place / "wmh.nii.gz", (1, 1, 2))
    write_labels(folder / "additional_annotations/observer_o3/training/Utrecht/0/result.nii.gz")
    return folder


def test_the_layout_is_read(source):
    found = scan(source)
    assert found.problems == ()
    assert tuple(study.study for study in found.studies) == STUDIES
    assert [study.split for study in found.studies] == ["test", "train", "train", "train"]
    assert [study.site for study in found.studies] == ["Amsterdam/GE1T5", "Amsterdam/GE3T", "Singapore", "Utrecht"]
    for study in found.studies:
        assert study.patient == study.study
        assert tuple(study.volumes) == ("T1", "FLAIR")
        assert {path.parent.name for path in study.volumes.values()} == {"pre"}
        assert study.mask
        assert study.mask.name == "wmh.nii.gz"


def test_orig_is_taken_where_pre_is_missing(source):
    shutil.rmtree(source / PLACES[0] / "pre")
    found = scan(source)
    assert found.problems == ("training/Utrecht/0: no pre/, orig/ taken",)
    assert {path.parent.name for path in found.studies[3].volumes.values()} == {"orig"}


def test_a_scanner_named_with_blanks_and_dots_is_read(source):
    (source / "test/Amsterdam/GE1T5").rename(source / "test/Amsterdam/Philips_VU .PETMR_01.")
    study = scan(source).studies[0]
    assert (study.study, study.site) == ("Amsterdam-Philips_VU-PETMR_01-160", "Amsterdam/Philips_VU .PETMR_01.")


@pytest.mark.parametrize("inner", ["training", "training/Amsterdam", "training/Amsterdam/GE3T"])
def test_a_part_alone_gives_no_split(source, inner):
    found = scan(source / inner)
    assert "Amsterdam-GE3T-100" in [study.study for study in found.studies]
    assert {study.split for study in found.studies} == {""}


def test_another_folder_is_refused(source):
    with pytest.raises(InputError, match="Utrecht, Singapore"):
        scan(source / "additional_annotations")


def test_other_pathology_is_not_scored_after_import(source, tmp_path):
    cohort = COHORT.import_from(
        source, tmp_path / "out", shape=(12, 12, 12), spacing_mm=(10, 10, 10), texts="report", workers=1
    )
    masks = cohort.read_masks(range(4))
    assert {*np.unique(masks)} == {0, 1, IGNORE}
    assert (masks == 1).sum() > (masks == IGNORE).sum() > 0
