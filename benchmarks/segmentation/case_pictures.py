"""Best, median and worst case of a pool, as data: one slice each with truth and prediction."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from benchmarks.benchmark import CasePicture

RANKS = ("best", "median", "worst")


def case_pictures(
    pool: str,
    items: pd.DataFrame,
    voxels: np.ndarray,
    truth: np.ndarray,
    predicted: np.ndarray,
    spacing_mm: Sequence[float],
) -> tuple[CasePicture, ...]:
    """Best, median and worst case by Dice, among those whose truth is not empty where there are any.

    Args:
        pool: Pool of the metrics.
        items: (n,) rows with item_id, text, dice, lesion_ml.
        voxels: (n, I, J, K) uint8.
        truth: (n, I, J, K) bool.
        predicted: (n, I, J, K) bool.
        spacing_mm: Voxel edges along I, J, K.

    Returns:
        In the order of RANKS. Of equal cases the first; fewer pictures where one case has two ranks.
    """
    lesions = items[items["lesion_ml"] > 0] if (items["lesion_ml"] > 0).any() else items
    order = lesions["dice"].sort_values(ascending=False, kind="stable").index.to_numpy()
    chosen: dict[int, str] = {}
    for rank, position in zip(RANKS, (0, (len(order) - 1) // 2, len(order) - 1), strict=True):
        chosen.setdefault(int(order[position]), rank)
    pictures = []
    for row, rank in chosen.items():
        item, k = items.loc[row], best_slice(truth[row], predicted[row])
        caption = f"{rank}: Dice {item['dice']:.2f}, lesion {item['lesion_ml']:.1f} ml, {item['text']}"
        shown, true, found = (part[row, :, :, k].copy() for part in (voxels, truth, predicted))  # a view keeps it all
        edges_mm = (float(spacing_mm[0]), float(spacing_mm[1]))
        pictures.append(CasePicture(pool, rank, str(item["item_id"]), caption, shown, true, found, edges_mm))
    return tuple(pictures)


def best_slice(truth: np.ndarray, predicted: np.ndarray) -> int:
    """The axial slice with most of the truth (I, J, K) bool, of the prediction where the truth is empty."""
    return int(np.argmax((truth if truth.any() else predicted).sum((0, 1))))
