"""CLIP with its loss doubled: the control for SeLIP's loss scale.

    L = CE(I, Z) + CE(I, Z^T)

Source: the identity L_SeLIP = 2 * soft-target InfoNCE with T = (I + P) / 2 (lambda = 1), so SeLIP steps on twice the
loss. Under Adam only gradient clipping and epsilon feel it; this row shows how much that is.
"""

from __future__ import annotations

from baselines.clip import clip_objective
from selip.training.method import Method, Objective, Preparation


def prepare(preparation: Preparation) -> Objective:
    """CLIP's loss, doubled."""
    return clip_objective(2.0)


METHOD = Method(
    name="clip_x2",
    summary="control: CLIP at SeLIP's loss scale",
    source="control for arXiv:2503.19801",
    prepare=prepare,
    control_of="selip",
)
