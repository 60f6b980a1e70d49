"""Finding files: letter case, nesting, links, doubles; tables and published splits."""

from __future__ import annotations

import random
from collections import defaultdict

import pytest

from selip.cohorts.importing.adapter import StudyFiles
from selip.cohorts.importing.file_layout import (
    NIFTI,
    apply_split,
    finish_scan,
    group_files,
    list_files,
    pick_volumes,
    read_json,
    read_table,
    years,
    years_per,
)
from selip.system.errors import InputError

PATTERN = r"(?P<case>P\d+)_(?P<kind>t1|t2|seg)" + NIFTI
ONE_LINE = r"\Agot [^\n]*; allowed: [^\n]*\Z"


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "home" / "download" / "set"
    for name in ("HGG/P1/P1_t1.nii.gz", "HGG/P1/p1_T2.NII", "lgg/P2/P2_t1.nii", "lgg/P2/notes.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")
    return folder


@pytest.mark.parametrize(
    "wrong", [{"age": 54}, {"labels": "glioma"}, {"volumes": {"T1": "t1.nii"}}, {"own": {"value:edss": 2.5}}]
)
def test_a_value_of_another_type_is_an_error_where_it_is_made(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        StudyFiles(**({"patient": "P1", "study": "P1", "volumes": {}} | wrong))


def names(folder):
    groups, _ = group_files(list_files(folder), PATTERN)
    return [(group.case, {kind: path.name for kind, path in group.files.items()}) for group in groups]


def test_letter_case_and_compression_do_not_matter(source):
    assert names(source) == [("P1", {"t1": "P1_t1.nii.gz", "t2": "p1_T2.NII"}), ("P2", {"t1": "P2_t1.nii"})]


def test_a_folder_a_level_too_high_or_too_low_reads_the_same(source):
    assert names(source.parent) == names(source)
    assert names(source / "HGG") == names(source)[:1]
    (group,) = group_files(list_files(source / "HGG" / "P1"), PATTERN)[0]
    assert "HGG/P1/" in group.place


def test_hidden_files_and_what_an_archiver_adds_are_not_read(source):
    before = names(source)
    (source / "HGG/P1/._P1_seg.nii.gz").write_text("x")
    (source / "__MACOSX").mkdir()
    (source / "__MACOSX/P3_t1.nii.gz").write_text("x")
    assert names(source) == before


def test_links_out_of_the_folder_are_left_out_and_said(source, tmp_path):
    outside = tmp_path / "P9_t1.nii.gz"
    outside.write_text("x")
    (source / "P9_t1.nii.gz").symlink_to(outside)
    (source / "P8_t1.nii.gz").symlink_to(source / "HGG/P1/P1_t1.nii.gz")
    (source / "up").symlink_to(source.parent, target_is_directory=True)
    (source / "P7_t1.nii.gz").symlink_to("P7_t1.nii.gz")
    listing = list_files(source)
    assert [group.case for group in group_files(listing, PATTERN)[0]] == ["P1", "P2", "P8"]
    assert [line.partition(":")[0] for line in listing.problems] == ["up", "P7_t1.nii.gz", "P9_t1.nii.gz"]
    assert all(path.resolve().is_relative_to(source.resolve()) for path in listing.files.values())


def test_a_file_that_occurs_twice_is_said_and_the_first_taken(source):
    (source / "HGG/P1/P1_t1.nii").write_text("x")
    groups, problems = group_files(list_files(source), PATTERN)
    assert groups[0].files["t1"].name == "P1_t1.nii"
    assert problems == ["P1: t1 twice; HGG/P1/P1_t1.nii taken, HGG/P1/P1_t1.nii.gz not"]


def test_missing_volumes_are_said_and_the_order_is_that_of_contrasts(source):
    group = group_files(list_files(source), PATTERN)[0][0]
    volumes, problems = pick_volumes(group, {"t2": "T2", "flair": "FLAIR", "t1": "T1"})
    assert list(volumes) == ["T1", "T2"]
    assert problems == ["P1: no flair volume"]


def test_nothing_found_is_one_line_with_the_layout(tmp_path):
    with pytest.raises(InputError, match=ONE_LINE) as error:
        finish_scan([], [], list_files(tmp_path), "case/\n  case_t1.nii.gz")
    assert "case/ case_t1.nii.gz" in str(error.value)
    with pytest.raises(InputError, match=ONE_LINE):
        list_files(tmp_path / "absent")


@pytest.mark.parametrize("content", [b"a,b\n1,\x00\n", b"\xff\xfe\x00", b'a,b\n"1,2\n'])
def test_a_broken_table_is_one_line(tmp_path, content):
    (tmp_path / "table.csv").write_bytes(content)
    with pytest.raises(InputError, match=ONE_LINE):
        read_table(tmp_path / "table.csv")


@pytest.mark.parametrize("content", [b"{", b"\xff", b"[" * 100_000])
def test_broken_json_is_one_line(tmp_path, content):
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(InputError, match=ONE_LINE):
        read_json(tmp_path / "x.json")


def test_tables_are_read_with_names_in_lower_case(tmp_path):
    (tmp_path / "t.tsv").write_text("﻿ID\tAge\n a \t 6,5\n\nb\t\n", encoding="utf-8")
    assert read_table(tmp_path / "t.tsv") == [{"id": "a", "age": "6,5"}, {"id": "b", "age": ""}]


@pytest.mark.parametrize(
    ("text", "age"),
    [
        *(
            ("60.4", "60.4"),
            (" 7 ", "7"),
            ("89+", "89"),
            ("089Y", "89"),
            ("45,5", "45.5"),
            (">89", "89"),
            ("006M", "0.5"),
        ),
        *(("18 months", "1.5"), ("26 W", "0.4983"), ("45 yrs.", "45"), ("45 years old", "45")),
        *((text, "") for text in ("NA", "", "-1", "nan", "1e9", "130", "3 apples", "40-50", "1.2.3", "Y")),
    ],
)
def test_ages_are_years_or_nothing(text, age):
    assert years(text) == age


@pytest.mark.parametrize(
    ("words", "per_unit"),
    [
        *(("years", 1), ("Year", 1), ("a", 1), ("kg", 0), ("", 0), ("Weeks", 7 / 365.25), ("d", 1 / 365.25)),
        *((words, 1 / 12) for words in ("age in months", "mo", "months (rounded)", "M")),
    ],
)
def test_a_unit_of_age_is_read_out_of_words(words, per_unit):
    assert years_per(words) == per_unit
    assert years("12", years_per(words)) == (f"{round(12 * per_unit, 4):g}" if per_unit else "")


def test_a_published_split_never_divides_a_patient():
    rng = random.Random(0)
    studies = [StudyFiles(f"p{rng.randrange(12)}", f"s{number}", {}) for number in range(40)]
    parts = {study.study: rng.choice(["train", "val", "test"]) for study in studies[:35]}
    split, problems = apply_split(studies, parts)
    parts_of = defaultdict(set)
    for study in split:
        parts_of[study.patient].add(study.split)
    assert all(len(found) == 1 for found in parts_of.values())
    assert all(study.split == "test" for study in split if parts.get(study.study) == "test")
    assert len(problems) == sum(study.split != parts.get(study.study) for study in split)
    shuffled = rng.sample(studies, len(studies))
    assert sorted(apply_split(shuffled, parts)[0], key=str) == sorted(split, key=str)
    assert apply_split(studies, {}) == (studies, [])
