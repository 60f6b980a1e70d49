"""A volume tower of SeLIP-bench in MONAI's terms; needs torch, monai and safetensors, and nothing of SeLIP-bench.

An export holds this file as load_tower.py beside tower.json and tower.safetensors:

    from load_tower import load_tower

    tower = load_tower("FOLDER")                      # eval mode; tower.resnet is the bare monai.networks.nets.ResNet
    features = tower(volumes, ["FLAIR", "DWI"])       # (B, F) of volumes (B, 1, I, J, K), one contrast a volume

Volumes are RAS on the grid of tower.json (`shape`, `spacing_mm`), each scaled to [0, 1] by `scale_intensity` of
tower.json, a transform of MONAI: `monai.bundle.ConfigParser(tower.facts).get_parsed_content("scale_intensity")`. The
tower applies its own intensity rule to them. For research; not for clinical use.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from monai.networks.nets import ResNet
from safetensors.torch import load_file
from torch import nn

ALL_STAGES = 4
SPREAD_FLOOR = 0.02  # in units of the stored [0, 1]; keeps voxels that are air in every training volume near zero


def make_resnet(arguments: Mapping[str, Any], stages: int, pooled_shape: Sequence[int]) -> ResNet:
    """MONAI's 3D ResNet from volumes (B, 1, I, J, K) to features (B, F), random weights.

    Args:
        arguments: Of the class, without its last layer.
        stages: Stages in use; those behind pass maps on as they are.
        pooled_shape: Cells along right, front, top that the last map is averaged in and flattened from.
    """
    net = ResNet(**arguments)
    for stage in range(stages, ALL_STAGES):
        setattr(net, f"layer{stage + 1}", nn.Identity())
    net.avgpool = nn.AdaptiveAvgPool3d(tuple(pooled_shape))
    return net


def standardise(
    volumes: torch.Tensor, contrasts: torch.Tensor, mean: torch.Tensor, scale: torch.Tensor, seen: torch.Tensor
) -> torch.Tensor:
    """The intensity rule "population_z": (B, 1, I, J, K) in [0, 1] to the same shape.

    Args:
        volumes: (B, 1, I, J, K).
        contrasts: (B,) int64 positions in the tables.
        mean: (C, I, J, K) training mean of each voxel for each contrast.
        scale: (C, I, J, K) 1 / its spread.
        seen: (C,) whether the contrast was trained on; volumes of others are standardised by their own statistics.
    """
    own_mean = volumes.mean((1, 2, 3, 4), keepdim=True)
    own_scale = 1 / volumes.std((1, 2, 3, 4), correction=0, keepdim=True).clamp_min(SPREAD_FLOOR)
    known = seen[contrasts].view(-1, 1, 1, 1, 1)
    centre = torch.where(known, mean[contrasts].unsqueeze(1), own_mean)
    return (volumes - centre) * torch.where(known, scale[contrasts].unsqueeze(1), own_scale)


class PortableTower(nn.Module):
    """Intensity rule and ResNet.

    Attributes:
        facts: What tower.json says.
        resnet: The network; of volumes (B, 1, I, J, K) that `prepare` has been through.
    """

    mean: torch.Tensor
    scale: torch.Tensor
    seen: torch.Tensor

    def __init__(self, facts: Mapping[str, Any], tables: Mapping[str, torch.Tensor]) -> None:
        super().__init__()
        self.facts = facts
        self.resnet: nn.Module = make_resnet(facts["resnet"], facts["stages"], facts["pooled_shape"])
        for name in ("mean", "scale", "seen"):
            self.register_buffer(name, tables[name])

    def prepare(self, volumes: torch.Tensor, contrasts: Sequence[str]) -> torch.Tensor:
        """Volumes (B, 1, I, J, K) in [0, 1] through the intensity rule; `contrasts` are names in tower.json."""
        if self.facts["intensity"] == "minmax":
            return volumes
        positions = [self.facts["contrasts"].index(name) for name in contrasts]
        return standardise(volumes, torch.tensor(positions, device=volumes.device), self.mean, self.scale, self.seen)

    def forward(self, volumes: torch.Tensor, contrasts: Sequence[str]) -> torch.Tensor:
        """Features (B, F) of volumes (B, 1, I, J, K) in [0, 1]."""
        features: torch.Tensor = self.resnet(self.prepare(volumes, contrasts))
        return features


def load_tower(folder: str | Path) -> PortableTower:
    """The exported tower in `folder`, in eval mode on the CPU."""
    tensors = load_file(Path(folder) / "tower.safetensors")
    tower = PortableTower(json.loads((Path(folder) / "tower.json").read_text()), tensors)
    tower.load_state_dict(tensors)
    return tower.eval()
