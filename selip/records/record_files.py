"""Records on disk: a sealed JSON file a record, and its per-item scores beside it."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pandas as pd

from selip.records.per_item_scores import as_parquet
from selip.records.record import SCHEMA_VERSION, Record
from selip.system.errors import InputError
from selip.system.files import sealed_json, unsealed_json, write_atomically


def write_record(folder: Path, record: Record, per_item: pd.DataFrame | None = None) -> Path:
    """Writes `<run_id>.parquet` (float32) first and `<run_id>.json` last, each whole or not at all.

    The JSON ends with its own hash and holds that of the Parquet file.

    Returns:
        The path of the JSON.
    """
    if per_item is not None:
        data = as_parquet(per_item)
        beside = {"per_item": f"{record.run_id}.parquet", "per_item_sha256": sha256(data).hexdigest()}
        record = record.model_copy(update=beside)
        write_atomically(folder / record.per_item, data)
    path = folder / f"{record.run_id}.json"
    write_atomically(path, sealed_json(record.model_dump(mode="json"), indent=1))
    return path


def read_record(path: Path) -> Record:
    """Reads and validates one record.

    Raises:
        InputError: When the file is no record of this schema, or not as it was written.
    """
    try:
        return Record.model_validate(unsealed_json(path.read_bytes()))
    except (ValueError, OSError) as error:
        first = str(error).splitlines()
        raise InputError(
            f"got {path}, which is no record of schema {SCHEMA_VERSION} ({' '.join(first[1:3]) or first[0]}); "
            "run again with --resume, or delete it"
        ) from error


def record_files(folder: Path) -> list[Path]:
    """The record files of a folder in order of their names.

    Raises:
        InputError: When the folder holds none.
    """
    paths = sorted(folder.glob("*.json"))
    if not paths:
        raise InputError(f"got no records in {folder}; allowed: a folder of record files; run 'selip run' first")
    return paths


def read_records(folder: Path) -> list[Record]:
    """All records of a folder in order of their file names.

    Raises:
        InputError: When the folder holds none, or one is not valid.
    """
    return [read_record(path) for path in record_files(folder)]
