"""Feeds a run: from the batch plan to the views of each step. Every draw is a function of (seed, step)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from selip.augment import augment, draw, flip_left_right
from selip.batches import BatchPlan
from selip.config import RunConfig
from selip.method import VIEWS, Method
from selip.model import DualEncoder
from selip.objective import Batch
from selip.training_data import TrainingData

MASKED_SHARE = 0.6
MASK_GRID_VOXELS = 6


class Feed:
    """Makes the Batch of each step of a run."""

    def __init__(
        self, method: Method, config: RunConfig, model: DualEncoder, data: TrainingData, plan: BatchPlan, seed: int
    ) -> None:
        self.model, self.data, self.plan, self.seed = model, data, plan, seed
        self.augment_config = config.augment
        self.fields = {field for view in method.views for field in VIEWS[view]}
        self.shown = ShownTexts(method, data.texts.texts)
        self.device = model.log_logit_scale.device
        self.ids, self.mask = (part.to(self.device) for part in model.tokens(self.shown.texts))

    def __call__(self, step: int) -> Batch:
        """The views of `step` that the method asked for, with gradients to the towers."""
        generator = torch.Generator(self.device).manual_seed(self.seed * 1_000_003 + step)
        standard = self._standardised(step)
        inputs = self._augmented(standard, generator)
        views = {**self._volume_views(inputs), **self._text_views(step)}
        if "second" in self.fields:
            views["second"] = self.model.encode_input(self._augmented(standard, generator))
        if "masked" in self.fields:
            views |= self._masked_views(inputs, generator)
        if "labels" in self.fields:
            views["labels"] = self.data.labels[torch.from_numpy(self.plan.rows[step])].to(self.device)
        empty = inputs.new_empty(0)
        return Batch(
            volumes=views.pop("volumes", empty),
            texts=views.pop("texts", empty),
            logit_scale=self.model.logit_scale,
            text_ids=torch.from_numpy(self.plan.text_ids[step]).to(self.device),
            **views,
        )

    def _standardised(self, step: int) -> torch.Tensor:
        rows = torch.from_numpy(self.plan.rows[step])
        stored = self.data.volumes[rows.to(self.data.volumes.device)].to(self.device).unsqueeze(1).float() / 255
        # Standardised before the flip: anatomy is not symmetric, so voxel statistics hold in the native frame only.
        inputs = self.model.intensity(stored, self.data.contrasts[rows.to(self.device)])
        return flip_left_right(inputs, torch.from_numpy(self.plan.flips[step]).to(self.device))

    def _augmented(self, inputs: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        return augment(inputs, draw(self.augment_config, inputs.shape, generator), self.augment_config)

    def _volume_views(self, inputs: torch.Tensor) -> dict[str, torch.Tensor]:
        if not {"volumes", "features", "regions"} & self.fields:
            return {}
        tower = self.model.volume_tower
        regions = tower.stage_maps(inputs)[-1]
        features = tower.pool(regions)
        views = {"volumes": self.model.project_volumes(features), "features": features, "regions": regions}
        return {name: view for name, view in views.items() if name in self.fields}

    def _text_views(self, step: int) -> dict[str, torch.Tensor]:
        if not {"texts", "words"} & self.fields:
            return {}
        shown = self.shown.draw(self.plan.text_ids[step], self.seed, step)
        unique, inverse = np.unique(shown, return_inverse=True)
        mask = self.mask[unique]
        longest = int(mask.sum(1).max())
        ids, mask = self.ids[unique, :longest], mask[:, :longest]
        hidden = self.model.text_tower.hidden(ids, mask)
        texts = self.model.project_texts(self.model.text_tower.pool(hidden, mask))
        back = torch.from_numpy(inverse).to(self.device)
        views = {"texts": texts, "words": hidden, "word_mask": mask}
        return {name: view[back] for name, view in views.items() if name in self.fields}

    def _masked_views(self, inputs: torch.Tensor, generator: torch.Generator) -> dict[str, torch.Tensor]:
        hidden = draw_mask(inputs.shape, generator)
        regions = self.model.volume_tower.stage_maps(inputs.masked_fill(hidden, 0))[-1]
        return {"inputs": inputs, "masked": hidden, "masked_regions": regions}


def draw_mask(shape: Sequence[int], generator: torch.Generator) -> torch.Tensor:
    """(B, 1, I, J, K) bool: blocks of 6 x 6 x 6 voxels, each hidden with probability 0.6.

    Args:
        shape: (B, 1, I, J, K).
        generator: Source of the draw; its device is the mask's.
    """
    cells = [-(-size // MASK_GRID_VOXELS) for size in shape[2:]]
    hidden = torch.rand((shape[0], 1, *cells), generator=generator, device=generator.device) < MASKED_SHARE
    for axis, size in enumerate(shape[2:], 2):
        hidden = hidden.repeat_interleave(MASK_GRID_VOXELS, dim=axis).narrow(axis, 0, size)
    return hidden


class ShownTexts:
    """Which text a pair shows: its own, or one of those that the method names, drawn anew each step."""

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
