"""Volume towers from the networks of MONAI: their encoders, with the maps of each stage where the network has some."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from monai.networks import nets
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from selip.models.encoder import answering
from selip.models.repeatable_kernels import with_repeating_gradients
from selip.system.errors import InputError, one_line
from selip.system.registry import unknown

GIVEN = {"in_channels": 1, "n_input_channels": 1, "out_channels": 2, "spatial_dims": 3}
"""Arguments that a network gets where it has them and nobody says otherwise."""
MULTIPLES = {"SwinUNETR": 32, "ViT": 16, "UNETR": 16}
"""Edges that a network takes are multiples of this many voxels; volumes are stretched to the next one."""
PREFIXES = ("module.", "volume_tower.", "net.", "resnet.", "backbone.", "encoder.", "model.")
"""What others put before the names of a network's weights."""
Maps = Callable[[Any, torch.Tensor], Sequence[torch.Tensor]]


def _tokens(net: Any, volumes: torch.Tensor) -> list[torch.Tensor]:  # noqa: ANN401 (monai is untyped)
    """The last tokens of a vision transformer as a map."""
    vit = getattr(net, "vit", net)
    hidden = vit(volumes)[1][-1]
    patch = getattr(vit.patch_embedding, "patch_size", (16, 16, 16))
    grid = [edge // size for edge, size in zip(volumes.shape[2:], patch, strict=True)]
    return [hidden[:, -math.prod(grid) :].transpose(1, 2).unflatten(2, grid)]


MAPS: dict[str, Maps] = {
    "SwinUNETR": lambda net, volumes: net.swinViT(volumes, net.normalize),
    "SegResNet": lambda net, volumes: net.encode(volumes)[1],
    "ViT": _tokens,
    "UNETR": _tokens,
}
"""How the maps of a network's encoder are had, fine to coarse; DenseNets have `features`, others their output."""


class MonaiTower(nn.Module):
    """A network of MONAI as a volume tower: what `selip.models.volume_towers.VolumeTower` has.

    Args:
        name: Class in monai.networks.nets.
        arguments: Arguments that differ from GIVEN and the network's own defaults.
        shape: Voxels of the volumes.
        pooled_shape: Cells of the grid that the last map is pooled to.
    """

    def __init__(
        self, name: str, arguments: Mapping[str, Any], shape: Sequence[int], pooled_shape: Sequence[int] = (1, 1, 1)
    ) -> None:
        super().__init__()
        multiple = MULTIPLES.get(name, 1)
        self.shape = tuple(multiple * math.ceil(edge / multiple) for edge in shape)
        self.net: Any = with_repeating_gradients(_network(name, arguments, self.shape))
        self._maps = MAPS.get(name, _features if hasattr(self.net, "features") else _output)
        self.pooling = nn.AdaptiveAvgPool3d(tuple(pooled_shape))
        with torch.no_grad(), answering(f"monai:{name}"):
            training = self.training
            shapes = [one.shape for one in self.eval().stage_maps(torch.zeros(1, 1, *shape))]
            self.train(training)
        self.stage_channels = tuple(one[1] for one in shapes)
        self.features = self.stage_channels[-1] * math.prod(pooled_shape)

    def stage_maps(self, volumes: torch.Tensor) -> list[torch.Tensor]:
        """Maps (B, C, i, j, k) of volumes (B, 1, I, J, K), fine to coarse."""
        if tuple(volumes.shape[2:]) != self.shape:
            volumes = nn.functional.interpolate(volumes, size=self.shape, mode="trilinear", align_corners=False)
        return list(self._maps(self.net, volumes))

    def last_map(self, volumes: torch.Tensor) -> torch.Tensor:
        """The last of `stage_maps`."""
        return self.stage_maps(volumes)[-1]

    def pool(self, regions: torch.Tensor) -> torch.Tensor:
        """Features (B, F) of the last map (B, C, i, j, k)."""
        pooled: torch.Tensor = self.pooling(regions)
        return pooled.flatten(1)

    def forward(self, volumes: torch.Tensor) -> torch.Tensor:
        """Features (B, F) of standardised volumes (B, 1, I, J, K)."""
        return self.pool(self.last_map(volumes))


def _features(net: Any, volumes: torch.Tensor) -> list[torch.Tensor]:  # noqa: ANN401
    return [net.features(volumes)]


def _output(net: Any, volumes: torch.Tensor) -> list[torch.Tensor]:  # noqa: ANN401
    found = net(volumes)
    found = found[0] if isinstance(found, (tuple, list)) else found
    return [found if found.ndim == 5 else found.flatten(1)[:, :, None, None, None]]


def _network(name: str, arguments: Mapping[str, Any], shape: tuple[int, ...]) -> nn.Module:
    found = getattr(nets, name, None)
    if not (inspect.isclass(found) and issubclass(found, nn.Module)):
        known = [one for one in dir(nets) if inspect.isclass(getattr(nets, one))]
        raise InputError(unknown("network of MONAI", name, known))
    wanted = inspect.signature(found.__init__).parameters
    common = GIVEN | {"img_size": shape, "patch_size": 16 if "ViT" in name else None}
    given = {key: value for key, value in common.items() if key in wanted and value is not None}
    with answering(f"monai:{name}"):
        network: nn.Module = found(**given | dict(arguments))
    return network


def load_weights(network: nn.Module, path: Path) -> str:
    """Loads the weights of a state dict that have a name and shape of `network`, and says how many.

    Args:
        network: Changed in place; weights that the file does not have stay as they are.
        path: .safetensors, or a file of torch.save, of which nothing but tensors is read.

    Raises:
        InputError: When the file cannot be read, or holds nothing of this network.
    """
    own = network.state_dict()
    found = {name: tensor for key, tensor in read_state(path).items() if (name := _own_name(key, own)) in own}
    wrong = next((name for name, tensor in found.items() if tensor.shape != own[name].shape), None)
    if wrong or not found:
        reason = (
            f"{wrong} is {tuple(found[wrong].shape)}, not {tuple(own[wrong].shape)}"
            if wrong
            else "none has a name of it"
        )
        raise InputError(f"got {path} with weights of another network ({reason}); name one of {type(network).__name__}")
    network.load_state_dict(found, strict=False)
    return f"{len(found)} of {len(own)} tensors"


def _own_name(key: str, own: Mapping[str, Any]) -> str:
    """`key` without what others put before it."""
    while key not in own:
        prefix = next((one for one in PREFIXES if key.startswith(one)), "")
        if not prefix:
            return ""
        key = key.removeprefix(prefix)
    return key


def read_state(path: Path) -> dict[str, torch.Tensor]:
    """Tensors by name of a file of weights; a dictionary that holds them as "state_dict" or "model" is opened.

    Raises:
        InputError: When it is missing, or no file of tensors.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle raises whatever it likes
        if not isinstance(error, (OSError, SafetensorError, RuntimeError, ValueError, EOFError, KeyError)) and (
            type(error).__module__ != "_pickle"
        ):
            raise
        raise InputError(f"got {path}, no readable weights ({one_line(error)}); name a state dict") from error
    state = next((state[key] for key in ("state_dict", "model", "net") if key in state), state)
    return {key: value for key, value in state.items() if isinstance(value, torch.Tensor)}
