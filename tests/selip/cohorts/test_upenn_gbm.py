"""UPENN-GBM: follow-ups of a patient, the better of two segmentations, skull-stripped volumes."""

from __future__ import annotations

from selip.cohorts.importing.adapter import write_case, write_labels, write_table
from selip.cohorts.upenn_gbm import ADAPTER, scan

KINDS = ("T1", "T1GD", "T2", "FLAIR")
IDS = ("UPENN-GBM-00001_11", "UPENN-GBM-00002_11", "UPENN-GBM-00002_21")


def example(here):
    folder = here / "NIfTI-files"
    for name in IDS:
        write_case(folder / "images_structural" / name / f"{name}_", KINDS)
        write_case(
            folder / "images_structural_unstripped" / name / f"{name}_", (f"{kind}_unstripped" for kind in KINDS)
        )
        write_case(folder / "images_DTI" / "images_DTI" / name / f"{name}_", ("DTI_FA",))
    for name in IDS[:2]:
        write_labels(folder / "automated_segm" / f"{name}_automated_approx_segm.nii.gz")
    write_labels(folder / "images_segm" / f"{IDS[1]}_segm.nii.gz")
    ages = [
        {"ID": name, "Gender": "F", "Age_at_scan_years": age} for name, age in zip(IDS, ("70.1", "", "52"), strict=True)
    ]
    write_table(folder / "UPENN-GBM_clinical_info_v2.1.csv", ages)
    return folder


def test_the_layout_is_read(source):
    found = scan(source)
    assert found.problems == (f"{IDS[2]}: no segmentation, taken without a mask",)
    assert tuple(study.study for study in found.studies) == IDS
    assert [study.patient for study in found.studies] == ["UPENN-GBM-00001", "UPENN-GBM-00002", "UPENN-GBM-00002"]
    assert [study.age for study in found.studies] == ["70.1", "", "52"]
    for study in found.studies:
        assert {path.parent.parent.name for path in study.volumes.values()} == {"images_structural"}
        assert study.volumes["T1c"].name == f"{study.study}_T1GD.nii.gz"
        assert {*study.labels} <= {*ADAPTER.expected}


def test_the_corrected_segmentation_goes_before_the_automated_one(source):
    assert [study.mask and study.mask.parent.name for study in scan(source).studies] == [
        "automated_segm", "images_segm", None,
    ]  # fmt: skip
