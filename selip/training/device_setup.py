"""How the device executes a step: the optimiser's kernels, memory format, compilation; the method stays the same."""

from __future__ import annotations

from typing import Any

import torch
from accelerate import Accelerator
from torch import nn

from selip.models.dual_encoder import DualEncoder, parameter_groups
from selip.training.settings import TrainingConfig
from selip.training.trackers import Tracking


def repeat_exactly() -> None:
    """Chooses kernels that repeat their numbers, for the process, where there are such."""
    torch.use_deterministic_algorithms(True, warn_only=True)
    # Filling new memory before it is written costs time and changes no number.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined, unused-ignore]


def make_accelerator(config: TrainingConfig, tracking: Tracking) -> Accelerator:
    """Precision, processes and tracker of a run."""
    automatic = "bf16" if torch.cuda.is_available() else "no"
    precision = automatic if config.precision == "auto" else config.precision
    return Accelerator(mixed_precision=precision, **tracking.of_accelerator)


def make_optimizer(model: DualEncoder, own: nn.Module, config: TrainingConfig) -> torch.optim.Optimizer:
    """AdamW over the towers and the layers `own` of a method, as one fused kernel."""
    groups = [
        *parameter_groups(model, config.learning_rate_volume, config.learning_rate_text, config.weight_decay),
        *parameter_groups(own, config.learning_rate_volume, config.learning_rate_volume, config.weight_decay),
    ]
    return torch.optim.AdamW(groups, betas=(0.9, 0.98), eps=1e-6, fused=True)


def arrange(tower: Any, config: TrainingConfig) -> None:  # noqa: ANN401 (two kinds of module)
    """Brings a volume tower into the memory format of `config` and compiles it where asked; names of weights stay.

    Towers are made channels last. Maps take the format of the weights, so that inputs need no change.
    """
    if config.memory_format == "contiguous":
        for parameter in tower.parameters():
            parameter.data = parameter.data.contiguous()
    if config.compile:
        tower.stage_maps = torch.compile(tower.stage_maps)
