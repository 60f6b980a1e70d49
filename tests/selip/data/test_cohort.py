from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import zarr

from selip.data.cohort import IGNORE, ROWS_PER_SHARD, STUDY_COLUMNS, VOLUME_COLUMNS, Cohort, CohortInfo, lesion_of
from selip.data.cohort_check import check_cohort
from selip.data.cohort_writer import CohortWriter
from selip.data.findings import Finding, findings_to_json
from selip.system.errors import InputError
from selip.system.files import content_hash, sealed_json

SHAPE = (6, 7, 4)
INFO = CohortInfo("small", "test", 0, True, SHAPE, (4, 4.5, 10), ("T1", "FLAIR"))
FINDING = Finding("acute infarct", "thalamus", "left", {"FLAIR": "high signal"}, 8.0)


def write(root: Path, n_studies: int = 6, info: CohortInfo = INFO, fail_at: int | None = None) -> Cohort:
    rng = np.random.default_rng(0)
    with CohortWriter(root, info) as writer:
        for number in range(n_studies):
            if number == fail_at:
                raise KeyboardInterrupt
            patient = f"p{number // 2}"
            study = {
                "study_id": f"s{number}", "patient_id": patient, "split": ("train", "val", "test")[number // 2 % 3],
                "site": "A", "report": 'Old\r\ninfarct, "left";\nnöthing else.', "labels": json.dumps(["infarct"]),
                "findings": findings_to_json([FINDING]) if number % 2 else "",
            }  # fmt: skip
            volumes = [{"contrast": contrast, "text": f"text {number}"} for contrast in ("T1", "FLAIR")]
            arrays = rng.integers(0, 256, (2, *SHAPE), dtype=np.uint8)
            writer.add_study(study, volumes, arrays, (arrays[0] > 200).astype(np.uint8) if number % 2 else None)
    return Cohort.open(root)


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    return write(tmp_path_factory.mktemp("cohort") / "small").root


@pytest.fixture
def copy(written, tmp_path) -> Path:
    return Path(shutil.copytree(written, tmp_path / "copy"))


def files_below(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# writing and reading


def test_what_is_written_is_read(written):
    cohort = Cohort.open(written)
    rng = np.random.default_rng(0)
    arrays = np.concatenate([rng.integers(0, 256, (2, *SHAPE), dtype=np.uint8) for _ in range(6)])
    np.testing.assert_array_equal(cohort.read_volumes(range(12)), arrays)
    np.testing.assert_array_equal(cohort.read_masks([1, 4]), [arrays[2] > 200, np.zeros(SHAPE)])
    assert list(cohort.volumes["volume_id"][:3]) == ["s0_T1", "s0_FLAIR", "s1_T1"]
    assert (cohort.findings("s0"), cohort.findings("s1")) == (None, [FINDING])
    assert cohort.info.spacing_mm == (4.0, 4.5, 10.0)
    assert check_cohort(written) == []


def test_rows_of_a_part_and_of_all(written):
    cohort = Cohort.open(written)
    parts = [cohort.rows(part) for part in ("train", "val", "test")]
    assert sorted(np.concatenate(parts)) == list(cohort.rows("all")) == list(range(12))
    assert list(cohort.rows("val")) == [4, 5, 6, 7]
    with pytest.raises(InputError, match="train, val, test, all"):
        cohort.rows("dev")


def test_rows_are_read_in_any_order_across_shards(tmp_path):
    cohort = write(tmp_path / "large", n_studies=ROWS_PER_SHARD)
    everything = cohort.read_volumes(range(2 * ROWS_PER_SHARD))
    assert everything.shape == (2 * ROWS_PER_SHARD, *SHAPE)
    for rows in ([5, 3, 4, 4], [63, 64, 65], [127, 0], np.arange(60, 70)[::-1], [0, 2, 3, 70, 71, 127], []):
        np.testing.assert_array_equal(cohort.read_volumes(rows), everything[np.asarray(rows, dtype=int)])
    for rows in ([128], [-1]):
        with pytest.raises(IndexError):
            cohort.read_volumes(rows)


def test_the_same_content_gives_the_same_bytes(written, tmp_path):
    assert files_below(write(tmp_path / "again").root) == files_below(written)


@pytest.mark.parametrize("change", [{"name": "other"}, {"profile": "hard"}, {"spacing_mm": (4, 4.5, 9)}])
def test_the_content_hash_feels_the_facts(written, tmp_path, change):
    other = write(tmp_path / "other", info=CohortInfo(**{**vars(INFO), **change}))
    assert other.info.content_hash != Cohort.open(written).info.content_hash
    assert other.info.split_fingerprint == Cohort.open(written).info.split_fingerprint


def test_tables_are_those_of_pandas_and_the_content_hash_is_that_of_their_json(written, monkeypatch, tmp_path):
    parts = []
    for name, columns in (("studies.csv", STUDY_COLUMNS), ("volumes.csv", VOLUME_COLUMNS)):
        text = (written / name).read_bytes().decode()
        table = pd.read_csv(written / name, dtype=str, keep_default_na=False, lineterminator="\n")
        assert text == table[list(columns)].to_csv(index=False, lineterminator="\n")
        parts.append(text)
    monkeypatch.setattr("selip.data.cohort.CHARACTERS_AT_ONCE", 7)
    expected = content_hash(["small", "test", SHAPE, [4.0, 4.5, 10.0], "minmax", *parts])
    assert expected == Cohort.open(written).info.content_hash == write(tmp_path / "again").info.content_hash


def test_where_findings_come_from_is_a_fact_that_changes_no_hash(written, tmp_path):
    other = write(tmp_path / "other", info=CohortInfo(**{**vars(INFO), "findings_source": "extracted"}))
    assert other.info.findings_source == "extracted"
    assert other.info.content_hash == Cohort.open(written).info.content_hash


def test_masks_hold_levels_and_what_is_not_scored_and_nothing_else(tmp_path):
    study = {"study_id": "s", "patient_id": "p", "split": "test", "site": "", "report": "", "labels": "[]"}
    volume = np.arange(np.prod(SHAPE), dtype=np.uint8).reshape(1, *SHAPE)
    for name, value in (("sound", IGNORE), ("odd", 4)):
        mask = np.zeros(SHAPE, np.uint8)
        mask.flat[:5] = (0, 1, 2, 3, value)
        with CohortWriter(tmp_path / name, INFO) as writer:
            writer.add_study(study | {"findings": ""}, [{"contrast": "T1", "text": "x"}], volume, mask)
    assert check_cohort(tmp_path / "sound") == []
    assert check_cohort(tmp_path / "odd") == ["mask of s has values other than (0, 1, 2, 3, 255)"]
    assert list(lesion_of(Cohort.open(tmp_path / "sound").read_masks([0])).flat[:5]) == [False, True, True, True, False]


def test_an_interrupted_writer_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "broken", fail_at=3)
    assert list(tmp_path.iterdir()) == []


def test_arrays_of_another_kind_are_refused_and_leave_nothing(tmp_path):
    for arrays in (
        np.zeros((1, *SHAPE), np.float32),
        np.zeros((2, *SHAPE), np.uint8),
        np.zeros((1, 2, 2, 2), np.uint8),
    ):
        with pytest.raises(ValueError, match="uint8"), CohortWriter(tmp_path / "out", INFO) as writer:
            writer.add_study(
                {"study_id": "s", "patient_id": "p", "split": "train", "site": ""}, [{"contrast": "T1"}], arrays, None
            )
    assert list(tmp_path.iterdir()) == []


def test_only_a_free_place_is_written_to(written, tmp_path):
    before = files_below(written)
    with pytest.raises(InputError, match="not empty"):
        write(written)
    assert files_below(written) == before
    (tmp_path / "file").write_text("x")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InputError, match="--out"):
            write(place)
    (tmp_path / "empty").mkdir()
    assert check_cohort(write(tmp_path / "empty").root) == []


# checking


def edit(root: Path, name: str, old: str, new: str) -> None:
    text = (root / name).read_bytes().decode()
    assert old in text
    (root / name).write_bytes(text.replace(old, new, 1).encode())


def edit_sealed(root: Path, **changes: object) -> None:
    """Writes other facts into cohort.json, under a checksum that fits them."""
    facts = json.loads((root / "cohort.json").read_text())
    del facts["sha256"]
    (root / "cohort.json").write_text(sealed_json(facts | changes, indent=1))


def flip_stored_bit(root: Path, array: str, row: int) -> None:
    store = zarr.open_array(root / "store.zarr" / array, mode="r+")
    voxels = np.asarray(store[row])
    voxels[3, 3, 2] ^= 1
    store[row] = voxels


PROBLEMS = {
    "one bit of a volume": (lambda root: flip_stored_bit(root, "volumes", 3), "volume of s1_FLAIR does not have"),
    "one bit of a mask": (lambda root: flip_stored_bit(root, "masks", 1), "mask of s1 does not have"),
    "a changed text": (lambda root: edit(root, "volumes.csv", "text 2", "text 3"), "content hash"),
    "a changed report": (lambda root: edit(root, "studies.csv", "nöthing", "nothing"), "content hash"),
    "a patient in two parts": (
        lambda root: edit(root, "studies.csv", "s1,p0,train", "s1,p0,test"),
        "patient p0 is in 2",
    ),
    "another split": (lambda root: edit(root, "studies.csv", "s1,p0,train", "s1,p0,test"), "fingerprint"),
    "a volume in another part": (
        lambda root: edit(root, "volumes.csv", "s1,p0,FLAIR,train", "s1,p0,FLAIR,val"),
        "s1_FLAIR",
    ),
    "an unknown part": (lambda root: edit(root, "studies.csv", "s5,p2,test", "s5,p2,dev"), "split 'dev' is unknown"),
    "an unknown contrast": (lambda root: edit(root, "volumes.csv", "s0,p0,T1", "s0,p0,SWI"), "'SWI' is unknown"),
    "a study twice": (lambda root: edit(root, "studies.csv", "s1,p0", "s0,p0"), "study_id s0 occurs twice"),
    "a volume of no study": (
        lambda root: edit(root, "volumes.csv", "s0_T1,s0", "s0_T1,s9"),
        "s0_T1 belongs to no study",
    ),
    "an empty text": (lambda root: edit(root, "volumes.csv", "text 1", " "), "s1_T1 has no text"),
    "broken findings": (lambda root: edit(root, "studies.csv", "[{", "[("), "s1 has unreadable findings"),
    "another shape": (lambda root: edit_sealed(root, shape=[8, 8, 8]), "store.zarr/volumes is"),
    "a shard gone": (lambda root: shutil.rmtree(root / "store.zarr" / "volumes" / "c"), "does not have the voxels"),
}


@pytest.mark.parametrize("case", PROBLEMS)
def test_the_check_finds(case, copy):
    change, words = PROBLEMS[case]
    change(copy)
    assert any(words in problem for problem in check_cohort(copy))


def test_the_check_finds_what_was_unsound_when_written(tmp_path):
    arrays = np.arange(2 * np.prod(SHAPE), dtype=np.uint8).reshape(2, *SHAPE)
    arrays[1] = 7
    with CohortWriter(tmp_path / "out", INFO) as writer:
        for name, part in (("a", "train"), ("b", "test")):
            study = {"study_id": name, "patient_id": name, "split": part, "site": "", "report": "", "findings": ""}
            volumes = [{"contrast": contrast, "text": "x"} for contrast in ("T1", "FLAIR")]
            writer.add_study(study | {"labels": "[]"}, volumes, arrays, None)
    problems = check_cohort(tmp_path / "out")
    assert "volume of a_FLAIR is constant" in problems
    assert any("same voxels are in 2 parts" in problem for problem in problems)


UNREADABLE = {
    "no cohort.json": lambda root: (root / "cohort.json").unlink(),
    "cut cohort.json": lambda root: (root / "cohort.json").write_text('{"name": '),
    "a list as cohort.json": lambda root: (root / "cohort.json").write_text("[]"),
    "a missing fact": lambda root: edit(root, "cohort.json", '"seed"', '"sed"'),
    "another schema": lambda root: edit(root, "cohort.json", '"schema_version": 1', '"schema_version": 99'),
    "no studies.csv": lambda root: (root / "studies.csv").unlink(),
    "a wrong column": lambda root: edit(root, "volumes.csv", "contrast", "sequence"),
    "binary volumes.csv": lambda root: (root / "volumes.csv").write_bytes(b"\xff\xfe\x00\x01"),
    "ragged volumes.csv": lambda root: edit(root, "volumes.csv", "s1_T1,", "s1_T1,,,,,"),
    "empty studies.csv": lambda root: (root / "studies.csv").write_text(""),
    "no store": lambda root: shutil.rmtree(root / "store.zarr"),
    "no masks": lambda root: shutil.rmtree(root / "store.zarr" / "masks"),
    "a cut shard": lambda root: cut(next((root / "store.zarr" / "volumes" / "c").rglob("0/0/0/0"))),
    "a store without shards": lambda root: unsharded(root),
    "cut store facts": lambda root: cut(root / "store.zarr" / "volumes" / "zarr.json"),
}


def unsharded(root: Path) -> None:
    store = zarr.open_array(root / "store.zarr" / "volumes", mode="r")
    zarr.create_array(root / "store.zarr" / "volumes", data=store[:], chunks=(1, *store.shape[1:]), overwrite=True)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize("case", UNREADABLE)
def test_a_broken_cohort_is_refused_in_one_line(case, copy):
    UNREADABLE[case](copy)
    with pytest.raises(InputError) as caught:
        check_cohort(copy)
    assert "\n" not in str(caught.value)
    assert str(copy) in str(caught.value)


def test_an_array_is_opened_once_until_its_folder_is_another(copy, monkeypatch):
    opened, opening = [], zarr.open_array
    monkeypatch.setattr(zarr, "open_array", lambda *given, **named: opened.append(given) or opening(*given, **named))
    cohort = Cohort.open(copy)
    for row in (0, 1, 0):
        assert len(cohort.read_volumes([row])) == len(cohort.read_masks([row])) == 1
    assert len(opened) == 2
    os.utime(copy / "store.zarr" / "volumes" / "zarr.json", ns=(1, 1))
    cohort.read_volumes([0])
    assert len(opened) == 3
