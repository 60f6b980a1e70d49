"""Maps of the similarity of a volume and a text, and how well a map fits a mask.

A tower that is read out linearly, as W of its pooled last map A, has embedding W pool(A) before it is brought to unit
length. Its product with a text's embedding is a sum over positions of A, and gradient times activation, summed over
channels, is each position's share: HiResCAM (Draelos and Carin 2020, arXiv:2011.08891, eq. 5), a class activation map
with a grid in place of the mean. At an earlier map, or the voxels, it is the share to first order.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy import ndimage

from selip.models.encoder import VolumeBatch
from selip.system.arrays import BoolArray, FloatArray
from selip.system.errors import InputError, UnavailableError

SHARES = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
"""Shares of a volume's voxels that a threshold may leave; val chooses one."""


@torch.enable_grad()
def shares(model: Any, batch: VolumeBatch, texts: torch.Tensor) -> list[torch.Tensor]:  # noqa: ANN401 (see Encoder)
    """Shares (B, i, j, k) of positions in the product with `texts` (B, E): of the voxels, then of each map of a tower.

    Raises:
        UnavailableError: When the encoder gives no gradients.
        InputError: When one is not finite.
    """
    voxels = batch.voxels.requires_grad_()
    if hasattr(model, "volume_projection"):
        inputs = model.intensity(voxels, batch.contrasts)
        levels = [inputs, *model.volume_tower.stage_maps(inputs)]
        embedded = model.volume_projection(model.volume_tower.pool(levels[-1]))
    elif not model.wants.per_study:
        levels, embedded = [voxels], getattr(model, "encoder", model).encode_volumes(batch)
    refusal = UnavailableError("the encoder has no gradient at the voxels of a volume; leave grounding out")
    if model.wants.per_study or not embedded.requires_grad:
        raise refusal
    gradients = torch.autograd.grad((embedded * texts).sum(), levels, allow_unused=True)
    maps = [(one * g).sum(1).detach().float() for one, g in zip(levels, gradients, strict=True) if g is not None]
    if not maps:
        raise refusal
    if not all(torch.isfinite(one).all() for one in maps):
        raise InputError("got a gradient of the encoder that is not finite; mend the model, or leave grounding out")
    return maps


def head_of(voxels: np.ndarray) -> BoolArray:
    """(I, J, K) the head of a volume (I, J, K): the largest piece above an eighth of its 99.5th percentile, filled."""
    bright = ndimage.binary_opening(voxels > np.percentile(voxels, 99.5) / 8)
    pieces, count = ndimage.label(bright)
    if not count:
        return np.ones(voxels.shape, dtype=bool)
    head: BoolArray = ndimage.binary_fill_holes(pieces == 1 + np.argmax(np.bincount(pieces.ravel())[1:]))
    return head


def map_scores(found: FloatArray, inside: BoolArray) -> dict[str, float]:
    """Scores of a map (v,) against the mask (v,), which has both kinds of voxel.

    The pointing game (whether the highest voxel is inside; of equal ones the share), `voxel_auroc`, and Dice of each of
    SHARES of the voxels.
    """
    scores = {"pointing": float(inside[found == found.max()].mean()), "voxel_AUROC": voxel_auroc(found, inside)}
    for share in SHARES:
        marked = highest(found, share)
        scores[f"dice_{share:g}"] = float(2 * (marked & inside).sum() / (marked.sum() + inside.sum()))
    return scores


def voxel_auroc(found: FloatArray, inside: BoolArray) -> float:
    """Share of pairs in which the voxel inside has more than the one outside, ties half, of a map and a mask (v,)."""
    outside, own = np.sort(found[~inside]), found[inside]
    wins = np.searchsorted(outside, own, "left") + np.searchsorted(outside, own, "right")
    return float(wins.mean() / (2 * len(outside)))


def highest(found: FloatArray, share: float) -> BoolArray:
    """(v,) the share of the voxels (v,) with the highest values, one at least, and those that are equal to the last."""
    count = max(1, round(share * len(found)))
    marked: BoolArray = found >= np.partition(found, len(found) - count)[len(found) - count]
    return marked
