"""Class probabilities that were predicted elsewhere: a CSV or Parquet file with volume_id, task, class, probability."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from selip.data.cohort import Cohort, CohortInfo
from selip.models.encoder import EncoderKind, Stated, VolumeBatch, Wants
from selip.system.arrays import FloatArray
from selip.system.errors import InputError, UnavailableError, one_line
from selip.system.files import content_hash

COLUMNS = ("volume_id", "task", "class", "probability")
NOTHING_ELSE = "class probabilities say nothing of embeddings and masks; leave other benchmarks than fine_tune out"
_TOLERANCE = 1e-3


class ScoreFile:
    """Probabilities of a file as an Encoder, scored in the place of a fine-tuned tower."""

    wants, device = Wants(), torch.device("cpu")

    def __init__(self, path: Path) -> None:
        self.path, self.table = path, _read(path)
        self.tasks = tuple(dict.fromkeys(self.table["task"]))
        self.weights_hash = content_hash(self.table.to_csv(index=False))

    def check(self, cohorts: Sequence[Cohort]) -> None:
        """Refuses probabilities of volumes that no cohort has."""
        known = {one for cohort in cohorts for one in cohort.volumes["volume_id"]}
        strange = sorted(set(self.table["volume_id"]) - known)
        if strange:
            raise InputError(
                f"got {len(strange)} volumes in {self.path} that the cohort lacks, first {strange[0]!r}; remove them"
            )

    def probabilities(self, task: str, classes: Sequence[str], ids: Sequence[str]) -> FloatArray:
        """(n, K) probabilities of volumes; what is given to other classes is dealt out in proportion.

        Raises:
            InputError: When a volume or class is missing, or the probabilities of a volume do not sum to 1.
        """
        wide = self.table[self.table["task"] == task].pivot_table("probability", "volume_id", "class", "sum")
        missing = [one for one in ids if one not in wide.index] or [one for one in classes if one not in wide]
        if missing:
            raise InputError(f"got {self.path} without {len(missing)} of {task}, first {missing[0]!r}; add them")
        found = wide.loc[list(ids)].to_numpy(np.float64)
        wrong = np.abs(found.sum(axis=1) - 1) > _TOLERANCE
        if not np.isfinite(found).all() or (found < 0).any() or wrong.any():
            first = ids[int((wrong | ~np.isfinite(found).all(axis=1) | (found < 0).any(axis=1)).argmax())]
            raise InputError(
                f"got probabilities of {first!r} in {task} that are none; give numbers from 0 that sum to 1"
            )
        kept = wide.loc[list(ids), list(classes)].to_numpy(np.float64)
        total = kept.sum(axis=1, keepdims=True)
        dealt: FloatArray = np.where(total > 0, kept / np.maximum(total, 1e-12), 1 / len(classes))
        return dealt

    def encode_volumes(self, batch: VolumeBatch) -> torch.Tensor:
        """Nothing: raises UnavailableError."""
        raise UnavailableError(NOTHING_ELSE)

    def encode_texts(self, texts: Sequence[str]) -> torch.Tensor:
        """Nothing: raises UnavailableError."""
        raise UnavailableError(NOTHING_ELSE)


def _read(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path, dtype={"volume_id": str})
    except (OSError, ValueError) as error:
        raise InputError(f"got {path}, no readable table ({one_line(error)}); name a .csv or .parquet file") from error
    missing = [name for name in COLUMNS if name not in table]
    if missing or table.empty:
        raise InputError(f"got {path} without {', '.join(missing) or 'rows'}; write {', '.join(COLUMNS)}")
    twice = table.duplicated(list(COLUMNS[:3]))
    if twice.any():
        first = table.loc[twice.idxmax(), list(COLUMNS[:3])].tolist()
        raise InputError(f"got {' '.join(map(str, first))} twice in {path}; remove the repeat")
    return table.astype({"volume_id": str, "task": str, "class": str, "probability": float})


def _open(argument: str, settings: Stated, info: CohortInfo) -> ScoreFile:
    return ScoreFile(Path(argument))


ENCODER = EncoderKind(
    name="scores",
    summary="class probabilities that were predicted elsewhere, as CSV or Parquet",
    source="scores:FILE",
    open=_open,
)
