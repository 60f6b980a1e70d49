"""CLIP: symmetric cross-entropy against the identity.

    L = 1/2 [CE(I, Z) + CE(I, Z^T)]

Source: Radford et al. 2021, arXiv:2103.00020, figure 3. Oracle: open_clip's ClipLoss. Texts that are equal within a
batch count as negatives, as in CLIP; unique-text batches avoid them.
"""

from __future__ import annotations

from selip.training.method import Method, Objective, Preparation
from selip.training.objective import identity_targets, soft_target_objective


def clip_objective(scale: float) -> Objective:
    """CLIP's loss times `scale`."""
    return soft_target_objective(lambda batch: identity_targets(batch.logits), scale)


def prepare(preparation: Preparation) -> Objective:
    """CLIP's loss needs nothing of the run."""
    return clip_objective(1.0)


METHOD = Method(
    name="clip",
    summary="contrastive loss against one-hot targets",
    source="Radford et al. 2021, CLIP, arXiv:2103.00020",
    prepare=prepare,
)
