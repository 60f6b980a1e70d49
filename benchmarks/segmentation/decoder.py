"""A segmentation decoder that fits any volume tower, and MONAI's U-Net beside it as the familiar reference."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any

import torch
from monai.networks.blocks import Convolution
from monai.networks.nets import BasicUNet
from monai.networks.nets.basic_unet import TwoConv
from torch import nn

from benchmarks.segmentation.instance_norm import on_channels_last
from selip.models.repeatable_kernels import upsample, with_repeating_gradients
from selip.system.errors import InputError

WIDTH = 8
FOREGROUND = 0.02
UNET_SCALE = 16  # BasicUNet halves four times; its instance norm needs two voxels then
ACTIVATION = ("LeakyReLU", {"negative_slope": 0.1})
NORM = ("instance", {"affine": True})  # of one case alone, so that the batch size changes nothing


class SkipDecoder(nn.Module):
    """Maps of a tower to one logit a voxel, in the manner of a U-Net (Ronneberger et al. 2015, arXiv 1505.04597).

    From the coarsest map up: upsample (trilinear) to the next finer map, join both, two convolutions. At full
    resolution, where a convolution costs most, the volume itself is joined as one more channel and a single convolution
    follows. All levels have `width` channels, half of them at full resolution: wider towers get hardly more decoder.

    Args:
        stage_channels: Channels of the tower's maps, fine to coarse; one at least.
        width: Channels of a level; even.
    """

    def __init__(self, stage_channels: Sequence[int], width: int = WIDTH) -> None:
        super().__init__()
        arriving = [*[width] * (len(stage_channels) - 2), stage_channels[-1]]
        self.blocks = nn.ModuleList(
            TwoConv(3, below + skip, width, act=ACTIVATION, norm=NORM, bias=False, dropout=0.0)
            for below, skip in zip(arriving, stage_channels[:-1], strict=False)
        )
        last = width if len(self.blocks) else stage_channels[-1]
        self.narrow = nn.Conv3d(last, width // 2, kernel_size=1)
        self.full = Convolution(
            3, width // 2 + 1, width // 2, strides=1, kernel_size=3, adn_ordering="NDA", act=ACTIVATION, norm=NORM,
            dropout=None, bias=False,
        )  # fmt: skip
        self.logit = with_rare_foreground(nn.Conv3d(width // 2, 1, kernel_size=1))

    def forward(self, maps: Sequence[torch.Tensor], volumes: torch.Tensor) -> torch.Tensor:
        """Logits (B, 1, I, J, K), of maps (B, C, i, j, k), fine to coarse, and their volumes (B, 1, I, J, K)."""
        hidden = maps[-1]
        for block, skip in zip(reversed(self.blocks), reversed(maps[:-1]), strict=True):
            hidden = block(_join(hidden, skip))
        logits: torch.Tensor = self.logit(self.full(_join(self.narrow(hidden), volumes)))
        return logits


def _join(coarse: torch.Tensor, fine: torch.Tensor) -> torch.Tensor:
    joined = torch.cat([upsample(coarse, fine.shape[2:]), fine], dim=1)
    return joined.contiguous(memory_format=torch.channels_last_3d)


def with_rare_foreground(convolution: nn.Conv3d) -> nn.Conv3d:
    """Starts the last convolution at a foreground of 2 %, as lesions are small (Lin et al. 2017, arXiv 1708.02002)."""
    nn.init.constant_(convolution.get_parameter("bias"), math.log(FOREGROUND / (1 - FOREGROUND)))
    return convolution


class EncoderDecoder(nn.Module):
    """A tower under a decoder.

    Args:
        tower: Module with `stage_maps`, as `selip.models.volume_towers.make_volume_tower` gives it.
        decoder: Decoder over the tower's `stage_channels`.
        frozen: Whether the tower stays as it is: no gradient, and always in eval mode, so that its batch norms keep
            their running statistics.
    """

    def __init__(self, tower: Any, decoder: SkipDecoder, frozen: bool) -> None:  # noqa: ANN401 (several kinds of tower)
        super().__init__()
        self.tower, self.decoder, self.frozen = tower, decoder, frozen
        tower.requires_grad_(not frozen)  # a 2D tower may have been frozen in pretraining
        self.train(self.training)

    def train(self, mode: bool = True) -> EncoderDecoder:
        """Sets the mode of the decoder, and of the tower unless it is frozen."""
        super().train(mode)
        if self.frozen:
            self.tower.eval()
        return self

    def forward(self, volumes: torch.Tensor) -> torch.Tensor:
        """Logits (B, 1, I, J, K) of volumes (B, 1, I, J, K) that the tower's intensity rule has been through."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            maps = self.tower.stage_maps(volumes)
        logits: torch.Tensor = self.decoder(maps, volumes)
        return logits


def make_segmenter(tower: Any, *, frozen: bool, seed: int, width: int = WIDTH) -> EncoderDecoder:  # noqa: ANN401
    """A copy of `tower` under a decoder whose weights come from `seed`, the same for every tower of these channels.

    Args:
        tower: Volume tower; it is left as it is.
        frozen: Whether the copy stays as it is in training.
        seed: Seed of the decoder's weights.
        width: Channels of the decoder's levels; even.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        decoder = on_channels_last(SkipDecoder(tower.stage_channels, width))
    device = next(tower.parameters()).device
    return EncoderDecoder(copy.deepcopy(tower), decoder.to(device), frozen)


def monai_unet(shape: tuple[int, int, int], *, seed: int) -> BasicUNet:
    """MONAI's BasicUNet for volumes (B, 1, I, J, K), one logit a voxel, weights from `seed`.

    A quarter of MONAI's standard features: 0.36 million parameters.

    Raises:
        InputError: When `shape` is too small for its four halvings.
    """
    if math.prod(edge // UNET_SCALE for edge in shape) < 2:
        raise InputError(
            f"got volumes of shape {shape} for MONAI's BasicUNet; allowed: {UNET_SCALE} voxels or more along each axis "
            f"and {2 * UNET_SCALE} along one; use a finer grid or leave this reference out"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = BasicUNet(
            spatial_dims=3,
            in_channels=1,
            out_channels=1,
            features=(8, 8, 16, 32, 64, 8),
            act=ACTIVATION,
            norm=NORM,
            bias=True,
            dropout=0.0,
            upsample="deconv",
        )
    with_rare_foreground(network.final_conv)
    return on_channels_last(with_repeating_gradients(network))
