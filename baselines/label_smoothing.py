"""Uniform label smoothing with SeLIP's off-diagonal mass: the control for softening as such.

    T = (1 - e) I + e / B,   L = (1 + lambda) * 1/2 [CE(T, Z) + CE(T, Z^T)]

Source: Szegedy et al. 2016, arXiv:1512.00567, section 7. e is chosen so that T's off-diagonal mass e (B - 1) / B equals
the mean off-diagonal mass of SeLIP's T = (I + lambda P) / (1 + lambda) over the batches of the run, with the run's
SeLIP settings; the factor 1 + lambda is SeLIP's loss scale, so that T alone differs.
"""

from __future__ import annotations

import numpy as np
import torch

from baselines.entropy_match import selip_targets
from selip.training.method import Method, Objective, Preparation
from selip.training.objective import Batch, identity_targets, soft_target_objective


def off_diagonal_mass(preparation: Preparation) -> float:
    """Mean off-diagonal mass of SeLIP's targets, in [0, 1), over evenly spaced batches of the run."""
    return float(np.mean([1 - one.diagonal().mean().item() for one in selip_targets(preparation)]))


def prepare(preparation: Preparation) -> Objective:
    """Smoothing at the mass measured on the run's own batches."""
    mass, scale = off_diagonal_mass(preparation), 1 + preparation.config.selip.kl_weight

    def targets_of(batch: Batch) -> torch.Tensor:
        size = len(batch.text_ids)
        smoothing = mass * size / (size - 1)
        return (1 - smoothing) * identity_targets(batch.logits) + smoothing / size

    return soft_target_objective(targets_of, scale)


METHOD = Method(
    name="label_smoothing",
    summary="control: uniform smoothing with SeLIP's off-diagonal mass",
    source="Szegedy et al. 2016, arXiv:1512.00567; control for arXiv:2503.19801",
    prepare=prepare,
)
