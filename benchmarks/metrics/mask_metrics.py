"""Lesion masks against the truth: Dice, HD95, NSD at 2 mm and lesion-wise F1, a number a case.

Empty masks, in every function here: both empty is right (Dice 1, HD95 0, NSD 1, F1 1); one empty is wrong altogether
(Dice 0, HD95 the volume's diagonal, NSD 0, F1 0). MONAI gives NaN there, and a mean that skips NaN would reward a model
that predicts nothing.

A surface, as MONAI has it without sub-voxels: the voxels of a mask that share a face with the outside, to which the
world beyond the volume belongs. Distances run between voxel centres in millimetres, and each surface voxel counts once,
whatever the area of its faces. So with voxels wider than 2 mm, NSD at 2 mm is the share of surface voxels that agree.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import permutations
from types import MappingProxyType

import numpy as np
import pandas as pd
from scipy import ndimage
from scipy.spatial import cKDTree

from selip.system.errors import InputError

NSD_TOLERANCE_MM = 2.0
NEIGHBOURS_26 = np.ones((3, 3, 3), dtype=bool)
HIGHER_IS_BETTER: Mapping[str, bool] = MappingProxyType(
    {"dice": True, "hd95_mm": False, "nsd_at_2mm": True, "lesion_f1": True}
)


def score_masks(predicted: np.ndarray, truth: np.ndarray, spacing_mm: tuple[float, float, float]) -> pd.DataFrame:
    """Scores of many cases.

    Args:
        predicted: (n, I, J, K) bool.
        truth: (n, I, J, K) bool.
        spacing_mm: Voxel edges along I, J, K.

    Returns:
        n rows in the order of the cases, a float column for each key of HIGHER_IS_BETTER.

    Raises:
        InputError: For masks that are not bool or differ in shape, or a spacing that is not positive.
    """
    _check(predicted, truth, spacing_mm)
    columns = list(HIGHER_IS_BETTER)
    return pd.DataFrame(
        [_scores(*pair, spacing_mm) for pair in zip(predicted, truth, strict=True)], columns=columns, dtype=float
    )


def dice_scores(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Dice (n,) in [0, 1] of masks (n, I, J, K) bool: 2 |P and T| / (|P| + |T|), 1 where both are empty.

    MONAI's `compute_dice` with `ignore_empty=False`, for all cases at once.

    Raises:
        InputError: For masks that are not bool.
    """
    _check_bool(predicted, truth)
    axes = tuple(range(1, predicted.ndim))
    overlap, voxels = (predicted & truth).sum(axes), predicted.sum(axes) + truth.sum(axes)
    return np.where(voxels == 0, 1.0, 2 * overlap / np.maximum(voxels, 1))


def lesion_f1(predicted: np.ndarray, truth: np.ndarray) -> float:
    """F1 in [0, 1] over lesions, the connected components (26 neighbours) of masks (I, J, K) bool.

    A true lesion is found when one of its voxels is predicted; a predicted one is false when no voxel of it is true;
    F1 = 2 found / (2 found + missed + false). The policy of ISLES 2022 (Hernandez Petzsche et al. 2022, Scientific Data
    9:762; its evaluation code takes 26 neighbours too) and ATLAS R2.0. Lesions that one prediction joins are all found.

    Raises:
        InputError: For masks that are not bool.
    """
    _check_bool(predicted, truth)
    true_lesions, n_true = ndimage.label(truth, structure=NEIGHBOURS_26)
    predicted_lesions, n_predicted = ndimage.label(predicted, structure=NEIGHBOURS_26)
    both = predicted & truth
    found, right = len(np.unique(true_lesions[both])), len(np.unique(predicted_lesions[both]))
    counted = found + n_true + n_predicted - right
    return 2 * found / counted if counted else 1.0


def _scores(predicted: np.ndarray, truth: np.ndarray, spacing_mm: tuple[float, float, float]) -> dict[str, float]:
    filled = (bool(predicted.any()), bool(truth.any()))
    if all(filled):
        hd95_mm, nsd = _surface_scores(predicted, truth, spacing_mm)
    elif any(filled):
        hd95_mm, nsd = math.hypot(*np.multiply(predicted.shape, spacing_mm)), 0.0
    else:
        hd95_mm, nsd = 0.0, 1.0
    dice = float(dice_scores(predicted[None], truth[None])[0])
    return {"dice": dice, "hd95_mm": hd95_mm, "nsd_at_2mm": nsd, "lesion_f1": lesion_f1(predicted, truth)}


def _surface_scores(
    predicted: np.ndarray, truth: np.ndarray, spacing_mm: tuple[float, float, float]
) -> tuple[float, float]:
    """HD95 in mm (the larger of both directed 95th percentiles) and NSD of two masks that are not empty."""
    box = ndimage.find_objects((predicted | truth).astype(np.int8))[0]
    surfaces = [mask[box] & ~ndimage.binary_erosion(mask[box]) for mask in (predicted, truth)]
    trees = [cKDTree(np.argwhere(one) * spacing_mm) for one in surfaces]
    # In float32, as MONAI has them: a distance of exactly the tolerance is within it, however it was rounded.
    distances_mm = [one.query(other.data)[0].astype(np.float32) for one, other in permutations(trees)]
    hd95_mm = max(float(np.percentile(one, 95)) for one in distances_mm)
    return hd95_mm, float(np.mean(np.concatenate(distances_mm) <= NSD_TOLERANCE_MM))


def _check(predicted: np.ndarray, truth: np.ndarray, spacing_mm: tuple[float, float, float]) -> None:
    if predicted.shape != truth.shape or predicted.ndim != 4:
        raise InputError(
            f"got {len(predicted)} masks of shape {predicted.shape[1:]} and {len(truth)} of {truth.shape[1:]}; "
            "bring both onto one grid"
        )
    _check_bool(predicted, truth)
    if len(spacing_mm) != 3 or not all(math.isfinite(edge) and edge > 0 for edge in spacing_mm):
        raise InputError(f"got spacing_mm {spacing_mm}; give three voxel edges above 0, in millimetres")


def _check_bool(predicted: np.ndarray, truth: np.ndarray) -> None:
    if predicted.dtype != bool or truth.dtype != bool:
        raise InputError(f"got masks of {predicted.dtype} and {truth.dtype}; apply a threshold first")
