"""Trains a segmentation network on masks; the val part alone chooses the step and the threshold."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from monai.inferers import sliding_window_inference
from monai.losses import DiceCELoss
from torch import nn

from benchmarks.metrics.mask_metrics import dice_scores
from benchmarks.segmentation.masked_volumes import Cases
from benchmarks.settings import SegmentationConfig
from selip.system.errors import InputError

THRESHOLDS = tuple(round(0.1 * tenth, 1) for tenth in range(1, 10))
WINDOW_OVERLAP = 0.5
BACKGROUND_LOGIT = -30.0  # a probability below float32's resolution at 1


@dataclass(frozen=True)
class Validation:
    """Loss, threshold and Dice of one validation.

    Attributes:
        step: Steps done.
        loss: Mean training loss since the validation before.
        threshold: Threshold of the highest mean Dice on val.
        dice: That mean Dice.
    """

    step: int
    loss: float
    threshold: float
    dice: float


@dataclass(frozen=True)
class Fitted:
    """The choice that val made; the network has the weights of that step.

    Attributes:
        chosen: Validation of the highest mean Dice, the earliest of equals.
        history: All validations.
    """

    chosen: Validation
    history: tuple[Validation, ...]


def fit_segmentation(
    model: nn.Module, train: Cases, val: Cases, config: SegmentationConfig, generator: torch.Generator
) -> Fitted:
    """Trains `model` in place and leaves it in eval mode with the weights that val chose.

    Args:
        model: (B, 1, I, J, K) to logits of that shape; parameters without gradient stay as they are.
        train: Cases of the train part.
        val: Cases of the val part.
        config: Budget and optimiser.
        generator: Draws the order of the cases; on the CPU.

    Raises:
        InputError: For a loss that is not finite.
    """
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=config.learning_rate, weight_decay=config.weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=config.steps)
    loss_of, device = segmentation_loss(), parameters[0].device
    stops = validation_steps(config)
    history: list[Validation] = []
    losses: list[torch.Tensor] = []
    best: dict[str, torch.Tensor] = {}
    for step, rows in enumerate(case_order(len(train), config, generator), start=1):
        model.train()
        logits = train.scored(model(train.inputs(rows, device)), rows, BACKGROUND_LOGIT)
        loss = loss_of(logits, train.masks[rows].to(device).float())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.detach())
        if step in stops:
            history.append(_validate(model, val, train.shape, step, losses))
            losses = []
            if history[-1] is _best(history):
                best = {name: value.detach().clone() for name, value in model.state_dict().items()}
    model.load_state_dict(best)
    model.eval()
    return Fitted(_best(history), tuple(history))


def validation_steps(config: SegmentationConfig) -> frozenset[int]:
    """Steps, from 1, after which val is looked at; the last step is one."""
    return frozenset(round(config.steps * (n + 1) / config.validations) for n in range(config.validations))


def segmentation_loss() -> DiceCELoss:
    """Dice plus binary cross-entropy, equal weights, on logits and masks (B, 1, I, J, K).

    Dice is taken over the batch as one: of a single case whose mask is empty it would be 1 for any prediction.
    """
    return DiceCELoss(sigmoid=True, batch=True)


def case_order(n_cases: int, config: SegmentationConfig, generator: torch.Generator) -> torch.Tensor:
    """Positions (steps, B) int64: one random permutation after the other, cut into batches."""
    batch_size = min(config.batch_size, n_cases)
    epochs = math.ceil(config.steps * batch_size / n_cases)
    order = torch.cat([torch.randperm(n_cases, generator=generator) for _ in range(epochs)])
    return order[: config.steps * batch_size].view(config.steps, batch_size)


@torch.no_grad()
def predict(
    model: nn.Module, volumes: torch.Tensor, window: tuple[int, int, int], batch_size: int = 16
) -> torch.Tensor:
    """Probabilities (n, 1, I, J, K) float32 on the CPU, of volumes (n, 1, I, J, K); leaves `model` in eval mode.

    Args:
        model: (B, 1, I, J, K) to logits of that shape.
        volumes: As the network takes them.
        window: Voxels of the training volumes. Larger volumes are covered by windows of this shape that overlap by
            half, their logits blended by a Gaussian; others are seen in one pass.
        batch_size: Volumes, or windows, a pass.
    """
    model.eval()
    device = next(model.parameters()).device
    larger = any(size > edge for size, edge in zip(volumes.shape[2:], window, strict=True))
    parts = []
    for batch in volumes.split(batch_size):
        inputs = batch.to(device)
        logits = _in_windows(model, inputs, window, batch_size) if larger else model(inputs)
        parts.append(torch.sigmoid(logits).cpu())
    return torch.cat(parts)


def _in_windows(model: nn.Module, volumes: torch.Tensor, window: tuple[int, int, int], batch_size: int) -> torch.Tensor:
    logits: torch.Tensor = sliding_window_inference(
        volumes, roi_size=window, sw_batch_size=batch_size, predictor=model, overlap=WINDOW_OVERLAP, mode="gaussian"
    )
    return logits


def predict_cases(
    model: nn.Module, cases: Cases, window: tuple[int, int, int], batch_size: int = 16
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Probabilities (b, I, J, K) float32 and masks (b, I, J, K) bool of the cases in their order, a batch at a time.

    Voxels that are not scored have probability 0. See `predict`; nothing is kept, as the probabilities of a whole part
    can be larger than the memory.
    """
    device = next(model.parameters()).device
    for rows in torch.arange(len(cases)).split(batch_size):
        probabilities = cases.scored(predict(model, cases.inputs(rows, device), window, batch_size), rows, 0.0)
        yield probabilities[:, 0].numpy(), cases.masks[rows, 0].numpy()


def _validate(
    model: nn.Module, val: Cases, window: tuple[int, int, int], step: int, losses: list[torch.Tensor]
) -> Validation:
    loss = float(torch.stack(losses).mean())
    if not math.isfinite(loss):
        raise InputError(f"got a loss of {loss} by step {step}; lower the learning rate")
    parts = [
        [dice_scores(probabilities > threshold, truth) for threshold in THRESHOLDS]
        for probabilities, truth in predict_cases(model, val, window)
    ]
    dices = np.concatenate(parts, axis=1).mean(axis=1)
    best = int(np.argmax(dices))
    return Validation(step, loss, THRESHOLDS[best], float(dices[best]))


def _best(history: list[Validation]) -> Validation:
    return max(history, key=lambda validation: validation.dice)
