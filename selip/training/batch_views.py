"""Feeds a run: from the batch plan to the views of each step. Every draw is a function of (seed, step)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from selip.data.volume_batches import to_device
from selip.models.dual_encoder import DualEncoder
from selip.training.augmentation import Draws, augment, draw, flip_left_right
from selip.training.batch_plan import BatchPlan
from selip.training.method import VIEWS, MaskSettings, Method
from selip.training.objective import Batch
from selip.training.settings import RunConfig
from selip.training.training_data import TrainingData
from selip.training.voxel_loading import make_loader

WIDTH_STEP = 32  # tokens
FIRST_ROW_BITS = 40  # seeds of steps stay below
WITHOUT_GRADIENT = frozenset({"inputs"})
"""Views that no weight stands behind."""


@dataclass(frozen=True)
class StepDraws:
    """All that is drawn for a step, for its whole batch, whoever encodes which part of it.

    Attributes:
        step: Number of the step, from 0.
        first: Augmentation of the volumes.
        second: Augmentation of the second view; None when no one asks for it.
        masked: (B, 1, I, J, K) bool, voxels to hide; None when no one asks for it.
        shown: (B,) int64 positions of the texts that are shown.
    """

    step: int
    first: Draws
    second: Draws | None
    masked: torch.Tensor | None
    shown: np.ndarray

    @property
    def size(self) -> int:
        """B."""
        return len(self.shown)


class Feed:
    """Makes the Batch of each step of a run."""

    def __init__(
        self, method: Method, config: RunConfig, model: DualEncoder, data: TrainingData, plan: BatchPlan, seed: int
    ) -> None:
        self.model, self.data, self.plan, self.seed = model, data, plan, seed
        self.augment_config = config.augment
        self.fields = {field for view in method.views for field in VIEWS[view]}
        own = method.settings_in(config)
        self.masking = own if isinstance(own, MaskSettings) else MaskSettings()
        self.shown = ShownTexts(method, data.texts.texts)
        self.device = model.log_logit_scale.device
        ids, mask = model.tokens(self.shown.texts)
        self.lengths = mask.sum(1).numpy()
        self.ids, self.mask = ids.to(self.device), mask.to(self.device)
        self.voxels = make_loader(data.volumes, plan.rows, self.device)

    def __call__(self, step: int) -> Batch:
        """The whole batch of `step`, with gradients to the towers."""
        draws = self.draw(step)
        return self.batch(draws, self.views(draws, slice(0, draws.size)))

    def draw(self, step: int) -> StepDraws:
        """The draws of `step`."""
        generator = torch.Generator(self.device).manual_seed(self.seed * 1_000_003 + step)
        shape = torch.Size((self.plan.rows.shape[1], 1, *self.model.shape))
        first = draw(self.augment_config, shape, generator)
        second = draw(self.augment_config, shape, generator) if "second" in self.fields else None
        masked = draw_mask(shape, self.masking, generator) if "masked" in self.fields else None
        return StepDraws(step, first, second, masked, self.shown.draw(self.plan.text_ids[step], self.seed, step))

    def views(self, draws: StepDraws, rows: slice) -> dict[str, torch.Tensor]:
        """Views of `rows` of a batch that the method asked for, as the towers make them.

        Dropout is a function of seed, step and the first row, so that a second pass over the same rows repeats it.
        """
        torch.manual_seed(self.seed * 1_000_003 + draws.step + (rows.start << FIRST_ROW_BITS))
        standard = self._standardised(draws.step, rows)
        inputs = self._augmented(standard, draws.first.part(rows))
        views = {**self._volume_views(inputs), **self._text_views(draws.shown, rows)}
        if draws.second is not None:
            views["second"] = self.model.encode_input(self._augmented(standard, draws.second.part(rows)))
        if draws.masked is not None:
            shown = inputs.masked_fill(draws.masked[rows], 0)
            views |= {"inputs": inputs, "masked_regions": self.model.volume_tower.last_map(shown)}
        return views

    def batch(self, draws: StepDraws, views: Mapping[str, torch.Tensor]) -> Batch:
        """The Batch of a step from the views of all its rows; what no tower makes is added here."""
        known = {"text_ids": self._there(self.plan.text_ids[draws.step])}
        if draws.masked is not None:
            known["masked"] = draws.masked
        if "word_mask" in self.fields:
            known["word_mask"] = self.mask[self._there(draws.shown), : self._width(draws.shown)]
        if "labels" in self.fields:
            known["labels"] = self.data.labels[self._there(self.plan.rows[draws.step])]
        empty = torch.empty(0, device=self.device)
        return Batch(**{"volumes": empty, "texts": empty, "logit_scale": self.model.logit_scale, **known, **views})

    def _standardised(self, step: int, rows: slice) -> torch.Tensor:
        stored = self.voxels(step, rows).unsqueeze(1).float().div_(255)
        # Standardised before the flip: anatomy is not symmetric, so voxel statistics hold in the native frame only.
        contrasts = self.data.contrasts[self._there(self.plan.rows[step, rows])]
        inputs = self.model.intensity(stored, contrasts, all_seen=True)
        return flip_left_right(inputs, self._there(self.plan.flips[step, rows]))

    def _augmented(self, standard: torch.Tensor, draws: Draws) -> torch.Tensor:
        return augment(standard, draws, self.augment_config, self.data.spacing_mm)

    def _there(self, array: np.ndarray) -> torch.Tensor:
        return to_device(array, self.device)

    def _volume_views(self, inputs: torch.Tensor) -> dict[str, torch.Tensor]:
        if not {"volumes", "features", "regions"} & self.fields:
            return {}
        tower = self.model.volume_tower
        regions = tower.last_map(inputs)
        features = tower.pool(regions)
        views = {"volumes": self.model.project_volumes(features), "features": features, "regions": regions}
        return {name: view for name, view in views.items() if name in self.fields}

    def _text_views(self, shown: np.ndarray, rows: slice) -> dict[str, torch.Tensor]:
        """Each text is encoded once, padded to the width of the whole batch."""
        if not {"texts", "words"} & self.fields:
            return {}
        unique, inverse = np.unique(shown[rows], return_inverse=True)
        width = self._width(shown)
        numbers, back = self._there(unique), self._there(inverse)
        ids, mask = self.ids[numbers, :width], self.mask[numbers, :width]
        if "words" not in self.fields:
            return {"texts": self.model.encode_text(ids, mask)[back]}
        hidden = self.model.text_tower.hidden(ids, mask)
        views = {"texts": self.model.project_texts(self.model.text_tower.pool(hidden, mask)), "words": hidden}
        return {name: view[back] for name, view in views.items() if name in self.fields}

    def _width(self, shown: np.ndarray) -> int:
        longest = int(self.lengths[shown].max())
        return longest if self.device.type == "cpu" else min(stepped(longest), self.ids.shape[1])


def stepped(longest: int) -> int:
    """The next of a few widths for texts of `longest` tokens: a GPU plans its kernels and memory anew for each width.

    A CPU plans nothing, and pays for every token.
    """
    return -(-longest // WIDTH_STEP) * WIDTH_STEP


def draw_mask(shape: Sequence[int], settings: MaskSettings, generator: torch.Generator) -> torch.Tensor:
    """(B, 1, I, J, K) bool: cubic blocks of voxels, each hidden by chance.

    Args:
        shape: (B, 1, I, J, K).
        settings: Edge of the blocks, and their chance.
        generator: Source of the draw; its device is the mask's.
    """
    edge = settings.mask_voxels
    cells = [-(-size // edge) for size in shape[2:]]
    hidden = torch.rand((shape[0], 1, *cells), generator=generator, device=generator.device) < settings.masked_share
    for axis, size in enumerate(shape[2:], 2):
        hidden = hidden.repeat_interleave(edge, dim=axis).narrow(axis, 0, size)
    return hidden


class ShownTexts:
    """Text that a pair shows: its own, or one of those that the method names, drawn anew each step."""

    def __init__(self, method: Method, texts: Sequence[str]) -> None:
        shown = method.shown_texts or (lambda text: (text,))
        choices = [shown(text) for text in texts]
        self.texts = list(dict.fromkeys(choice for some in choices for choice in some))
        number = {text: position for position, text in enumerate(self.texts)}
        self.counts = np.array([len(some) for some in choices])
        self.table = np.zeros((len(texts), self.counts.max()), dtype=np.int64)
        for row, some in enumerate(choices):
            self.table[row, : len(some)] = [number[choice] for choice in some]

    def draw(self, text_ids: np.ndarray, seed: int, step: int) -> np.ndarray:
        """(B,) int64 positions in `texts`, uniformly among the choices of each text id (B,)."""
        chance = np.random.default_rng([seed, 3, step]).random(len(text_ids))
        return self.table[text_ids, (chance * self.counts[text_ids]).astype(np.int64)]
