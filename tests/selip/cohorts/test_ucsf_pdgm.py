"""UCSF-PDGM: six contrasts, follow-ups of a patient, three-digit ids of the table, bias-corrected copies."""

from __future__ import annotations

from selip.cohorts.importing.adapter import write_case, write_table
from selip.cohorts.ucsf_pdgm import scan
from selip.data.findings import CONTRASTS

KINDS = ("T1", "T1c", "T2", "FLAIR", "DWI", "ADC")
OTHERS = ("T1_bias", "T1c_bias", "SWI", "ASL", "DTI_eddy_FA", "brain_segmentation", "brain_parenchyma_segmentation")


def example(here):
    folder = here / "PKG - UCSF-PDGM Version 5"
    for case in ("UCSF-PDGM-0004", "UCSF-PDGM-0429", "UCSF-PDGM-0429_FU003d"):
        prefix = folder / "UCSF-PDGM-v5" / f"{case}_nifti" / f"{case}_"
        write_case(prefix, KINDS, mask="tumor_segmentation")
        write_case(prefix, OTHERS)
    columns = ("ID", "Age at MRI", "WHO CNS Grade", "Final pathologic diagnosis (WHO 2021)")
    rows = (
        ("UCSF-PDGM-004", "66", "4", "Glioblastoma  IDH-wildtype"),
        ("UCSF-PDGM-0429_FU003d", "41", "2", "Oligodendroglioma, IDH-mutant, 1p/19q-codeleted"),
    )
    write_table(folder / "UCSF-PDGM-metadata_v5.csv", [dict(zip(columns, row, strict=True)) for row in rows])
    return folder


def test_the_layout_is_read(source):
    found = scan(source)
    assert found.problems == ()
    assert [study.study for study in found.studies] == [
        "UCSF-PDGM-0004", "UCSF-PDGM-0429", "UCSF-PDGM-0429_FU003d",
    ]  # fmt: skip
    assert [study.patient for study in found.studies] == ["UCSF-PDGM-0004", "UCSF-PDGM-0429", "UCSF-PDGM-0429"]
    for study in found.studies:
        assert tuple(study.volumes) == CONTRASTS
        assert {name: path.name for name, path in study.volumes.items()} == {
            name: f"{study.study}_{name}.nii.gz" for name in CONTRASTS
        }
        assert study.mask.name == f"{study.study}_tumor_segmentation.nii.gz"


def test_the_table_gives_age_grade_and_diagnosis(source):
    first, plain, follow_up = scan(source).studies
    assert (first.age, first.labels) == ("66", ("WHO grade 4", "glioblastoma"))
    assert (follow_up.age, follow_up.labels) == ("41", ("WHO grade 2", "oligodendroglioma"))
    assert (plain.age, plain.labels) == ("", ())


def test_follow_ups_under_numbers_of_their_own_join_their_patient(source):
    old = source / "UCSF-PDGM-v5" / "UCSF-PDGM-0429_FU003d_nifti"
    for path in list(old.iterdir()):
        path.rename(path.with_name(path.name.replace("0429_FU003d", "0138")))
    assert [study.patient for study in scan(source).studies if study.study.endswith("0138")] == ["UCSF-PDGM-0429"]


def test_a_missing_volume_is_said(source):
    next(source.rglob("UCSF-PDGM-0004_ADC.nii.gz")).unlink()
    assert scan(source).problems == ("UCSF-PDGM-0004: no adc volume",)
