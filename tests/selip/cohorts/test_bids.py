"""BIDS: suffix map, runs, raw diffusion series, lesion masks under derivatives, participants.tsv; a real stroke."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from selip.cohorts.bids import COHORT, contrast_of, is_lesion_mask, scan
from selip.cohorts.importing.adapter import write_labels, write_scan
from selip.data.cohort_check import check_cohort
from selip.system.errors import InputError

GRID = {"shape": (12, 12, 12), "spacing_mm": (10, 10, 10)}


def example(here):
    """sub-01 with two sessions, sub-02 without any; names as the specification has them, and masks."""
    folder = here / "ds"
    for seed, name in enumerate(
        (
            "sub-01/ses-1/anat/sub-01_ses-1_T1w.nii.gz",
            "sub-01/ses-1/anat/sub-01_ses-1_ce-gadolinium_T1w.nii.gz",
            "sub-01/ses-1/anat/sub-01_ses-1_T2w.nii",
            "sub-01/ses-1/anat/sub-01_ses-1_PDw.nii.gz",
            "sub-01/ses-2/anat/sub-01_ses-2_run-2_FLAIR.nii.gz",
            "sub-01/ses-2/anat/sub-01_ses-2_run-1_FLAIR.nii.gz",
            "sub-02/dwi/sub-02_dwi.nii.gz",
            "sub-02/dwi/sub-02_adc.nii.gz",
            "sub-02/dwi/sub-02_desc-FA_dwi.nii.gz",
            "derivatives/prep/sub-02/anat/sub-02_T1w.nii.gz",
        )
    ):
        write_scan(folder / name, seed=seed)
    for name in (
        "sub-01/ses-1/anat/sub-01_ses-1_label-L_mask.nii.gz",
        "sub-01/ses-1/anat/sub-01_ses-1_desc-brain_mask.nii.gz",
        "sub-02/sub-02_dwi_msk.nii.gz",
        "sub-09/sub-09_lesion.nii.gz",
    ):
        write_labels(folder / "derivatives" / "lesions" / name, [1])
    rows = ("participant_id\tage\tsite\tdiagnosis", "sub-01\t34.5\tUtrecht\tn/a", "sub-02\tn/a\tn/a\tstroke")
    (folder / "participants.tsv").write_text("\n".join(rows))
    return folder


def test_the_layout_is_read(source):
    found = scan(source)
    first, second, third = found.studies
    assert [study.study for study in found.studies] == ["sub-01_ses-1", "sub-01_ses-2", "sub-02"]
    assert [study.patient for study in found.studies] == ["sub-01", "sub-01", "sub-02"]
    assert (first.age, first.site, first.labels, third.age, third.labels) == ("34.5", "Utrecht", (), "", ("stroke",))
    assert tuple(first.volumes) == ("T1", "T2", "T1c")
    assert first.volumes["T1c"].name == "sub-01_ses-1_ce-gadolinium_T1w.nii.gz"
    assert second.volumes["FLAIR"].name == "sub-01_ses-2_run-1_FLAIR.nii.gz"
    assert {contrast: path.name for contrast, path in third.volumes.items()} == {
        "DWI": "sub-02_dwi.nii.gz",
        "ADC": "sub-02_adc.nii.gz",
    }
    assert found.problems == (
        "2 anat or dwi files of no contrast that is read, left out (sub-01_ses-1_PDw.nii.gz, "
        "sub-02_desc-FA_dwi.nii.gz)",
        "sub-01_ses-2: 2 files of FLAIR; sub-01_ses-2_run-1_FLAIR.nii.gz taken",
        "sub-09: a mask without volumes, left out",
    )


def test_lesion_masks_are_told_from_others_and_know_their_volume(source):
    first, second, third = scan(source).studies
    assert first.mask
    assert first.mask.name == "sub-01_ses-1_label-L_mask.nii.gz"
    assert (first.mask_contrast, third.mask_contrast) == ("", "DWI")
    assert second.mask is None


def test_a_mask_without_its_session_belongs_to_the_only_one(source):
    mask = write_labels(source / "derivatives" / "sub-01_label-L_desc-T1lesion_mask.nii.gz", [1])
    assert mask not in {study.mask for study in scan(source).studies}
    shutil.rmtree(source / "sub-01" / "ses-1")
    shutil.rmtree(source / "derivatives" / "lesions" / "sub-01")
    assert scan(source).studies[0].mask == mask


def test_a_raw_diffusion_series_is_left_out_for_its_trace(source):
    (source / "sub-02/dwi/sub-02_dwi.bval").write_text("0 1000 1000 1000\n")
    found = scan(source)
    assert "sub-02: sub-02_dwi.nii.gz has 4 volumes, left out: give the trace image" in found.problems
    assert tuple(found.studies[2].volumes) == ("ADC",)
    trace = write_scan(source / "sub-02/dwi/sub-02_rec-trace_dwi.nii.gz")
    assert scan(source).studies[2].volumes["DWI"] == trace


@pytest.mark.parametrize(
    ("kind", "contrast"),
    [
        ("T1w", "T1"),
        ("acq-mprage_run-01_T1w", "T1"),
        ("ce-GAD_T1w", "T1c"),
        ("ce-none_T1w", "T1"),
        ("acq-fast_ce-gadolinium_T1w", "T1c"),
        ("T1ce", "T1c"),
        ("FLAIR", "FLAIR"),
        ("dir-AP_dwi", "DWI"),
        ("trace", "DWI"),
        ("desc-ADC_dwi", "ADC"),
        ("ADC", "ADC"),
        ("desc-FA_dwi", ""),
        ("bold", ""),
    ],
)
def test_contrast_of(kind, contrast):
    assert contrast_of(kind) == contrast


@pytest.mark.parametrize(
    ("kind", "lesion"),
    [
        ("label-L_mask", True),
        ("space-MNI152_label-L_desc-T1lesion_mask", True),
        ("lesion-msk", True),
        ("msk", True),
        ("T1w_lesion", True),
        ("desc-brain_mask", False),
        ("label-GM_mask", False),
        ("label-LV_mask", False),
        ("brainmask", False),
    ],
)
def test_is_lesion_mask(kind, lesion):
    assert is_lesion_mask(kind) is lesion


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("sub-CON-04/anat/sub-CON-04_T1w.nii.gz", "sub-CON-04"),
        ("sub-CON_05/anat/sub-CON_05_T1w.nii.gz", "sub-CON_05"),
        ("sub-01/ses-A.1/anat/sub-01_ses-A.1_T2w.nii", "sub-01_ses-A.1"),
        ("sub-01/ses-A-1/anat/sub-01_ses-A-1_T2w.nii", "sub-01_ses-A-1"),
        ("sub-04/anat/04_T1w.nii.gz", "sub-04"),
        ("sub-04/func/sub-04_task-rest_bold.nii.gz", "sub-04"),
    ],
)
def test_a_folder_in_which_nothing_is_read_is_named_and_counted(source, place, name):
    before = scan(source)
    write_scan(source / place)
    after = scan(source)
    (line,) = {*after.problems} - {*before.problems}
    assert line.startswith("1 folder with no anat or dwi volume of a readable name")
    assert f"({name})" in line
    assert [study.study for study in after.studies] == [study.study for study in before.studies]


def test_rows_and_examinations_that_do_not_meet_are_named(source):
    (source / "participants.tsv").write_text("participant_id\tsession_id\tage\nsub-01\t1\t24\nsub-CON-04\t1\t40\n")
    (source / "participants.json").write_text('{"age": {"Units": "months"}}')
    found = scan(source)
    assert [study.age for study in found.studies] == ["2", "", ""]
    assert "1 row of a participant or session that is not here (sub-con-04_ses-1)" in found.problems
    assert "2 examinations without a row in participants.tsv (sub-01_ses-2, sub-02)" in found.problems


@pytest.mark.parametrize("inner", ["sub-02", "sub-02/dwi"])
def test_a_folder_given_too_low_is_still_read(source, inner):
    (study,) = scan(source / inner).studies
    assert study.study == "sub-02"


def test_another_folder_is_refused(source):
    with pytest.raises(InputError, match="sub-01"):
        scan(source / "derivatives")


def test_a_stroke_in_bids_is_imported(real_data, tmp_path):
    names = {
        "dwi/sub-02_dwi": "DWI",
        "dwi/sub-02_adc": "ADC",
        "../derivatives/sub-02/dwi/sub-02_label-L_mask": "DAGMNet_CH3_Lesion_Predict",
        "../derivatives/sub-02/dwi/sub-02_desc-brain_mask": "Mask",
    }
    for place, name in names.items():
        target = tmp_path / "ds" / "sub-02" / f"{place}.nii.gz"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(real_data / "stroke_dwi" / "Subject02" / f"Subject02_{name}.nii.gz", target)
    (tmp_path / "ds/participants.tsv").write_text("participant_id\tdiagnosis\nsub-02\tacute infarct\n")
    grid = {"shape": (64, 76, 32), "spacing_mm": (3, 3, 5)}
    cohort = COHORT.import_from(tmp_path / "ds", tmp_path / "out", **grid, texts="report", workers=1)
    assert check_cohort(cohort.root) == []
    dwi, adc = (cohort.read_volumes([row])[0] for row in range(2))
    lesion = cohort.read_masks([0])[0] == 1
    brain = dwi > np.percentile(dwi, 70)
    assert lesion.any()
    assert np.median(dwi[lesion]) > 1.3 * np.median(dwi[brain])
    assert np.median(adc[lesion]) < np.median(adc[brain])
    assert np.argwhere(lesion)[:, 0].mean() < (lesion.shape[0] - 1) / 2  # the pontine infarct is on the left


@pytest.mark.parametrize(
    ("kind", "contrast"),
    [
        ("acq-postgd_T1w", "T1c"), ("acq-mpragepostcon_T1w", "T1c"), ("rec-contrast_T1w", "T1c"), ("acq-ce_T1w", "T1c"),
        ("acq-pregad_T1w", "T1"), ("acq-nocontrast_T1w", "T1"), ("acq-spgr_T1w", "T1"), ("acq-unenhanced_T1w", "T1"),
        ("acq-post_T1w", ""), ("acq-postop_T1w", ""), ("acq-t2star_T2w", ""), ("acq-swi_T2w", ""),
        ("acq-b0only_dwi", ""), ("acq-b1000_dwi", "DWI"), ("acq-fatsat_FLAIR", "FLAIR"), ("acq-grase_T2w", "T2"),
    ],
)  # fmt: skip
def test_an_agent_or_another_map_in_any_entity_is_read(kind, contrast):
    assert contrast_of(kind) == contrast
