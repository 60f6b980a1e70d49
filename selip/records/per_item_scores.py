"""Per-item scores of a record: the Parquet file beside it."""

from __future__ import annotations

import io
from hashlib import sha256
from pathlib import Path

import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from selip.records.record import Record
from selip.system.errors import InputError
from selip.system.files import OTHER_CONTENT


def as_parquet(per_item: pd.DataFrame) -> bytes:
    """As small as it goes: hundreds of columns of incompressible scores, so what is written beside them counts."""
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
    try:
        table = pd.read_parquet(io.BytesIO(per_item_bytes(folder, record)))
        if missing := {"pool", "patient_id"} - {*table.columns}:
            raise ValueError(f"no columns {', '.join(sorted(missing))}")
    except (OSError, ValueError) as error:
        raise _no_per_item(folder, record, str(error)) from error
    return table.astype(dict.fromkeys(table.select_dtypes("float32"), "float64"))


def check_per_item(folder: Path, record: Record) -> None:
    """Raises InputError when a record has per-item scores that are not as they were written, or cannot be read."""
    if record.per_item and record.per_item_sha256:
        per_item_bytes(folder, record)
    elif record.per_item:  # an older record
        read_per_item(folder, record)


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
    if record.per_item_sha256 not in ("", sha256(data).hexdigest()):
        raise _no_per_item(folder, record, OTHER_CONTENT)
    return data


def _no_per_item(folder: Path, record: Record, reason: str) -> InputError:
    return InputError(
        f"got no readable per-item scores of record {record.run_id} in {folder} ({reason}); run again with --resume"
    )
