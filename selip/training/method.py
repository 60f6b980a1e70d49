"""The declaration of a method. Towers, batches, optimiser and budget are the trainer's, the same for every method."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field, PositiveInt

from selip.similarity.text_similarity import TextTable
from selip.system.mappings import from_mapping
from selip.training.objective import Objective
from selip.training.search_space import Space
from selip.training.settings import RunConfig

__all__ = ["VIEWS", "MaskSettings", "Method", "NoSettings", "Objective", "Preparation", "Sizes"]

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
class NoSettings:
    """Settings of a method that has none of its own."""


@dataclass(frozen=True)
class MaskSettings:
    """Settings of the view "masked"; a method that asks for it may add its own.

    Attributes:
        masked_share: Probability that a block is hidden.
        mask_voxels: Edge of the cubic blocks, in voxels.
    """

    masked_share: Annotated[float, Field(gt=0, lt=1)] = 0.6
    mask_voxels: PositiveInt = 6


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
        settings: The method's own settings, an instance of Method.settings.
        label_names: (K,) names of the columns of Batch.labels; empty when the cohort has no labels.
        device: Where batches will be. Tables that the objective looks things up in are brought there now, not at the
            first step, which would wait for them.
    """

    texts: TextTable
    batches: np.ndarray
    seed: int
    config: RunConfig
    sizes: Sizes
    settings: Any = field(default_factory=NoSettings)
    label_names: tuple[str, ...] = ()
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))


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
        settings: Frozen dataclass of its own settings, set as `methods.NAME.key=value`; the defaults are the method's.
        space: Ranges in which `selip tune` draws its own settings, by key.
        overrides: Run settings that belong to the recipe, as "training.adam_epsilon=1e-3"; they are laid over those of
            the experiment.
        uses_similarity: Whether its targets are those of similar texts, so that they need texts that are alike.
        control_of: Method that it is a control of. Settings that are given to that one hold for it too, where it has
            such a key and none of its own given, so that a control keeps step with what it controls.
        caveat: Sentence that a reader of its numbers has to know; it stands among the notes of its pages.
    """

    name: str
    summary: str
    source: str
    prepare: Callable[[Preparation], Objective] | None
    views: tuple[str, ...] = ("pairs",)
    shown_texts: Callable[[str], tuple[str, ...]] | None = None
    tower: Mapping[str, Any] = field(default_factory=dict)
    settings: type = NoSettings
    space: Space = field(default_factory=dict)
    overrides: tuple[str, ...] = ()
    uses_similarity: bool = False
    control_of: str = ""
    caveat: str = ""

    @property
    def notes(self) -> dict[str, str]:
        """The caveat under the name of the method, for its records."""
        return {self.name: self.caveat} if self.caveat else {}

    @property
    def learns_text(self) -> bool:
        """True when it trains the text tower; without that, retrieval by text says nothing of the method."""
        return self.prepare is None or bool({"pairs", "local"} & set(self.views))

    def settings_in(self, config: RunConfig) -> Any:  # noqa: ANN401 (an instance of `settings`)
        """The method's own settings in a run of `config`.

        Raises:
            InputError: For a key that it does not have (with the nearest one) or a value that is not allowed.
        """
        keys = {one.name for one in fields(self.settings)}
        followed = {key: value for key, value in config.methods.get(self.control_of, {}).items() if key in keys}
        return from_mapping(self.settings, {**followed, **config.methods.get(self.name, {})}, f"methods.{self.name}")
