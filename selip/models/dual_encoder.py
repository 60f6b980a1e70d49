"""The dual encoder: both towers, their projections and the learned logit scale; and its checkpoint."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter
from torch import nn
from torch.nn import functional as F

from selip.data.volume_batches import scoring_device
from selip.models.encoder import VolumeBatch, Wants
from selip.models.settings import ModelConfig
from selip.models.text_towers import Tokens, make_text_tower
from selip.models.volume_towers import Intensity, make_volume_tower
from selip.system.errors import InputError
from selip.system.files import tensors_hash
from selip.system.sealed_tensors import read_sealed, write_sealed

MAX_LOGIT_SCALE = 100.0


class DualEncoder(nn.Module):
    """Volumes and texts into one space of unit vectors: an Encoder."""

    def __init__(self, config: ModelConfig, shape: tuple[int, int, int], tokens: Tokens) -> None:
        super().__init__()
        self.config, self.shape, self.tokens = config, shape, tokens
        self.intensity = Intensity(config.intensity, shape)
        self.volume_tower: Any = make_volume_tower(config, shape)  # see there for what every tower has
        self.text_tower: Any = make_text_tower(config, tokens)
        self.volume_projection = nn.Linear(self.volume_tower.features, config.embedding_size, bias=False)
        self.text_projection = nn.Linear(self.text_tower.features, config.embedding_size, bias=False)
        self.log_logit_scale = nn.Parameter(
            torch.tensor(math.log(config.logit_scale_start)), requires_grad=config.logit_scale == "learned"
        )

    @property
    def logit_scale(self) -> torch.Tensor:
        """Scalar in [1, 100], as `clamp_logit_scale` keeps it."""
        return self.log_logit_scale.exp()

    @property
    def towers_hash(self) -> str:
        """`weights_hash` but for the logit scale, whose start is a setting that methods may be tuned in."""
        return tensors_hash({name: value for name, value in self.state_dict().items() if name != "log_logit_scale"})

    @property
    def wants(self) -> Wants:
        """Volumes on the grid of training; `check_grid` refuses others."""
        return Wants(shape=self.shape)

    @property
    def device(self) -> torch.device:
        """The place of the weights."""
        return self.log_logit_scale.device

    @property
    def learning_log_scale(self) -> torch.Tensor | None:
        """Logarithm of the logit scale; None where the last backward did not reach it: fixed, or not in the loss."""
        return None if self.log_logit_scale.grad is None else self.log_logit_scale

    @torch.no_grad()
    def clamp_logit_scale(self) -> None:
        """Brings the logit scale back into [1, 100]; the parameter itself, so that its gradient never dies."""
        self.log_logit_scale.clamp_(0.0, math.log(MAX_LOGIT_SCALE))

    def volume_features(self, volumes: torch.Tensor, contrasts: torch.Tensor) -> torch.Tensor:
        """Features (B, F) before projection, of volumes (B, 1, I, J, K) in [0, 1] and contrast positions (B,)."""
        features: torch.Tensor = self.volume_tower(self.intensity(volumes, contrasts))
        return features

    def features(self, batch: VolumeBatch) -> torch.Tensor:
        """Features (B, F) before projection."""
        return self.volume_features(batch.voxels, batch.contrasts)

    def encode_volumes(self, batch: VolumeBatch) -> torch.Tensor:
        """Embeddings (B, E) of unit length."""
        return self.project_volumes(self.features(batch))

    def encode_texts(self, texts: Sequence[str]) -> torch.Tensor:
        """Embeddings (n, E) of unit length, on the CPU."""
        return embed_texts(self, texts)

    def encode_volume(self, volumes: torch.Tensor, contrasts: torch.Tensor) -> torch.Tensor:
        """Embeddings (B, E) of unit length, of volumes (B, 1, I, J, K) in [0, 1] and contrast positions (B,)."""
        return self.encode_input(self.intensity(volumes, contrasts))

    def encode_input(self, inputs: torch.Tensor) -> torch.Tensor:
        """Embeddings (B, E) of unit length, of volumes (B, 1, I, J, K) that the intensity rule has been through."""
        return self.project_volumes(self.volume_tower(inputs))

    def project_volumes(self, features: torch.Tensor) -> torch.Tensor:
        """Embeddings (B, E) of unit length, of volume features (B, F)."""
        return F.normalize(self.volume_projection(features).float(), dim=1)

    def project_texts(self, features: torch.Tensor) -> torch.Tensor:
        """Embeddings (n, E) of unit length, of text features (n, W)."""
        return F.normalize(self.text_projection(features).float(), dim=1)

    def encode_text(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Embeddings (n, E) of unit length, of token ids and mask (n, L)."""
        return self.project_texts(self.text_tower(ids, mask))


def parameter_groups(
    module: nn.Module, volume_rate: float, text_rate: float, scalar_rate: float, weight_decay: float
) -> list[dict[str, Any]]:
    """Optimiser groups: each tower and the scalars with their own peak rate; no decay on scalars, norms and biases.

    Args:
        module: A model, or layers of a method.
        volume_rate: Peak rate of every parameter but the text tower's, projections included: they start from scratch.
        text_rate: Peak rate of the text tower.
        scalar_rate: Peak rate of parameters that are one number.
        weight_decay: Decay of weights with two axes or more.
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            decay = 0.0 if parameter.ndim < 2 else weight_decay
            rate = text_rate if name.startswith("text_tower") else volume_rate
            rate = scalar_rate if parameter.ndim == 0 else rate
            groups.setdefault((rate, decay), []).append(parameter)
    return [
        {"params": parameters, "lr": rate, "peak": rate, "weight_decay": decay}
        for (rate, decay), parameters in groups.items()
    ]


def weights_hash(model: nn.Module) -> str:
    """SHA-256 (hex) of names and values of all parameters and buffers."""
    return tensors_hash(model.state_dict())


@dataclass(frozen=True)
class CheckpointFacts:
    """Facts that a checkpoint keeps beside its weights.

    Attributes:
        method: Method that trained it.
        seed: Seed of the run.
        step: Optimiser step of the weights.
        model: Configuration of the towers.
        shape: Grid of its volumes.
        spacing_mm: Voxel edges of that grid.
        contrasts: Contrasts it was trained on.
        cohort: Content hash of the cohort.
        split_fingerprint: Split it was trained on.
        synthetic: Whether the cohort is simulated.
        train_texts: Text and number of its training volumes, for the majority answer.
        run: `selip.training.trainer.Run.id` of the run that left it.
    """

    method: str
    seed: int
    step: int
    model: ModelConfig
    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    contrasts: tuple[str, ...]
    cohort: str
    split_fingerprint: str
    synthetic: bool
    train_texts: dict[str, int]
    run: str


def save_checkpoint(path: Path, model: DualEncoder, facts: CheckpointFacts) -> None:
    """Writes weights, vocabulary and facts into one safetensors file, whole or not at all."""
    metadata = {"selip_facts": json.dumps(asdict(facts)), "selip_tokens": model.tokens.to_json()}
    write_sealed(path, model.state_dict(), metadata)


def load_checkpoint(path: Path) -> tuple[DualEncoder, CheckpointFacts]:
    """Model in eval mode, on the GPU where there is one, and facts from `save_checkpoint`.

    Raises:
        InputError: When the file is missing, damaged or no checkpoint of this project.
    """
    try:
        tensors, metadata = read_sealed(path)
        facts = TypeAdapter(CheckpointFacts).validate_json(metadata["selip_facts"])
        bare = replace(
            facts.model, slices=replace(facts.model.slices, weights=""), init=""
        )  # the file holds the weights
        model = DualEncoder(bare, facts.shape, Tokens.from_json(metadata["selip_tokens"]))
        model.load_state_dict(tensors)
    except (KeyError, ValueError, RuntimeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"got {path}, which is no readable checkpoint ({reason}); name a .safetensors file of 'selip train'"
        ) from error
    return model.eval().to(scoring_device()), facts


@torch.no_grad()
def embed_texts(model: DualEncoder, texts: Sequence[str], batch_size: int = 256) -> torch.Tensor:
    """Embeddings (n, E) float32 on the CPU, of unit length; equal texts are encoded once."""
    device = model.log_logit_scale.device
    unique = sorted(set(texts))
    parts = []
    for start in range(0, len(unique), batch_size):
        ids, mask = model.tokens(unique[start : start + batch_size])
        parts.append(model.encode_text(ids.to(device), mask.to(device)).cpu())
    index = {text: number for number, text in enumerate(unique)}
    return torch.cat(parts)[[index[text] for text in texts]]
