"""A rate of its own lets a temperature and a bias move in a short run."""

from __future__ import annotations

import math

import pytest
import torch

from baselines.siglip import METHOD as SIGLIP
from baselines.siglip import PairwiseSigmoid
from selip.training.device_setup import make_optimizer
from selip.training.objective import Batch, identity_targets
from selip.training.settings import TrainingConfig


def steps_of(rate):
    """Scale and bias of siglip after 200 steps on 32 pairs whose embeddings say nothing."""
    objective = PairwiseSigmoid(SIGLIP.settings(), lambda batch: identity_targets(batch.volumes))
    optimizer = make_optimizer(torch.nn.Module(), objective, TrainingConfig(learning_rate_scalars=rate))
    embeddings = torch.zeros(32, 2)
    for _ in range(200):
        optimizer.zero_grad()
        objective(Batch(embeddings, embeddings, torch.ones(()), torch.arange(32))).value.backward()
        optimizer.step()
    return objective.bias.item()


@pytest.mark.parametrize(("rate", "reached"), [(None, False), (0.1, True)])
def test_the_bias_of_siglip_reaches_the_frequency_of_pairs_with_its_own_rate_alone(rate, reached):
    assert (abs(steps_of(rate) + math.log(31)) < 0.5) == reached
