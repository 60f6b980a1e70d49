"""TextBraTS: reports beside or apart from the images, the published split."""

from __future__ import annotations

import json

import pytest

from selip.cohorts.importing.adapter import write_case
from selip.cohorts.textbrats import scan
from selip.system.errors import InputError

CASES = tuple(f"BraTS20_Training_{number:03d}" for number in (1, 2, 3, 4))
FOLDS = {CASES[0]: 1, CASES[1]: 0}


def published(cases):
    entries = [{"fold": FOLDS.get(case, 0), "label": f"{case}/{case}_seg.nii.gz"} for case in cases]
    return json.dumps({"training": entries})


def example(here):
    for case in CASES:
        write_case(here / "set" / "images" / case / f"{case}_", ("t1", "flair"), mask="seg")
        report = here / "set" / "TextBraTSData" / case / f"{case}_flair_text.txt"
        report.parent.mkdir(parents=True)
        report.write_text(f"The lesion of {case}\n is in the left   frontal lobe.\n")
    (here / "set" / "Train.json").write_text(published(CASES[:2]))
    (here / "set" / "Test.json").write_text(published(CASES[2:3]))
    return here / "set"


def test_reports_and_parts_are_read(source):
    found = scan(source)
    assert [study.report for study in found.studies] == [
        f"The lesion of {case} is in the left frontal lobe." for case in CASES
    ]
    assert [study.split for study in found.studies] == ["train", "val", "test", "train"]
    assert f"{CASES[3]}: in no part of the published split; taken for train" in found.problems


def test_without_both_lists_the_split_is_left_open_and_said(source):
    (source / "Test.json").unlink()
    found = scan(source)
    assert {study.split for study in found.studies} == {""}
    assert any("Test.json" in line for line in found.problems)


def test_an_examination_without_a_readable_report_is_left_out_and_said(source):
    (source / "TextBraTSData" / CASES[0] / f"{CASES[0]}_flair_text.txt").unlink()
    (source / "TextBraTSData" / CASES[1] / f"{CASES[1]}_flair_text.txt").write_bytes(b"\xff\xfe")
    found = scan(source)
    assert [study.study for study in found.studies] == [*CASES[2:]]
    assert f"{CASES[0]}: no report, left out" in found.problems
    assert any("UTF-8" in line for line in found.problems)


def test_images_alone_are_refused_in_one_line(source):
    for path in source.rglob("*.txt"):
        path.unlink()
    with pytest.raises(InputError, match=r"\Agot [^\n]* without reports, [^\n]*\Z"):
        scan(source)


def test_a_list_of_another_form_is_refused_in_one_line(source):
    (source / "Train.json").write_text("[]")
    with pytest.raises(InputError, match=r"\Agot [^\n]*Train.json[^\n]*; download it again\Z"):
        scan(source)
