"""A check that a cohort has lesion labels, for the methods that train on them."""

from __future__ import annotations

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
