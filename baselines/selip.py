"""SeLIP: similarity enhanced contrastive language-image pretraining.

    P = S / rowsum(S)
    L = InfoNCE(Z) + lambda * 1/2 [ KL(P || softmax Z) + KL(P || softmax Z^T) ],   lambda = 1

Source: Liu et al. 2025, arXiv:2503.19801, and the authors' code (yangdong01123/SeLIP). Both agree on the loss; the code
clamps the norms and the KL at 1e-3, which removes most of the gradient late in training. Here log_softmax needs no
clamp, and `kl_clamp` brings it back as an ablation. At lambda = 1 with the defaults L = 2 * soft-target InfoNCE with
T = (I + P) / 2, less the entropy of P, which no weight depends on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch.nn import functional as F

from selip.similarity.text_similarity import TextSimilarity
from selip.training.method import Method, Objective, Preparation
from selip.training.objective import Batch, Loss, identity_targets, soft_target_info_nce
from selip.training.search_space import Span
from selip.training.settings import NonNegative, RunConfig

EPSILON = 1e-12  # guards a row sum of zero, nothing else


@dataclass(frozen=True)
class SelipSettings:
    """Knobs of the loss; the defaults are the paper's.

    Attributes:
        kl_weight: lambda, the weight of the KL term, at least 0.
        kl: "symmetric" (both directions, halved) or "one_way" (volume to text only).
        rows: How S becomes P: "linear" (divide by the row sum) or "softmax".
        diagonal: "in", or "out" to drop the diagonal of Z and S from the KL term.
        kl_clamp: Lower clamp of probabilities inside the KL term (authors' code: 1e-3), below 1; 0 is none.
    """

    kl_weight: NonNegative = 1.0
    kl: Literal["symmetric", "one_way"] = "symmetric"
    rows: Literal["linear", "softmax"] = "linear"
    diagonal: Literal["in", "out"] = "in"
    kl_clamp: Annotated[float, Field(ge=0, lt=1)] = 0.0


def selip_loss(
    logits: torch.Tensor, similarity: torch.Tensor, settings: SelipSettings, masked: torch.Tensor | None = None
) -> Loss:
    """SeLIP's loss; the targets reported beside it are T = (I + lambda P) / (1 + lambda), rows scaled to sum 1.

    With `kl: one_way` T is that of the rows, with 2 lambda for lambda, as the KL is not halved; the columns have I.
    With a clamp, or entries left out of the KL term, there is no single T and none is reported.

    Args:
        logits: Z (B, B), rows are volumes.
        similarity: S (B, B) in [0, 1].
        settings: Knobs of the loss.
        masked: (B, B) bool, pairs that the KL term leaves out beside those of `settings.diagonal`; None for no more.
    """
    identity = identity_targets(logits)
    contrastive = soft_target_info_nce(logits, identity)
    if settings.kl_weight == 0:
        return Loss(contrastive, identity)
    dropped = identity.bool() if settings.diagonal == "out" else torch.zeros_like(identity, dtype=torch.bool)
    if masked is not None:
        dropped = dropped | masked
    distribution = similarity_distribution(similarity, settings.rows, dropped)
    kl = _kl(distribution, logits, dropped, settings.kl_clamp)
    if settings.kl == "symmetric":
        kl = (kl + _kl(distribution, logits.T, dropped, settings.kl_clamp)) / 2
    loss = contrastive + settings.kl_weight * kl
    if settings.kl_clamp or settings.diagonal == "out" or masked is not None:
        return Loss(loss)
    targets = identity + settings.kl_weight * (2 if settings.kl == "one_way" else 1) * distribution
    return Loss(loss, targets / targets.sum(1, keepdim=True))


def similarity_distribution(similarity: torch.Tensor, rows: str, dropped: torch.Tensor) -> torch.Tensor:
    """P (B, B) with zeros where `dropped`; rows sum to 1, or are zero under "linear" when nothing is left in them.

    Args:
        similarity: S (B, B) in [0, 1].
        rows: "linear" or "softmax".
        dropped: (B, B) bool, entries left out before normalising. A row that loses all is zero.
    """
    if rows == "softmax":
        return similarity.masked_fill(dropped, -torch.inf).softmax(1).masked_fill(dropped, 0)  # a row may be empty
    kept = similarity.masked_fill(dropped, 0)
    return kept / kept.sum(1, keepdim=True).clamp_min(EPSILON)


def _kl(distribution: torch.Tensor, logits: torch.Tensor, dropped: torch.Tensor, clamp: float) -> torch.Tensor:
    """KL(P || softmax Z), batch mean, in nats (0 log 0 = 0)."""
    predicted = F.log_softmax(logits.masked_fill(dropped, -torch.inf), dim=1).masked_fill(dropped, 0)
    if clamp:
        distribution, predicted = distribution.clamp_min(clamp), predicted.exp().clamp_min(clamp).log()
    return -(torch.special.entr(distribution) + distribution * predicted).sum(1).mean()


def prepare_with(similarity: TextSimilarity, settings: SelipSettings) -> Objective:
    """SeLIP's objective over a given similarity of text ids, whose tables are where batches will be."""

    def objective(batch: Batch) -> Loss:
        ids = batch.text_ids
        return selip_loss(batch.logits, similarity(ids), settings, similarity.dropped(ids))

    return objective


def prepare(preparation: Preparation) -> Objective:
    """SeLIP's objective for a run."""
    similarity = TextSimilarity.of(preparation.texts, preparation.config.similarity)
    return prepare_with(similarity.to(preparation.device), preparation.settings)


METHOD = Method(
    name="selip",
    summary="contrastive loss softened by syntax x semantic similarity between reports",
    source="Liu et al. 2025, SeLIP, arXiv:2503.19801",
    prepare=prepare,
    settings=SelipSettings,
    space={"kl_weight": Span(0.25, 4)},
    uses_similarity=True,
)


def selip_settings(config: RunConfig) -> SelipSettings:
    """The settings of selip in a run of `config`: what its controls copy."""
    found: SelipSettings = METHOD.settings_in(config)
    return found
