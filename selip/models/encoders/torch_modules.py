"""Any torch module as an encoder: what a function of a Python file returns, or a TorchScript file.

The module takes volumes (B, 1, I, J, K), or (1, S, 1, I, J, K) where it wants the S volumes of a study together, and
gives vectors (B, F), a map (B, C, i, j, k), whose mean is taken, or a list of maps, fine to coarse. It may have
`encode_texts(list[str])`, `logit_scale` and `wants`, a mapping with fields of Wants.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from selip.data.cohort import CohortInfo
from selip.data.volume_batches import scoring_device
from selip.models.encoder import CLIP_LOGIT_SCALE, EncoderKind, Stated, VolumeBatch, Wants, answering, no_text_side
from selip.system.errors import InputError
from selip.system.files import tensors_hash
from selip.system.mappings import from_mapping


@dataclass(frozen=True)
class ModuleSettings(Stated, Wants):
    """Settings of a module; the fields of Wants go before what the module says itself."""


class ModuleTower(nn.Module):
    """A module with its preparation in front as a volume tower.

    Attributes:
        stage_channels: Channels of its maps, fine to coarse; empty where it gives vectors.
        features: Length of its vectors.
    """

    def __init__(self, net: nn.Module, wants: Wants, info: CohortInfo, name: str) -> None:
        super().__init__()
        self.net, self.wants, self.spacing_mm, self.name = net, wants, info.spacing_mm, name
        self.features = 0
        self.stage_channels: tuple[int, ...] = ()
        if not wants.per_study:
            with torch.no_grad():
                found = self.eval().answer(torch.zeros(1, 1, *info.shape))
            self.features = found[-1].shape[1]
            self.stage_channels = tuple(one.shape[1] for one in found if one.ndim == 5)

    def answer(self, volumes: torch.Tensor) -> list[torch.Tensor]:
        """Vectors or maps of standardised volumes on the cohort's grid."""
        inputs = self.wants.prepared(volumes, self.spacing_mm)
        with answering(self.name):
            found = self.net(inputs.unsqueeze(2) if self.wants.per_study else inputs)
        found = list(found) if isinstance(found, (tuple, list)) else [found]
        if not found or any(not isinstance(one, torch.Tensor) or one.ndim not in (2, 5) for one in found):
            raise InputError(f"got no (B, F) vectors or (B, C, i, j, k) maps from {self.name}; mend its forward")
        return found

    def stage_maps(self, volumes: torch.Tensor) -> list[torch.Tensor]:
        """Maps (B, C, i, j, k), fine to coarse."""
        return [one for one in self.answer(volumes) if one.ndim == 5]

    def forward(self, volumes: torch.Tensor) -> torch.Tensor:
        """Vectors (B, F)."""
        last = self.answer(volumes)[-1]
        return last if last.ndim == 2 else last.mean((2, 3, 4))


class OwnIntensity(nn.Module):
    """The intensity rule of `wants`, in front of a tower."""

    rule = "own"

    def __init__(self, wants: Wants) -> None:
        super().__init__()
        self.wants = wants

    def forward(self, volumes: torch.Tensor, contrasts: torch.Tensor) -> torch.Tensor:
        """Volumes (B, 1, I, J, K) in [0, 1] to network input."""
        return self.wants.standardised(volumes)


class ModuleEncoder:
    """A torch module as an Encoder.

    Args:
        net: The module.
        wants: What it wants of a volume.
        info: Facts of the cohort.
        name: Its name in messages.
    """

    def __init__(self, net: nn.Module, wants: Wants, info: CohortInfo, name: str) -> None:
        self.net, self.wants, self.name, self.device = net, wants, name, scoring_device()
        self.tower = ModuleTower(net, wants, info, name).eval().to(self.device)
        self.intensity = OwnIntensity(wants)
        self.weights_hash = tensors_hash(net.state_dict())
        self.logit_scale = float(getattr(net, "logit_scale", CLIP_LOGIT_SCALE))

    @property
    def volume_tower(self) -> Any:  # noqa: ANN401 (a tower, see Encoder)
        """The tower, None where there are no maps to decode or a study is seen at once."""
        stretched = self.wants.spacing_mm is None or self.wants.shape is None
        return self.tower if self.tower.stage_channels and stretched else None

    def encode_volumes(self, batch: VolumeBatch) -> torch.Tensor:
        """Vectors (B, F) of the module."""
        found: torch.Tensor = self.tower(self.wants.standardised(batch.voxels))
        return found

    def encode_texts(self, texts: Sequence[str]) -> torch.Tensor:
        """Vectors (n, F) of the module's own `encode_texts`."""
        encode = getattr(self.net, "encode_texts", None)
        if encode is None:
            raise no_text_side(self.name)
        found: torch.Tensor = encode(list(texts))
        return found


def open_module(argument: str, settings: ModuleSettings, info: CohortInfo) -> ModuleEncoder:
    """The module that FACTORY of FILE.py returns, of "FILE.py:FACTORY".

    Raises:
        InputError: When there is no such file or function, or it does not give a module.
    """
    file, _, factory = argument.rpartition(":")
    if not file or not Path(file).is_file():
        raise InputError(f"got module:{argument}; name a Python file and a function in it, as module:mine.py:make")
    name = f"module:{Path(file).name}:{factory}"
    with answering(name), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        spec = importlib.util.spec_from_file_location(Path(file).stem, file)
        if spec is None or spec.loader is None:
            raise InputError(f"got {file}, no Python file; name one")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        net = getattr(module, factory)()
    if not isinstance(net, nn.Module):
        raise InputError(f"got a {type(net).__name__} from {name}; return a torch.nn.Module")
    return ModuleEncoder(net, _wants(net, settings), info, name)


def open_torchscript(argument: str, settings: ModuleSettings, info: CohortInfo) -> ModuleEncoder:
    """The module of a TorchScript file.

    Raises:
        InputError: When it cannot be read.
    """
    if not Path(argument).is_file():
        raise InputError(f"got no file {argument}; name one of torch.jit.save")
    with answering(f"torchscript:{argument}"):
        net = torch.jit.load(argument, map_location="cpu")
    return ModuleEncoder(net, _wants(net, settings), info, f"torchscript:{Path(argument).name}")


def _wants(net: nn.Module, settings: ModuleSettings) -> Wants:
    """The wishes of the module, under those of the user."""
    own = getattr(net, "wants", {})
    wants = own if isinstance(own, Wants) else from_mapping(Wants, own, "wants")
    said = {one.name: getattr(settings, one.name) for one in fields(Wants)}
    return replace(wants, **{key: value for key, value in said.items() if value != getattr(Wants(), key)})


MODULE = EncoderKind(
    name="module",
    summary="any torch module that a function of your Python file returns",
    source="module:FILE.py:FACTORY",
    open=open_module,
    settings=ModuleSettings,
)
TORCHSCRIPT = EncoderKind(
    name="torchscript",
    summary="a module saved by torch.jit.save",
    source="torchscript:FILE",
    open=open_torchscript,
    settings=ModuleSettings,
)
