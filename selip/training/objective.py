"""Training losses: soft-target InfoNCE, which every soft-target method shares and feeds with its own target matrix."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch.nn import functional as F

_ABSENT = torch.empty(0)


@dataclass(frozen=True)
class Batch:
    """Views of a step for an objective; those that the method did not ask for are empty.

    Attributes:
        volumes: (B, E) unit-length volume embeddings.
        texts: (B, E) unit-length text embeddings, row i belongs to volume i.
        logit_scale: Scalar in [1, 100].
        text_ids: (B,) int64 ids in the cohort's TextTable (after any flip).
        second: (B, E) unit-length embeddings of a second augmentation of the same volumes.
        features: (B, F) volume features before projection.
        regions: (B, C, i, j, k) last map of the volume tower, before pooling.
        words: (B, L, W) hidden states of the text tower, before pooling.
        word_mask: (B, L) bool, which of `words` are tokens.
        inputs: (B, 1, I, J, K) network input.
        masked: (B, 1, I, J, K) bool, voxels of `inputs` that were hidden from the tower.
        masked_regions: (B, C, i, j, k) last map of the volume tower for the input with hidden voxels at zero.
        labels: (B, K) float32 in {0, 1}, lesion types of the finding set of each volume; NaN for an unknown state.
    """

    volumes: torch.Tensor
    texts: torch.Tensor
    logit_scale: torch.Tensor
    text_ids: torch.Tensor
    second: torch.Tensor = field(default=_ABSENT)
    features: torch.Tensor = field(default=_ABSENT)
    regions: torch.Tensor = field(default=_ABSENT)
    words: torch.Tensor = field(default=_ABSENT)
    word_mask: torch.Tensor = field(default=_ABSENT)
    inputs: torch.Tensor = field(default=_ABSENT)
    masked: torch.Tensor = field(default=_ABSENT)
    masked_regions: torch.Tensor = field(default=_ABSENT)
    labels: torch.Tensor = field(default=_ABSENT)

    @property
    def logits(self) -> torch.Tensor:
        """Z = logit_scale * U V^T, (B, B) float32; rows are volumes."""
        return self.logit_scale.float() * self.volumes.float() @ self.texts.float().T


@dataclass(frozen=True)
class Loss:
    """A loss and, where the method has one, the target matrix behind it.

    Attributes:
        value: Scalar in nats.
        targets: (B, B), rows sum to 1; None for a method without a target matrix.
    """

    value: torch.Tensor
    targets: torch.Tensor | None = None


Objective = Callable[[Batch], Loss]


def soft_target_info_nce(
    logits: torch.Tensor, targets: torch.Tensor, column_targets: torch.Tensor | None = None
) -> torch.Tensor:
    """1/2 [CE(T, Z) + CE(T', Z^T)], batch mean, in nats.

    With T = I this is CLIP's loss (arXiv:2103.00020, figure 3).

    Args:
        logits: Z (B, B), rows are volumes.
        targets: T (B, B) for volume to text, rows sum to 1.
        column_targets: T' (B, B) for text to volume, rows sum to 1; None: the same T serves both, as in SeLIP.
    """
    other = targets if column_targets is None else column_targets
    rows = -(targets * F.log_softmax(logits, dim=1)).sum(1).mean()
    columns = -(other * F.log_softmax(logits.T, dim=1)).sum(1).mean()
    return (rows + columns) / 2


def soft_target_objective(targets_of: Callable[[Batch], torch.Tensor], scale: float = 1.0) -> Objective:
    """Soft-target InfoNCE times `scale`, with the target matrix (B, B) that `targets_of` gives for a batch."""

    def objective(batch: Batch) -> Loss:
        targets = targets_of(batch)
        return Loss(scale * soft_target_info_nce(batch.logits, targets), targets)

    return objective


def identity_targets(logits: torch.Tensor) -> torch.Tensor:
    """I (B, B) on the device of `logits`."""
    return torch.eye(len(logits), device=logits.device)


def row_entropy(targets: torch.Tensor) -> torch.Tensor:
    """Entropy (B,) in nats of each row of T (0 log 0 = 0)."""
    return torch.special.entr(targets).sum(1)
