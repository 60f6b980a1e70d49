"""Fine-tuning: the whole volume tower and a linear head on one task, with one recipe for every method.

The row of the untrained tower is training from scratch: the same recipe from the same initial weights.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.benchmark import Benchmark, Score, ScoreOptions
from benchmarks.classification.class_tasks import TASKS, own_tasks
from benchmarks.classification.labels import TaskData, load_tasks
from benchmarks.classification.predictions import (
    POLICIES,
    Answers,
    declared_classification,
    fitted_parts,
    score_answers,
)
from benchmarks.classification.probes import shortcut_references, task_generator
from benchmarks.settings import ProbeConfig
from selip.data.cohort import Cohort
from selip.models.embeddings import check_grid
from selip.models.encoder import Encoder, tower_of
from selip.models.scored_model import Subject
from selip.models.volume_towers import contrast_positions
from selip.records.record import Metric
from selip.system.arrays import FloatArray
from selip.system.errors import InputError

TUNED = ("lesion_type", "study_label", "glioma_grade")
"""Beside the tasks that the cohort declares."""
WEIGHT_DECAY = 0.01
WARM_UP = 0.1
VALIDATIONS = 5
EVALUATION_BATCH = 64
NOTES = POLICIES | {
    "recipe": "the volume tower and a linear head that starts at 0; cross-entropy; AdamW, weight decay 0.01, linear "
    "warm-up over a tenth of the steps, then cosine to 0; gradient norm at most 1; no augmentation; float32; BatchNorm "
    "learns; the same steps, batch order and rate for every method",
    "step": "of 5 evenly spaced validations the one of the lowest log-loss on val, the earliest of equals",
    "from scratch": "the row of random_init",
}


@dataclass(frozen=True)
class Scans:
    """Volumes of the items of a part, on the CPU.

    Attributes:
        volumes: (n, I, J, K) uint8.
        contrasts: (n,) int64 positions in CONTRASTS.
    """

    volumes: torch.Tensor
    contrasts: torch.Tensor


class Classifier(nn.Module):
    """A copy of the volume side of an encoder with a linear head.

    Args:
        model: Stays as it is.
        n_classes: K.
    """

    def __init__(self, model: Encoder, n_classes: int) -> None:
        super().__init__()
        self.tower = copy.deepcopy(tower_of(model)).requires_grad_(True)
        self.intensity = copy.deepcopy(model.intensity)  # type: ignore[attr-defined]
        self.head = nn.utils.skip_init(nn.Linear, self.tower.features, n_classes)  # draws nothing
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, volumes: torch.Tensor, contrasts: torch.Tensor) -> torch.Tensor:
        """Logits (B, K) of stored volumes (B, I, J, K) uint8 and contrast positions (B,)."""
        inputs = self.intensity(volumes.unsqueeze(1).float() / 255, contrasts)
        logits: torch.Tensor = self.head(self.tower(inputs))
        return logits


def score_subject(subject: Subject, options: ScoreOptions) -> Score:
    """Tunes and scores every task of TUNED that the cohorts allow.

    Class probabilities that were made elsewhere are scored in the place of a tuned tower, in their tasks.

    Raises:
        InputError: When there is no task, the part to score is not test, or the training diverges.
    """
    given, own = getattr(subject.model, "probabilities", None), own_tasks(subject.cohort)
    names = subject.model.tasks if given else (*TUNED, *(task.name for task in own))  # type: ignore[attr-defined]
    wanted = [task for task in (*TASKS, *own) if task.name in names]
    tasks, notes = load_tasks(subject, fitted_parts(subject), wanted)
    metrics: dict[str, Metric] = {}
    frames = []
    for data in tasks:
        items = data.parts[subject.split].items["item_id"].tolist()
        if given:
            probabilities, chosen = given(data.task.name, data.classes, items), "probabilities that were made elsewhere"
        else:
            probabilities, step = _tuned(subject, data, options)
            chosen = f"step {step} of {options.probe.fine_tune_steps}"
        answers = Answers({"": probabilities}, shortcut_references(subject, data, subject.split))
        frame, found = score_answers(data, subject.split, [answers], options)
        metrics |= found
        frames.append(frame)
        notes[f"chosen {data.task.name}"] = chosen
    return Score(metrics, pd.concat(frames, ignore_index=True), NOTES | notes)


def _tuned(subject: Subject, data: TaskData, options: ScoreOptions) -> tuple[FloatArray, int]:
    """Probabilities (n, K) of the scored items, and the step that val chose."""
    cohort = subject.transfer if data.task.is_transfer and subject.transfer else subject.cohort
    check_grid(subject.model, cohort.info.shape)
    scans = {part: read_scans(cohort, data, part) for part in data.parts}
    labels = {part: torch.from_numpy(data.parts[part].labels) for part in ("train", "val")}
    classifier = Classifier(subject.model, len(data.classes)).to(subject.model.device)
    generator = task_generator(options.seed, data.task.name)
    step = fit(classifier, (scans["train"], labels["train"]), (scans["val"], labels["val"]), options.probe, generator)
    return classify(classifier, scans[subject.split]), step


def read_scans(cohort: Cohort, data: TaskData, part: str) -> Scans:
    """The volumes of the items of a part."""
    rows = cohort.rows(part)[data.parts[part].rows]
    contrasts = contrast_positions(data.parts[part].items["contrast"].tolist())
    return Scans(torch.from_numpy(cohort.read_volumes(rows)), contrasts)


def fit(
    classifier: Classifier,
    train: tuple[Scans, torch.Tensor],
    val: tuple[Scans, torch.Tensor],
    config: ProbeConfig,
    generator: np.random.Generator,
) -> int:
    """Trains `classifier` in place and leaves it in eval mode with the weights that val chose.

    Args:
        classifier: On its device.
        train: Scans and class numbers (n,) int64.
        val: The same of the part that chooses.
        config: Steps, batch size and peak learning rate.
        generator: Draws the order of the volumes.

    Returns:
        The chosen step.

    Raises:
        InputError: For a loss that is not finite.
    """
    scans, labels = train
    optimizer = torch.optim.AdamW(classifier.parameters(), lr=config.fine_tune_learning_rate, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate_factor(step, config.fine_tune_steps))
    stops = {math.ceil(config.fine_tune_steps * (n + 1) / VALIDATIONS) for n in range(VALIDATIONS)}
    best, chosen = math.inf, 0
    weights: dict[str, torch.Tensor] = {}
    for step, rows in enumerate(batches(len(labels), config, generator), start=1):
        classifier.train()
        loss = F.cross_entropy(_logits(classifier, scans, rows), labels[rows].to(classifier.head.weight.device))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(classifier.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step in stops:
            found = validation_loss(classifier, *val)
            if not math.isfinite(found):
                raise InputError(f"got a val loss of {found} by step {step}; lower the learning rate")
            if found < best:
                best, chosen = found, step
                weights = {name: value.detach().clone() for name, value in classifier.state_dict().items()}
    classifier.load_state_dict(weights)
    classifier.eval()
    return chosen


def rate_factor(step: int, steps: int) -> float:
    """Factor in (0, 1] on the peak learning rate before optimiser step `step` (from 0) of `steps`."""
    warm = max(1, round(WARM_UP * steps))
    if step < warm:
        return (step + 1) / warm
    return (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm))) / 2


def batches(n_items: int, config: ProbeConfig, generator: np.random.Generator) -> torch.Tensor:
    """Positions (steps, B) int64: one random permutation after the other, cut into batches."""
    size = min(config.fine_tune_batch_size, n_items)
    rounds = math.ceil(config.fine_tune_steps * size / n_items)
    order = np.concatenate([generator.permutation(n_items) for _ in range(rounds)])
    return torch.from_numpy(order[: config.fine_tune_steps * size].reshape(config.fine_tune_steps, size))


def _logits(classifier: Classifier, scans: Scans, rows: torch.Tensor) -> torch.Tensor:
    device = classifier.head.weight.device
    logits: torch.Tensor = classifier(scans.volumes[rows].to(device), scans.contrasts[rows].to(device))
    return logits


@torch.no_grad()
def _all_logits(classifier: Classifier, scans: Scans) -> torch.Tensor:
    """(n, K) float64 on the CPU, BatchNorm in eval mode."""
    classifier.eval()
    rows = torch.arange(len(scans.contrasts)).split(EVALUATION_BATCH)
    return torch.cat([_logits(classifier, scans, some).cpu() for some in rows]).double()


def validation_loss(classifier: Classifier, scans: Scans, labels: torch.Tensor) -> float:
    """Mean log-loss in nats."""
    return float(F.cross_entropy(_all_logits(classifier, scans), labels))


def classify(classifier: Classifier, scans: Scans) -> FloatArray:
    """Probabilities (n, K) of volumes."""
    return np.asarray(_all_logits(classifier, scans).softmax(dim=1).numpy())


BENCHMARK = Benchmark(
    name="fine_tune",
    summary="the whole volume tower tuned on lesion type and glioma grade; random_init is training from scratch",
    protocol_version="1",
    source="one recipe for every method; policies in the benchmark's notes",
    score=score_subject,
    declared=declared_classification("fine-tuning", 13),
    needs_text=False,
    sizes=("evaluation.probe.fine_tune_batch_size",),
)
