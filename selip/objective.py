"""Training losses: soft-target InfoNCE, which every soft-target method shares and feeds with its own target matrix."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional as F


@dataclass(frozen=True)
class Batch:
    """What an objective sees of a step.

    Attributes:
        volumes: (B, E) unit-length volume embeddings.
        texts: (B, E) unit-length text embeddings, row i belongs to volume i.
        logit_scale: Scalar in [1, 100].
        text_ids: (B,) int64 ids in the cohort's TextTable (after any flip).
    """

    volumes: torch.Tensor
    texts: torch.Tensor
    logit_scale: torch.Tensor
    text_ids: torch.Tensor

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


def soft_target_info_nce(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """1/2 [CE(T, Z) + CE(T, Z^T)], batch mean, in nats.

    With T = I this is CLIP's loss (arXiv:2103.00020, figure 3).

    Args:
        logits: Z (B, B), rows are volumes.
        targets: T (B, B), rows sum to 1; the same T serves both directions, as in SeLIP.
    """
    rows = -(targets * F.log_softmax(logits, dim=1)).sum(1).mean()
    columns = -(targets * F.log_softmax(logits.T, dim=1)).sum(1).mean()
    return (rows + columns) / 2


def identity_targets(logits: torch.Tensor) -> torch.Tensor:
    """I (B, B) on the device of `logits`."""
    return torch.eye(len(logits), device=logits.device)


def row_entropy(targets: torch.Tensor) -> torch.Tensor:
    """Entropy (B,) in nats of each row of T (0 log 0 = 0)."""
    return torch.special.entr(targets).sum(1)
