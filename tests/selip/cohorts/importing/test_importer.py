"""The importer: at scale, past bad files, resumable; whatever the workers, the same bytes."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import time
import tracemalloc
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from selip.cli.main import main
from selip.cohorts.importing.adapter import Adapter, Scan, StudyFiles
from selip.cohorts.importing.import_plan import SetFacts
from selip.cohorts.importing.importer import adapter_source, import_adapter, import_studies
from selip.cohorts.importing.study_import import StudyPiece
from selip.data.cohort import IGNORE, READ_FINDINGS, ROWS_PER_SHARD, Cohort
from selip.data.cohort_check import check_cohort
from selip.data.findings import Clause
from selip.similarity.text_similarity import text_table
from selip.system.errors import InputError

GRID = {"shape": (4, 4, 4), "spacing_mm": (30.0, 30.0, 30.0)}
PLAIN = GRID | {"texts": "report", "workers": 1}
SET = SetFacts("tiny", "CC0", "Nobody 2026")


AFFINE = np.array([[30.0, 0, 0, -60], [0, 30, 0, -77], [0, 0, 30, -50], [0, 0, 0, 1]])


def write_volume(path: Path, seed: int) -> Path:
    values = np.random.default_rng(seed).normal(size=(5, 5, 5)) + np.arange(5)
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(values.astype(np.float32), AFFINE), path)
    return path


def make_studies(folder: Path, n: int, bad: tuple[int, ...] = ()) -> list[StudyFiles]:
    """Studies of one volume each; the files of `bad` are cut short."""
    studies = []
    for number in range(n):
        path = write_volume(folder / f"{number}.nii", number)
        if number in bad:
            path.write_bytes(path.read_bytes()[:400])
        studies.append(StudyFiles(f"p{number // 2}", f"s{number}", {"T1": path}, report=f"Report {number}."))
    return studies


def quarantined(cohort: Cohort) -> list[dict[str, str]]:
    return list(csv.DictReader((cohort.root / "quarantine.csv").open(newline="")))


def files_below(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# at scale


@pytest.mark.slow
def test_three_bad_files_do_not_stop_two_thousand(tmp_path, monkeypatch):
    # Files are read as ever; only their resampling, most of the time, is left out.
    monkeypatch.setattr(
        "selip.cohorts.importing.study_import.to_grid", lambda image, grid: (20 * image.values).astype(np.uint8)
    )
    studies = make_studies(tmp_path / "in", 2000, bad=(3, 1000, 1999))
    said, seen, options = [], [], PLAIN | {"shape": (5, 5, 5), "centre": "world"}
    cohort = import_studies(
        SET,
        Scan(tuple(studies)),
        tmp_path / "out",
        root=tmp_path / "in",
        progress=lambda *count: seen.append(count),
        say=said.append,
        **options,
    )
    assert len(cohort.studies) == len(cohort.volumes) == 1997
    assert [(row["study"], row["file"]) for row in quarantined(cohort)] == [
        (f"s{number}", f"{number}.nii") for number in (3, 1000, 1999)
    ]
    assert list(cohort.studies["study_id"]) == [f"s{number}" for number in range(2000) if number not in (3, 1000, 1999)]
    assert seen == [(number, 2000) for number in range(1, 2001)]
    assert said[-1].startswith("1997 of 2000 studies imported, 3 left out; reasons and 0 problems are in ")
    assert any(line.startswith("s3: got 3.nii, unreadable or truncated") for line in said)
    assert cohort.studies.groupby("patient_id")["split"].nunique().max() == 1


def test_workers_change_no_byte(tmp_path):
    scan = Scan(tuple(make_studies(tmp_path / "in", 12, bad=(7,))))
    cohorts = [import_studies(SET, scan, tmp_path / f"out{n}", **PLAIN | {"workers": n}) for n in (1, 2)]
    assert len(cohorts[0].studies) == 11
    assert files_below(cohorts[0].root) == files_below(cohorts[1].root)
    assert check_cohort(cohorts[1].root) == []


SLOW_IMPORT = """
import time
from pathlib import Path
from selip.cohorts.importing import study_import
from selip.cohorts.importing.adapter import Scan, StudyFiles
from selip.cohorts.importing.import_plan import SetFacts
from selip.cohorts.importing.importer import import_studies
import numpy as np


def read_piece(study, recipe):
    number = int(study.study[1:])
    if number == 70:
        raise ValueError("bad file")
    time.sleep(PAUSE_S)
    return study_import.StudyPiece(np.random.default_rng(number).integers(0, 9, (1, 4, 4, 4), dtype=np.uint8), None, "")


study_import.read_piece = read_piece
studies = [StudyFiles(f"p{n // 2}", f"s{n}", {"T1": Path(f"{n}.nii")}, report=f"Report {n}.") for n in range(150)]
options = {"shape": (4, 4, 4), "spacing_mm": (30.0, 30.0, 30.0), "texts": "report", "workers": 1}
seen = []
import_studies(SetFacts("tiny"), Scan(tuple(studies)), "OUT", progress=lambda *count: seen.append(count), **options)
print(seen[0][0])
"""


def slow_import(out: Path, pause_s: float) -> subprocess.Popen[str]:
    script = SLOW_IMPORT.replace("OUT", str(out)).replace("PAUSE_S", str(pause_s))
    return subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)


def test_a_killed_import_goes_on_and_the_interruption_changes_no_byte(tmp_path):
    work = tmp_path / ".out.import.partial"
    with slow_import(tmp_path / "out", pause_s=0.05) as process, slow_import(tmp_path / "whole", pause_s=0) as whole:
        while process.poll() is None and len(list(work.glob("*.npz"))) < 40:
            time.sleep(0.01)
        process.kill()
        assert whole.communicate()[0] == "1\n"
    pieces = sorted(work.glob("*.npz"))
    assert 40 <= len(pieces) < 149, "it was killed in the middle"
    assert not (tmp_path / "out").exists()
    pieces[7].write_bytes(pieces[7].read_bytes()[:50])
    (work / "cohort").mkdir()  # as a kill leaves it while the cohort is written
    (work / "cohort" / "studies.csv").write_text("half")
    with slow_import(tmp_path / "out", pause_s=0) as again:
        assert int(again.communicate()[0]) == len(pieces) + 1, "what is finished is not read again"
    assert files_below(tmp_path / "out") == files_below(tmp_path / "whole")
    assert len(Cohort.open(tmp_path / "out").studies) == 149
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["out", "whole"]


def test_peak_memory_does_not_grow_with_the_number_of_studies(tmp_path, monkeypatch):
    shape, shard = (32, 32, 32), ROWS_PER_SHARD * 32**3

    def read_piece(study, recipe):
        seed = int(study.study[1:])
        return StudyPiece(np.random.default_rng(seed).integers(0, 2, (1, *shape), dtype=np.uint8), None, "")

    monkeypatch.setattr("selip.cohorts.importing.study_import.read_piece", read_piece)
    studies = [
        StudyFiles(f"p{n}", f"s{n}", {"T1": tmp_path / f"{n}.nii"}, report="x") for n in range(8 * ROWS_PER_SHARD)
    ]

    def peak(n: int) -> int:
        tracemalloc.start()
        import_studies(SET, Scan(tuple(studies[:n])), tmp_path / f"out{n}", **PLAIN | {"shape": shape})
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(2)
    few, many = peak(2 * ROWS_PER_SHARD), peak(8 * ROWS_PER_SHARD)
    assert many < few + shard, "volumes and masks of the other shards would be twelve times as much"


def test_a_finished_cohort_is_not_touched_and_what_a_late_kill_left_beside_it_is_removed(tmp_path):
    scan = Scan(tuple(make_studies(tmp_path / "in", 2)))
    before = files_below(import_studies(SET, scan, tmp_path / "out", **PLAIN).root)
    (tmp_path / ".out.import.partial").mkdir()
    with pytest.raises(InputError, match="not empty"):
        import_studies(SET, scan, tmp_path / "out", **PLAIN)
    assert files_below(tmp_path / "out") == before
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["in", "out"]


# what is left out


def test_what_is_mended_is_read_anew_and_another_grid_too(tmp_path):
    studies = make_studies(tmp_path / "in", 3, bad=(1,))
    scan = Scan(tuple(studies))
    with pytest.raises(
        InputError, match=r"got 1 of 3 studies that cannot be imported, first s1: .*; allowed: all, as asked"
    ):
        import_studies(SET, scan, tmp_path / "out", strict=True, **PLAIN)
    assert len(list((tmp_path / ".out.import.partial").glob("*.npz"))) == 2, "what is finished is kept"
    write_volume(tmp_path / "in/1.nii", 1)
    write_volume(tmp_path / "in/2.nii", 77)
    wide = PLAIN | {"spacing_mm": (31.0, 31.0, 31.0)}
    for name, options in (("out", PLAIN), ("wide", wide)):
        resumed = import_studies(SET, scan, tmp_path / name, strict=True, **options)
        fresh = import_studies(SET, scan, tmp_path / f"fresh {name}", **options)
        assert files_below(resumed.root) == files_below(fresh.root)


def outside(study, folder):
    path = write_volume(folder / "elsewhere.nii", 9)
    (folder / "in/link.nii").symlink_to(path)
    return replace(study, volumes={"T1": folder / "in/link.nii"})


UNFIT = {
    "empty patient": (lambda study, folder: replace(study, patient=" "), "id that is empty"),
    "the same id": (lambda study, folder: replace(study, study="s0"), "2 studies of this id"),
    "no volume": (lambda study, folder: replace(study, volumes={}), "no volume"),
    "another contrast": (lambda study, folder: replace(study, volumes={"SWI": study.volumes["T1"]}), "contrasts other"),
    "no words": (lambda study, folder: replace(study, report=""), "volumes without text"),
    "a link out": (outside, "outside the data folder"),
    "a file gone": (lambda study, folder: replace(study, volumes={"T1": folder / "in/no.nii"}), "no file"),
    "mask of no volume": (
        lambda study, folder: replace(study, mask=study.volumes["T1"], mask_contrast="T2"),
        "of T2, which has no volume",
    ),
    "labels of no level": (
        lambda study, folder: replace(study, mask=study.volumes["T1"], levels={1: 1}),
        "with label",
    ),
}


@pytest.mark.parametrize("case", UNFIT)
def test_a_study_that_cannot_be_imported_is_left_out_with_its_reason(case, tmp_path):
    change, reason = UNFIT[case]
    studies = make_studies(tmp_path / "in", 4)
    studies[3] = change(studies[3], tmp_path)
    cohort = import_studies(SET, Scan(tuple(studies)), tmp_path / "out", root=tmp_path / "in", **PLAIN)
    kept = ["s1", "s2"] if case == "the same id" else ["s0", "s1", "s2"]
    assert list(cohort.studies["study_id"]) == kept
    assert all(reason in row["reason"] for row in quarantined(cohort))
    assert len(quarantined(cohort)) == 4 - len(kept)
    assert check_cohort(cohort.root) == []


def test_problems_of_the_scan_are_shown_in_part_and_listed_whole(tmp_path):
    scan = Scan(tuple(make_studies(tmp_path, 1)), tuple(f"case{number}: no t2 volume" for number in range(25)))
    said = []
    cohort = import_studies(SET, scan, tmp_path / "out", say=said.append, **PLAIN)
    assert [line for line in said if "t2" in line] == [f"case{number}: no t2 volume" for number in range(20)]
    assert "... and 5 more" in said
    assert quarantined(cohort)[24] == {"study": "case24", "file": "", "reason": "no t2 volume"}


@pytest.mark.parametrize(
    "options",
    [{"texts": "made up"}, {"centre": "x"}, {"language": "xx"}, {"shape": (0, 4, 4)}, {"workers": -1}],
)
def test_wrong_settings_are_refused_before_anything_is_read(options, tmp_path):
    with pytest.raises(InputError, match="; allowed: "):
        import_studies(SET, Scan(()), tmp_path / "out", **PLAIN | options)
    assert not list(tmp_path.iterdir())


def test_a_killed_worker_is_one_line(tmp_path, monkeypatch):
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    def killed(*arguments):
        raise TerminatedWorkerError("killed")

    monkeypatch.setattr("selip.cohorts.importing.study_import._in_parallel", killed)
    with pytest.raises(InputError, match=r"for lack of memory.*fewer"):
        import_studies(SET, Scan(tuple(make_studies(tmp_path, 1))), tmp_path / "out", **PLAIN)


# splits


def parts_of(studies, tmp_path, said=None, **options):
    say = (said if said is not None else []).append
    cohort = import_studies(SET, Scan(tuple(studies)), tmp_path, say=say, **PLAIN | options)
    return dict(zip(cohort.studies["patient_id"], cohort.studies["split"], strict=True)), cohort


def test_a_given_split_without_val_has_it_taken_out_of_train_by_patient(tmp_path):
    studies = [
        replace(study, split="test" if number >= 24 else "train")
        for number, study in enumerate(make_studies(tmp_path / "in", 32))
    ]
    said = []
    parts, cohort = parts_of(studies, tmp_path / "out", said)
    assert [parts[f"p{number}"] for number in range(12, 16)] == ["test"] * 4
    assert sorted(parts.values()) == ["test"] * 4 + ["train"] * 11 + ["val"]
    assert cohort.studies.groupby("patient_id")["split"].nunique().max() == 1
    assert any("which has no val; 1 of its 12 train patients became val, seed 0" in line for line in said)
    assert parts == parts_of(studies[::-1], tmp_path / "again")[0]
    whole = [replace(study, split="val") if study.patient == "p0" else study for study in studies]
    parts, _ = parts_of(whole, tmp_path / "whole")
    assert [patient for patient, part in parts.items() if part == "val"] == ["p0"]


def test_a_patient_in_two_parts_or_in_none_is_left_out(tmp_path):
    splits = ("train", "test", "val", "val", "", "", "test", "test")
    studies = [replace(s, split=split) for s, split in zip(make_studies(tmp_path / "in", 8), splits, strict=True)]
    parts, cohort = parts_of(studies, tmp_path / "out")
    assert parts == {"p1": "val", "p3": "test"}
    reasons = [row["reason"] for row in quarantined(cohort)]
    assert ["several parts (test, train)" in reason for reason in reasons] == [True, True, False, False]
    assert all("in no part" in reason for reason in reasons[2:])


def test_a_bad_file_does_not_move_other_patients_to_other_parts(tmp_path):
    studies = make_studies(tmp_path / "in", 40)
    parts, _ = parts_of(studies, tmp_path / "whole")
    studies[5].volumes["T1"].write_bytes(b"x")
    studies[4].volumes["T1"].write_bytes(b"x")
    fewer, _ = parts_of(studies, tmp_path / "fewer")
    assert parts == fewer | {"p2": parts["p2"]}
    assert len(fewer) == 19


# adapters


def tiny_adapter(**changes) -> Adapter:
    def scan(folder: Path) -> Scan:
        paths = sorted(folder.glob("*_t1.nii"))
        studies = [
            StudyFiles(path.name[:-7], path.name[:-7], {"T1": path}, path.with_name(path.name.replace("t1", "seg")),
                       levels={1: 2, 2: 1, 4: 3, 5: IGNORE}, labels=("glioma",), site="A")
            for path in paths
        ]  # fmt: skip
        return Scan(tuple(studies))

    facts = {"name": "tiny", "summary": "A tiny set", "licence": "CC0", "citation": "Nobody", "source": "example.org"}
    facts |= {"layout": "CASE_t1.nii\n  CASE_seg.nii", "expected": {"studies": 3, "glioma": 3}, "centre": "world"}
    return Adapter(**facts | {"scan": scan} | changes)


@pytest.fixture
def tiny_set(tmp_path):
    """Two cases whose labels are all there is in a volume."""
    for number in range(2):
        write_volume(tmp_path / "set" / f"case{number}_t1.nii", number)
        labels = np.zeros((5, 5, 5), np.uint8)
        labels[1:4, 1:4, 1:4] = 2
        labels[2, 2, 1:4] = (1, 4, 5)
        nib.save(nib.Nifti1Image(labels, AFFINE), tmp_path / "set" / f"case{number}_seg.nii")
    return tmp_path / "set"


def test_an_adapter_makes_a_cohort_with_levels_and_says_its_terms_and_counts(tiny_set, tmp_path):
    said = []
    source = adapter_source(tiny_adapter())
    cohort = source.import_from(tiny_set, tmp_path / "out", say=said.append, **PLAIN | {"shape": (5, 5, 5)})
    assert (source.name, source.source) == ("tiny", "example.org")
    assert said[0] == "tiny: licence: CC0; cite: Nobody; example.org"
    assert said[1] == "found 2 studies (published: 3), 2 patients, 2 glioma (published: 3)"
    assert (cohort.info.name, cohort.info.licence, cohort.info.citation) == ("tiny", "CC0", "Nobody")
    mask = cohort.read_masks([0])[0]
    assert list(mask[2, 2]) == [0, 2, 3, IGNORE, 0]
    assert ((mask > 0).sum(), (mask == 1).sum()) == (27, 24)
    assert json.loads(cohort.studies["labels"][0]) == ["glioma"]
    assert any("2 the study's labels alone" in line for line in said)
    assert check_cohort(cohort.root) == []


def test_an_adapter_refuses_what_is_not_its_folder(tiny_set, tmp_path):
    (tmp_path / "empty").mkdir()
    for source, words in ((tmp_path / "empty", "allowed: CASE_t1.nii CASE_seg.nii;"), (tmp_path / "no", "folder")):
        with pytest.raises(InputError, match=words):
            import_adapter(tiny_adapter(), source, tmp_path / "out", **PLAIN)
    with pytest.raises(InputError, match="--root"):
        import_adapter(tiny_adapter(), tiny_set, tmp_path / "out", root=tiny_set, **PLAIN)


def test_the_command_shows_what_it_did_and_leaves_workers_out_of_the_record(tmp_path, monkeypatch, capsys):
    studies = make_studies(tmp_path, 3, bad=(1,))
    lines = [f"{s.patient},{s.study},T1,{s.volumes['T1'].name},{s.report}" for s in studies]
    (tmp_path / "in.csv").write_text("\n".join(["patient,study,contrast,path,report", *lines]))
    arguments = ["cohort", "import", "table", tmp_path / "in.csv", "--shape", "4,4,4", "--spacing-mm", "30,30,30"]
    codes, said = [], []
    for extra in (["--workers", "1"], ["--workers=1", "--strict"]):
        out = tmp_path / f"out{len(codes)}"
        monkeypatch.setattr(sys, "argv", ["selip", *map(str, arguments), *extra, "--out", str(out)])
        with pytest.raises(SystemExit) as stop:
            main()
        codes.append(stop.value.code)
        said.append(capsys.readouterr())
    assert codes == [0, 2]
    assert "2 studies, 2 volumes" in said[0].out
    assert "2 of 3 studies imported, 1 left out" in said[0].err
    assert "as no finding was recognised" in said[0].err
    assert "got 1 of 3 studies" in said[1].err
    assert "--workers" not in Cohort.open(tmp_path / "out0").info.command
    assert Cohort.open(tmp_path / "out0").info.command.startswith("selip cohort import table ")


def test_reports_as_texts_are_alike_by_what_was_read_from_them(tmp_path):
    said = ("T1 shows low signal in the left thalamus.", "Hypointensity on T1 in the thalamus on the left.", "Invoice.")
    studies = [
        replace(study, report=report) for study, report in zip(make_studies(tmp_path / "in", 3), said, strict=True)
    ]
    cohort = import_studies(SET, Scan(studies), tmp_path / "out", **PLAIN)
    assert list(cohort.volumes["text"]) == list(said)
    table = text_table(cohort, np.arange(3))
    clauses = dict(zip(table.texts, table.clauses, strict=True))
    assert clauses[said[0]] == clauses[said[1]] == (Clause("left thalamus", "low signal"),)
    assert clauses[said[2]] == (Clause("", "Invoice"),), "a text in which nothing was read stands for itself"
    extracted = import_studies(SET, Scan(studies), tmp_path / "other", **(PLAIN | {"texts": "extracted"}))
    assert READ_FINDINGS not in extracted.studies
