"""Records on disk: a sealed JSON file a record, and its per-item scores beside it."""

from __future__ import annotations

import io
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from selip.records.record import SCHEMA_VERSION, Record
from selip.system.errors import InputError
from selip.system.files import OTHER_CONTENT, sealed_json, unsealed_json, write_atomically

if TYPE_CHECKING:
    import pandas as pd


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
    """The record files of a folder in order of their names; raises InputError when the folder holds none."""
    paths = sorted(folder.glob("*.json"))
    if not paths:
        raise InputError(f"got no records in {folder}; name a folder of record files, or run 'selip run' first")
    return paths


def read_records(folder: Path) -> list[Record]:
    """All records of a folder in order of their file names.

    Raises:
        InputError: When the folder holds none, or one is not valid.
    """
    return [read_record(path) for path in record_files(folder)]


def as_parquet(per_item: pd.DataFrame) -> bytes:
    """As small as it goes: hundreds of columns of incompressible scores, so what is written beside them counts."""
    import pyarrow as pa
    from pyarrow import parquet

    short = per_item.astype(dict.fromkeys(per_item.select_dtypes("float64"), "float32"))
    table = pa.Table.from_pandas(short, preserve_index=False).replace_schema_metadata(None)
    words = [field.name for field in table.schema if not pa.types.is_floating(field.type)]
    buffer = io.BytesIO()
    parquet.write_table(
        table, buffer, compression="zstd", compression_level=19, use_dictionary=words,
        write_statistics=False, store_schema=False,
    )  # fmt: skip
    return buffer.getvalue()


def read_per_item(folder: Path, record: Record) -> pd.DataFrame:
    """Per-item scores of a record.

    Raises:
        InputError: When the record has none, or their file is missing, damaged or outside of `folder`.
    """
    import pandas as pd

    try:
        table = pd.read_parquet(io.BytesIO(per_item_bytes(folder, record)))
        if missing := {"pool", "patient_id"} - {*table.columns}:
            raise ValueError(f"no columns {', '.join(sorted(missing))}")
    except (OSError, ValueError) as error:
        raise _no_per_item(folder, record, str(error)) from error
    return table.astype(dict.fromkeys(table.select_dtypes("float32"), "float64"))


def check_per_item(folder: Path, record: Record) -> None:
    """Raises InputError when a record has per-item scores that are not as they were written."""
    if record.per_item:
        per_item_bytes(folder, record)


def per_item_bytes(folder: Path, record: Record) -> bytes:
    """The Parquet file of a record's per-item scores.

    Raises:
        InputError: When it is missing, damaged or outside of `folder`.
    """
    path = folder / record.per_item
    try:
        if path.resolve().parent != folder.resolve():
            raise OSError("it lies outside")
        data = path.read_bytes()
    except OSError as error:
        raise _no_per_item(folder, record, str(error)) from error
    if record.per_item_sha256 != sha256(data).hexdigest():
        raise _no_per_item(folder, record, OTHER_CONTENT)
    return data


def _no_per_item(folder: Path, record: Record, reason: str) -> InputError:
    return InputError(
        f"got no readable per-item scores of record {record.run_id} in {folder} ({reason}); run again with --resume"
    )
