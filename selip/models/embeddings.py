"""Embeddings of a part of a cohort, which a benchmark gets to see of a model, and a way to embed texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from selip.data.cohort import COMBINATION, Cohort, voxel_hash
from selip.data.findings import Finding
from selip.data.states import COLUMN as STATE
from selip.data.states import states_of
from selip.models.dual_encoder import DualEncoder, embed_texts
from selip.models.embedding_cache import EmbeddingCache, encoder_identity
from selip.models.volume_towers import contrast_positions
from selip.system.errors import InputError


@dataclass(frozen=True)
class Embeddings:
    """Embeddings of the scored part of a cohort.

    Attributes:
        items: One row a volume: volume_id, study_id, patient_id, contrast, site, text, and
            state where `selip.data.states` is to take it from there; combination where the cohort has it.
        volumes: (N, E) float32 of unit length; row i belongs to items.iloc[i].
        features: (N, F) float32, before projection.
        encode_text: Texts (n,) to embeddings (n, E) float32 of unit length.
        findings: Study id to true findings; an empty list is a normal study, a missing key an unknown one.
        train_texts: Text of every training volume, for the majority answer.
    """

    items: pd.DataFrame
    volumes: np.ndarray
    features: np.ndarray
    encode_text: Callable[[Sequence[str]], np.ndarray]
    findings: Mapping[str, Sequence[Finding]]
    train_texts: Sequence[str]


ITEM_COLUMNS = ["volume_id", "study_id", "patient_id", "contrast", "site", "text"]


def check_grid(model: DualEncoder, shape: Sequence[int]) -> None:
    """Raises InputError for volumes of another shape than the model's."""
    if tuple(shape) != tuple(model.shape):
        raise InputError(
            f"got volumes of {tuple(shape)} voxels for a model of {model.shape}; "
            "import the cohort with --like CHECKPOINT"
        )


@torch.no_grad()
def embed_volumes(
    model: DualEncoder, volumes: np.ndarray | torch.Tensor, contrasts: Sequence[str], batch_size: int = 64
) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings (n, E) float32 of unit length and features (n, F) before projection, BatchNorm in eval mode.

    Args:
        model: The model; its mode is restored afterwards.
        volumes: (n, I, J, K) uint8 on the model's grid; a tensor may be anywhere.
        contrasts: (n,) names in CONTRASTS.
        batch_size: Volumes at a time.
    """
    check_grid(model, volumes.shape[1:])
    training, device = model.training, model.log_logit_scale.device
    model.eval()
    parts: list[tuple[np.ndarray, np.ndarray]] = []
    for start in range(0, len(volumes), batch_size):
        block = torch.as_tensor(volumes[start : start + batch_size]).to(device).unsqueeze(1).float() / 255
        positions = contrast_positions(contrasts[start : start + batch_size]).to(device)
        features = model.volume_features(block, positions)
        parts.append((model.project_volumes(features).cpu().numpy(), features.float().cpu().numpy()))
    model.train(training)
    if not parts:
        empty = np.zeros((0, model.config.embedding_size), np.float32)
        return empty, np.zeros((0, model.volume_tower.features), np.float32)
    return np.concatenate([embedded for embedded, _ in parts]), np.concatenate([features for _, features in parts])


def embed_cohort(
    model: DualEncoder, cohort: Cohort, split: str, train_texts: Sequence[str], cache: EmbeddingCache | None = None,
    voxels: torch.Tensor | None = None,
) -> Embeddings:  # fmt: skip
    """Embeddings of the volumes in `split` ("all" for every one), with the truth a benchmark may need.

    With a `cache` volumes and texts that this model has embedded before are not encoded again; the numbers are the same
    bit for bit, and `model` must keep its weights as long as the embeddings are used. `voxels` of the part that are at
    hand, on whichever device, are neither read again nor looked up.

    Raises:
        InputError: When the part is empty or its grid is not the model's.
    """
    rows = cohort.rows(split)
    if not len(rows):
        raise InputError(f"got an empty {split} part in {cohort.root}; name a part with volumes, or --split all")
    table = cohort.volumes.iloc[rows]
    own = [COMBINATION] if COMBINATION in table else []
    items = table[[*ITEM_COLUMNS, *own]].assign(**{STATE: states_of(table)}).reset_index(drop=True)
    encoder = _Encoder(model, cache, encoder_identity(model) if cache else "")
    contrasts = items["contrast"].tolist()
    volumes, features = (
        encoder.volumes(cohort.read_volumes(rows), contrasts)
        if voxels is None
        else embed_volumes(model, voxels, contrasts)
    )
    return Embeddings(
        items=items,
        volumes=volumes,
        features=features,
        encode_text=encoder.texts,
        findings=cohort.known_findings(items["study_id"]),
        train_texts=train_texts,
    )


@dataclass(frozen=True)
class _Encoder:
    """A model with the cache, if any, of what it encoded before under `identity`."""

    model: DualEncoder
    cache: EmbeddingCache | None
    identity: str

    def volumes(self, voxels: np.ndarray, contrasts: list[str]) -> tuple[np.ndarray, np.ndarray]:
        if self.cache is None:
            return embed_volumes(self.model, voxels, contrasts)

        def compute() -> dict[str, np.ndarray]:
            volumes, features = embed_volumes(self.model, voxels, contrasts)
            return {"volumes": volumes, "features": features}

        about = [self.identity, "volumes", voxel_hash(voxels), voxels.shape, contrasts]
        found = self.cache.recall(about, compute)
        return found["volumes"], found["features"]

    def texts(self, texts: Sequence[str]) -> np.ndarray:
        unique = sorted(set(texts))
        if self.cache is None:
            found = self._texts(unique)
        else:
            found = self.cache.recall([self.identity, "texts", unique], lambda: {"texts": self._texts(unique)})["texts"]
        index = {text: number for number, text in enumerate(unique)}
        return found[[index[text] for text in texts]]

    def _texts(self, texts: Sequence[str]) -> np.ndarray:
        training = self.model.training
        embedded = embed_texts(self.model.eval(), texts).numpy()
        self.model.train(training)
        return embedded
