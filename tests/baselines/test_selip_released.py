"""SeLIP as released: each setting of the authors' code reaches the run."""

from __future__ import annotations

import torch

from baselines.selip import METHOD as SELIP
from baselines.selip import selip_loss
from baselines.selip_released import METHOD
from selip.experiments.config import ExperimentConfig
from selip.experiments.experiment_file import grid, with_overrides
from selip.training.settings import RunConfig


def test_a_run_has_the_settings_of_the_authors_code_and_no_other_method_has():
    runs = {method: run for method, _, _, run in grid(ExperimentConfig("x", methods=("selip", "selip_released")))}
    assert runs["selip"] == RunConfig()
    released = runs["selip_released"]
    assert released.training.adam_epsilon == 1e-3
    assert released.training.schedule == "polynomial"
    assert (released.model.logit_scale, released.similarity.syntax) == ("fixed", "character_dice")
    assert METHOD.settings_in(released).kl_clamp == 1e-3
    assert METHOD.tower == {"pooling": "average"}


def test_the_settings_of_an_experiment_give_way_to_the_recipe_and_other_settings_stay():
    run = with_overrides(RunConfig(), ["training.adam_epsilon=1e-8", "training.steps=70"])
    (*_, found), *_ = grid(ExperimentConfig("x", methods=("selip_released",), run=run))
    assert (found.training.adam_epsilon, found.training.steps) == (1e-3, 70)


def test_its_loss_is_that_of_selip_with_the_clamp():
    generator = torch.Generator().manual_seed(0)
    logits = 14 * torch.rand(5, 5, generator=generator) * torch.eye(5)
    similarity = torch.rand(5, 5, generator=generator).fill_diagonal_(1)
    (*_, run), *_ = grid(ExperimentConfig("x", methods=("selip_released",)))
    own, clamped = METHOD.settings_in(run), SELIP.settings(kl_clamp=1e-3)
    assert torch.equal(selip_loss(logits, similarity, own).value, selip_loss(logits, similarity, clamped).value)
    assert not torch.equal(
        selip_loss(logits, similarity, own).value, selip_loss(logits, similarity, SELIP.settings()).value
    )
