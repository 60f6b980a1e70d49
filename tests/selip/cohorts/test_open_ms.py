"""Open MS data: two sets in two spaces, masks without volumes; the real examinations."""

from __future__ import annotations

import itertools

import nibabel as nib
import numpy as np
import pytest
from nilearn.datasets import load_mni152_wm_template
from nilearn.image import resample_to_img

from selip.cohorts.importing.adapter import write_case, write_labels, write_scan
from selip.cohorts.open_ms import COHORT, scan, scan_longitudinal
from selip.data.cohort_check import check_cohort
from selip.data.nifti import read_nifti, same_grid
from selip.data.volumes import Grid
from selip.system.errors import InputError

KINDS = ("T1", "T2", "FLAIR", "T1POST")


def example(here):
    folder = here / "open_ms"
    write_case(f"{folder}/cross_sectional_MNI/patient07/", KINDS, "GOLD_STANDARD", [1])
    write_labels(folder / "cross_sectional_MNI/patient03/GOLD_STANDARD.nii.gz", [1])
    for visit in ("study1", "study2"):
        write_case(folder / "longitudinal_raw/patient01" / f"{visit}_", ("T1W", "T2W", "FLAIR"))
    write_labels(folder / "longitudinal_raw/patient01/gt.nii.gz", [1])
    (folder / "patient_info.csv").write_bytes(b"patient_id,age,sex\r\n3,37,F\r\n7,53,F\r\n")
    (folder / "demographics.csv").write_text("patient_id,sex,patient_age_at_first_study\n1,F,20\n")
    return folder


def test_the_cross_sectional_set_is_read(source):
    found = scan(source)
    (study,) = found.studies
    assert (study.patient, study.study, study.age, study.mask_contrast) == ("cross-patient07",) * 2 + ("53", "FLAIR")
    assert {contrast: path.name for contrast, path in study.volumes.items()} == {
        "T1": "T1.nii.gz",
        "T2": "T2.nii.gz",
        "FLAIR": "FLAIR.nii.gz",
        "T1c": "T1POST.nii.gz",
    }
    assert found.problems == (
        "patient03: a mask without volumes, left out",
        "2 longitudinal examinations in another space, left out: import with open_ms_longitudinal",
    )


def test_the_longitudinal_set_is_read(source):
    found = scan_longitudinal(source)
    assert [study.study for study in found.studies] == [f"longitudinal-patient01-study{visit}" for visit in (1, 2)]
    assert {study.patient for study in found.studies} == {"longitudinal-patient01"}
    assert [study.age for study in found.studies] == ["20", ""]
    assert all(tuple(study.volumes) == ("T1", "T2", "FLAIR") and study.mask is None for study in found.studies)
    assert found.problems == ("2 cross-sectional examinations in another space, left out: import with open_ms",)


def test_names_of_the_public_repository_are_read(tmp_path):
    folder = tmp_path / "open_ms_data/cross_sectional"
    for kind in KINDS:
        write_scan(folder / "MNI/patient26" / f"{kind}_N4_noneck_reduced_winsor_regtoFLAIR_brain_N4_regtoMNI.nii.gz")
        write_scan(folder / "raw/patient26" / f"{kind}.nii.gz")
    write_labels(folder / "MNI/patient26/GOLD_STANDARD_N4_noneck_reduced_winsor_regtoFLAIR_regtoMNI.nii.gz")
    (study,) = scan(tmp_path / "open_ms_data").studies
    assert {path.parent.parent.name for path in (*study.volumes.values(), study.mask)} == {"MNI"}
    assert tuple(study.volumes) == ("T1", "T2", "FLAIR", "T1c")


def test_another_folder_is_refused(source):
    with pytest.raises(InputError, match="cross_sectional_MNI"):
        scan(source / "longitudinal_raw")


@pytest.fixture(scope="module")
def template() -> nib.Nifti1Image:
    """Share of white matter in MNI space."""
    return load_mni152_wm_template(resolution=2)


def white_matter(template: nib.Nifti1Image, affine: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Where the template is surely white matter, on another grid in MNI space."""
    target = nib.Nifti1Image(np.zeros(shape, np.float32), affine)
    return resample_to_img(template, target, force_resample=True, copy_header=True).get_fdata() > 0.9


def brightness(flair: np.ndarray, lesion: np.ndarray, white: np.ndarray) -> float:
    """Median of lesions to median of white matter without them."""
    return float(np.median(flair[lesion]) / np.median(flair[white & ~lesion]))


def test_the_real_examinations_are_counted(real_data):
    found = scan(real_data / "open_ms")
    assert [(study.study, study.age) for study in found.studies] == [
        ("cross-patient07", "53"),
        ("cross-patient19", "47"),
    ]
    assert len([line for line in found.problems if line.endswith("a mask without volumes, left out")]) == 13
    assert [study.study for study in scan_longitudinal(real_data / "open_ms").studies] == [
        "longitudinal-patient01-study1"
    ]


def test_the_real_masks_lie_on_bright_lesions_as_stored(real_data, template):
    for study in scan(real_data / "open_ms").studies:
        flair, mask = read_nifti(study.volumes["FLAIR"]), read_nifti(study.mask)
        assert same_grid(flair, mask)
        lesion, white = mask.values > 0.5, white_matter(template, flair.affine, flair.values.shape)
        assert 1.3 < brightness(flair.values, lesion, white) < 1.45
        assert brightness(flair.values, lesion[::-1], white) < 1.15  # the mirrored mask lies beside them


def test_the_real_masks_lie_on_bright_lesions_after_import(real_data, template, tmp_path):
    grid = Grid((90, 108, 78), (2, 2, 2))
    options = {"shape": grid.shape, "spacing_mm": grid.spacing_mm, "texts": "report", "workers": 1}
    cohort = COHORT.import_from(real_data / "open_ms", tmp_path / "out", **options)
    assert check_cohort(cohort.root) == []
    assert len(cohort.studies) == 2
    white = white_matter(template, grid.affine, grid.shape)
    rows = np.flatnonzero(cohort.volumes["contrast"] == "FLAIR")
    for flair, mask in zip(cohort.read_volumes(rows), cohort.read_masks(range(2)), strict=True):
        lesion = mask == 1
        found = brightness(flair, lesion, white)
        assert 1.2 < found < 1.45  # small plaques pale on 2 mm voxels: 1.34 as stored becomes 1.23, 1.41 becomes 1.33
        shifts = [step for step in itertools.product((-1, 0, 1), repeat=3) if any(step)]
        assert all(brightness(flair, np.roll(lesion, step, (0, 1, 2)), white) < found for step in shifts)
        assert brightness(flair, lesion[::-1], white) < 1.15
