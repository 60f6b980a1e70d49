"""Settings of training: frozen dataclasses, units in their field names."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from selip.models.settings import ModelConfig
from selip.similarity.settings import SimilarityConfig
from selip.system.errors import InputError

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


@dataclass(frozen=True)
class TrainingConfig:
    """The common trainer's budget and optimiser (AdamW).

    Attributes:
        steps: Optimiser steps.
        batch_size: Pairs a step.
        unique_texts: Whether the texts of a batch are all different (the paper's), so at most one is normal.
        normals_a_batch: Pairs with the normal sentence that such a batch may hold all the same.
        learning_rate_volume: Peak learning rate of the volume tower.
        learning_rate_text: Peak learning rate of the text tower.
        learning_rate_scalars: Peak learning rate of temperatures and biases that are one number, as the logit scale's
            logarithm and siglip's bias; null: the volume tower's, by which a short run hardly moves them.
        weight_decay: AdamW's weight decay.
        adam_epsilon: Adam's epsilon, which damps the steps of weights with small gradients.
        warmup_steps: Steps of linear warm-up.
        schedule: "cosine" to zero, or "polynomial" of power 0.9 (the paper's).
        gradient_clip: Largest global gradient norm.
        validations: Evenly spaced validations; the best keeps its weights.
        precision: "no" is float32; "tf32" the same, but CUDA may round the factors of products and convolutions;
            "bf16" bfloat16 autocast; "auto" is float32 on a CPU and bfloat16 autocast on CUDA. Scores are computed in
            float32.
        micro_batch: Pairs that a process encodes at a time, by GradCache (selip/training/gradients.py), for batches
            that do not fit in memory; null: all at once. Batch norm then sees so many pairs, else loss and gradients
            are the same.
        resident_gib: Training voxels that are kept in memory, in GiB; a larger cohort is read ahead from its store,
            to the same numbers. null: half of what is free, first on the device, then in main memory.
        memory_format: Of the weights and maps of the volume tower: "channels_last", which is faster, or "contiguous";
            the same up to rounding.
        compile: Whether torch.compile makes kernels for the volume tower; the same up to rounding.
    """

    steps: int = 2000
    batch_size: int = 64
    unique_texts: bool = True
    normals_a_batch: PositiveInt = 1
    learning_rate_volume: Positive = 5e-4
    learning_rate_text: Positive = 5e-4
    learning_rate_scalars: Positive | None = None
    weight_decay: NonNegativeFloat = 0.01
    adam_epsilon: Positive = 1e-6
    warmup_steps: NonNegativeInt = 100
    schedule: Literal["cosine", "polynomial"] = "cosine"
    gradient_clip: PositiveFloat = 1.0
    validations: int = 8
    precision: Literal["auto", "no", "tf32", "bf16"] = "auto"
    micro_batch: PositiveInt | None = None
    resident_gib: NonNegativeFloat | None = None
    memory_format: Literal["channels_last", "contiguous"] = "channels_last"
    compile: bool = False

    def __post_init__(self) -> None:
        """Refuses budgets that cannot run."""
        if self.steps < 1 or self.batch_size < 2 or not 1 <= self.validations <= self.steps:
            raise InputError(
                f"got training.steps={self.steps}, batch_size={self.batch_size}, validations={self.validations}; "
                "allowed: steps >= 1, batch_size >= 2, 1 <= validations <= steps"
            )


@dataclass(frozen=True)
class AugmentConfig:
    """Augmentation on the device, after the intensity rule: units are those of the network's input.

    Attributes:
        flip: "none"; "random": half of the pairs are flipped left-right, sides swapped in their texts; "paired": the
            same, and a pair whose text has a side brings its mirror image, so that the side is always asked for.
        shift_voxels: Largest shift along each axis, in voxels.
        gain: Largest relative change of intensity.
        offset: Largest shift of intensity.
        noise: Standard deviation of added Gaussian noise.
        rotation_degrees: Largest rotation about each axis, in degrees.
        scale: Largest relative change of size, the same along every axis.
        bias_field: Largest coefficient of the polynomial that is the logarithm of a smooth factor on intensity.
    """

    flip: Literal["none", "random", "paired"] = "random"
    shift_voxels: NonNegativeInt = 1
    gain: NonNegativeFloat = 0.1
    offset: NonNegativeFloat = 0.05
    noise: NonNegativeFloat = 0.02
    rotation_degrees: Annotated[float, Field(ge=0, le=45)] = 0.0
    scale: Annotated[float, Field(ge=0, lt=1)] = 0.0
    bias_field: NonNegativeFloat = 0.0


def identified(run: Mapping[str, Any], init: str) -> dict[str, Any]:
    """A `RunConfig` as a mapping, with the hash of its file of weights for the path, where another file may lie."""
    return {**run, "model": {**run["model"], "init": init}}


def learning_rate_factor(step: int, config: TrainingConfig) -> float:
    """Share of the peak learning rate at `step` (from 0): linear warm-up, then cosine or polynomial (0.9) to zero."""
    if step < config.warmup_steps:
        return (step + 1) / config.warmup_steps
    done = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    return (1 + math.cos(math.pi * done)) / 2 if config.schedule == "cosine" else (1 - done) ** 0.9


@dataclass(frozen=True)
class RunConfig:
    """Everything that one run depends on beside its cohort, method and seed.

    Attributes:
        model: Towers.
        training: Budget and optimiser.
        augment: Augmentation.
        similarity: S.
        methods: Settings of methods that are given, name -> key -> value; the method fills in its own defaults.
    """

    model: ModelConfig = field(default_factory=ModelConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    similarity: SimilarityConfig = field(default_factory=SimilarityConfig)
    methods: dict[str, dict[str, Any]] = field(default_factory=dict)
