"""CyCLIP: CLIP with similarities that are the same both ways and in both spaces.

    L = CLIP + 0.25 / B sum_jk (U_j . V_k - U_k . V_j)^2 + 0.25 / B sum_jk (U_j . U_k - V_j . V_k)^2

Source: Goel et al. 2022, arXiv:2205.14459, section 3 (cross-modal and in-modal consistency, lambda = 0.25 each). The
authors' code (goel-shashank/CyCLIP, src/train.py) squares the scaled logits, takes their mean, divides by the squared
logit scale and multiplies by B: the same value over plain cosines, and the logit scale has no gradient from it, so
cosines are used here. Its option `inmodal`, contrast between two augmentations, is another method and left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from selip.training.method import Method, Objective, Preparation
from selip.training.objective import Batch, Loss, identity_targets, soft_target_info_nce
from selip.training.search_space import Span
from selip.training.settings import NonNegative


@dataclass(frozen=True)
class ConsistencySettings:
    """Weights of the consistency terms; the defaults are the paper's.

    Attributes:
        cross_modal: Of similarities that are the same both ways.
        in_modal: Of similarities that are the same in both spaces.
    """

    cross_modal: NonNegative = 0.25
    in_modal: NonNegative = 0.25


def inconsistency(volumes: torch.Tensor, texts: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Cross-modal and in-modal term, scalars of at least 0: squared differences of cosines, summed, over B.

    Args:
        volumes: (B, E) unit-length volume embeddings.
        texts: (B, E) unit-length text embeddings.
    """
    across = volumes @ texts.T
    cross_modal = (across - across.T).square().sum() / len(volumes)
    in_modal = (volumes @ volumes.T - texts @ texts.T).square().sum() / len(volumes)
    return cross_modal, in_modal


def cyclip_loss(batch: Batch, settings: ConsistencySettings) -> Loss:
    """CyCLIP's loss of a batch; the targets are those of its contrastive term."""
    targets = identity_targets(batch.logits)
    cross_modal, in_modal = inconsistency(batch.volumes.float(), batch.texts.float())
    contrastive = soft_target_info_nce(batch.logits, targets)
    return Loss(contrastive + settings.cross_modal * cross_modal + settings.in_modal * in_modal, targets)


def prepare(preparation: Preparation) -> Objective:
    """CyCLIP's loss with the weights that are set."""
    settings: ConsistencySettings = preparation.settings
    return lambda batch: cyclip_loss(batch, settings)


METHOD = Method(
    name="cyclip",
    summary="contrastive loss with cross-modal and in-modal consistency",
    source="Goel et al. 2022, CyCLIP, arXiv:2205.14459",
    prepare=prepare,
    settings=ConsistencySettings,
    space={"cross_modal": Span(0.05, 1), "in_modal": Span(0.05, 1)},
)
