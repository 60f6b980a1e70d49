"""SigLIP: each pair of the batch is a yes-or-no question of its own.

    L = 1/B sum_ij BCE(sigmoid(t U_i . V_j + b), [i = j]),   t = exp(t'), t' = log 10, b = -10 to begin with

Source: Zhai et al. 2023, arXiv:2303.15343, algorithm 1; the authors' code (google-research/big_vision,
trainers/proj/image_text/siglip.py) agrees. Oracle: open_clip's SigLipLoss. t' and b are the method's own and learned,
as the loss needs its bias and another start; the logit scale that the towers share is not used and stays as it is.
There is no target distribution, so the loss has no `targets`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import nn
from torch.nn import functional as F

from selip.training.method import Method, Objective, Preparation
from selip.training.objective import Batch, Loss, identity_targets
from selip.training.search_space import Span
from selip.training.settings import Positive


@dataclass(frozen=True)
class SigmoidSettings:
    """Start values of the loss's learned scale and bias.

    Attributes:
        scale: t, above 0.
        bias: b.
    """

    scale: Positive = 10.0
    bias: Annotated[float, Field(allow_inf_nan=False)] = -10.0


class PairwiseSigmoid(nn.Module):
    """Binary cross-entropy over all pairs, summed over texts and averaged over volumes, with its own scale and bias.

    Attributes:
        labels_of: Labels (B, B) in [0, 1] of a batch.
        weights_of: Weight (B, B) in [0, 1] of each pair; None: all count.
        log_scale: t', scalar.
        bias: b, scalar.
    """

    def __init__(
        self,
        settings: SigmoidSettings,
        labels_of: Callable[[Batch], torch.Tensor],
        weights_of: Callable[[Batch], torch.Tensor | None] = lambda batch: None,
    ) -> None:
        super().__init__()
        self.labels_of, self.weights_of = labels_of, weights_of
        self.log_scale = nn.Parameter(torch.tensor(math.log(settings.scale)))
        self.bias = nn.Parameter(torch.tensor(settings.bias))

    def forward(self, batch: Batch) -> Loss:
        """Loss of a batch, in nats."""
        logits = self.log_scale.exp() * batch.volumes.float() @ batch.texts.float().T + self.bias
        total = F.binary_cross_entropy_with_logits(
            logits, self.labels_of(batch), weight=self.weights_of(batch), reduction="sum"
        )
        return Loss(total / len(logits))


def prepare(preparation: Preparation) -> Objective:
    """A pair is one when it belongs together, else none."""
    return PairwiseSigmoid(preparation.settings, lambda batch: identity_targets(batch.volumes))


METHOD = Method(
    name="siglip",
    summary="pairwise sigmoid loss with a scale and bias of its own",
    source="Zhai et al. 2023, SigLIP, arXiv:2303.15343",
    prepare=prepare,
    settings=SigmoidSettings,
    space={"scale": Span(3, 30), "bias": Span(-12, -2, is_log=False)},
)
