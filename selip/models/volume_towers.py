"""Volume towers: MONAI's 3D ResNet with a choice of width and pooling, and the intensity rule in front of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from selip.data.findings import CONTRASTS
from selip.data.volume_batches import Volumes
from selip.models.pooled_stem import can_pool_first, pooled_stem
from selip.models.portable_tower import SPREAD_FLOOR, make_resnet, standardise
from selip.models.repeatable_kernels import with_repeating_gradients
from selip.models.settings import ModelConfig
from selip.system.mappings import parse_pairs

DEPTHS = {
    "resnet10": ("basic", [1, 1, 1, 1]),
    "resnet18": ("basic", [2, 2, 2, 2]),
    "resnet50": ("bottleneck", [3, 4, 6, 3]),
}
MONAI = "monai:"
FIT_BYTES = 2 << 30  # of float32 voxels that are looked at together
FIT_VOLUMES = 64  # that are read together


class Intensity(nn.Module):
    """Stored voxels to network input.

    "minmax" leaves [0, 1] as it is. "population_z" subtracts the training mean of each voxel for the contrast and
    divides by its spread; a contrast that was never trained on is standardised by the volume's own mean and spread.
    """

    mean: torch.Tensor
    scale: torch.Tensor
    seen: torch.Tensor

    def __init__(self, rule: str, shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.rule = rule
        size = shape if rule == "population_z" else (1, 1, 1)
        self.register_buffer("mean", torch.zeros(len(CONTRASTS), *size))
        self.register_buffer("scale", torch.ones(len(CONTRASTS), *size))
        self.register_buffer("seen", torch.zeros(len(CONTRASTS), dtype=torch.bool))

    def fit(self, volumes: Volumes, contrasts: torch.Tensor) -> None:
        """Fits on training volumes, a contrast at a time; volumes that do not fit in memory are read again and again.

        Args:
            volumes: (N, I, J, K) uint8, anywhere.
            contrasts: (N,) int64 positions in CONTRASTS, in main memory.
        """
        for contrast in contrasts.unique().tolist():
            self.seen[contrast] = True
            if self.rule == "population_z":
                self._fit_voxels(contrast, volumes, (contrasts == contrast).nonzero().flatten())

    def _fit_voxels(self, contrast: int, volumes: Volumes, positions: torch.Tensor) -> None:
        """A slab of the voxels of all volumes at a time, wherever they are: so numbers do not depend on the place.

        They are brought to where the statistics are, which on a GPU takes a fraction of a CPU's time.
        """
        _, right, front, top = volumes.shape
        planes = max(1, FIT_BYTES // (4 * len(positions) * front * top))
        for start in range(0, right, planes):
            slab = slice(start, start + planes)
            blocks = [volumes[some][:, slab].to(self.mean.device) for some in positions.split(FIT_VOLUMES)]
            part = torch.cat(blocks).float() / 255
            self.mean[contrast, slab] = part.mean(0)
            self.scale[contrast, slab] = 1 / part.std(0, correction=0).clamp_min(SPREAD_FLOOR)

    def read_as(self, sources: Mapping[str, str]) -> None:
        """Standardises volumes of a contrast with the statistics of another one, all of `sources` at once.

        Args:
            sources: Contrast to the contrast whose statistics it gets; the others keep their own.
        """
        rows = [CONTRASTS.index(sources.get(name, name)) for name in CONTRASTS]
        for statistic in (self.mean, self.scale, self.seen):
            statistic.copy_(statistic[rows])

    def forward(self, volumes: torch.Tensor, contrasts: torch.Tensor, all_seen: bool = False) -> torch.Tensor:
        """Standardises by the rule.

        Args:
            volumes: (B, 1, I, J, K) float in [0, 1].
            contrasts: (B,) int64 positions in CONTRASTS.
            all_seen: Whether every contrast is known to be one of training, which saves the volumes' own statistics.
                A CPU finds that out itself; a GPU would have to be waited for.

        Returns:
            The same shape.
        """
        if self.rule == "minmax":
            return volumes
        if all_seen or (volumes.device.type == "cpu" and self.seen[contrasts].all()):
            mean, scale = (table.index_select(0, contrasts).unsqueeze(1) for table in (self.mean, self.scale))
            return (volumes - mean).mul_(scale)
        return standardise(volumes, contrasts, self.mean, self.scale, self.seen)


def resnet_arguments(config: ModelConfig) -> dict[str, Any]:
    """Arguments of MONAI's ResNet, as plain data."""
    block, layers = DEPTHS[config.volume_tower]
    return {
        "block": block,
        "layers": layers,
        "block_inplanes": [config.width * 2**stage for stage in range(4)],
        "n_input_channels": 1,
        "conv1_t_size": [config.stem_kernel] * 3,
        "conv1_t_stride": [2, 2, 1],
        "no_max_pool": not config.stem_pool,
        "feed_forward": False,
    }


class VolumeTower(nn.Module):
    """3D ResNet and pooling: (B, 1, I, J, K) to features (B, F).

    Attributes:
        features: F.
        stage_channels: Channels of each map of `stage_maps`.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.stages = config.stages
        self.pooled_shape = (1, 1, 1) if config.pooling == "average" else config.pooled_shape
        self.net = with_repeating_gradients(make_resnet(resnet_arguments(config), self.stages, self.pooled_shape))
        # Maps follow the format of the weights; both convolutions and pooling are faster in it, on a CPU too.
        self.net.to(memory_format=torch.channels_last_3d)
        expansion = 4 if DEPTHS[config.volume_tower][0] == "bottleneck" else 1
        self.stage_channels = (config.width, *(config.width * 2**stage * expansion for stage in range(config.stages)))
        self.features = self.stage_channels[-1] * math.prod(self.pooled_shape)

    def stage_maps(self, volumes: torch.Tensor) -> list[torch.Tensor]:
        """Maps (B, C, i, j, k) behind the stem (before its max pool) and behind each stage, fine to coarse."""
        net = self.net
        maps = [net.act(net.bn1(net.conv1(volumes)))]
        hidden = maps[0] if net.no_max_pool else net.maxpool(maps[0])
        return maps + self._behind_stem(hidden)

    def last_map(self, volumes: torch.Tensor) -> torch.Tensor:
        """The last of `stage_maps`, up to rounding, sooner where no one asks for the others."""
        if not can_pool_first(self.net, volumes):
            return self.stage_maps(volumes)[-1]
        return self._behind_stem(pooled_stem(self.net, volumes))[-1]

    def _behind_stem(self, hidden: torch.Tensor) -> list[torch.Tensor]:
        maps = []
        for stage in range(self.stages):
            hidden = getattr(self.net, f"layer{stage + 1}")(hidden)
            maps.append(hidden)
        return maps

    def pool(self, regions: torch.Tensor) -> torch.Tensor:
        """Features (B, F) of the last map (B, C, i, j, k)."""
        features: torch.Tensor = self.net.avgpool(regions).flatten(1)
        return features

    def forward(self, volumes: torch.Tensor) -> torch.Tensor:
        """Features (B, F) of standardised volumes (B, 1, I, J, K)."""
        return self.pool(self.last_map(volumes))


def make_volume_tower(config: ModelConfig, shape: tuple[int, int, int]) -> Any:  # noqa: ANN401 (kinds of module)
    """The volume tower that `config.volume_tower` names, for volumes of `shape`.

    Every tower has `features`, `stage_channels`, `stage_maps`, `last_map` and `pool` as VolumeTower has them.
    """
    if config.volume_tower == "open_clip_slices":
        from selip.models.slice_tower import SliceTower

        return SliceTower(config)
    if config.volume_tower.startswith(MONAI):
        from selip.models.monai_towers import MonaiTower

        cells = (1, 1, 1) if config.pooling == "average" else config.pooled_shape
        return MonaiTower(config.volume_tower.removeprefix(MONAI), parse_pairs(config.tower_arguments), shape, cells)
    return VolumeTower(config)


def contrast_positions(contrasts: Sequence[str]) -> torch.Tensor:
    """(n,) int64 positions in CONTRASTS."""
    return torch.tensor([CONTRASTS.index(contrast) for contrast in contrasts], dtype=torch.long)
