"""The training part of a cohort as tensors, and the model that every method of a seed starts from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from selip.cohort import Cohort
from selip.config import ModelConfig
from selip.errors import InputError
from selip.findings import CONTRASTS
from selip.model import DualEncoder
from selip.similarity import TextTable
from selip.text_towers import make_tokens

RESIDENT_LIMIT_BYTES = 16 << 30


@dataclass(frozen=True)
class TrainingData:
    """The training part.

    Attributes:
        volumes: (n, I, J, K) uint8, on the device when it fits there, else in memory.
        contrasts: (n,) int64 positions in CONTRASTS, on the device.
        texts: Unique texts and their flipped twins.
        text_ids: (n,) int64 ids in `texts`.
    """

    volumes: torch.Tensor
    contrasts: torch.Tensor
    texts: TextTable
    text_ids: np.ndarray


def load_training_data(cohort: Cohort, device: torch.device) -> TrainingData:
    """Reads the training part of `cohort`.

    Raises:
        InputError: When it is empty.
    """
    rows = cohort.rows("train")
    if not len(rows):
        raise InputError(f"got a cohort without a train part in {cohort.root}; allowed: at least one batch of pairs")
    table = cohort.volumes.iloc[rows]
    texts = TextTable.of(table["text"].tolist())
    volumes = torch.from_numpy(cohort.read_volumes(rows))
    if volumes.numel() <= RESIDENT_LIMIT_BYTES:
        volumes = volumes.to(device)
    contrasts = contrast_positions(table["contrast"].tolist()).to(device)
    return TrainingData(volumes, contrasts, texts, texts.ids(table["text"].tolist()))


def contrast_positions(contrasts: Sequence[str]) -> torch.Tensor:
    """(n,) int64 positions in CONTRASTS."""
    return torch.tensor([CONTRASTS.index(contrast) for contrast in contrasts], dtype=torch.long)


def initial_model(config: ModelConfig, cohort: Cohort, data: TrainingData, seed: int) -> DualEncoder:
    """The model that every method of `seed` starts from: same weights, vocabulary and intensity statistics."""
    torch.manual_seed(seed)
    model = DualEncoder(config, cohort.info.shape, make_tokens(config, data.texts.texts))
    model.intensity.fit(data.volumes.cpu(), data.contrasts.cpu())
    return model
