"""CWCL: continuously weighted contrastive loss.

    w_ij = <u_i, u_j> / 2 + 1/2,   T = w / rowsum(w),   L = 1/2 [CE(T, Z) + CE(I, Z^T)]

Source: Srinivasa et al. 2023, arXiv:2309.14580. There u is the embedding of a pretrained modality that stays frozen (a
locked image or text tower), its direction is weighted and the other is CLIP's. Here both towers start from scratch: u
is the current volume embedding, without gradient, so T moves with training. The halving is CLIP's scale; CellCLIP
(arXiv:2506.06290), which uses the loss, sums the directions. No temperature inside w: T is close to uniform from the
start (at B = 64 and orthogonal embeddings a diagonal of 2/65), as in the paper.
"""

from __future__ import annotations

import torch

from selip.training.method import Method, Objective, Preparation
from selip.training.objective import Batch, Loss, identity_targets, soft_target_info_nce


def cwcl_targets(volumes: torch.Tensor) -> torch.Tensor:
    """T (B, B) float32 without gradient, rows sum to 1, of unit-length volume embeddings (B, E)."""
    frozen = volumes.detach().float()
    weights = frozen @ frozen.T / 2 + 0.5
    weights = weights.clamp_min(0)  # rounding may put opposite embeddings just below 0
    return weights / weights.sum(1, keepdim=True)


def objective(batch: Batch) -> Loss:
    """Weighted from volume to text, CLIP's from text to volume; the targets reported are the weighted ones."""
    targets = cwcl_targets(batch.volumes)
    return Loss(soft_target_info_nce(batch.logits, targets, identity_targets(batch.logits)), targets)


def prepare(preparation: Preparation) -> Objective:
    """CWCL needs nothing of the run."""
    return objective


METHOD = Method(
    name="cwcl",
    summary="volume-to-text targets from the similarity of the volume embeddings",
    source="Srinivasa et al. 2023, CWCL, arXiv:2309.14580",
    prepare=prepare,
)
