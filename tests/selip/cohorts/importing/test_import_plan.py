"""What an import says before it reads: ids spelt twice, placeholders, labels of no task; one of each, counted."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from selip.cohorts.importing.adapter import Scan, StudyFiles, unfit_label
from selip.cohorts.importing.import_plan import SetFacts, tidied, unfit
from selip.cohorts.importing.importer import import_studies

GRID = {"shape": (8, 8, 8), "spacing_mm": (18.0, 20.0, 20.0), "workers": 1, "texts": "report"}


def study(patient, name="", **values):
    given = {"volumes": {"T1": Path("t1.nii")}, "report": "A lesion."} | values
    return StudyFiles(patient, name or f"s-{patient}", **given)


@pytest.mark.parametrize(
    "names",
    [
        ("Müller-1", "müller-1", "MÜLLER-1"),
        ("p1", "p01"),
        ("é", "e\u0301"),
        ("P１", "p1"),
        ("a b", "a  b"),
        ("p1 ", "p1"),
    ],
)
def test_ids_of_one_patient_spelt_twice_are_named(names):
    lines = tidied(Scan((*(study(name, str(k)) for k, name in enumerate(names)), study("other")))).problems
    assert len(lines) == 1
    assert lines[0].startswith("1 group of patient ids that differ only in letter case, Unicode form")
    assert f"({' = '.join(names)})" in lines[0]


def test_ids_of_other_patients_and_of_repeats_are_not():
    scan = Scan((study("p1", "a"), study("p1", "b"), study("p10"), study("p11"), study("q1")))
    assert tidied(scan) == scan


def test_many_groups_are_counted_in_one_line():
    found = tidied(Scan(tuple(study(name + str(k)) for k in range(30) for name in "ab"))).problems
    assert found == ()
    (line,) = tidied(Scan(tuple(study(f"{name}{k}") for k in range(30) for name in "aA"))).problems
    assert line.startswith("30 groups of patient ids")
    assert line.endswith("a9 = A9 and 20 more)")


def test_placeholders_for_texts_become_none_and_are_counted():
    reports = ("nan", "N/A", "-", "", "A lesion.", "0")
    scan = Scan(tuple(study(f"p{k}", report=report) for k, report in enumerate(reports)), ("one before",))
    found = tidied(scan)
    assert [each.report for each in found.studies] == ["", "", "", "", "A lesion.", ""]
    assert found.problems == (
        "4 studies with a placeholder for a text, taken as none (s-p0 'nan', s-p1 'N/A', s-p2 '-', s-p5 '0')",
        "one before",
    )
    given = study("p", texts={"T1": "none", "T2": "A lesion."})
    assert tidied(Scan((given,))).studies[0].texts == {"T2": "A lesion."}


@pytest.mark.parametrize(
    ("labels", "unfit_one"),
    [
        (("WHO II/III",), "WHO II/III"),
        (("glioma", "a/b"), "a/b"),
        (("a\nb",), "a\nb"),
        (("WHO grade 2", "IDH-mutant"), ""),
    ],
)
def test_a_label_that_no_task_can_take_is_unfit(labels, unfit_one):
    assert unfit_label(labels).startswith(f"label {unfit_one!r}; allowed: " if unfit_one else "")
    assert bool(unfit_label(labels)) is bool(unfit_one)
    reasons = unfit([study("p", labels=labels)], None, "report")
    assert bool(reasons) is bool(unfit_one)


def test_one_of_each_is_said_in_a_line_with_a_count(head, write_nifti, tmp_path):
    volume, other = write_nifti("t1.nii", head), write_nifti("t2.nii", head[::-1])
    faint, mask = write_nifti("faint.nii", (head > 200) * 0.0039), write_nifti("m.nii", (head > 200).astype(np.uint8))
    studies = (
        study("p1", "sound", volumes={"T1": volume}, mask=mask),
        study("P01", "alike", volumes={"T1": other}),
        study("p2", "silent", volumes={"T1": volume}, report="n/a"),
        study("p3", "labelled", volumes={"T1": volume}, labels=("WHO II/III",)),
        study("p4", "faint", volumes={"T1": volume}, mask=faint),
    )
    said = []
    cohort = import_studies(SetFacts("x"), Scan(studies), tmp_path / "out", root=tmp_path, say=said.append, **GRID)
    assert list(cohort.studies["study_id"]) == ["sound", "alike"]
    words = {
        "1 group of patient ids": 1,
        "1 study with a placeholder for a text": 1,
        "silent: got volumes without text": 1,
        "labelled: got label 'WHO II/III'": 1,
        "faint: got mask faint.nii with values from 0 to 0.0039 and no lesion voxel": 1,
        "2 of 5 studies imported, 3 left out": 1,
    }
    assert {word: sum(line.startswith(word) for line in said) for word in words} == words
    with (cohort.root / "quarantine.csv").open(newline="") as stream:
        assert [row["study"] for row in csv.DictReader(stream)] == ["silent", "labelled", "faint", "", ""]


def test_pieces_too_small_for_words_are_counted(head, write_nifti, tmp_path, monkeypatch):
    lesion = np.zeros(head.shape, np.uint8)
    lesion[8:16, 8:16, 6:12] = 1
    lesion[2, 2, 2] = lesion[20, 20, 15] = 1
    monkeypatch.setattr("selip.reports.mask_findings.findings_from_mask", lambda volumes, mask, levels: [])
    studies = (
        study("p", "s", volumes={"T1": write_nifti("a.nii", head)}, mask=write_nifti("m.nii", lesion), report=""),
    )
    said, options = [], GRID | {"texts": "extracted"}
    import_studies(SetFacts("x"), Scan(studies), tmp_path / "out", say=said.append, **options)
    assert "2 pieces of 1 mask are too small for the words that are measured (s)" not in said, "216 mm3 each are enough"
    monkeypatch.setattr("selip.reports.mask_lesions.LEAST_SHARE", 0.01)
    import_studies(SetFacts("x"), Scan(studies), tmp_path / "two", say=said.append, **options)
    assert "2 pieces of 1 mask are too small for the words that are measured (s)" in said
