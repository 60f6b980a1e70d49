"""A volume tower from a 2D image tower of open_clip: axial slices, one at a time, and their maps pooled together.

Regions of neighbouring slices meet only in the pooling, so any shape across slices is lost to the features. Position is
kept as `model.pooling` has it: "grid" leaves as many cells of `pooled_shape` as the map has, "average" none.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import open_clip
import torch
from open_clip.modified_resnet import ModifiedResNet
from torch import nn
from torch.nn import functional as F

from selip.models.repeatable_kernels import AveragePool
from selip.models.settings import ModelConfig, SliceConfig
from selip.system.errors import InputError, UnavailableError
from selip.system.registry import unknown

IMAGE_CHANNELS = 3  # every image tower of open_clip takes RGB
TINY = {"layers": [1, 1, 1, 1], "width": 12, "heads": 1, "output_dim": 1}  # the last two: a pooling that is cut off


class SliceTower(nn.Module):
    """Image tower over slices and pooling: (B, 1, I, J, K) to features (B, F). Has what VolumeTower has.

    Attributes:
        features: F.
        stage_channels: Channels of each map of `stage_maps`: one, or the four stages of a ResNet.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        slices = config.slices
        self.slices, self.image_size, self.frozen = slices.slices, slices.image_size, slices.freeze
        # Channels last halves the time of small convolutions on a CPU.
        self.net = make_image_tower(slices).requires_grad_(not self.frozen).to(memory_format=torch.channels_last)
        sizes = _map_sizes(self.net, slices)
        self.stage_channels = tuple(channels for channels, *_ in sizes)
        cells = zip(config.pooled_shape, (*sizes[-1][1:], self.slices), strict=True)
        i, j, k = (min(pair) for pair in cells)
        self.pooled_shape = (1, 1, 1) if config.pooling == "average" else (i, j, k)
        self.features = self.stage_channels[-1] * math.prod(self.pooled_shape)
        self.average = AveragePool(self.pooled_shape)
        self.train()

    def train(self, mode: bool = True) -> SliceTower:
        """Frozen means eval mode: no dropout, no moving statistics."""
        super().train(mode)
        self.net.train(mode and not self.frozen)
        return self

    def stage_maps(self, volumes: torch.Tensor) -> list[torch.Tensor]:
        """Maps (B, C, i, j, k) of volumes (B, 1, I, J, K), fine to coarse; k runs over the slices that are encoded."""
        slices = evenly_spaced_slices(volumes, self.slices)
        # Antialiased, as a plain bilinear resize drops pixels of a slice that is larger than the image.
        images = F.interpolate(slices, size=(self.image_size,) * 2, mode="bilinear", antialias=True)
        maps = _maps(self.net, images.flatten(0, 1).unsqueeze(1))
        return [one.unflatten(0, slices.shape[:2]).permute(0, 2, 3, 4, 1) for one in maps]

    def last_map(self, volumes: torch.Tensor) -> torch.Tensor:
        """The last of `stage_maps`."""
        return self.stage_maps(volumes)[-1]

    def pool(self, regions: torch.Tensor) -> torch.Tensor:
        """Features (B, F) of the last map (B, C, i, j, k)."""
        return self.average(regions).flatten(1)

    def forward(self, volumes: torch.Tensor) -> torch.Tensor:
        """Features (B, F) of standardised volumes (B, 1, I, J, K)."""
        return self.pool(self.last_map(volumes))


def evenly_spaced_slices(volumes: torch.Tensor, count: int) -> torch.Tensor:
    """(B, min(count, K), I, J): the middle axial slice of each of `count` equal parts of (B, 1, I, J, K)."""
    depth = volumes.shape[-1]
    count = min(count, depth)
    positions = [(2 * part + 1) * depth // (2 * count) for part in range(count)]
    return torch.stack([volumes[:, 0, :, :, position] for position in positions], dim=1)


def make_image_tower(config: SliceConfig) -> Any:  # noqa: ANN401 (open_clip is untyped)
    """The image tower that `config.model` names, with pretrained weights where `config.weights` names some.

    Raises:
        InputError: For a name that open_clip does not know.
        UnavailableError: When the tower or its weights cannot be had here.
    """
    if config.model == "tiny" and not config.weights:
        tower = ModifiedResNet(**TINY)
        tower.attnpool = nn.Identity()
        return tower
    _check_names(config)
    layers = open_clip.get_model_config(config.model)["vision_cfg"].get("layers")
    size = None if isinstance(layers, list) else config.image_size  # a ResNet's map takes any size as it is
    try:
        with without_log():
            model = open_clip.create_model(
                config.model, pretrained=config.weights or None, force_image_size=size, pretrained_text=False
            )
    except (OSError, RuntimeError, ValueError, AssertionError) as error:
        raise _unavailable(config, error) from error
    return model.visual


def _check_names(config: SliceConfig) -> None:
    names = ["tiny", *open_clip.list_models()]
    if config.model not in names:
        raise InputError(unknown("model.slices.model", config.model, names))
    tags = ["", *open_clip.list_pretrained_tags_by_model(config.model)]
    if config.weights not in tags:
        raise InputError(unknown(f"model.slices.weights of {config.model}", config.weights, map(repr, tags)))


@torch.no_grad()
def _map_sizes(tower: Any, config: SliceConfig) -> list[tuple[int, int, int]]:  # noqa: ANN401
    """Channels and cells (C, i, j) of each map."""
    image = torch.zeros(1, 1, config.image_size, config.image_size)
    try:
        return [(one.shape[1], one.shape[2], one.shape[3]) for one in _maps(tower.eval(), image)]
    except (RuntimeError, ValueError, AssertionError) as error:
        raise _unavailable(config, error) from error


def _maps(tower: Any, images: torch.Tensor) -> Sequence[torch.Tensor]:  # noqa: ANN401
    """Maps (n, C, i, j) of images (n, 1, H, W), fine to coarse: the four stages of a ResNet, else the last alone.

    They are normalised where the tower ends in a norm.
    """
    rgb, last = images.expand(-1, IMAGE_CHANNELS, -1, -1), 4 if isinstance(tower, ModifiedResNet) else 1
    outputs = tower.forward_intermediates(rgb, indices=last, normalize_intermediates=True, intermediates_only=True)
    maps: Sequence[torch.Tensor] = outputs["image_intermediates"]
    return maps


def _unavailable(config: SliceConfig, error: Exception) -> UnavailableError:
    reason = " ".join(str(error).split())[:200]
    wanted = f"model.slices.model={config.model}, weights={config.weights!r}, image_size={config.image_size}"
    return UnavailableError(
        f"got {wanted}, which cannot be had here ({reason}); tiny, and ViT-B-32 with weights='', are everywhere; "
        "weights of a hub need a network once"
    )


@contextmanager
def without_log() -> Iterator[None]:
    """Silences logging, as a failed download is told in one line and not in the hub's own retries."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        yield
    finally:
        logging.disable(before)
