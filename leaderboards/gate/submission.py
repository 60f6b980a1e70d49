"""Submissions: the records and per-item scores of a run in one file, and what can be checked of such a file.

A submission is a zip of `submission.json`, `records/*.json` and `records/*.parquet`. It holds no voxels, and no report
texts unless the sender wants it to: then every hash is that of what it holds.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from benchmarks.metrics.resampling import joined
from benchmarks.statistics.intervals import Interval, bootstrap_columns, intervals_of
from benchmarks.statistics.pool_statistics import PER_ITEM, known_items, resampler_for
from leaderboards.scores.benchmark_records import boards_of
from selip.records.metric_key import MetricKey
from selip.records.record import Metric, Record
from selip.records.record_files import read_per_item, read_records, write_record
from selip.system.environment import package_versions
from selip.system.errors import InputError, one_line
from selip.system.files import write_atomically

ABOUT, RECORDS = "submission.json", "records"
TEXT = "text"
MAX_BYTES = 1 << 30
TOLERANCE = 1e-5
"""Per-item scores are float32: what is computed of them differs from the record by its rounding."""


@dataclass(frozen=True)
class Verified:
    """The outcome of checking a submission.

    Attributes:
        records: Its records.
        recomputed: Metrics whose value and interval were computed again.
        wrong: What is not so, a line each.
        unchecked: What cannot be checked, a line each.
    """

    records: tuple[Record, ...]
    recomputed: int
    wrong: tuple[str, ...]
    unchecked: tuple[str, ...]


def submit(run: Path, out: Path, texts: bool = False) -> int:
    """Packs the records of a run directory and their per-item scores into the new file `out`.

    Returns:
        The number of records.

    Raises:
        InputError: When `out` is there already or no .zip, or a record is damaged.
    """
    if out.exists() or out.suffix != ".zip":
        raise InputError(f"got --out {out}; name a new file that ends in .zip")
    records = read_records(run / RECORDS)
    with TemporaryDirectory() as folder:
        for record in records:
            _copy(run / RECORDS, Path(folder), record, texts)
        about = {"library": "selip-bench", "versions": package_versions(), "texts": texts, "records": len(records)}
        write_atomically(out, _packed(Path(folder), about))
    return len(records)


def _copy(source: Path, target: Path, record: Record, texts: bool) -> None:
    items = read_per_item(source, record) if record.per_item else None
    if items is not None and not texts:
        items = items.drop(columns=TEXT, errors="ignore")
    write_record(target, record, items)


def _packed(folder: Path, about: Mapping[str, object]) -> bytes:
    buffer = io.BytesIO()
    files = {ABOUT: json.dumps(about, indent=1).encode()}
    files |= {f"{RECORDS}/{path.name}": path.read_bytes() for path in sorted(folder.iterdir())}
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as packed:
        for name, data in files.items():
            packed.writestr(zipfile.ZipInfo(name), data)  # without a date: the same run is the same file
    return buffer.getvalue()


def verify(path: Path, protocols: Mapping[str, str]) -> Verified:
    """Checks a submission: hashes, protocol, completeness, and every aggregate from the per-item scores.

    Args:
        path: File of `submit`.
        protocols: Protocol version of each benchmark that is known here.

    Raises:
        InputError: When it is no submission, or a hash is wrong.
    """
    with TemporaryDirectory() as folder:
        unpack(path, Path(folder))
        records = read_records(Path(folder) / RECORDS)
        wrong, unchecked, counted = [*_on_protocol(records, protocols)], [*_always_unchecked(records)], 0
        for record in records:
            if record.status != "ok":
                continue
            if not record.per_item:
                wrong.append(f"{record.run_id}: no per-item scores")
                continue
            items = read_per_item(Path(folder) / RECORDS, record)
            compared, differing, unknown = recomputed(record, items)
            counted, wrong = counted + compared, wrong + differing
            unchecked += unknown
        wrong += _together(Path(folder) / RECORDS, records)
    return Verified(tuple(records), counted, tuple(dict.fromkeys(wrong)), tuple(dict.fromkeys(unchecked)))


def unpack(path: Path, folder: Path) -> None:
    """Unpacks a submission into `folder`; nothing but its records is written, and nothing beside them.

    Raises:
        InputError: When it is none.
    """
    try:
        with zipfile.ZipFile(path) as packed:
            about = json.loads(packed.read(ABOUT))
            if about.get("library") != "selip-bench" or sum(one.file_size for one in packed.infolist()) > MAX_BYTES:
                raise ValueError("of another library, or too large")
            for name in packed.namelist():
                place = PurePosixPath(name)
                if len(place.parts) == 2 and place.parts[0] == RECORDS and place.suffix in (".json", ".parquet"):
                    write_atomically(folder / RECORDS / place.name, packed.read(name))
    except (OSError, ValueError, KeyError, AttributeError, zipfile.BadZipFile) as error:
        raise InputError(f"got {path}, no submission ({one_line(error)}); name a file of 'selip submit'") from error


def _on_protocol(records: Sequence[Record], protocols: Mapping[str, str]) -> Iterator[str]:
    for record in records:
        known = protocols.get(record.benchmark)
        if known is not None and record.protocol_version != known:
            yield f"{record.run_id}: protocol {record.protocol_version} of {record.benchmark}, which is {known} here"


def _together(folder: Path, records: Sequence[Record]) -> list[str]:
    """List what keeps the records off one page, and benchmarks that a method lacks."""
    try:
        boards_of(folder, records)
    except InputError as error:
        return [str(error)]
    cells: dict[tuple[str, str, int], set[str]] = {}
    for record in records:
        cells.setdefault((record.method, record.ablation, record.seed), set()).add(record.benchmark)
    every = set().union(*cells.values())
    lacking = {cell: sorted(every - has) for cell, has in cells.items() if every - has}
    return [f"{method} seed {seed}: no record of {', '.join(names)}" for (method, _, seed), names in lacking.items()]


def _always_unchecked(records: Sequence[Record]) -> Iterator[str]:
    yield "the per-item scores themselves: only who has the model can score again"
    if any(record.encoder for record in records):
        yield "origin and licence of encoders from outside, and that they never saw the test part"
    for name in sorted({record.benchmark for record in records if record.status != "ok"}):
        yield f"{name}: records without a score"


def recomputed(record: Record, items: pd.DataFrame) -> tuple[int, list[str], list[str]]:
    """Number of metrics of a record that were computed again from its items, those that differ, those that cannot be.

    Values, their bounds, and the numbers of items and patients; a reference has no items of its own.
    """
    wrong: list[str] = []
    references: set[str] = set()
    keys: dict[str, dict[str, Metric]] = {}
    for key, metric in record.metrics.items():
        name = MetricKey.parse(key)
        if name.reference:
            references.add(name.reference)
        else:
            keys.setdefault(name.pool, {})[name.metric] = metric
    pools = {str(pool): frame for pool, frame in items.groupby("pool")}
    for pool, metrics in keys.items():
        try:
            wrong += [f"{record.run_id}: {pool}/{text}" for text in _differing(record, pools.get(pool), metrics)]
        except (InputError, KeyError) as error:
            wrong.append(f"{record.run_id}: {pool} cannot be computed ({one_line(error)})")
    unchecked = [f"{record.benchmark}: the references {', '.join(sorted(references))}"] if references else []
    return sum(map(len, keys.values())), wrong, unchecked


def _differing(record: Record, frame: pd.DataFrame | None, metrics: Mapping[str, Metric]) -> Iterator[str]:
    if frame is None:
        yield "*: no items of this pool"
        return
    evaluation = record.config.get("evaluation") or {}
    options = {"n_resamples": evaluation.get("n_resamples", 10_000), "seed": evaluation.get("seed", 0)}
    options["confidence"] = 0.95
    found: dict[str, Interval] = {}
    for statistic in {metric.statistic for metric in metrics.values()}:
        names = [name for name, metric in metrics.items() if metric.statistic == statistic]
        if statistic in PER_ITEM:
            table = frame[names].to_numpy(np.float64)
            intervals = bootstrap_columns(table, frame["weight"], frame["patient_id"], statistic=statistic, **options)
        else:
            each = [resampler_for(frame, name, statistic) for name in names]
            intervals = intervals_of([joined(each)], frame["patient_id"].nunique(), **options)
        found |= dict(zip(names, intervals, strict=True))
    for name, metric in metrics.items():
        patients = frame["patient_id"][known_items(frame, name, metric.statistic)]
        given = (metric.value, metric.lower, metric.upper)
        again = (found[name].value, found[name].lower, found[name].upper)
        pairs = [(one, two) for one, two in zip(given, again, strict=True) if one is not None]
        if any(abs(one - two) > TOLERANCE * max(1.0, abs(two)) for one, two in pairs):
            yield f"{name} is {metric.value:.4f}, its items say {found[name].value:.4f}"
        if (metric.n_items, metric.n_patients) != (len(patients), patients.nunique()):
            yield f"{name} counts {metric.n_items} items, there are {len(patients)}"
