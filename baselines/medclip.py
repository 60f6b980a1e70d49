"""MedCLIP: targets from the overlap of finding labels.

    s_ij = <y_i, y_j> / (|y_i| |y_j|),   T = row-softmax(s),   L = 1/2 [CE(T, Z) + CE(T', Z^T)],   T' = row-softmax(s^T)

y_i is the multi-hot vector of the lesion types that volume i shows, with a column of its own for "normal" (CheXpert's
"No Finding" there). Text i has the labels of its volume, so s is symmetric and T' = T. Source: Wang et al. 2022,
MedCLIP, arXiv:2210.10163, semantic matching loss; the softmax over s has temperature 1, so T is close to uniform (no
entry of a row is more than e times another). The official code (RyanWangZf/MedCLIP) takes the raw dot product of labels
in {-1, 0, 1}, at the same temperature, where the paper normalises it; here it is the paper's. Its unpaired sampling of
images and texts is left out: all methods see the same pairs.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional as F

from baselines.labelled import require_labels, unknown_apart
from selip.training.method import Method, Objective, Preparation
from selip.training.objective import Batch, soft_target_objective
from selip.training.search_space import Span
from selip.training.settings import Positive


@dataclass(frozen=True)
class OverlapSettings:
    """Settings of targets from the overlap of labels.

    Attributes:
        temperature: Of the softmax over s; the default is the paper's.
    """

    temperature: Positive = 1.0


def medclip_targets(labels: torch.Tensor, temperature: float) -> torch.Tensor:
    """T (B, B) float32, rows sum to 1, of finding sets (B, K) in {0, 1}; an empty set is a label "normal".

    A row of NaN, of a volume of unknown state, overlaps with no other.
    """
    known = labels.nan_to_num()
    normal = ~known.any(1, keepdim=True)
    vectors = F.normalize(torch.cat([known, normal], dim=1).float(), dim=1)
    return (unknown_apart(vectors @ vectors.T, labels) / temperature).softmax(1)


def prepare(preparation: Preparation) -> Objective:
    """MedCLIP's loss on the lesion labels.

    Raises:
        UnavailableError: For a cohort without labels.
    """
    require_labels(preparation, "medclip")
    temperature: float = preparation.settings.temperature

    def targets_of(batch: Batch) -> torch.Tensor:
        return medclip_targets(batch.labels, temperature)

    return soft_target_objective(targets_of)


METHOD = Method(
    name="medclip",
    summary="soft targets from the overlap of finding labels",
    source="Wang et al. 2022, MedCLIP, arXiv:2210.10163",
    prepare=prepare,
    views=("pairs", "labels"),
    settings=OverlapSettings,
    space={"temperature": Span(0.1, 3)},
)
