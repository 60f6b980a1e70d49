"""MR-RATE: three tables, several series of a contrast, Parquet beside CSV, other spaces."""

from __future__ import annotations

import pandas as pd
import pytest

from selip.cohorts.importing.adapter import write_labels, write_scan
from selip.cohorts.mr_rate import scan
from selip.system.errors import InputError

STUDIES = ("st-a", "st-b", "st-c")
SERIES = {
    "st-a": ("t1w-raw-axi", "t1w-raw-sag", "t2w-raw-axi", "flair-raw-axi", "swi-raw-axi"),
    "st-b": ("t2w-raw-cor", "t2w-raw-axi", "t2w-raw-axi-2"),
    "st-c": ("flair-raw-sag",),
}
NUMBERS = {("st-a", "t1w-raw-axi"): "9", ("st-a", "t1w-raw-sag"): "3"}
PATIENTS = {"st-a": "p1", "st-b": "p1", "st-c": "p2"}


def example(here):
    folder = here / "MR-RATE"
    for study, series in SERIES.items():
        for name in series:
            write_scan(folder / "mri/batch00" / study / "img" / f"{study}_{name}.nii.gz")
            write_labels(folder / "mri/batch00" / study / "seg" / f"{study}_{name}_brain-mask.nii.gz")
    for name in ("metadata", "reports"):
        (folder / name).mkdir()
    metadata = [
        {
            "patient_uid": PATIENTS[study],
            "study_uid": study,
            "series_id": name,
            "SeriesNumber": NUMBERS.get((study, name), ""),
            "Patient'sAge": "44",
            "Manufacturer": "SIEMENS",
            "Manufacturer'sModelName": "Aera",
        }
        for study, series in SERIES.items()
        for name in series
    ]
    reports = [
        {
            "study_uid": "st-a",
            "report": "Tumour? Normal.",
            "findings": "No lesion.",
            "impression": "— Normal.",
        },
        {"study_uid": "st-b", "report": "Old infarct.", "findings": "", "impression": ""},
    ]
    pd.DataFrame(metadata).to_csv(folder / "metadata/batch00_metadata.csv", index=False)
    pd.DataFrame(reports).to_csv(folder / "reports/batch00_reports.csv", index=False)
    splits = [
        {"batch_id": "batch00", "patient_uid": PATIENTS[study], "study_uid": study, "split": split}
        for study, split in zip(STUDIES, ("train", "train", "test"), strict=True)
    ]
    pd.DataFrame(splits).to_csv(folder / "splits.csv", index=False)
    return folder


def test_the_layout_is_read(source):
    found = scan(source)
    first, second, third = found.studies
    assert [(study.study, study.patient, study.split) for study in found.studies] == [
        ("st-a", "p1", "train"),
        ("st-b", "p1", "train"),
        ("st-c", "p2", "test"),
    ]
    assert (first.age, first.site) == ("44", "SIEMENS Aera")
    assert {contrast: path.name for contrast, path in first.volumes.items()} == {
        "T1": "st-a_t1w-raw-sag.nii.gz",  # acquired before the axial one, which may have contrast agent
        "T2": "st-a_t2w-raw-axi.nii.gz",
        "FLAIR": "st-a_flair-raw-axi.nii.gz",
    }
    assert second.volumes["T2"].name == "st-b_t2w-raw-axi.nii.gz"
    assert tuple(third.volumes) == ("FLAIR",)
    assert found.problems == (
        "2 studies with several series of a contrast: the first acquired is taken",
        "1 studies without a report",
    )


def test_the_text_leaves_out_the_question_where_sections_are_given(source):
    assert [study.report for study in scan(source).studies] == ["No lesion. — Normal.", "Old infarct.", ""]


def test_parquet_tables_read_the_same(source):
    before = scan(source)
    for path in (*source.glob("*.csv"), *source.glob("*/*.csv")):
        pd.read_csv(path, dtype=str).to_parquet(path.with_suffix(".parquet"))
        path.unlink()
    assert scan(source) == before


def test_a_study_of_an_unknown_patient_is_left_out(source):
    for path in (source / "splits.csv", source / "metadata/batch00_metadata.csv"):
        path.write_text("\n".join(line for line in path.read_text().splitlines() if "st-c" not in line))
    found = scan(source)
    assert [study.study for study in found.studies] == ["st-a", "st-b"]
    assert "st-c: no patient in the tables, left out" in found.problems
    assert {study.split for study in found.studies} == {""}


def test_one_space_is_taken_and_native_goes_first(source):
    atlas = source / "mri/batch00/st-a/atlas_img"
    write_scan(atlas / "st-a_atlas_t1w-raw-axi.nii.gz")
    assert {path.parent.name for study in scan(source).studies for path in study.volumes.values()} == {"img"}
    for study in STUDIES:
        (source / "mri/batch00" / study / "img").rename(source / "mri/batch00" / study / "unused")
    (study,) = scan(source).studies
    assert study.volumes["T1"].parent == atlas.resolve()


def test_without_tables_or_with_a_broken_one_it_is_refused(source):
    with pytest.raises(InputError, match="reports/batch00_reports"):
        scan(source / "mri")
    (source / "splits.csv").write_text("patient,split\np1,train\n")
    with pytest.raises(InputError, match="column study_uid"):
        scan(source)
    (source / "splits.csv").unlink()
    (source / "splits.parquet").write_bytes(b"no parquet")
    with pytest.raises(InputError, match="no Parquet table"):
        scan(source)
