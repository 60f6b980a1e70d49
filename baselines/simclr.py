"""SimCLR: two augmentations of a volume are told apart from those of the other volumes of the batch; no text.

    l(i, j) = -log( exp(z_i . z_j / tau) / sum_{k != i} exp(z_i . z_k / tau) ),   tau = 0.1
    L = 1/(2B) sum_i l(i, j(i)),   z the 2B views of B volumes, unit length; j(i) the other view of i's volume

Source: Chen et al. 2020, arXiv:2002.05709, equation 1 and algorithm 1. The paper averages over all 2B views; the
official code (google-research/simclr, objective.py) adds the means of the two halves, which is twice that: the paper's
is taken. tau = 0.1 is constant, the default of the official run.py, so the learned logit_scale is not used. Differences
forced by one common trainer: z is the model's linear volume projection (paper: a head with a hidden layer), the
augmentation is the run's own (paper: crops and colours), and each view has its own BatchNorm statistics. Equal texts
and other volumes of the same patient count as negatives.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional as F

from selip.training.method import Method, Objective, Preparation
from selip.training.objective import Loss
from selip.training.settings import Positive


@dataclass(frozen=True)
class ViewSettings:
    """Settings of the contrast of views.

    Attributes:
        temperature: tau, constant.
    """

    temperature: Positive = 0.1


def nt_xent(first: torch.Tensor, second: torch.Tensor, temperature: float) -> torch.Tensor:
    """NT-Xent of two views (B, E) of unit length: mean over the 2B views, in nats.

    Args:
        first: One view of each volume.
        second: The other, in the same order.
        temperature: tau, above 0.
    """
    views = torch.cat([first, second])
    numbers = torch.arange(len(views), device=views.device)
    logits = (views @ views.T / temperature).masked_fill(numbers == numbers.unsqueeze(1), -torch.inf)
    return F.cross_entropy(logits, numbers.roll(len(first)))


def prepare(preparation: Preparation) -> Objective:
    """NT-Xent of the two views of a batch, at the temperature that is set."""
    temperature: float = preparation.settings.temperature
    return lambda batch: Loss(nt_xent(batch.volumes.float(), batch.second.float(), temperature))


METHOD = Method(
    name="simclr",
    summary="floor: contrastive learning of two views of a volume, no text",
    source="Chen et al. 2020, SimCLR, arXiv:2002.05709; floor",
    prepare=prepare,
    views=("second",),
    settings=ViewSettings,
)
