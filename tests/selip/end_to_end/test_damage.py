"""A changed byte is found wherever it is: named in one line, and made anew by --resume or refused."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from selip.data.cohort import Cohort
from selip.data.cohort_check import check_cohort
from selip.models.dual_encoder import load_checkpoint
from selip.records.record_files import read_per_item, read_record
from selip.system.errors import InputError
from selip.system.files import SEAL, sealed_json, unsealed_json
from selip.system.sealed_tensors import read_sealed


def flip(path: Path, position: int | None = None) -> None:
    """Flips one bit, in the middle by default."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2 if position is None else position] ^= 0x04
    path.write_bytes(bytes(data))


def refusal(read: Callable[[], object]) -> str:
    """Why `read` refuses, in one line; "" when it does not."""
    try:
        read()
    except (InputError, ValueError) as error:
        return str(error).replace("\n", "TWO LINES")
    return ""


def one(folder: Path, pattern: str) -> Path:
    return next(path for path in sorted(folder.glob(pattern)) if not path.name.startswith("."))


@pytest.fixture
def run(finished_run, tmp_path) -> Path:
    return Path(shutil.copytree(finished_run, tmp_path / "run"))


@pytest.fixture
def cohort(small_cohort_folder, tmp_path) -> Path:
    return Path(shutil.copytree(small_cohort_folder, tmp_path / "cohort"))


@pytest.mark.usefixtures("no_pages")
def test_what_is_damaged_in_a_run_directory_is_named_and_made_anew(run, run_again, finished_run, same_records):
    damaged = [
        one(run, "records/selip-*.json"),
        one(run, "records/clip-*.parquet"),
        one(run, "checkpoints/random_init-*.safetensors"),
    ]
    embeddings = list(run.glob("embeddings/*"))
    for path in [*damaged, *embeddings]:
        flip(path)
    damaged.append(run / "config.yaml")
    damaged[-1].write_bytes(b"\xff")
    code, _, said = run_again(run, "--resume")
    lines = said.splitlines()
    assert code == 0
    assert "3 of 3 runs to do" in lines
    for path in damaged:
        about = [line for line in lines if path.stem in line and "anew" in line]
        assert len(about) == 1, path
    read = [path for path in embeddings if any(path.name in line and "again" in line for line in lines)]
    assert read
    same_records(finished_run, run)
    for path in [damaged[2], *read]:
        (found, facts), (expected, told) = map(read_sealed, (path, finished_run / path.relative_to(run)))
        assert facts == told
        assert all(torch.equal(found[name], expected[name]) for name in expected)
    one(run, "checkpoints/clip-*.safetensors").unlink()  # as somebody does who needs the room
    assert "0 of 3 runs to do" in run_again(run, "--resume")[2]


def test_no_changed_byte_of_a_record_or_of_its_scores_is_believed(run):
    path = one(run, "records/clip-*.json")
    record, data = read_record(path), path.read_bytes()
    draw = random.Random(0)
    refused = 0
    for position in draw.sample(range(len(data)), 300):
        flip(path, position)
        why = refusal(lambda: read_record(path))
        assert "TWO LINES" not in why
        assert why or read_record(path) == record, "white space, at most"
        refused += bool(why)
        path.write_bytes(data)
    assert refused > 200
    scores = run / "records" / record.per_item
    whole = scores.read_bytes()
    for position in draw.sample(range(len(whole)), 50):
        flip(scores, position)
        with pytest.raises(InputError, match="checksum"):
            read_per_item(run / "records", record)
        scores.write_bytes(whole)
    assert len(read_per_item(run / "records", record))


def test_no_changed_byte_of_a_checkpoint_is_believed(run):
    path = one(run, "checkpoints/clip-*.safetensors")
    data = path.read_bytes()
    header = int.from_bytes(data[:8], "little")
    draw = random.Random(0)
    positions = [*range(8), *draw.sample(range(8, 8 + header), 30), *draw.sample(range(8 + header, len(data)), 30)]
    for position in positions:
        flip(path, position)
        why = refusal(lambda: read_sealed(path))
        assert why
        assert "TWO LINES" not in why
        path.write_bytes(data)
    flip(path)
    with pytest.raises(InputError, match=f"got {path}, which is no readable checkpoint .*checksum"):
        load_checkpoint(path)


def test_what_has_no_checksum_is_not_believed(run):
    path = one(run, "records/clip-*.json")
    record = read_record(path)
    with pytest.raises(InputError, match="checksum"):
        read_per_item(path.parent, record.model_copy(update={"per_item_sha256": ""}))
    path.write_text(record.model_dump_json(indent=1))
    with pytest.raises(InputError, match=r"no record of schema 1 .*checksum"):
        read_record(path)
    checkpoint = one(run, "checkpoints/clip-*.safetensors")
    tensors, facts = read_sealed(checkpoint)
    save_file(tensors, checkpoint, facts)
    with pytest.raises(InputError, match=r"no readable checkpoint .*checksum"):
        load_checkpoint(checkpoint)


def test_scores_outside_of_the_records_are_not_read(run, tmp_path):
    path = one(run, "records/clip-*.json")
    record = read_record(path)
    outside = shutil.copy(path.parent / record.per_item, tmp_path / "outside.parquet")
    link = path.parent / "link.parquet"
    link.symlink_to(outside)
    for name in ("../../outside.parquet", str(outside), "link.parquet", "../records", "missing.parquet"):
        stray = record.model_copy(update={"per_item": name})
        why = refusal(lambda: read_per_item(path.parent, stray))  # noqa: B023 (called at once)
        assert "per-item scores" in why
        assert "TWO LINES" not in why


def test_json_is_sealed_and_other_text_is_not_believed():
    values = {"a": [1.5, None, "ü"], "b": {"c": 1e-7}}
    text = sealed_json(values, indent=1)
    assert unsealed_json(text) == values
    changed = (text.replace("1.5", "1.25"), text.replace('"c"', '"d"'), text.replace(SEAL, "sha255"))
    for other in (*changed, '{"a": 1}', "[1]"):
        assert other != text
        assert "checksum" in refusal(lambda: unsealed_json(other))  # noqa: B023


FILES_OF_A_COHORT = ("cohort.json", "studies.csv", "volumes.csv", "store.zarr/*/zarr.json", "store.zarr/*/c/*/0/0/0")


@pytest.mark.parametrize("pattern", FILES_OF_A_COHORT)
def test_no_changed_byte_of_a_cohort_is_believed(cohort, pattern):
    """Refused in one line that says to build it again, or without consequence, as white space."""
    rows = range(64, 72)
    sound = everything(cohort, rows)
    draw, refused = random.Random(0), 0
    paths = sorted(path for path in cohort.glob(pattern) if path.is_file())
    assert paths
    for path in paths:
        data = path.read_bytes()
        for position in draw.sample(range(len(data)), 12):
            flip(path, position)
            why = refusal(lambda: everything(cohort, rows))
            assert why or everything(cohort, rows) == sound
            if why:
                assert "TWO LINES" not in why
                assert "build" in why
                assert str(cohort) in why
            refused += bool(why)
            path.write_bytes(data)
    assert refused
    assert check_cohort(cohort) == []


def everything(folder: Path, rows: range) -> list[object]:
    """Facts, tables and some voxels of a cohort."""
    cohort = Cohort.open(folder)
    voxels = cohort.read_volumes(rows), cohort.read_masks(range(4))
    return [cohort.info, cohort.studies.to_csv(), cohort.volumes.to_csv(), *(array.tobytes() for array in voxels)]
