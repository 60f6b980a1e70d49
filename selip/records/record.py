"""Records: what one run scored on one benchmark, with everything needed to repeat it.

One JSON file a run x benchmark, its per-item scores in a Parquet file beside it. A number reaches a page only
through a record.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, model_validator

from selip.records.per_item_scores import as_parquet
from selip.system.errors import InputError
from selip.system.files import sealed_json, unsealed_json, write_atomically

SCHEMA_VERSION = 1
Statistic = Literal[
    "mean", "median", "auroc", "auprc", "macro_auroc", "macro_auprc", "accuracy", "balanced_accuracy", "macro_f1",
    "mcc", "ece",
]  # fmt: skip
"""How the per-item table becomes the value of a metric; benchmarks.statistics.pool_statistics has one function for each."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Metric(_Strict):
    """One number with its interval.

    Attributes:
        value: The metric.
        lower: Lower end of the 95 % interval; None where there is no interval (chance, majority).
        upper: Upper end.
        n_patients: Patients behind it.
        n_items: Items (volumes) behind it.
        higher_is_better: Direction of the metric.
        statistic: How the per-item table becomes the value.
    """

    value: float
    lower: float | None = None
    upper: float | None = None
    n_patients: int
    n_items: int
    higher_is_better: bool = True
    statistic: Statistic = "mean"


class CohortFacts(_Strict):
    """A cohort behind a record."""

    name: str
    profile: str
    content_hash: str
    synthetic: bool
    n_patients: int
    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]


class Training(_Strict):
    """How the model came about; the two hashes prove that methods of a seed began and were fed alike.

    Attributes:
        steps: Optimiser steps.
        chosen_step: Step of the kept weights, chosen on val.
        initial_weights_hash: Hash of the weights before the first step.
        batch_order_hash: Hash of rows and flips of every batch.
        precision: Mixed precision of the forward pass; "no" is float32.
        own_tower: Volume tower that the method brought in place of the common one; "" for the common one.
        target_entropy: Mean row entropy of the target matrix in nats; None where there is no such matrix.
        target_diagonal: Mean diagonal of the target matrix.
        parameters: Trainable parameters.
        never_flipped: Training pairs whose text has sides that cannot be swapped with certainty: flips leave them out.
        history: One row a validation: step, loss, val_score and more.
    """

    steps: int
    chosen_step: int
    initial_weights_hash: str
    batch_order_hash: str
    precision: str = "no"
    own_tower: str = ""
    target_entropy: float | None = None
    target_diagonal: float | None = None
    parameters: int
    never_flipped: int = 0
    history: list[dict[str, float]] = []


class Record(_Strict):
    """One run on one benchmark. See the module's docstring.

    `cohort` is what was scored. `trained_on` is the cohort that the model was trained on and its step chosen on; None
    where that is `cohort` too. `transfer` is the second cohort, of which tasks of transfer were scored; None where
    there was none.
    """

    schema_version: Literal[1] = 1
    run_id: str
    status: Literal["ok", "failed", "skipped"]
    reason: str = ""
    method: str
    ablation: str = ""
    benchmark: str
    protocol_version: str
    seed: int
    cohort: CohortFacts
    split_fingerprint: str
    transfer: CohortFacts | None = None
    transfer_split_fingerprint: str = ""
    trained_on: CohortFacts | None = None
    trained_on_split_fingerprint: str = ""
    config: dict[str, Any]
    config_hash: str
    metrics: dict[str, Metric] = {}
    notes: dict[str, str] = {}
    training: Training | None = None
    versions: dict[str, str] = {}
    device: str = ""
    seconds: dict[str, float] = {}
    peak_memory_mb: float = 0.0
    git_commit: str = ""
    created: str = ""
    command: str = ""
    per_item: str = ""
    per_item_sha256: str = ""

    @property
    def synthetic(self) -> bool:
        """Whether any cohort behind its numbers is simulated."""
        return any(one.synthetic for one in (self.cohort, self.transfer, self.trained_on) if one)

    @model_validator(mode="after")
    def _reason_where_needed(self) -> Record:
        if self.status != "ok" and not self.reason:
            raise ValueError(f"a {self.status} record needs a reason")
        return self


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
