"""Scores of MONAI's U-Net, the familiar reference, which is trained once for all methods of a run directory."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.metrics.mask_metrics import HIGHER_IS_BETTER
from selip.system.files import content_hash, held, is_held, write_atomically

UNET = "monai_unet"


@dataclass(frozen=True)
class Reference:
    """Scores of a reference network.

    Attributes:
        scores: (n,) rows in the order of the cases, a column for each key of HIGHER_IS_BETTER.
        history: What val saw and chose, in words.
    """

    scores: pd.DataFrame
    history: str


def kept_reference(
    folder: Path | None,
    key: Any,  # noqa: ANN401 (whatever JSON can hold)
    item_ids: list[str],
    train: Callable[[], Reference],
    wait: bool = True,
) -> Reference | None:
    """The reference from `folder`, or trained and left there, so that 20 methods do not train it 20 times.

    One process trains it; another that asks meanwhile waits for it, or gets None.

    Args:
        folder: Where it is kept; None: nowhere.
        key: All that it depends on.
        item_ids: (n,) cases in order. A file of other cases, or one that is damaged, is written anew.
        train: Makes it.
        wait: Whether to wait for another process.
    """
    if folder is None:
        return train()
    path = folder / f"{UNET}-{content_hash(key)[:16]}.parquet"
    known = _read_reference(path, item_ids)
    if known is not None:
        return known
    lock = path.with_suffix(".lock")
    if not wait and is_held(lock):
        return None
    with held(lock, busy=lambda _: None):
        return _read_reference(path, item_ids) or _left_reference(path, item_ids, train())


def _left_reference(path: Path, item_ids: list[str], made: Reference) -> Reference:
    buffer = io.BytesIO()
    table = made.scores.assign(item_id=item_ids, history=made.history)
    table.to_parquet(buffer, index=False, write_page_checksum=True)
    write_atomically(path, buffer.getvalue())
    return made


def _read_reference(path: Path, item_ids: list[str]) -> Reference | None:
    try:
        table = pd.read_parquet(path, page_checksum_verification=True)
    except (OSError, ValueError):
        return None
    names = list(HIGHER_IS_BETTER)
    if set(table) != {*names, "item_id", "history"} or table["item_id"].tolist() != item_ids:
        return None
    scores = table[names].astype(np.float64)
    return Reference(scores, str(table["history"].iloc[0])) if np.isfinite(scores.to_numpy()).all() else None
