"""Reports and labels after an import: three states, and one line with a count for all that is not understood."""

from __future__ import annotations

import csv
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from benchmarks.classification.class_tasks import TASKS
from benchmarks.classification.labels import load_task, named_items
from benchmarks.tasks.retrieval import pools
from selip.cli.main import main
from selip.cohorts.importing.adapter import Scan, StudyFiles
from selip.cohorts.importing.import_plan import SetFacts
from selip.cohorts.importing.importer import import_studies
from selip.cohorts.importing.report_reading import ReportReading, label_lines, read_report, reading_lines
from selip.cohorts.importing.study_texts import study_texts
from selip.data.cohort import VOLUME_COLUMNS, Cohort
from selip.data.cohort_check import check_cohort, state_line
from selip.data.findings import NORMAL_TEXT
from selip.data.states import finding_labels, label_state, states_of, text_state
from selip.reports.extraction.report_facts import Extraction, Lesion

GRID = {"shape": (4, 4, 4), "spacing_mm": (30.0, 30.0, 30.0), "workers": 1}
FOUND = "FLAIR shows high signal in the left frontal lobe. T1 shows low signal there."
STUDY = StudyFiles("p", "s", {"T1": Path("a.nii"), "FLAIR": Path("b.nii")}, report=FOUND)
SIGNS = "No oedema, mass effect or midline shift."
GERMAN = "Kein Nachweis einer Blutung. Raumforderung links frontal mit FLAIR-Signal."
CHINESE = "左侧额叶占位，T1呈低信号，FLAIR呈高信号。"


def read(report=FOUND, labels=(), mode="extracted", language="en", **files):
    return study_texts(replace(STUDY, report=report, labels=labels, **files), "", mode, language)


def states(found):
    return set(found.states.values())


@pytest.mark.parametrize("mode", ["extracted", "report"])
@pytest.mark.parametrize(
    ("report", "state"),
    [(FOUND, "abnormal"), ("Normal brain MRI.", "normal"), ("See the last letter.", "unknown"), (SIGNS, "unknown")],
)
def test_a_study_has_the_state_of_its_report_whatever_its_text(report, state, mode):
    found = read(report, mode=mode)
    assert states(found) == {state}
    assert found.reading.state == state
    if mode == "report" or state == "unknown":
        assert set(found.texts.values()) == {report}, "an unknown report may still be trained on"
    if state == "unknown":
        assert found.findings == ""


def test_a_contrast_of_which_nothing_is_said_is_unknown():
    found = read("FLAIR shows high signal in the left frontal lobe.")
    assert found.states == {"FLAIR": "abnormal", "T1": "unknown"}


def test_a_finding_without_a_signal_is_one_of_every_contrast(monkeypatch):
    seen = Extraction("Meningioma.", lesions=(Lesion(lesion_type="meningioma"),))
    monkeypatch.setattr("selip.cohorts.importing.report_reading.extract", lambda report, language: seen)
    found = read("Meningioma.")
    assert (states(found), set(found.texts.values()), found.findings) == ({"abnormal"}, {"Meningioma."}, "")


@pytest.mark.parametrize("label", ["normal", "Normal", " NORMAL ", "healthy", "Healthy control"])
def test_a_label_that_says_normal_is_the_normal_sentence(label):
    for report in ("", "See the last letter.", "Normal brain MRI.", GERMAN):
        found = read(report, (label,))
        assert (set(found.texts.values()), states(found), found.findings) == ({NORMAL_TEXT}, {"normal"}, "[]")


def test_a_normal_label_against_a_finding_is_unknown_and_said():
    found = read(FOUND, ("normal",))
    assert (states(found), found.findings, found.reading.contradicted) == ({"unknown"}, "", True)
    lines = reading_lines([("s7", found.reading)], "en")
    assert sum("label says normal" in line and "s7" in line for line in lines) == 2
    assert any(line.startswith("1 studies whose label says normal") for line in lines)


@pytest.mark.parametrize("label", ["control", "HC", "patient"])
def test_a_group_is_neither_normal_nor_a_finding(label):
    found = read("", (label,))
    assert (set(found.texts.values()), states(found)) == ({label}, {"unknown"})
    assert (label_state([label]), finding_labels([label, "glioma"])) == ("unknown", {"glioma"})


def test_a_label_with_a_finding_makes_up_for_a_report_that_was_not_read():
    assert states(read("", ("glioma",))) == {"abnormal"}
    assert states(read("See the last letter.", ("glioma",))) == {"abnormal"}
    assert label_state(["normal", "glioma"]) == "abnormal"
    assert label_state([]) == label_state([""]) == "unknown"


def test_texts_that_the_set_gives_are_read_as_far_as_they_are_no_clauses():
    given = {"T1": "at brainstem shows low signal", "FLAIR": NORMAL_TEXT}
    assert read("", texts=given).states == {"T1": "abnormal", "FLAIR": "normal"}
    free = {"T1": FOUND, "FLAIR": "See the last letter."}
    assert read("", texts=free).states == {"T1": "abnormal", "FLAIR": "unknown"}
    assert states(read("", ("glioma",), texts=free)) == {"abnormal"}
    assert [text_state(text) for text in (*given.values(), "Free words.", "")] == [
        "abnormal", "normal", "unknown", "unknown",
    ]  # fmt: skip


@pytest.mark.parametrize(("report", "language"), [(GERMAN, "en"), (CHINESE, "en"), (FOUND, "zh"), ("Норма.", "en")])
def test_another_language_is_not_read_in_part(report, language):
    found = read(report, language=language)
    assert (states(found), set(found.texts.values())) == ({"unknown"}, {report})
    assert found.reading.found is None
    assert states(read(CHINESE, language="zh")) == {"abnormal"}


def test_the_line_of_another_language_names_share_and_flag():
    readings = [(str(number), read_report(text, "en")) for number, text in enumerate([CHINESE, CHINESE, FOUND, FOUND])]
    line = reading_lines(readings, "en")[1]
    assert "nothing was read in 2 of 4 reports (50%), 2 of them in another language than en" in line
    assert "--language zh" in line
    assert "--texts report" in line
    assert len(reading_lines(readings[2:], "en")) == 1
    unread = [(name, read_report("See the last letter.", "en")) for name in "abc"]
    assert (
        "nothing was read in 3 of 3 reports (100%); set --language (en, zh are read)" in reading_lines(unread, "en")[1]
    )


def test_the_first_ten_unknown_reports_are_named_with_the_words_not_understood():
    unknown = ReportReading("unknown", ("hydrocephalus", "marked"), found=Extraction("x", normal=True))
    readings = [*((f"s{number}", unknown) for number in range(13)), ("a", read_report(FOUND, "en"))]
    (line, *_) = reading_lines(readings, "en")
    assert line.startswith("reports: read 1, normal 0, unknown 13: s0 (not understood: hydrocephalus marked), s1 (")
    assert len(re.findall("not understood", line)) == 10
    assert line.endswith(" and 3 more")
    assert reading_lines([], "en") == []


@pytest.fixture
def volumes_of(tmp_path):
    """Two contrasts of noise for each number."""

    def make(number):
        affine = np.array([[30.0, 0, 0, -60], [0, 30, 0, -77], [0, 0, 30, -50], [0, 0, 0, 1]])
        found = {contrast: tmp_path / f"{number}_{contrast}.nii" for contrast in ("T1", "FLAIR")}
        for contrast, path in found.items():
            values = np.random.default_rng([number, len(contrast)]).normal(size=(5, 5, 5)).astype(np.float32)
            nib.save(nib.Nifti1Image(values, affine), path)
        return found

    return make


@pytest.fixture
def one_of_each(tmp_path, volumes_of):
    """Studies of two contrasts of which each meets the importer with something else that it does not understand."""
    (tmp_path / "bad.nii").write_bytes(b"no image")
    studies = (
        StudyFiles("p0", "found", volumes_of(0), report=FOUND, split="train"),
        StudyFiles("p1", "silent", volumes_of(1), report="FLAIR shows high signal in the left insula.", split="val"),
        StudyFiles("p2", "healthy", volumes_of(2), labels=("Normal",), split="test"),
        StudyFiles("p3", "signs", volumes_of(3), report=SIGNS, split="test"),
        StudyFiles("p4", "german", volumes_of(4), report=GERMAN, split="test"),
        StudyFiles("p5", "against", volumes_of(5), report=FOUND, labels=("normal",), split="test"),
        StudyFiles("p6", "group", volumes_of(6), labels=("control",), split="test"),
        StudyFiles("p7", "broken", {"T1": tmp_path / "bad.nii"}, report=FOUND, split="test"),
        StudyFiles("p8", "mute", volumes_of(8), split="test"),
    )
    said = []
    scan = Scan(studies, ("lost: no volume",))
    return import_studies(SetFacts("each"), scan, tmp_path / "out", say=said.append, **GRID), said


def test_labels_that_are_spelt_in_several_ways_are_named():
    studies = [StudyFiles(f"p{n}", f"s{n}", {}, labels=(label,)) for n, label in enumerate(("glioma", "Glioma", "MS"))]
    (line,) = label_lines(studies)
    assert line == "1 labels are spelt in several ways: Glioma / glioma; each spelling is a class, so write one"
    assert label_lines(studies[1:]) == []


def test_each_thing_that_is_dropped_guessed_or_not_understood_has_one_line_with_its_count(one_of_each):
    cohort, said = one_of_each
    for start in (
        "lost: no volume",
        "mute: got volumes without text",
        "broken: ",
        "texts of 14 volumes: 3 extracted from the report; "
        "1 the report's sentences, as it says nothing of that contrast; "
        "6 the report's sentences, as no finding was recognised; 4 the study's labels alone",
        "states of 14 volumes: normal 2, abnormal 3, unknown 9",
        "reports: read 2, normal 0, unknown 3: signs (",
        "nothing was read in 1 of 5 reports (20%), 1 of them in another language than en",
        "1 studies whose label says normal and whose report tells a finding count as unknown: against",
        "1 labels say neither normal nor a finding: control 1",
        "7 of 9 studies imported, 2 left out; reasons and 1 problems are in",
    ):
        assert sum(line.startswith(start) for line in said) == 1, (start, said)
    assert all("\n" not in line for line in said)
    left_out = list(csv.DictReader((cohort.root / "quarantine.csv").open(newline="")))
    assert sorted(row["study"] for row in left_out) == ["broken", "lost", "mute"]


def test_unknown_volumes_are_in_the_cohort_and_in_no_task_and_no_pool_of_findings(one_of_each):
    cohort, _ = one_of_each
    assert check_cohort(cohort.root) == []
    assert list(cohort.volumes.columns) == [*VOLUME_COLUMNS, "state"]
    assert Counter(states_of(cohort.volumes)) == {"normal": 2, "abnormal": 3, "unknown": 9}
    items = {part: named_items(TASKS[0], cohort, part) for part in ("train", "val", "test")}
    assert {part: dict(Counter(found["label"])) for part, found in items.items()} == {
        "train": {"abnormal": 2}, "val": {"abnormal": 1}, "test": {"normal": 2},
    }  # fmt: skip
    _, note = load_task(TASKS[0], cohort, ("train", "val", "test"))
    assert "9 volumes of unknown state left out" in note
    sizes = {pool.name: len(pool.rows) for pool in pools(cohort.volumes)}
    assert sizes == {"all": 14, "abnormal": 3, "macro": 14, "contrast_T1": 1, "contrast_FLAIR": 2}


def test_the_check_of_a_cohort_counts_states_and_names_the_unknown(one_of_each, capsys, monkeypatch):
    cohort, _ = one_of_each
    line = "volumes: normal 2, abnormal 3, unknown 9; unknown, so in no task: silent, signs, german, against, group"
    assert state_line(cohort) == line
    monkeypatch.setattr("sys.argv", ["selip", "cohort", "check", str(cohort.root)])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 0
    assert line in capsys.readouterr().out
    before = replace(cohort, volumes=cohort.volumes.drop(columns="state"))
    assert state_line(before).endswith("no states are stored: import the set again to have them")


def test_the_check_refuses_states_that_cannot_be(one_of_each):
    root = one_of_each[0].root
    table = (root / "volumes.csv").read_text(encoding="utf-8")
    (root / "volumes.csv").write_text(table.replace(",normal\n", ",abnormal\n").replace(",unknown\n", ",ill\n", 1))
    problems = check_cohort(root)
    assert "volume healthy_T1 has the normal sentence and is abnormal" in problems
    assert sum("has state 'ill'; allowed: normal, abnormal, unknown" in problem for problem in problems) == 1


def test_without_stored_states_the_text_decides_as_it_did(small_cohort):
    assert "state" not in small_cohort.volumes
    expected = ["normal" if text == NORMAL_TEXT else "abnormal" for text in small_cohort.volumes["text"]]
    assert states_of(small_cohort.volumes).tolist() == expected
    assert Cohort.open(small_cohort.root).info.content_hash == small_cohort.info.content_hash


def test_each_thing_wrong_in_a_table_has_one_line_with_its_count(tmp_path, volumes_of):
    studies = (
        StudyFiles("p0", "found", volumes_of(0), report=FOUND, split="train"),
        StudyFiles("P0", "twice", volumes_of(1), report=FOUND, split="test"),
        StudyFiles("p2", "nothing", volumes_of(2), report="N/A", split="test"),
        StudyFiles("p3", "graded", volumes_of(3), report=FOUND, labels=("WHO II/III",), split="test"),
    )
    said = []
    import_studies(SetFacts("each"), Scan(studies), tmp_path / "out", say=said.append, **GRID)
    for start in (
        "1 group of patient ids that differ only in letter case, Unicode form, space or leading zeros",
        "1 study with a placeholder for a text, taken as none (nothing 'N/A')",
        "split: as given with the set, which has no val",
        "nothing: got volumes without text",
        "graded: got label 'WHO II/III'",
        "reports: read 2, normal 0, unknown 0",
        "2 of 4 studies imported, 2 left out; reasons and 2 problems are in",
    ):
        assert sum(line.startswith(start) for line in said) == 1, (start, said)
