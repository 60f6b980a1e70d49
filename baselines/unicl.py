"""UniCL: every pair with the same finding set is a positive.

    T_ij = [y_i = y_j] / |{k: y_k = y_i}|,   L = 1/2 [CE(T, Z) + CE(T, Z^T)]

y_i is the set of lesion types that volume i shows; normal volumes share the empty set. T is symmetric, so it serves
both directions. Source: Yang et al. 2022, arXiv:2204.03610, the bidirectional loss, which is SupCon's L_out (Khosla et
al. 2020, arXiv:2004.11362, equation 2) across modalities. The paper sums the directions, here they are halved as in
CLIP. The official repository (microsoft/UniCL) never released its pretraining code, so there is none to compare with.
"""

from __future__ import annotations

import torch

from baselines.labelled import require_labels, unknown_apart
from selip.training.method import Method, Objective, Preparation
from selip.training.objective import Batch, soft_target_objective


def unicl_targets(labels: torch.Tensor) -> torch.Tensor:
    """T (B, B) float32, rows sum to 1, of finding sets (B, K) in {0, 1}; a row of NaN equals none."""
    known = labels.float().nan_to_num()
    differing = known @ (1 - known).T + (1 - known) @ known.T  # entries in which two sets differ, exact integers
    same = unknown_apart((differing == 0).float(), labels)
    return same / same.sum(1, keepdim=True)


def prepare(preparation: Preparation) -> Objective:
    """UniCL's loss on the lesion labels.

    Raises:
        UnavailableError: For a cohort without labels.
    """
    require_labels(preparation, "unicl")

    def targets_of(batch: Batch) -> torch.Tensor:
        return unicl_targets(batch.labels)

    return soft_target_objective(targets_of)


METHOD = Method(
    name="unicl",
    summary="all pairs with the same finding set are positives (cross-modal SupCon)",
    source="Yang et al. 2022, UniCL, arXiv:2204.03610",
    prepare=prepare,
    views=("pairs", "labels"),
)
