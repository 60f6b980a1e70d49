"""Segmentation of lesions: the encoder of a method under one decoder, frozen and fine-tuned.

Train gives the masks to learn from, val chooses step and threshold, and the scored part is asked once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

import numpy as np
import pandas as pd
import torch
from torch import nn

from benchmarks.benchmark import Benchmark, CasePicture, Score, ScoreOptions
from benchmarks.classification.predictions import fitted_parts
from benchmarks.classification.probes import Examples, fraction_mask, task_generator
from benchmarks.metrics.mask_metrics import score_masks
from benchmarks.segmentation.decoder import make_segmenter, monai_unet
from benchmarks.segmentation.mask_scores import Segmented, pool_scores
from benchmarks.segmentation.masked_volumes import CasePart, case_pictures, load_cases
from benchmarks.segmentation.stage_maps import RememberedTower
from benchmarks.segmentation.training import Fitted, fit_segmentation, predict_cases
from benchmarks.segmentation.unet_reference import UNET, Reference, kept_reference
from selip.models.embeddings import check_grid
from selip.models.encoder import tower_of
from selip.models.scored_model import Subject
from selip.records.declaration import Declared
from selip.records.record import Metric
from selip.system.errors import InputError
from selip.system.files import tensors_hash

PROTOCOL_VERSION = "1"
GIVEN = "fine_tuned"
"""Pool of masks that were made elsewhere: those of a network that was trained as a whole."""
NOTES = {
    "cases": "volumes whose text is not normal and whose study has a mask; lesion is any level of the mask (the whole "
    "tumour), and it is the study's, so it may hold a lesion that a contrast does not show; voxels marked as not "
    "scored count neither as truth nor as prediction, in training as in scoring",
    "empty masks": "both empty: Dice 1, HD95 0, NSD 1, F1 1; one empty: Dice 0, HD95 the volume's diagonal, "
    "NSD 0, F1 0",
    "network": "the method's volume tower with skip connections from its stages; decoder and order of cases start the "
    "same for every method",
    "arms": "frozen: the tower as pretrained, in eval mode; fine_tuned: all weights trained, at one rate; the "
    "fine_tuned row of random_init is the network trained from scratch",
    "label fractions": "shares of the training patients with cases, one seeded order for every method and nested; a "
    "pool without a share has all; val is whole for each",
    "choice": "step and threshold (0.1 to 0.9) by mean Dice on val alone",
    "empty": "predicting nothing",
    UNET: "MONAI's BasicUNet with 0.36 million parameters, from scratch, on the same cases by the same recipe; one for "
    "each share of the labels, the same beside every method and arm",
    "hd95_mm": "mean over volumes; median_hd95_mm: median over volumes, which a missed case hardly moves",
    "lesion_f1": "lesions are components of 26 neighbours; one is found when a voxel of it is predicted",
    "interval": "percentile bootstrap over patients with all their volumes; the trained networks are held fixed",
}


@dataclass(frozen=True)
class SegmentationData:
    """Cases that every network of a run is trained and scored on.

    Attributes:
        parts: Name of a part to its cases; the last one is scored.
        spacing_mm: Voxel edges.
        options: Settings and seed.
        frozen: The method's tower as pretrained.
    """

    parts: Mapping[str, CasePart]
    spacing_mm: tuple[float, float, float]
    options: ScoreOptions
    frozen: RememberedTower

    @property
    def scored(self) -> CasePart:
        """The cases that are scored."""
        return list(self.parts.values())[-1]

    def with_share(self, fraction: float) -> SegmentationData:
        """The same with the cases of a share of the training patients."""
        train = self.parts["train"]
        patients = train.items["patient_id"].to_numpy(object)
        examples = Examples(np.empty((len(patients), 0)), np.zeros(len(patients), np.intp), patients)
        seen = fraction_mask(examples, fraction, task_generator(self.options.seed, "segmentation"))
        return replace(self, parts={**self.parts, "train": train.of(seen)})

    def seed(self, network: str, fraction: float) -> int:
        """Seed of a network's own weights and of the order of cases; the same for every method."""
        return int(task_generator(self.options.seed, network, round(1e6 * fraction)).integers(2**31))


def score_subject(subject: Subject, options: ScoreOptions) -> Score:
    """Trains and scores a network for each arm and share of the labels; masks made elsewhere are scored as they are.

    Raises:
        InputError: When a part has no case, the part to score is not test, the grid is not the model's, or the training
            diverges.
    """
    if hasattr(subject.model, "masks"):
        return _score_given(subject, options)
    task = load_task(subject, options)
    metrics: dict[str, Metric] = {}
    notes = NOTES | {f"part {name}": part.facts for name, part in task.parts.items()}
    frames: list[pd.DataFrame] = []
    pictures: list[CasePicture] = []
    for fraction in options.segmentation.label_fractions:
        share, suffix = task.with_share(fraction), "" if fraction == 1 else f"_{100 * fraction:g}pct"
        notes[f"labels {100 * fraction:g} %"] = share.parts["train"].facts
        unet = reference(subject, share, fraction, wait=False)
        outcomes = {f"{arm}{suffix}": _arm(subject, share, arm, fraction) for arm in options.segmentation.arms}
        unet = unet or reference(subject, share, fraction)
        notes[f"val {UNET}{suffix}"] = unet.history if unet else "left out: the grid is too small for it"
        for pool, outcome in outcomes.items():
            notes[f"val {pool}"] = outcome.history
            frame, found = pool_scores(pool, task.scored, task.spacing_mm, options, outcome, unet)
            metrics |= found
            frames.append(frame)
            pictures += _pictures(pool, task, frame, outcome)
    return Score(metrics, pd.concat(frames, ignore_index=True), notes, tuple(pictures))


def load_task(subject: Subject, options: ScoreOptions) -> SegmentationData:
    """The cases of all parts; errors as in `score_subject`."""
    parts, info = fitted_parts(subject), subject.cohort.info
    check_grid(subject.model, info.shape)
    tower = tower_of(subject.model)
    intensity = subject.model.intensity  # type: ignore[attr-defined]
    cases = {part: load_cases(subject.cohort, part, intensity) for part in parts}
    frozen = RememberedTower(tower, subject.cache.folder if subject.cache else None)
    return SegmentationData(cases, info.spacing_mm, options, frozen)


def _score_given(subject: Subject, options: ScoreOptions) -> Score:
    """The scored cases of `subject` by masks that were made elsewhere: one pool, beside nothing but an empty mask."""
    part, spacing_mm = load_cases(subject.cohort, subject.split, None), subject.cohort.info.spacing_mm
    predicted = subject.model.masks(part.items["item_id"].tolist())  # type: ignore[attr-defined]
    if part.cases.ignored is not None:
        predicted = predicted & ~part.cases.ignored[:, 0].numpy()
    truth = part.cases.masks[:, 0].numpy()
    outcome = Segmented(score_masks(predicted, truth, spacing_mm), predicted, "masks that were made elsewhere")
    frame, metrics = pool_scores(GIVEN, part, spacing_mm, options, outcome, None)
    pictures = case_pictures(GIVEN, frame, part.cases.volumes[:, 0].numpy(), truth, predicted, spacing_mm)
    return Score(metrics, frame, NOTES | {f"part {subject.split}": part.facts, GIVEN: outcome.history}, pictures)


def run_network(task: SegmentationData, network: nn.Module, seed: int) -> Segmented:
    """Trains `network` on train, lets val choose, and scores it."""
    train, val = task.parts["train"].cases, task.parts["val"].cases
    generator = torch.Generator().manual_seed(seed)
    fitted = fit_segmentation(network, train, val, task.options.segmentation, generator)
    scored = task.scored.cases
    threshold = fitted.chosen.threshold
    predicted = np.concatenate([found > threshold for found, _ in predict_cases(network, scored, train.shape)])
    return Segmented(score_masks(predicted, scored.masks[:, 0].numpy(), task.spacing_mm), predicted, _history(fitted))


def reference(subject: Subject, task: SegmentationData, fraction: float, wait: bool = True) -> Reference | None:
    """MONAI's U-Net on `task`, kept in the subject's shared folder; None when the grid is too small for it.

    Also None when another process is training it and this one is not to `wait`.
    """
    info, options = subject.cohort.info, task.options
    intensity = subject.model.intensity  # type: ignore[attr-defined]
    seed = task.seed(UNET, fraction)
    try:
        network = monai_unet(task.scored.cases.shape, seed=seed).to(_device(subject))
    except InputError:
        return None
    recipe = {name: value for name, value in asdict(options.segmentation).items() if name not in ("arms", "width")}
    key = [
        PROTOCOL_VERSION, info.content_hash, info.split_fingerprint, subject.split, fraction, options.seed,
        recipe | {"label_fractions": []}, intensity.rule, tensors_hash(intensity.state_dict()),
    ]  # fmt: skip

    def train() -> Reference:
        outcome = run_network(task, network, seed)
        return Reference(outcome.scores, outcome.history)

    return kept_reference(subject.shared, key, task.scored.items["item_id"].tolist(), train, wait)


def _arm(subject: Subject, task: SegmentationData, arm: str, fraction: float) -> Segmented:
    seed, width = task.seed(arm, fraction), task.options.segmentation.width
    tower = task.frozen if arm == "frozen" else tower_of(subject.model)
    network = make_segmenter(tower, frozen=arm == "frozen", seed=seed, width=width)
    return run_network(task, network, seed)


def _pictures(pool: str, task: SegmentationData, frame: pd.DataFrame, outcome: Segmented) -> tuple[CasePicture, ...]:
    cases = task.scored.cases
    voxels, truth = cases.volumes[:, 0].numpy(), cases.masks[:, 0].numpy()
    return case_pictures(pool, frame, voxels, truth, outcome.predicted, task.spacing_mm)


def _device(subject: Subject) -> torch.device:
    return subject.model.device


def _history(fitted: Fitted) -> str:
    seen = ", ".join(f"{one.step}: {one.dice:.4f} at {one.threshold:g}" for one in fitted.history)
    return f"chosen step {fitted.chosen.step}, threshold {fitted.chosen.threshold:g}; Dice by step: {seen}"


WORDS = {
    "dice": "Dice", "median_hd95_mm": "median HD95 (mm)", "hd95_mm": "HD95 (mm)", "nsd_at_2mm": "NSD at 2 mm",
    "lesion_f1": "lesion F1", "fine_tuned": "fine-tuned",
}  # fmt: skip
BENCHMARK = Benchmark(
    name="segmentation",
    summary="lesion masks from each method's encoder under one decoder, frozen and fine-tuned, 10 and 100 % of labels",
    protocol_version=PROTOCOL_VERSION,
    source="Dice, HD95 and NSD as in Metrics Reloaded (arXiv:2206.01653), with a written policy for empty masks",
    score=score_subject,
    declared=Declared(
        family="segmentation",
        label="segmentation",
        place=20,
        headline=("*/dice",),
        pools=("frozen", "fine_tuned"),
        floors={"empty": "empty mask", "monai_unet": "MONAI U-Net"},
        trained_floors=("monai_unet",),
        words=WORDS,
        task_type="image-segmentation",
    ),
    needs_text=False,
    sizes=("evaluation.segmentation.batch_size", "evaluation.segmentation.width"),
)
