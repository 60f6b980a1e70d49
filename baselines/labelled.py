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


def unknown_apart(labels: torch.Tensor) -> torch.Tensor:
    """(B, K + U) labels in {0, 1}: each of the U volumes of unknown state has a label of its own and no other.

    So it is like no other volume, least of all like the normal ones; without any, the labels are as they were.

    Args:
        labels: (B, K) in {0, 1}; rows of NaN for volumes of unknown state.
    """
    unknown = labels.isnan().any(1)
    return torch.cat([labels.nan_to_num(), torch.diag(unknown.to(labels.dtype))[:, unknown]], dim=1)
