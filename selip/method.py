"""What a method declares. Towers, batches, optimiser and budget are the trainer's and the same for every method."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from selip.objective import Batch, Loss
from selip.similarity import TextTable

if TYPE_CHECKING:
    from selip.config import RunConfig

Objective = Callable[[Batch], Loss]


@dataclass(frozen=True)
class Preparation:
    """What a method may look at before the first step: training texts only, never a volume, never val or test.

    Attributes:
        texts: Unique training texts and their flipped twins.
        batches: (steps, B) int64 text ids of every batch to come.
        seed: Seed of the run.
        config: Resolved configuration.
    """

    texts: TextTable
    batches: np.ndarray
    seed: int
    config: RunConfig


@dataclass(frozen=True)
class Method:
    """A recipe: one objective under the common trainer.

    Attributes:
        name: Registry name.
        summary: One line for `selip list methods`.
        source: Paper or code that the formula comes from.
        prepare: Makes the objective of a run. None: the method is not trained.
    """

    name: str
    summary: str
    source: str
    prepare: Callable[[Preparation], Objective] | None
