"""Uniform label smoothing with SeLIP's off-diagonal mass: the control for softening as such.

    T = (1 - e) I + e / B,   L = (1 + lambda) * 1/2 [CE(T, Z) + CE(T, Z^T)]

Source: Szegedy et al. 2016, arXiv:1512.00567, section 7. e is chosen so that T's off-diagonal mass e (B - 1) / B equals
the mean off-diagonal mass of SeLIP's T = (I + lambda P) / (1 + lambda) over the batches of the run, with the run's
SeLIP settings; the factor 1 + lambda is SeLIP's loss scale, so that T alone differs.
"""

from __future__ import annotations

import numpy as np
import torch

from selip.method import Method, Objective, Preparation
from selip.objective import Batch, Loss, identity_targets, soft_target_info_nce
from selip.similarity import TextSimilarity
from selip.similarity_enhanced import selip_loss

SAMPLED_BATCHES = 200


def off_diagonal_mass(preparation: Preparation) -> float:
    """Mean off-diagonal mass of SeLIP's targets, in [0, 1), over evenly spaced batches of the run."""
    similarity = TextSimilarity.of(preparation.texts, preparation.config.similarity)
    steps = np.unique(np.linspace(0, len(preparation.batches) - 1, SAMPLED_BATCHES).astype(int))
    masses = []
    for ids in torch.from_numpy(preparation.batches[steps]):
        targets = selip_loss(torch.zeros(len(ids), len(ids)), similarity(ids), preparation.config.selip).targets
        masses.append(0.0 if targets is None else 1 - targets.diagonal().mean().item())
    return float(np.mean(masses))


def prepare(preparation: Preparation) -> Objective:
    """Smoothing at the mass measured on the run's own batches."""
    mass, scale = off_diagonal_mass(preparation), 1 + preparation.config.selip.kl_weight

    def objective(batch: Batch) -> Loss:
        size = len(batch.text_ids)
        smoothing = mass * size / (size - 1)
        targets = (1 - smoothing) * identity_targets(batch.logits) + smoothing / size
        return Loss(scale * soft_target_info_nce(batch.logits, targets), targets)

    return objective


METHOD = Method(
    name="label_smoothing",
    summary="control: uniform smoothing with SeLIP's off-diagonal mass",
    source="Szegedy et al. 2016, arXiv:1512.00567; control for arXiv:2503.19801",
    prepare=prepare,
)
