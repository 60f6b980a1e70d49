"""The Kaggle set of lower-grade gliomas: slices become volumes, a copied channel is none, codes become words."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from selip.cohorts.lgg_kaggle import COHORT, _spacing_mm, example, read_case, scan
from selip.data.nifti import read_nifti
from selip.system.errors import InputError


@pytest.fixture
def source(tmp_path):
    return example(tmp_path)


def test_cases_contrasts_and_clinical_words(source):
    found = scan(source)
    first, _, third = found.studies
    assert (first.patient, first.study, first.site) == ("TCGA_CS_0001", "TCGA_CS_0001_19960909", "CS")
    assert [list(study.volumes) for study in found.studies] == [
        ["T1", "FLAIR", "T1c"],
        ["FLAIR", "T1c"],
        [*first.volumes],
    ]
    assert (first.place, first.age) == (("frontal lobe", "right"), "44")
    assert first.own == {"label:histology": "astrocytoma", "label:grade": "3", "label:sex": "female"}
    assert (third.place, third.own) == (None, {})
    assert found.problems == ("TCGA_HT_0003_19980101: no clinical row in data.csv",)


def test_voxels_are_where_the_patient_has_them(source):
    """Row 0 is in front, the image's left is the patient's right, slice 1 is at the neck."""
    folder = source / "kaggle_3m" / "TCGA_CS_0001_19960909"
    slices = [np.asarray(Image.open(folder / f"{folder.name}_{k}.tif")) for k in range(1, 9)]
    mask = read_case(folder, "mask")
    for name, channel in (("T1", 0), ("FLAIR", 1), ("T1c", 2)):
        image = read_case(folder, name)
        assert image.values.shape == (16, 16, 8)
        for i, j, k in ((0, 0, 0), (15, 0, 2), (3, 12, 7)):
            assert image.values[i, j, k] == slices[k][15 - j, 15 - i, channel]
        assert image.spacing_mm.tolist() == [12, 12, 18]
        assert image.values[mask.values > 0].mean() > 1.5 * image.values[mask.values == 0].mean()
    marked = np.argwhere(mask.values > 0)
    assert marked[:, 1].min() >= 8, "rows 3 to 6 are in front"
    assert marked[:, 0].min() >= 8, "columns 4 to 7 are on the image's left, the patient's right"
    assert set(marked[:, 2]) == {2, 3, 4, 5}


def test_holes_and_doubles_of_the_download(source, tmp_path):
    folder = source / "kaggle_3m" / "TCGA_DU_0002_19970101"
    (folder / f"{folder.name}_3_mask.tif").unlink()
    assert "TCGA_DU_0002_19970101: slices or masks are missing, left out" in scan(source).problems
    (source / "kaggle_3m").rename(source / "lgg")
    example(source)
    assert len({study.study for study in scan(source).studies}) == len(scan(source).studies) == 3
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="kaggle_3m"):
        scan(tmp_path / "empty")


def test_the_import_declares_tasks_sheet_and_collection(source, tmp_path):
    said = []
    grid = {"shape": (8, 8, 8), "spacing_mm": (24, 24, 24), "workers": 1, "texts": "none", "say": said.append}
    cohort = COHORT.import_from(source, tmp_path / "out", **grid)
    assert set(cohort.info.tasks) == {"label:grade", "label:histology", "label:sex"}
    assert cohort.info.sheet.collections == ("TCGA-LGG",)
    assert list(cohort.studies["label:grade"]) == ["3", "3", ""]
    assert set(cohort.volumes["state"]) == {"abnormal"}


def test_the_spacing_of_a_real_head_is_found_by_registration(real_data, tmp_path):
    """A real head written as the set has it; the slices carry no spacing, and the estimate is near the true one."""
    pack = real_data / "tcga_lgg"
    if not pack.is_dir():
        pytest.skip(f"no {pack}")
    case = pd.read_csv(pack / "patients.csv")["study"][0]
    image = read_nifti(pack / "images" / f"{case[:12]}_flair.nii.gz")
    mask = read_nifti(pack / "masks" / f"{case[:12]}_mask.nii.gz")
    folder = tmp_path / "kaggle_3m" / case
    folder.mkdir(parents=True)
    for k in range(image.values.shape[2]):
        plane = np.repeat(np.repeat(image.values[::-1, ::-1, k].T.astype(np.uint8), 2, 0), 2, 1)
        drawn = np.repeat(np.repeat(mask.values[::-1, ::-1, k].T, 2, 0), 2, 1)
        Image.fromarray(np.stack([plane] * 3, -1)).save(folder / f"{case}_{k + 1}.tif")
        Image.fromarray((255 * (drawn > 0)).astype(np.uint8)).save(folder / f"{case}_{k + 1}_mask.tif")
    found = np.array(_spacing_mm(folder)) * (2, 2, 1)
    assert found == pytest.approx(image.spacing_mm, rel=0.1)
