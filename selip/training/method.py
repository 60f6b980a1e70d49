"""The declaration of a method. Towers, batches, optimiser and budget are the trainer's, the same for every method."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from selip.similarity.text_similarity import TextTable
from selip.training.objective import Objective
from selip.training.settings import RunConfig

__all__ = ["VIEWS", "Method", "Objective", "Preparation", "Sizes"]

VIEWS = {
    "pairs": ("volumes", "texts"),
    "second": ("volumes", "second"),
    "features": ("features",),
    "local": ("regions", "words", "word_mask"),
    "masked": ("inputs", "masked", "masked_regions"),
    "labels": ("labels",),
}
"""Views that a method may ask for, and the fields of a Batch that each fills."""


@dataclass(frozen=True)
class Sizes:
    """Sizes of what the towers give, for methods with layers of their own.

    Attributes:
        features: F, volume features before projection.
        regions: (C, i, j, k) of the volume tower's last map.
        words: W, width of the text tower's hidden states.
        shape: (I, J, K) voxels of a volume.
    """

    features: int
    regions: tuple[int, int, int, int]
    words: int
    shape: tuple[int, int, int]


@dataclass(frozen=True)
class Preparation:
    """Training texts and labels that a method may use before the first step; never a volume, never val or test.

    Attributes:
        texts: Unique training texts and their flipped twins.
        batches: (steps, B) int64 text ids of every batch to come.
        seed: Seed of the run.
        config: Resolved configuration.
        sizes: Sizes of the towers' outputs.
        label_names: (K,) names of the columns of Batch.labels; empty when the cohort has no labels.
    """

    texts: TextTable
    batches: np.ndarray
    seed: int
    config: RunConfig
    sizes: Sizes
    label_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Method:
    """A recipe: one objective under the common trainer.

    An objective may be a torch.nn.Module: its parameters are then trained beside the towers and forgotten afterwards.

    Attributes:
        name: Registry name.
        summary: One line for `selip list methods`.
        source: Paper or code that the formula comes from.
        prepare: Makes the objective of a run; raises UnavailableError when a weight that it needs is not here.
            None: the method is not trained.
        views: What of a batch it needs, keys of VIEWS.
        shown_texts: The texts of which a pair shows one, drawn anew each step; None: always its whole text.
        tower: Fields of ModelConfig that it replaces, for a method that brings its own volume tower. Its text tower
            and text projection still start from the weights that every method of the seed starts from.
    """

    name: str
    summary: str
    source: str
    prepare: Callable[[Preparation], Objective] | None
    views: tuple[str, ...] = ("pairs",)
    shown_texts: Callable[[str], tuple[str, ...]] | None = None
    tower: Mapping[str, Any] = field(default_factory=dict)

    @property
    def learns_text(self) -> bool:
        """True when it trains the text tower; without that, retrieval by text says nothing of the method."""
        return self.prepare is None or bool({"pairs", "local"} & set(self.views))
