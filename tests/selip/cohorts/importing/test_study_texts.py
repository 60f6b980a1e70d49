from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from selip.cohorts.importing.adapter import Scan, StudyFiles
from selip.cohorts.importing.import_plan import SetFacts
from selip.cohorts.importing.importer import import_studies
from selip.cohorts.importing.study_texts import findings_source, has_text, measures_mask, study_texts
from selip.data.findings import NORMAL_TEXT, Finding, findings_from_json, findings_to_json

REPORT = "FLAIR shows high signal in the left frontal lobe."
STUDY = StudyFiles("p", "s", {"T1": Path("a.nii"), "FLAIR": Path("b.nii")}, report=REPORT)
MEASURED = [Finding("lesion", "thalamus", "right", {"T1": "low signal"})]
MODES = ("extracted", "report", "masks")


def texts(study, measured="", mode="extracted", language="en"):
    return study_texts(study, measured, mode, language)


def test_what_the_report_says_of_a_contrast_is_its_text_and_the_report_stands_elsewhere():
    found = texts(STUDY)
    assert found.texts == {"FLAIR": "at left frontal lobe shows high signal", "T1": REPORT}
    assert found.sources == {"FLAIR": "extracted", "T1": "unsaid"}
    assert found.findings == "", "T1 is unknown: as findings it would count as normal"


def test_findings_are_kept_of_a_report_that_speaks_of_every_contrast():
    found = texts(replace(STUDY, report=REPORT + " T1 shows low signal there."))
    (finding,) = findings_from_json(found.findings)
    assert (finding.side, finding.region) == ("left", "frontal lobe")
    assert finding.signals == {"FLAIR": "high signal", "T1": "low signal"}


def test_a_normal_report_is_known_to_be_normal_and_an_unknown_one_is_not():
    normal = texts(replace(STUDY, report="Normal brain MRI."))
    assert (set(normal.texts.values()), normal.findings) == ({NORMAL_TEXT}, "[]")
    other = texts(replace(STUDY, report="The invoice is enclosed."))
    assert (set(other.texts.values()), other.findings) == ({"The invoice is enclosed."}, "")
    assert set(other.sources.values()) == {"unrecognised"}
    sign = texts(replace(STUDY, report="There is midline shift."))
    assert (set(sign.texts.values()), sign.findings) == ({"There is midline shift."}, ""), "not normal for all that"


@pytest.mark.parametrize("mode", MODES)
def test_texts_that_the_set_gives_stay_and_leave_structured_findings_unknown(mode):
    given = {"T1": "at brainstem shows low signal", "FLAIR": "As free text."}
    whole = replace(STUDY, texts=given)
    assert texts(whole, mode=mode).texts == given
    assert not measures_mask(replace(whole, mask=Path("m.nii")), mode)
    half = texts(replace(STUDY, texts={"T1": "given"}), mode=mode)
    assert half.texts["T1"] == "given"
    assert half.texts["FLAIR"] != "given"
    assert (texts(whole, mode=mode).findings, half.findings) == ("", "")


def test_the_report_as_it_is():
    found = texts(STUDY, mode="report")
    assert (found.texts, found.findings) == ({"T1": REPORT, "FLAIR": REPORT}, "")


def test_masks_speak_where_there_is_no_report_or_when_asked():
    masked = replace(STUDY, mask=Path("m.nii"))
    silent = replace(masked, report="")
    assert [measures_mask(masked, mode) for mode in MODES] == [False, False, True]
    assert [measures_mask(silent, mode) for mode in MODES] == [True, False, True]
    assert [measures_mask(replace(silent, mask=None), mode) for mode in MODES] == [False] * 3
    found = texts(silent, findings_to_json(MEASURED))
    assert found.texts == {"T1": "at right thalamus shows low signal", "FLAIR": NORMAL_TEXT}
    assert findings_from_json(found.findings) == MEASURED
    empty = texts(silent, findings_to_json([]))
    assert (set(empty.texts.values()), empty.findings) == ({NORMAL_TEXT}, "[]")


@pytest.mark.parametrize(
    ("conflict", "place", "told"),
    [
        ("mask", ("frontal lobe", "left"), ("frontal lobe", "right", True)),
        ("table", ("frontal lobe", "left"), ("frontal lobe", "left", True)),
        ("mask", ("", "right"), ("thalamus", "right", False)),
        ("mask", ("insula", ""), ("insula", "right", False)),
        ("unknown", ("insula", "right"), ("insula", "right", False)),
    ],
)
def test_a_measured_finding_is_where_the_clinical_table_says(conflict, place, told):
    study = replace(STUDY, report="", mask=Path("m.nii"), place=place)
    found = study_texts(study, findings_to_json(MEASURED), "extracted", "en", conflict)
    (finding,) = findings_from_json(found.findings)
    assert (finding.region, finding.side, found.differs) == told
    assert (finding.source, finding.signals) == ("mask+table", MEASURED[0].signals)
    assert found.texts["T1"] == f"at {finding.location} shows low signal"


def test_sides_at_odds_may_leave_a_study_unknown_and_an_unread_mask_tells_that_it_is_abnormal():
    study = replace(STUDY, report="", mask=Path("m.nii"), place=("insula", "left"))
    found = study_texts(study, findings_to_json(MEASURED), "extracted", "en", "unknown")
    assert (found.findings, found.differs, set(found.texts.values())) == ("", True, {"not described"})
    unread = texts(study, mode="none")
    assert (unread.findings, set(unread.states.values())) == ("", {"abnormal"})
    assert not measures_mask(study, "none")


def test_labels_are_the_last_words_and_without_any_there_is_no_text():
    bare = replace(STUDY, report="")
    assert texts(replace(bare, labels=("glioma", "oedema"))).texts == {
        "T1": "glioma; oedema",
        "FLAIR": "glioma; oedema",
    }
    assert [has_text(bare, mode) for mode in MODES] == [False] * 3
    assert [has_text(replace(bare, mask=Path("m")), mode) for mode in MODES] == [True, False, True]
    for words in ({"labels": ("x",)}, {"report": "x"}, {"texts": {"T1": "x", "FLAIR": "y"}}):
        assert all(has_text(replace(bare, **words), mode) for mode in MODES)
    assert not has_text(replace(bare, texts={"T1": "x", "FLAIR": " "}), "extracted")


def test_the_source_of_findings_names_all_that_occur():
    assert findings_source({"unsaid": 4, "report": 2, "labels": 1}) == ""
    assert findings_source({"extracted": 1, "unsaid": 4}) == "extracted"
    assert findings_source({"masks": 1, "given": 4, "extracted": 0}) == "given+masks"


def test_a_cohort_of_masks_has_the_findings_that_were_measured_and_says_so(tmp_path, monkeypatch, head, write_nifti):
    asked = []

    def findings_from_mask(volumes, mask, levels):
        asked.append((sorted(volumes), mask.path.name, dict(levels)))
        return MEASURED

    monkeypatch.setitem(
        sys.modules, "selip.reports.mask_findings", SimpleNamespace(findings_from_mask=findings_from_mask)
    )
    volumes = {"T1": write_nifti("t1.nii", head), "FLAIR": write_nifti("flair.nii", head[::-1])}
    mask = write_nifti("m.nii", (head > 200).astype(np.uint8))
    study = StudyFiles("p", "s", volumes, mask, levels={1: 3}, labels=("glioma",))
    said, options = [], {"shape": (8, 8, 8), "spacing_mm": (18.0, 20.0, 20.0), "workers": 1}
    cohort = import_studies(SetFacts("x"), Scan((study,)), tmp_path / "out", say=said.append, **options)
    assert asked == [(["FLAIR", "T1"], "m.nii", {1: 3})]
    assert cohort.findings("s") == MEASURED
    assert cohort.info.findings_source == "masks"
    assert list(cohort.volumes["text"]) == ["at right thalamus shows low signal", NORMAL_TEXT]
    assert set(np.unique(cohort.read_masks([0]))) == {0, 3}
    assert "texts of 2 volumes: 2 measured from the mask" in said
