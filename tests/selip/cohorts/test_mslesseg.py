"""MSLesSeg: the folder T1 is a timepoint, the test part has none, repeats share a patient."""

from __future__ import annotations

import pytest

from selip.cohorts.importing.adapter import write_case
from selip.cohorts.mslesseg import scan
from selip.system.errors import InputError

KINDS = ("T1", "T2", "FLAIR")


def example(here):
    folder = here / "MSLesSeg Dataset"
    for visit in ("P1_T1", "P1_T2", "P10_T1"):
        patient, time = visit.split("_")
        write_case(folder / "train" / patient / time / f"{visit}_", KINDS, "MASK", [1])
    write_case(folder / "test" / "P74" / "P74_", KINDS, "MASK", [1])
    return folder


def test_the_layout_is_read(source):
    found = scan(source)
    assert found.problems == ()
    assert [study.study for study in found.studies] == ["P10_T1", "P1_T1", "P1_T2", "P74"]
    assert [study.patient for study in found.studies] == ["P10", "P1", "P1", "P74"]
    assert [study.split for study in found.studies] == ["train", "train", "train", "test"]
    for study in found.studies:
        assert {contrast: path.name for contrast, path in study.volumes.items()} == {
            kind: f"{study.study}_{kind}.nii.gz" for kind in KINDS
        }
        assert study.mask
        assert study.mask.name == f"{study.study}_MASK.nii.gz"
        assert study.mask_contrast == "FLAIR"


def test_train_alone_is_split_by_us(source):
    found = scan(source / "train")
    assert len(found.studies) == 3
    assert {study.split for study in found.studies} == {""}


def test_what_is_missing_is_named(source):
    (source / "train/P1/T2/P1_T2_T2.nii.gz").unlink()
    (source / "test/P74/P74_MASK.nii.gz").unlink()
    assert scan(source).problems == ("P1_T2: no t2 volume", "P74: no mask")


def test_another_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="a timepoint"):
        scan(tmp_path)
