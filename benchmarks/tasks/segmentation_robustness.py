"""Robustness of segmentation: the frozen encoder under its decoder, on volumes that physics has made worse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from benchmarks.benchmark import Benchmark, Score, ScoreOptions
from benchmarks.metrics.mask_metrics import dice_scores
from benchmarks.segmentation.decoder import make_segmenter
from benchmarks.segmentation.masked_volumes import Cases
from benchmarks.segmentation.training import fit_segmentation, predict_cases
from benchmarks.tasks import segmentation
from benchmarks.tasks.robustness import (
    CORRUPTIONS,
    LEVELS,
    SHARED_NOTES,
    summarise_levels,
    whole_patients,
    worsened,
)
from benchmarks.tasks.segmentation import SegmentationData, load_task
from selip.models.scored_model import Subject
from selip.records.declaration import Declared
from selip.system.arrays import FloatArray

MOST_VOLUMES = 48
NOTES = SHARED_NOTES | {
    "network": "the frozen arm of segmentation with all labels, trained again to the same weights on clean volumes; "
    "val, which is clean too, chose step and threshold",
    "corruptions": "those of robustness, at the same levels; a rotation turns the mask with the volume, and a lesion "
    "in a part that is cropped away counts as missed",
    "items": f"the cases of segmentation, whole patients in a seeded order up to {MOST_VOLUMES} volumes",
    "dice": "mean of the five levels; pool overall: mean over corruptions; empty masks as in segmentation",
    "empty": segmentation.NOTES["empty"],
    "interval": segmentation.NOTES["interval"],
}


def score_subject(subject: Subject, options: ScoreOptions) -> Score:
    """Scores every corruption at every level; errors as of segmentation."""
    task = load_task(subject, options)
    network, threshold = trained(task)
    patients = task.scored.items["patient_id"].to_numpy(object)
    scored = task.scored.of(whole_patients(patients, MOST_VOLUMES, options.seed))
    clean, columns = worsened_dices(network, threshold, scored.cases, task.parts["train"].cases.shape, options.seed)
    metrics, table, worst = summarise_levels(scored.items, clean, columns, options)
    return Score(metrics, table, NOTES | {"worst here": worst, f"part {subject.split}": scored.facts})


def trained(task: SegmentationData) -> tuple[nn.Module, float]:
    """The network of segmentation's frozen arm and its threshold; its tower remembers nothing more."""
    seed = task.seed("frozen", 1.0)
    network = make_segmenter(task.frozen, frozen=True, seed=seed, width=task.options.segmentation.width)
    train, val = task.parts["train"].cases, task.parts["val"].cases
    fitted = fit_segmentation(network, train, val, task.options.segmentation, torch.Generator().manual_seed(seed))
    network.tower = task.frozen.tower  # worse volumes are seen once
    return network, fitted.chosen.threshold


def worsened_dices(
    network: nn.Module, threshold: float, cases: Cases, window: tuple[int, int, int], seed: int
) -> tuple[dict[str, FloatArray], Mapping[str, list[FloatArray]]]:
    """Dice (n,) of the cases as they are, with that of an empty mask, and by corruption at each level."""

    def dices(some: Cases) -> FloatArray:
        parts = [dice_scores(found > threshold, truth) for found, truth in predict_cases(network, some, window)]
        return np.concatenate(parts)

    truth = cases.masks[:, 0].numpy()
    clean = {"dice": dices(cases), "dice/empty": dice_scores(np.zeros_like(truth), truth)}
    return clean, {name: [dices(worse(cases, name, level, seed)) for level in LEVELS] for name in CORRUPTIONS}


def worse(cases: Cases, name: str, level: int, seed: int) -> Cases:
    """The cases after one corruption; masks turn with what is turned."""

    def turned(masks: torch.Tensor) -> torch.Tensor:
        if name != "rotation":
            return masks
        share = worsened(masks[:, 0].numpy() * np.uint8(255), name, level, seed)
        most = share.max((1, 2, 3), keepdims=True)  # a lesion thinner than a voxel keeps the voxels it fills most
        return torch.from_numpy((share >= np.minimum(most, 128)) & (share > 0)).unsqueeze(1)

    volumes = torch.from_numpy(worsened(cases.volumes[:, 0].numpy(), name, level, seed)).unsqueeze(1)
    ignored = None if cases.ignored is None else turned(cases.ignored)
    return replace(cases, volumes=volumes, masks=turned(cases.masks), ignored=ignored)


BENCHMARK = Benchmark(
    name="segmentation_robustness",
    summary="Dice of the frozen encoder under its decoder, on volumes that noise, ghosts and the like made worse",
    protocol_version="1",
    source="five levels of each corruption as in ImageNet-C (Hendrycks and Dietterich 2019, arXiv:1903.12261)",
    score=score_subject,
    declared=Declared(
        family="robustness",
        label="segmentation made worse",
        place=52,
        headline=("overall/dice",),
        headline_label="Dice over corruptions and levels",
        pools=("overall",),
        floors={"empty": "empty mask"},
        words={
            "dice": "Dice",
            "kept": "share of the clean Dice",
            "clean": "clean Dice",
            "worst": "worst Dice at level 5",
        }
        | {f"dice_{level}": f"Dice, level {level}" for level in LEVELS},
        task_type="image-segmentation",
    ),
    needs_text=False,
    sizes=segmentation.BENCHMARK.sizes,
)
