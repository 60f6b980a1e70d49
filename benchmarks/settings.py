"""Configuration of scoring: frozen dataclasses like those of config.py."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt

from selip.system.errors import InputError
from selip.training.settings import Positive

Share = Annotated[float, Field(gt=0, le=1)]


@dataclass(frozen=True)
class ProbeConfig:
    """Classification on frozen and on tuned features.

    Attributes:
        label_fractions: Shares of the training patients whose labels a probe may see.
        shots: Examples a class of few-shot probes.
        draws: Draws of the support set, the same for every method.
        fine_tune_steps: Optimiser steps of fine-tuning.
        fine_tune_batch_size: Volumes a step.
        fine_tune_learning_rate: Peak learning rate.
    """

    label_fractions: tuple[Share, ...] = (0.01, 0.1, 1.0)
    shots: tuple[PositiveInt, ...] = (1, 4, 16, 64)
    draws: PositiveInt = 5
    fine_tune_steps: PositiveInt = 200
    fine_tune_batch_size: PositiveInt = 32
    fine_tune_learning_rate: Positive = 5e-4


@dataclass(frozen=True)
class SegmentationConfig:
    """Segmentation with each method's encoder under one decoder; one recipe (AdamW, cosine to zero) for every network.

    Attributes:
        arms: "frozen" (the encoder stays as it is), "fine_tuned" (all is trained).
        label_fractions: Shares of the training patients whose masks may be seen.
        width: Channels of the decoder's levels, half of them at full resolution.
        steps: Optimiser steps.
        batch_size: Volumes a step; all of them where there are fewer.
        learning_rate: Peak learning rate.
        weight_decay: AdamW's weight decay.
        validations: Evenly spaced validations; the best keeps its weights.
    """

    arms: tuple[Literal["frozen", "fine_tuned"], ...] = ("frozen", "fine_tuned")
    label_fractions: tuple[Share, ...] = (0.1, 1.0)
    width: Annotated[int, Field(ge=2, multiple_of=2)] = 8
    steps: PositiveInt = 300
    batch_size: PositiveInt = 4
    learning_rate: Positive = 5e-3
    weight_decay: NonNegativeFloat = 0.01
    validations: PositiveInt = 5

    def __post_init__(self) -> None:
        """Refuses no network, one named twice, and more validations than steps."""
        for name in ("arms", "label_fractions"):
            values = getattr(self, name)
            if not values or len(set(values)) < len(values):
                raise InputError(f"got segmentation.{name}={','.join(map(str, values))}; name at least one, each once")
        if self.validations > self.steps:
            raise InputError(
                f"got segmentation.steps={self.steps}, validations={self.validations}; lower the one or raise the other"
            )


@dataclass(frozen=True)
class EvaluationConfig:
    """Scoring.

    Attributes:
        n_resamples: Bootstrap resamples of patients.
        seed: Seed of the resampling.
        probe: Classification.
        segmentation: Segmentation.
    """

    n_resamples: PositiveInt = 10_000
    seed: NonNegativeInt = 0
    probe: ProbeConfig = field(default_factory=ProbeConfig)
    segmentation: SegmentationConfig = field(default_factory=SegmentationConfig)
