"""The training part of a cohort as tensors, and the model that every method of a seed starts from."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch.nn import functional as F

from selip.data.cohort import READ_FINDINGS, Cohort
from selip.data.cohort_declaration import LABEL, DeclaredTask
from selip.data.findings import findings_from_json, parse_findings_text
from selip.data.states import UNKNOWN, finding_labels, states_of
from selip.data.volume_batches import Volumes
from selip.models.dual_encoder import DualEncoder
from selip.models.monai_towers import load_weights
from selip.models.settings import ModelConfig
from selip.models.text_towers import make_tokens
from selip.models.volume_towers import contrast_positions
from selip.similarity.text_similarity import TextTable, text_table
from selip.system.errors import InputError
from selip.system.files import content_hash
from selip.training.method import Sizes
from selip.training.voxel_loading import place_volumes, voxels_at_hand

CENTRING_VOLUMES = 256
KEPT_RESULTS = 16
_RESULTS: dict[str, list[torch.Tensor]] = {}
"""In main memory: what the last runs of this process computed of the training part before their first step."""


@dataclass(frozen=True)
class TrainingData:
    """The training part.

    Attributes:
        volumes: (n, I, J, K) uint8, where `place_volumes` put them.
        contrasts: (n,) int64 positions in CONTRASTS, on the device.
        texts: Unique texts and their flipped twins.
        text_ids: (n,) int64 ids in `texts`.
        changed: (n,) bool, whether a flip changes a class that the cohort declares of the study.
        label_names: (K,) lesion types, sorted; empty when the cohort has no labels.
        labels: (n, K) float32 in {0, 1}, the finding set of each volume, on the device; NaN for what is unknown.
        spacing_mm: Voxel edges along right, front, top.
        val_voxels: Gives the voxels of the val part, which the first call alone reads; None where memory has no room.
    """

    volumes: Volumes
    contrasts: torch.Tensor
    texts: TextTable
    text_ids: np.ndarray
    changed: np.ndarray
    label_names: tuple[str, ...]
    labels: torch.Tensor
    spacing_mm: tuple[float, float, float]
    val_voxels: Callable[[], torch.Tensor | None]

    @property
    def can_flip(self) -> np.ndarray:
        """(n,) bool, which pairs may be flipped, for every method the same, so that all see the same batches.

        Those whose sides can be swapped in the text with certainty; where the flip changes a declared class, only those
        whose text names a side.
        """
        ids = self.text_ids
        return np.asarray(self.texts.can_flip()[ids] & ((self.texts.twin[ids] != ids) | ~self.changed))


def load_training_data(cohort: Cohort, device: torch.device, resident_gib: float | None = None) -> TrainingData:
    """Reads the training part of `cohort`; its voxels stay in the store when no memory holds them.

    Args:
        cohort: The cohort.
        device: Where training happens.
        resident_gib: As in TrainingConfig.

    Raises:
        InputError: When it is empty.
    """
    rows = cohort.rows("train")
    if not len(rows):
        raise InputError(f"got a cohort without a train part in {cohort.root}; allowed: at least one batch of pairs")
    table = cohort.volumes.iloc[rows]
    texts = text_table(cohort, rows)
    volumes = place_volumes(cohort, rows, device, resident_gib)
    contrasts = contrast_positions(table["contrast"].tolist()).to(device)
    names, labels = finding_sets(cohort, rows)
    text_ids = texts.ids(table["text"].tolist())
    studies = cohort.studies.set_index("study_id").loc[table["study_id"]]
    changed = changed_by_flip(cohort.info.tasks, studies)
    of_val = cache(partial(voxels_at_hand, cohort, "val", device, resident_gib))
    labels, spacing_mm = labels.to(device), cohort.info.spacing_mm
    return TrainingData(volumes, contrasts, texts, text_ids, changed, names, labels, spacing_mm, of_val)


def changed_by_flip(tasks: Mapping[str, DeclaredTask], studies: pd.DataFrame) -> np.ndarray:
    """(n,) bool, which rows of studies.csv have a class of a declared task that is another one in the mirrored head."""
    changed = np.zeros(len(studies), dtype=bool)
    for column, task in tasks.items():
        if task.mirrored:
            changed |= np.array([task.mirrored.get(name, name) != name for name in studies[column]], dtype=bool)
    return changed


def finding_sets(cohort: Cohort, rows: np.ndarray) -> tuple[tuple[str, ...], torch.Tensor]:
    """Labels (K,) and the finding set (n, K) float32 in {0, 1} of each volume; NaN for what is not known.

    That is all of a volume of unknown state, and the classes of a declared task that nobody told of its study.

    The types of the findings that the volume's contrast shows, where findings of its study are known with their types;
    else the labels of the study, less those that name none, and none for a volume whose text has no finding. Classes
    that the cohort declares beside them, as "grade: 3", are labels too, less those that are metadata.
    Where findings were read from reports they stand for the true ones: training knows no more than reports say.
    """
    studies = cohort.studies.set_index("study_id")
    if READ_FINDINGS in studies:
        labels = "" if cohort.info.synthetic else studies["labels"]
        studies = studies.assign(findings=studies[READ_FINDINGS], labels=labels)
    table, own = cohort.volumes.iloc[rows], _declared_labels(studies, cohort.info.tasks)
    shown = [
        _finding_set(studies.at[study, "findings"], studies.at[study, "labels"], contrast, text) | own[study]
        for study, contrast, text in zip(table["study_id"], table["contrast"], table["text"], strict=True)
    ]
    names = tuple(sorted(set().union(*shown)))
    sets = torch.tensor([[name in labels for name in names] for labels in shown], dtype=torch.float32)
    for name in _taught(cohort.info.tasks):
        untold = (studies.loc[table["study_id"], name] == "").to_numpy()
        of_task = [one.startswith(f"{name.removeprefix(LABEL)}: ") for one in names]
        sets[torch.from_numpy(np.outer(untold, of_task))] = torch.nan
    sets[torch.from_numpy(states_of(table) == UNKNOWN)] = torch.nan
    return names, sets


def _taught(tasks: Mapping[str, DeclaredTask]) -> list[str]:
    """Columns of declared classes that are labels."""
    return [name for name, task in tasks.items() if name.startswith(LABEL) and not task.metadata]


def _declared_labels(studies: pd.DataFrame, tasks: Mapping[str, DeclaredTask]) -> dict[str, set[str]]:
    """Study to its classes in the columns that the cohort declares, as "grade: 3"."""
    found: dict[str, set[str]] = {study: set() for study in studies.index}
    for name in _taught(tasks):
        for study, told in studies[name].items():
            found[study] |= {f"{name.removeprefix(LABEL)}: {told}"} if told else set()
    return found


def _finding_set(findings: str, labels: str, contrast: str, text: str) -> set[str]:
    known = findings_from_json(findings) if findings else []
    if any(finding.lesion_type for finding in known):
        return {finding.lesion_type for finding in known if finding.clause(contrast)} - {""}
    return set(finding_labels(json.loads(labels or "[]"))) if parse_findings_text(text) else set()


def initial_model(config: ModelConfig, cohort: Cohort, data: TrainingData, seed: int) -> DualEncoder:
    """The model that every method of `seed` starts from: same weights, vocabulary and intensity statistics.

    It is where `data` is. Weights are drawn on the CPU, so that they are the same everywhere; what is computed of
    volumes is computed there.
    """
    torch.manual_seed(seed)
    model = DualEncoder(config, cohort.info.shape, make_tokens(config, data.texts.texts)).eval()
    if config.init:
        load_weights(model.volume_tower.net, Path(config.init))
    model = model.to(data.contrasts.device)
    part = cohort.volumes.iloc[cohort.rows("train")][["text", "contrast", "sha256"]]
    known = content_hash([part.to_numpy().tolist(), data.texts.texts, cohort.info.shape, str(data.contrasts.device)])
    statistics = _once([known, config.intensity], lambda: _fitted(model, data))
    for statistic, value in zip(model.intensity.buffers(), statistics, strict=True):
        statistic.copy_(value)
    if config.centre_projections:
        directions = _once([known, asdict(config), seed], lambda: _mean_directions(model, data))
        _turn_away(model, directions)
    return model


def _once(about: object, compute: Callable[[], list[torch.Tensor]]) -> list[torch.Tensor]:
    """The result of `compute` for `about`: methods of a seed share it, and seeds what depends on the cohort alone."""
    key = content_hash(about)
    if key not in _RESULTS:
        computed = [tensor.cpu().clone() for tensor in compute()]
        while len(_RESULTS) >= KEPT_RESULTS:
            _RESULTS.pop(next(iter(_RESULTS)))
        _RESULTS[key] = computed
    return _RESULTS[key]


def _fitted(model: DualEncoder, data: TrainingData) -> list[torch.Tensor]:
    model.intensity.fit(data.volumes, data.contrasts.cpu())
    return list(model.intensity.buffers())


def with_own_tower(
    common: DualEncoder, tower: Mapping[str, Any], cohort: Cohort, data: TrainingData, seed: int
) -> DualEncoder:
    """`common` with the fields `tower` of its configuration replaced: another volume tower, the same text side.

    Weights that the common tower starts from are none of another tower.

    Returns:
        `common` itself when nothing is replaced.
    """
    if not tower:
        return common
    model = initial_model(replace(common.config, **tower, init=""), cohort, data, seed)
    for part in ("text_tower", "text_projection"):
        getattr(model, part).load_state_dict(getattr(common, part).state_dict())
    return model


@torch.no_grad()
def model_sizes(model: DualEncoder) -> Sizes:
    """Sizes of what the towers of `model` give, from one volume of zeros."""
    last = model.volume_tower.stage_maps(torch.zeros(1, 1, *model.shape, device=model.log_logit_scale.device))[-1]
    channels, *cells = last.shape[1:]
    words = model.text_tower.features
    return Sizes(model.volume_tower.features, (channels, *cells), words, model.shape)


@torch.no_grad()
def _mean_directions(model: DualEncoder, data: TrainingData) -> list[torch.Tensor]:
    """Directions (F,) and (W,) of the mean training feature of both untrained towers."""
    rows = torch.linspace(0, len(data.volumes) - 1, min(CENTRING_VOLUMES, len(data.volumes))).long()
    device = data.contrasts.device
    stored = data.volumes[rows].to(device).unsqueeze(1).float() / 255
    volumes = model.volume_features(stored, data.contrasts[rows])
    texts = model.text_tower(*(one.to(device) for one in model.tokens(data.texts.texts)))
    return [F.normalize(features.mean(0), dim=0) for features in (volumes, texts)]


@torch.no_grad()
def _turn_away(model: DualEncoder, directions: Sequence[torch.Tensor]) -> None:
    """Turns both projections away from the mean training feature of the untrained towers.

    Features behind a ReLU share a large common part, so the embeddings of an untrained net lie in a narrow cone (Liang
    et al. 2022, arXiv:2203.02053) and all volumes rank the texts alike. Without it they start spread out.
    """
    for direction, projection in zip(directions, (model.volume_projection, model.text_projection), strict=True):
        there = direction.to(projection.weight.device)
        projection.weight -= torch.outer(projection.weight @ there, there)
