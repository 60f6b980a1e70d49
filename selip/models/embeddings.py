"""Embeddings of a part of a cohort, which a benchmark gets to see of a model, and a way to embed texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch

from selip.data.cohort import ANATOMY, COMBINATION, Cohort, voxel_hash
from selip.data.findings import Finding
from selip.data.states import COLUMN as STATE
from selip.data.states import states_of
from selip.models.embedding_cache import EmbeddingCache, encoder_identity
from selip.models.encoder import Encoder, VolumeBatch
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


def check_grid(model: Encoder, shape: Sequence[int]) -> None:
    """Raises InputError for volumes of another shape than the one that the model was trained on."""
    trained = getattr(model, "shape", None)
    if trained and tuple(shape) != tuple(trained):
        raise InputError(
            f"got volumes of {tuple(shape)} voxels for a model of {trained}; import the cohort with --like CHECKPOINT"
        )


@torch.no_grad()
def embed_volumes(
    model: Encoder, volumes: np.ndarray | torch.Tensor, contrasts: Sequence[str], batch_size: int = 32,
    items: pd.DataFrame | None = None, spacing_mm: tuple[float, float, float] = (1.0, 1.0, 1.0),
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Embeddings (n, E) float32 of unit length and features (n, F) before projection, BatchNorm in eval mode.

    Args:
        model: The encoder; the mode of a torch module is restored afterwards.
        volumes: (n, I, J, K) uint8 on the model's grid; a tensor may be anywhere.
        contrasts: (n,) names in CONTRASTS.
        batch_size: Volumes at a time; the maps of few stay in a core's caches.
        items: (n,) rows with volume_id and study_id, for encoders that ask for them.
        spacing_mm: Voxel edges.
    """
    check_grid(model, volumes.shape[1:])
    if model.wants.per_study and items is not None:
        return _embed_studies(model, volumes, contrasts, items, spacing_mm)
    training = getattr(model, "training", False)
    if isinstance(model, torch.nn.Module):
        model.eval()
    ids = () if items is None else tuple(items["volume_id"])
    parts: list[tuple[np.ndarray, np.ndarray]] = []
    for start in range(0, max(1, len(volumes)), batch_size):
        some = slice(start, start + batch_size)
        block = torch.as_tensor(volumes[some]).to(model.device).unsqueeze(1).float() / 255
        positions = contrast_positions(contrasts[some]).to(model.device)
        parts.append(_both(model, VolumeBatch(block, positions, ids[some], spacing_mm)))
    if isinstance(model, torch.nn.Module):
        model.train(training)
    return np.concatenate([embedded for embedded, _ in parts]), np.concatenate([features for _, features in parts])


def _embed_studies(
    model: Encoder, volumes: np.ndarray | torch.Tensor, contrasts: Sequence[str], items: pd.DataFrame,
    spacing_mm: tuple[float, float, float],
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """`embed_volumes` of an encoder that sees all volumes of a study together: they share its vectors."""
    studies, of_study = np.unique(items["study_id"].to_numpy(object), return_inverse=True)
    parts = []
    for number in range(len(studies)):
        rows = np.flatnonzero(of_study == number)
        block = torch.as_tensor(volumes[rows]).to(model.device).unsqueeze(0).float() / 255
        positions = contrast_positions([contrasts[int(row)] for row in rows]).to(model.device)
        parts.append(_both(model, VolumeBatch(block, positions, tuple(items["volume_id"].iloc[rows]), spacing_mm)))
    embedded, features = (np.concatenate(arrays)[of_study] for arrays in zip(*parts, strict=True))
    return embedded, features


def _both(model: Any, batch: VolumeBatch) -> tuple[np.ndarray, np.ndarray]:  # noqa: ANN401 (features may be lacking)
    """Embeddings and features; one pass where the one is made of the other."""
    if hasattr(model, "project_volumes"):
        features = model.features(batch)
        embedded = model.project_volumes(features)
    else:
        embedded = model.encode_volumes(batch)
        features = model.features(batch) if hasattr(model, "features") else embedded
    return embedded.cpu().numpy(), features.float().cpu().numpy()


def embed_cohort(
    model: Encoder, cohort: Cohort, split: str, train_texts: Sequence[str], cache: EmbeddingCache | None = None,
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
    own = [column for column in (COMBINATION, ANATOMY) if column in table]
    items = table[[*ITEM_COLUMNS, *own]].assign(**{STATE: states_of(table)}).reset_index(drop=True)
    encoder = _Remembering(model, cache, encoder_identity(model) if cache else "")
    spacing_mm = cohort.info.spacing_mm
    volumes, features = (
        encoder.volumes(cohort.read_volumes(rows), items, spacing_mm)
        if voxels is None
        else embed_volumes(model, voxels, items["contrast"].tolist())
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
class _Remembering:
    """A model with the cache, if any, of what it encoded before under `identity`."""

    model: Encoder
    cache: EmbeddingCache | None
    identity: str

    def volumes(
        self, voxels: np.ndarray, items: pd.DataFrame, spacing_mm: tuple[float, float, float]
    ) -> tuple[np.ndarray, np.ndarray]:
        contrasts = items["contrast"].tolist()

        def compute() -> dict[str, np.ndarray]:
            volumes, features = embed_volumes(self.model, voxels, contrasts, items=items, spacing_mm=spacing_mm)
            return {"volumes": volumes, "features": features}

        if self.cache is None:
            found = compute()
        else:
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
        training = getattr(self.model, "training", False)
        if isinstance(self.model, torch.nn.Module):
            self.model.eval()
        with torch.no_grad():
            embedded = self.model.encode_texts(texts).cpu().numpy()
        if isinstance(self.model, torch.nn.Module):
            self.model.train(training)
        return embedded
