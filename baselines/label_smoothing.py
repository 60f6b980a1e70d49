"""Uniform label smoothing with SeLIP's off-diagonal mass: the control for softening as such.

    T = (1 - e) I + e / B,   L = (1 + lambda) * 1/2 [CE(T, Z) + CE(T, Z^T)]

Source: Szegedy et al. 2016, arXiv:1512.00567, section 7. e is chosen so that T's off-diagonal mass e (B - 1) / B equals
the mean off-diagonal mass of SeLIP's T = (I + lambda P) / (1 + lambda) over the batches of the run, with the run's
SeLIP settings; the factor 1 + lambda is SeLIP's loss scale, so that T alone differs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from pydantic import Field

from baselines.entropy_match import selip_targets
from baselines.selip import selip_settings
from selip.training.method import Method, Objective, Preparation
from selip.training.objective import Batch, identity_targets, soft_target_objective
from selip.training.search_space import Span


@dataclass(frozen=True)
class SmoothingSettings:
    """Settings of label smoothing.

    Attributes:
        epsilon: e in [0, 1]; null: at which T has the off-diagonal mass of SeLIP's.
    """

    epsilon: Annotated[float, Field(ge=0, le=1)] | None = None


def off_diagonal_mass(preparation: Preparation) -> float:
    """Mean off-diagonal mass of SeLIP's targets, in [0, 1), over evenly spaced batches of the run."""
    return float(np.mean([1 - one.diagonal().mean().item() for one in selip_targets(preparation)]))


def prepare(preparation: Preparation) -> Objective:
    """Smoothing as set, or at the mass measured on the run's own batches."""
    given, scale = preparation.settings.epsilon, 1 + selip_settings(preparation.config).kl_weight
    mass = off_diagonal_mass(preparation) if given is None else 0.0

    def targets_of(batch: Batch) -> torch.Tensor:
        size = len(batch.text_ids)
        smoothing = mass * size / (size - 1) if given is None else given
        return (1 - smoothing) * identity_targets(batch.logits) + smoothing / size

    return soft_target_objective(targets_of, scale)


METHOD = Method(
    name="label_smoothing",
    summary="control: uniform smoothing with SeLIP's off-diagonal mass",
    source="Szegedy et al. 2016, arXiv:1512.00567; control for arXiv:2503.19801",
    prepare=prepare,
    settings=SmoothingSettings,
    space={"epsilon": Span(0.02, 0.6)},
    control_of="selip",
)
