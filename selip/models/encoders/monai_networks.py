"""A network of MONAI with your weights: probes, fine-tuning and segmentation; it has no text side."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from selip.data.cohort import CohortInfo
from selip.models.encoder import EncoderKind
from selip.models.encoders.torch_modules import ModuleEncoder, ModuleSettings
from selip.models.monai_towers import MonaiTower, load_weights


@dataclass(frozen=True)
class MonaiSettings(ModuleSettings):
    """Settings of a network of MONAI.

    Attributes:
        weights: State dict, .safetensors or of torch.save; "" is random weights from seed 0.
        arguments: Arguments of the network that differ from its own defaults, as {feature_size: 12}.
    """

    weights: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)


class _Maps(nn.Module):
    """The maps of a tower as what a module gives."""

    def __init__(self, tower: MonaiTower) -> None:
        super().__init__()
        self.tower = tower

    def forward(self, volumes: torch.Tensor) -> list[torch.Tensor]:
        """Maps (B, C, i, j, k), fine to coarse."""
        return self.tower.stage_maps(volumes)


def open_network(argument: str, settings: MonaiSettings, info: CohortInfo) -> ModuleEncoder:
    """The network of that name in monai.networks.nets.

    Raises:
        InputError: When there is none, or the weights are another network's.
    """
    shape = settings.prepared(torch.zeros(1, 1, *info.shape), info.spacing_mm).shape[2:]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        tower = MonaiTower(argument, settings.arguments, shape)
    if settings.weights:
        load_weights(tower.net, Path(settings.weights))
    return ModuleEncoder(_Maps(tower), settings, info, f"monai:{argument}")


ENCODER = EncoderKind(
    name="monai",
    summary="a network of MONAI with a state dict: SwinUNETR, SegResNet, ViT, DenseNet121, ...",
    source="monai:CLASS",
    open=open_network,
    settings=MonaiSettings,
)
