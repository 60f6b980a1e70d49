from __future__ import annotations

import csv
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from selip.cohorts.importing.adapter import write_scan, write_table
from selip.cohorts.table import import_table
from selip.data.cohort import Cohort
from selip.data.cohort_check import check_cohort
from selip.data.findings import NORMAL_TEXT
from selip.system.errors import InputError

GRID = {"shape": (16, 20, 12), "spacing_mm": (9.0, 9.0, 10.0), "texts": "report", "workers": 1}
REQUIRED = ("patient", "study", "contrast", "path", "report")


def example(here: Path) -> Path:
    for seed, name in enumerate(("t1", "flair")):
        write_scan(here / f"{name}.nii.gz", seed=seed)
    rows = [{"patient": "p", "study": "s", "contrast": name, "path": f"{name}.nii.gz"} for name in ("t1", "flair")]
    return write_table(here / "mine.csv", [row | {"report": "Normal."} for row in rows])


@pytest.fixture
def rows(head, write_nifti) -> list[dict[str, str]]:
    """Two patients; the first has two contrasts and a mask, the second two studies."""
    write_nifti("p1/t1.nii.gz", head)
    write_nifti("p1/flair.nii", head[::-1])
    write_nifti("p1/mask.nii.gz", (head > 200).astype(np.uint8))
    write_nifti("p2/a.nii.gz", head[:, :, ::-1])
    write_nifti("p2/b.nii.gz", head**2)
    first = {"patient": "p1", "study": "s1", "report": "A lesion on the right."}
    return [
        first | {"contrast": "T1w", "path": "p1/t1.nii.gz", "mask": "p1/mask.nii.gz"},
        first | {"contrast": "fla", "path": "p1/flair.nii"},
        {"patient": "p2", "study": "s2", "contrast": "T1-CE", "path": "p2/a.nii.gz", "report": "Normal."},
        {"patient": "p2", "study": "s3", "contrast": "t2_flair", "path": "p2/b.nii.gz", "report": "Normal again."},
    ]


def run(rows, tmp_path, **options) -> Cohort:
    return import_table(write_table(tmp_path / "mine.csv", rows), tmp_path / "out", **GRID | options)


def test_a_table_becomes_a_sound_cohort(rows, tmp_path):
    seen = []
    cohort = run(rows, tmp_path, command="selip cohort import", progress=lambda done, total: seen.append((done, total)))
    assert check_cohort(cohort.root) == []
    assert list(cohort.volumes["volume_id"]) == ["s1_T1", "s1_FLAIR", "s2_T1c", "s3_FLAIR"]
    assert list(cohort.studies["has_mask"]) == ["1", "0", "0"]
    assert cohort.info.contrasts == ("T1", "FLAIR", "T1c")
    assert (cohort.info.name, cohort.info.synthetic, cohort.info.command) == ("mine", False, "selip cohort import")
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert cohort.findings("s1") is None


def test_volumes_of_a_study_and_its_mask_stay_aligned(rows, tmp_path):
    cohort = run(rows, tmp_path)
    volume, mask = cohort.read_volumes([0])[0], cohort.read_masks([0])[0].astype(bool)
    assert mask.any()
    assert volume[mask].mean() > 1.5 * volume[(volume > 60) & ~mask].mean()
    assert np.argwhere(mask)[:, 0].min() >= 8, "the bright spot is on the right, the upper half of axis 0"


def test_the_same_table_gives_the_same_hashes_on_an_integer_grid(rows, tmp_path):
    path = write_table(tmp_path / "mine.csv", rows)
    grid = GRID | {"spacing_mm": (9, 9, 10)}
    infos = [import_table(path, tmp_path / name, **grid).info for name in ("one", "two")]
    assert infos[0] == infos[1]
    assert check_cohort(tmp_path / "one") == []


def test_findings_are_the_text_in_canonical_order_and_the_report_stands_in(rows, tmp_path):
    rows[0]["findings"] = "At right thalamus shows high signal; at brainstem shows low signal."
    rows[2]["findings"] = "No abnormal signal in the brain."
    cohort = run(rows, tmp_path)
    assert list(cohort.volumes["text"]) == [
        "at brainstem shows low signal; at right thalamus shows high signal",
        "A lesion on the right.",
        NORMAL_TEXT,
        "Normal again.",
    ]
    assert list(cohort.studies["report"]) == ["A lesion on the right.", "Normal.", "Normal again."]
    assert [cohort.findings(study) for study in ("s1", "s2", "s3")] == [None, [], None]


def test_findings_of_every_contrast_are_structured_findings_with_their_source(rows, tmp_path):
    words = ("at left frontal lobe shows high signal", "at left frontal lobe shows low signal; at brainstem shows x")
    for row, findings in zip(rows, (*words, "no abnormal signal in the brain", words[0]), strict=True):
        row |= {"findings": findings, "report": ""}
    cohort = run(rows, tmp_path)
    lobe, stem = sorted(cohort.findings("s1"), key=lambda one: one.region, reverse=True)
    assert (lobe.region, lobe.side, lobe.signals) == (
        "frontal lobe", "left", {"T1": "high signal", "FLAIR": "low signal"},
    )  # fmt: skip
    assert (stem.region, stem.side, stem.signals, stem.source) == ("brainstem", "midline", {"FLAIR": "x"}, "table")
    assert cohort.findings("s2") == []


def test_columns_and_a_file_beside_the_table_declare_tasks_and_folds(rows, tmp_path):
    for row, fold, idh in zip(rows, "1122", ("mutant", "mutant", "wildtype", ""), strict=True):
        row |= {"fold": fold, "label:idh": idh, "value:edss": "2.5"}
    declared = "tasks: {idh: {title: IDH, classes: [wildtype, mutant]}}\nsheet: {licence: mine, collections: [X]}\n"
    (tmp_path / "mine.yaml").write_text(declared)
    info = run(rows, tmp_path).info
    assert {column: task.title for column, task in info.tasks.items()} == {"label:idh": "IDH", "value:edss": "edss"}
    assert (info.sheet.collections, info.licence) == (("X",), "mine")
    studies = Cohort.open(tmp_path / "out").studies
    assert studies[["fold", "label:idh"]].to_numpy().tolist() == [["1", "mutant"], ["2", "wildtype"], ["2", ""]]
    (tmp_path / "mine.yaml").write_text("tasks: {grade: {}}\n")
    with pytest.raises(InputError, match="without a column: grade"):
        import_table(tmp_path / "mine.csv", tmp_path / "other", **GRID)


def test_labels_site_age_and_split_are_kept(rows, tmp_path):
    for row, split in zip(rows, ("Train", "train", "test", "test"), strict=True):
        row |= {"split": split, "labels": "tumour; oedema;", "site": "A", "age": "61.5"}
    cohort = run(rows, tmp_path)
    assert list(cohort.studies["split"]) == ["train", "test", "test"]
    assert json.loads(cohort.studies["labels"][0]) == ["oedema", "tumour"]
    assert (cohort.studies["site"][0], cohort.studies["age"][0]) == ("A", "61.5")


def test_without_a_split_patients_are_split_by_seed(head, write_nifti, tmp_path):
    write_nifti("a.nii.gz", head)
    rows = [
        {"patient": f"p{k // 2}", "study": f"s{k}", "contrast": "T1", "path": "a.nii.gz", "report": "x"}
        for k in range(20)
    ]
    path = write_table(tmp_path / "mine.csv", rows)
    cohorts = [import_table(path, tmp_path / f"o{n}", **GRID, seed=seed) for n, seed in enumerate((0, 0, 1))]
    prints = [cohort.info.split_fingerprint for cohort in cohorts]
    assert prints[0] == prints[1] != prints[2]
    assert cohorts[0].studies.groupby("patient_id")["split"].nunique().max() == 1
    assert set(cohorts[0].studies["split"]) == {"train", "val", "test"}


def test_tables_of_spreadsheets_are_read(rows, tmp_path):
    rows[2]["report"] = "Two lines,\nwith a comma and ümlaut."
    path = write_table(tmp_path / "mine.csv", rows)
    text = path.read_text().replace("patient,", "Patient ,", 1)
    path.write_bytes(b"\xef\xbb\xbf" + text.replace("\r\n", "\n").replace("\n", "\r\n").encode())
    cohort = import_table(path, tmp_path / "out", **GRID)
    assert cohort.studies["report"][1] == "Two lines,\nwith a comma and ümlaut."
    assert check_cohort(cohort.root) == []


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_another_delimiter_gives_the_same_cohort(delimiter, rows, tmp_path):
    for row in rows:
        row["report"] = f"{row['report']} Seen on T2, and on FLAIR"
    path = write_table(tmp_path / "mine.csv", rows)
    first = import_table(path, tmp_path / "one", **GRID)
    with path.open(newline="") as stream:
        records = list(csv.reader(stream))
    with path.open("w", newline="") as stream:
        csv.writer(stream, delimiter=delimiter).writerows([[name.upper() for name in records[0]], *records[1:]])
    assert import_table(path, tmp_path / "two", **GRID).info == first.info


def test_optional_fields_may_hold_placeholders_and_ages_are_read_as_people_write_them(rows, tmp_path):
    for row, age in zip(rows, ("089Y", "089Y", "45,5", "n/a"), strict=True):
        row |= {"age": age, "labels": "nan", "site": "-", "split": "None", "mask": row.get("mask", "N/A")}
    cohort = run(rows, tmp_path)
    assert list(cohort.studies["age"]) == ["89", "45.5", ""]
    assert {*cohort.studies["labels"], *cohort.studies["site"]} == {"[]", ""}
    assert list(cohort.studies["has_mask"]) == ["1", "0", "0"]


def test_root_names_another_data_folder(rows, tmp_path):
    (tmp_path / "tables").mkdir()
    path = write_table(tmp_path / "tables" / "mine.csv", rows)
    assert len(import_table(path, tmp_path / "out", **GRID, root=tmp_path).volumes) == 4


def shift_mask(rows, folder):
    image = nib.load(folder / "p1/mask.nii.gz")
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj), np.diag([6.0, 6, 6, 1])), folder / "p1/mask.nii.gz")


def cut(rows, folder):
    path = folder / "p2/a.nii.gz"
    path.write_bytes(path.read_bytes()[:2000])


def save(path, change):
    image = nib.load(path)
    nib.save(nib.Nifti1Image(change(image.get_fdata(dtype=np.float32)), image.affine), path)


def set_nan(values):
    values[3, 3, 3] = np.nan
    return values


def link_out(rows, folder):
    outside = folder.parent / f"{folder.name}_outside.nii.gz"
    outside.write_bytes((folder / "p2/a.nii.gz").read_bytes())
    (folder / "link.nii.gz").symlink_to(outside)
    rows[2]["path"] = "link.nii.gz"


def climb_out(rows, folder):
    outside = folder.parent / f"{folder.name}_outside.nii.gz"
    outside.write_bytes((folder / "p2/a.nii.gz").read_bytes())
    rows[2]["path"] = f"../{outside.name}"


def put(index, **values):
    return lambda rows, folder: rows[index].update(values)


BAD_FILE = {
    "truncated": (cut, "s2", "p2/a.nii.gz", "truncated"),
    "several volumes": (
        lambda rows, folder: save(folder / "p2/a.nii.gz", lambda values: np.stack([values] * 2, -1)),
        "s2",
        "p2/a.nii.gz",
        "several volumes",
    ),
    "NaN": (lambda rows, folder: save(folder / "p2/b.nii.gz", set_nan), "s3", "p2/b.nii.gz", "NaN"),
    "constant": (
        lambda rows, folder: save(folder / "p2/b.nii.gz", lambda values: values * 0 + 4),
        "s3",
        "p2/b.nii.gz",
        "constant (all 4)",
    ),
    "constant but for a speck": (
        lambda rows, folder: save(folder / "p2/b.nii.gz", lambda values: (values == values.max()) * 1.0),
        "s3",
        "p2/b.nii.gz",
        "constant",
    ),
    "zero dimension": (
        lambda rows, folder: save(folder / "p2/a.nii.gz", lambda values: values[:0]),
        "s2",
        "p2/a.nii.gz",
        "(0, 28, 20)",
    ),
    "mask on another grid": (shift_mask, "s1", "p1/mask.nii.gz", "another grid"),
}
BAD_TABLE = {
    "missing": (put(2, path="p2/none.nii.gz"), ["row 4", "study 's2'", "p2/none.nii.gz", "no file"]),
    "folder": (put(2, path="p2"), ["row 4", "study 's2'", "'p2'", "no file"]),
    "contrast": (put(2, contrast="SWI"), ["row 4", "study 's2'", "'SWI'", "T1, T2, FLAIR, DWI, ADC, T1c"]),
    "neither report nor findings nor mask": (put(2, report="  "), ["row 4", "study s2", "no report, no findings and"]),
    "number that is none": (put(2, **{"value:edss": "high"}), ["row 4", "value:edss 'high'"]),
    "task of every cohort": (put(2, **{"label:side": "left"}), ["called 'side'", "label:my_side"]),
    "label and value of one name": (put(2, **{"label:a": "x", "value:a": "1"}), ["label:a and value:a"]),
    "side that is none": (put(2, side="lft"), ["row 4", "side 'lft'", "left, right"]),
    "region that is none": (put(2, region="knee"), ["row 4", "region 'knee'"]),
    "patient without a fold": (put(2, fold="1"), ["patient p1", "one fold a patient"]),
    "placeholder for a report": (put(2, report="N/A"), ["row 4", "study 's2'", "report 'N/A', which is none"]),
    "number for a report": (put(2, report="0"), ["row 4", "report '0', which is none"]),
    "label of no task": (put(2, labels="tumour; WHO II/III"), ["row 4", "label 'WHO II/III'", "without '/'"]),
    "empty study": (put(2, study=""), ["row 4", "study ''"]),
    "line break in an id": (put(2, patient="a\nb"), ["row 4", r"'a\nb'", "printable"]),
    "duplicate contrast": (put(1, contrast="T1"), ["row 3", "study s1, T1", "row 2", "one volume of a contrast"]),
    "two patients": (put(1, patient="p9"), ["row 3", "study s1", "'p9'", "row 2", "'p1'"]),
    "two reports": (put(1, report="other"), ["row 3", "study s1", "'other'", "one report"]),
    "two splits": (
        lambda rows, folder: [
            row.update(split=s) for row, s in zip(rows, ("train", "train", "val", "test"), strict=True)
        ],
        ["row 5", "study s3", "patient p2", "val in row 4", "one part a patient"],
    ),
    "unknown split": (put(2, split="dev"), ["row 4", "'dev'", "train, val, test"]),
    "split in some rows": (put(2, split="val"), ["row 2", "study s1", "no split"]),
    "age": (put(2, age="old"), ["row 4", "'old'", "years"]),
    "findings": (put(2, findings="left thalamus bright"), ["row 4", "'left thalamus bright'", "at <place> shows"]),
    "wrong column": (put(0, finding="x"), ["mine.csv", "unknown column 'finding'", "findings"]),
    "climbing path": (climb_out, ["row 4", "study 's2'", "outside.nii.gz", "leads out of the data folder"]),
    "absolute path": (
        lambda rows, folder: rows[2].update(path=str(folder / "p2/a.nii.gz")),
        ["row 4", "study 's2'", "a.nii.gz", "leads out of the data folder"],
    ),
    "link": (link_out, ["row 4", "study 's2'", "link.nii.gz", "leads out of the data folder"]),
    "link to nowhere": (put(2, path="x" * 5000), ["row 4", "no file"]),
    "climbing mask": (put(2, mask="../../mask.nii"), ["row 4", "leads out of the data folder"]),
    "missing mask": (put(2, mask="p2/mask.nii"), ["row 4", "p2/mask.nii", "no file"]),
    "two masks": (put(1, mask="p1/flair.nii"), ["row 3", "study s1", "one mask a study"]),
}


@pytest.mark.parametrize("case", BAD_FILE)
def test_a_bad_file_leaves_out_its_study_and_nothing_else(case, rows, tmp_path):
    change, study, file, reason = BAD_FILE[case]
    change(rows, tmp_path)
    said = []
    cohort = run(rows, tmp_path, say=said.append)
    assert check_cohort(cohort.root) == []
    assert list(cohort.studies["study_id"]) == [name for name in ("s1", "s2", "s3") if name != study]
    (entry,) = csv.DictReader((cohort.root / "quarantine.csv").open(newline=""))
    assert (entry["study"], entry["file"]) == (study, file)
    assert reason in entry["reason"]
    assert str(tmp_path) not in entry["reason"]
    assert any(line.startswith("2 of 3 studies imported, 1 left out") for line in said)


def test_a_strict_import_refuses_a_bad_file_and_goes_on_when_it_is_mended(rows, tmp_path):
    whole = (tmp_path / "p2/a.nii.gz").read_bytes()
    cut(rows, tmp_path)
    with pytest.raises(InputError, match=r"got 1 of 3 studies that cannot be imported, first s2: .*truncated"):
        run(rows, tmp_path, strict=True)
    assert not (tmp_path / "out").exists()
    (tmp_path / "p2/a.nii.gz").write_bytes(whole)
    assert len(run(rows, tmp_path, strict=True).studies) == 3
    assert not list(tmp_path.glob(".*")), "nothing is left beside the cohort"


def test_a_table_whose_files_are_all_bad_is_refused(rows, tmp_path):
    cut(rows, tmp_path)
    with pytest.raises(InputError, match=r"first s2: .*truncated.*; allowed: one at least can"):
        run(rows[2:3], tmp_path)
    assert not list(tmp_path.glob("*out*"))


@pytest.mark.parametrize("case", BAD_TABLE)
def test_a_bad_table_is_one_line_and_leaves_nothing(case, rows, tmp_path):
    change, words = BAD_TABLE[case]
    change(rows, tmp_path)
    before = sorted(path for path in tmp_path.rglob("*") if path.name != "mine.csv")
    with pytest.raises(InputError) as caught:
        run(rows, tmp_path)
    message = str(caught.value)
    assert "\n" not in message
    assert "; allowed: " in message
    for word in words:
        assert word in message
    assert sorted(path for path in tmp_path.rglob("*") if path.name != "mine.csv") == before


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "without rows"),
        (b"patient,study,contrast,path,report\n", "without rows"),
        (b"patient,study,contrast,report\na,b,T1,c\n", "no column 'path'"),
        (b"patient|study|contrast|path|report\na|b|T1|c|d\n", "no column 'patient'"),
        (b"patient;study;contrast;path;report\na;b;T1;c;d;e\n", "row 2 with 6 fields"),
        (b"patient,study,contrast,path,report,Path \na,b,T1,c,d,e\n", "column 'path' twice"),
        (b"patient,study,contrast,path,report\n\na,b,T1,c,d\na,b,T1,c,d,e\na,b\n", "row 4 with 6 fields"),
        (b"patient,study,contrast,path,report,path\na,b,T1,c,d,e\n", "column 'path' twice"),
        (b"patient,study,contrast,path,report\na,b,T1,c\n", "row 2 with 4 fields"),
        (b"patient,study,contrast,path,report\na,b,T1,c,d,e\n", "row 2 with 6 fields"),
        (b'patient,study,contrast,path,report\na,b,T1,c,"d\n', "no table"),
        (b"\x1f\x8b\x08\x00\xff\xfe\x00binary", "no table"),
        (b"PK\x03\x04\x00\x00\x00\n\x00\n", "NUL bytes"),
        (None, "no table"),
    ],
)
def test_what_is_no_table_is_refused(content, words, tmp_path):
    path = tmp_path / "mine.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=words) as caught:
        import_table(path, tmp_path / "out", **GRID)
    assert "mine.csv" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "options",
    [
        {"shape": (0, 4, 4)},
        {"shape": (4, 4)},
        {"spacing_mm": (1.0, -1.0, 1.0)},
        {"root": Path("nowhere")},
        {"centre": "x"},
    ],
)
def test_wrong_options_are_refused(options, rows, tmp_path):
    with pytest.raises(InputError, match="; allowed: "):
        run(rows, tmp_path, **options)
    assert not (tmp_path / "out").exists()


def test_an_existing_cohort_is_not_touched(rows, tmp_path):
    first = run(rows, tmp_path)
    with pytest.raises(InputError, match="not empty"):
        run(rows[:1], tmp_path)
    assert len(Cohort.open(first.root).volumes) == 4
