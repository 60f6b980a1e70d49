"""IXI: site in the name, PD left out and said, ages from a table with rows that disagree."""

from __future__ import annotations

import pytest

from selip.cohorts.importing.adapter import write_scan
from selip.cohorts.ixi import COHORT, scan
from selip.data.findings import NORMAL_TEXT
from selip.system.errors import InputError

CASES = ("IXI002-Guys-0828", "IXI012-HH-1211", "IXI035-IOP-0873")


def example(here):
    folder = here / "IXI"
    for seed, case in enumerate(CASES):
        for kind in ("T1", "T2", "PD"):
            write_scan(folder / f"IXI-{kind}" / f"{case}-{kind}.nii.gz", seed=seed)
    write_scan(folder / "IXI-DTI" / f"{CASES[0]}-DTI-00.nii.gz")
    (folder / "IXI-T2" / f"{CASES[2]}-T2.nii.gz").unlink()
    return folder


def test_the_layout_is_read(source):
    found = scan(source)
    assert [study.study for study in found.studies] == [*CASES]
    assert [study.patient for study in found.studies] == ["IXI002", "IXI012", "IXI035"]
    assert [study.site for study in found.studies] == ["Guys", "HH", "IOP"]
    assert [tuple(study.volumes) for study in found.studies] == [("T1", "T2"), ("T1", "T2"), ("T1",)]
    assert all({*study.texts.values()} == {NORMAL_TEXT} and study.mask is None for study in found.studies)
    assert found.problems == (
        "1 DTI files left out: none of our contrasts",
        "3 PD files left out: none of our contrasts",
        f"{CASES[2]}: no t2 volume",
    )


def test_ages_are_read_where_rows_agree(source):
    rows = ["IXI_ID,SEX_ID,AGE", "2,1,35.8001", "12,2,38.7816", "12,2,60.1", "35,1,", "35,1,52.3", "562,2,30"]
    (source / "IXI.csv").write_text("\n".join(rows))
    assert [study.age for study in scan(source).studies] == ["35.80", "", "52.30"]


def test_a_table_that_is_not_read_is_said(source):
    (source / "IXI.xls").write_bytes(b"\xd0\xcf\x11\xe0")
    assert "IXI.xls: not read, ages stay unknown: save it as IXI.csv" in scan(source).problems


def test_one_folder_of_one_contrast_is_enough(source):
    found = scan(source / "IXI-T1")
    assert [tuple(study.volumes) for study in found.studies] == [("T1",)] * 3
    with pytest.raises(InputError, match="IXI002-Guys-0828"):
        scan(source / "IXI-PD")


def test_volunteers_are_imported_as_normal(source, tmp_path):
    cohort = COHORT.import_from(source, tmp_path / "out", shape=(8, 8, 8), spacing_mm=(16, 16, 16), workers=1)
    assert {*cohort.volumes["text"]} == {NORMAL_TEXT}
    assert cohort.info.findings_source == "given"
