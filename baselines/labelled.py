"""A check that a cohort has lesion labels, and volumes of unknown state, for the methods that train on labels."""

from __future__ import annotations

import torch

from selip.system.errors import UnavailableError
from selip.training.method import Preparation


def require_labels(preparation: Preparation, method: str) -> None:
    """Refuses a cohort without labels.

    Raises:
        UnavailableError: When the run's label_names are empty.
    """
    if not preparation.label_names:
        raise UnavailableError(
            f"got a cohort without lesion types in the labels of its training studies, which {method} needs; "
            "add them or leave the method out"
        )


def unknown_apart(alike: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """`alike` (B, B) with 1 between a volume of unknown state and itself, and 0 between it and any other.

    So it is like no other volume, least of all like the normal ones.

    Args:
        alike: How alike the volumes of a batch are.
        labels: (B, K) in {0, 1}; rows of NaN for volumes of unknown state.
    """
    unknown = ~(~labels.isnan()).any(1)  # all(1) has no kernel that is known to repeat
    itself = torch.eye(len(labels), dtype=alike.dtype, device=alike.device)
    return torch.where(unknown[:, None] | unknown, itself, alike)
