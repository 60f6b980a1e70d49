"""Execution of a step on the device: precision, memory format, compilation; the method stays the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn

from selip.models.dual_encoder import DualEncoder, parameter_groups
from selip.models.repeatable_kernels import _allow_tf32
from selip.training.settings import TrainingConfig
from selip.training.trackers import Tracking


def precision_of(config: TrainingConfig) -> str:
    """The precision that a run trains in, as its record says: "no", "tf32" or "bf16"."""
    automatic = "bf16" if torch.cuda.is_available() else "no"
    return automatic if config.precision == "auto" else config.precision


@contextmanager
def float32_products(precision: str) -> Iterator[None]:
    """Inside, CUDA may round the factors of float32 products and convolutions where `precision` is "tf32"."""
    _allow_tf32(precision == "tf32")
    try:
        yield
    finally:
        _allow_tf32(False)


def make_accelerator(tracking: Tracking) -> Accelerator:
    """Processes and tracker of a run.

    Its own precision is that of the process, once for all, so the forward pass brings its own (gradients.py).
    """
    return Accelerator(mixed_precision="no", **tracking.of_accelerator)


def make_optimizer(model: DualEncoder, own: nn.Module, config: TrainingConfig) -> torch.optim.Optimizer:
    """AdamW over the towers and the layers `own` of a method, as one fused kernel."""
    volume, text, decay = config.learning_rate_volume, config.learning_rate_text, config.weight_decay
    scalars = config.learning_rate_scalars or volume
    groups = [
        *parameter_groups(model, volume, text, scalars, decay),
        *parameter_groups(own, volume, volume, scalars, decay),
    ]
    return torch.optim.AdamW(groups, betas=(0.9, 0.98), eps=config.adam_epsilon, fused=True)


def arrange(tower: Any, config: TrainingConfig) -> None:  # noqa: ANN401 (two kinds of module)
    """Brings a volume tower into the memory format of `config` and compiles it where asked; names of weights stay.

    Towers are made channels last. Maps take the format of the weights, so that inputs need no change.
    """
    if config.memory_format == "contiguous":
        for parameter in tower.parameters():
            parameter.data = parameter.data.contiguous()
    if config.compile:
        compiled = torch.compile(tower.stage_maps)
        tower.stage_maps, tower.last_map = compiled, lambda volumes: compiled(volumes)[-1]
