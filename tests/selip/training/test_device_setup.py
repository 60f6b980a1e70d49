"""Memory format, optimiser and ids."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from selip.experiments.catalogue import experiment_file
from selip.experiments.experiment_file import read_experiment
from selip.models.dual_encoder import DualEncoder, weights_hash
from selip.models.text_towers import make_tokens
from selip.system.mappings import from_mapping, to_mapping
from selip.training.device_setup import arrange, make_optimizer
from selip.training.settings import RunConfig, TrainingConfig

NEW = {
    "training": {"resident_gib": 0.0, "memory_format": "contiguous", "compile": True},
    "augment": {"rotation_degrees": 5.0, "scale": 0.1, "bias_field": 0.2},
}


@pytest.fixture(params=["resnet10", "open_clip_slices"])
def model(request, tiny_run):
    overrides = [
        *tiny_run,
        f"model.volume_tower={request.param}",
        "model.slices.slices=2",
        "model.slices.image_size=32",
    ]
    config = read_experiment(experiment_file("quick"), overrides).run.model
    torch.manual_seed(0)
    return DualEncoder(config, (16, 20, 8), make_tokens(config, ["at left insula shows high signal"])).eval()


CHANNELS_LAST = {4: torch.channels_last, 5: torch.channels_last_3d}


def test_towers_and_their_maps_are_channels_last(model):
    convolutions = [one.weight for one in model.modules() if isinstance(one, nn.Conv2d | nn.Conv3d)]
    assert convolutions
    assert all(weight.is_contiguous(memory_format=CHANNELS_LAST[weight.ndim]) for weight in convolutions)
    fine = model.volume_tower.stage_maps(torch.randn(2, 1, 16, 20, 8))[0]
    if model.config.volume_tower == "resnet10":
        assert fine.is_contiguous(memory_format=torch.channels_last_3d)


def test_contiguous_is_the_same_up_to_rounding(model):
    plain = copy.deepcopy(model)
    arrange(model.volume_tower, TrainingConfig(memory_format="contiguous"))
    assert weights_hash(model) == weights_hash(plain)
    assert all(weight.is_contiguous() for weight in model.volume_tower.parameters())
    inputs = torch.randn(2, 1, 16, 20, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(model.encode_input(inputs), plain.encode_input(inputs), rtol=1e-4, atol=1e-5)


def test_the_optimiser_has_every_trained_parameter_once(model):
    own = nn.Linear(2, 2)
    optimizer = make_optimizer(model, own, TrainingConfig())
    found = [id(parameter) for group in optimizer.param_groups for parameter in group["params"]]
    assert len(set(found)) == len(found)
    assert set(found) == {id(one) for one in [*model.parameters(), *own.parameters()] if one.requires_grad}
    assert all(group["fused"] for group in optimizer.param_groups)


def test_fields_that_came_later_do_not_change_ids_at_their_defaults():
    plain = to_mapping(RunConfig())
    assert not any(field in plain[part] for part, fields in NEW.items() for field in fields)
    changed = from_mapping(RunConfig, plain | {part: plain[part] | fields for part, fields in NEW.items()})
    found = to_mapping(changed)
    assert all(found[part][field] == value for part, fields in NEW.items() for field, value in fields.items())
    assert from_mapping(RunConfig, found) == changed
