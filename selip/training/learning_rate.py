"""The learning rate of a step."""

from __future__ import annotations

import math

from selip.training.settings import TrainingConfig


def learning_rate_factor(step: int, config: TrainingConfig) -> float:
    """Share of the peak learning rate at `step` (from 0): linear warm-up, then cosine or polynomial (0.9) to zero."""
    if step < config.warmup_steps:
        return (step + 1) / config.warmup_steps
    done = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    return (1 + math.cos(math.pi * done)) / 2 if config.schedule == "cosine" else (1 - done) ** 0.9
