from __future__ import annotations

import pytest
import torch

from benchmarks.segmentation.decoder import EncoderDecoder, SkipDecoder, make_segmenter, monai_unet
from selip.models.settings import ModelConfig
from selip.models.volume_towers import VolumeTower
from selip.system.errors import InputError

SHAPE = (16, 32, 16)


@pytest.fixture
def tower():
    torch.manual_seed(0)
    return VolumeTower(ModelConfig(volume_tower="resnet10", width=4, stages=2, stem_kernel=3, pooled_shape=(2, 2, 1)))


@pytest.fixture
def volumes():
    return torch.randn(3, 1, *SHAPE, generator=torch.Generator().manual_seed(0))


def state(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def same(first, second):
    return all(torch.equal(value, second[name]) for name, value in first.items())


def test_one_logit_a_voxel_for_every_tower(volumes):
    for stages in (2, 3, 4):
        tower = VolumeTower(ModelConfig(volume_tower="resnet10", width=4, stages=stages, stem_kernel=3))
        assert make_segmenter(tower, frozen=True, seed=0)(volumes).shape == volumes.shape


@pytest.mark.parametrize(
    "sizes", [[(1, 1, 1)], [(4, 5, 4)], [(9, 7, 5), (2, 3, 2)], [(8, 10, 16), (4, 5, 8), (1, 2, 1)]]
)
def test_maps_of_any_number_and_size_do(volumes, sizes):
    maps = [torch.randn(3, 2 + level, *size) for level, size in enumerate(sizes)]
    decoder = SkipDecoder([part.shape[1] for part in maps])
    assert decoder(maps, volumes).shape == volumes.shape
    assert all(parameter.requires_grad for parameter in decoder.parameters())


def test_every_map_the_volume_and_every_weight_take_part(tower, volumes):
    maps = [part.detach().requires_grad_() for part in tower.stage_maps(volumes)]
    volumes.requires_grad_()
    decoder = SkipDecoder(tower.stage_channels)
    decoder(maps, volumes).square().mean().backward()
    for tensor in (*maps, volumes, *decoder.parameters()):
        assert tensor.grad.abs().max() > 0


def test_a_case_does_not_depend_on_its_batch(tower, volumes):
    model = make_segmenter(tower, frozen=True, seed=0).train()
    torch.testing.assert_close(model(volumes)[1:2], model(volumes[1:2]), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(model(volumes.flip(0)), model(volumes).flip(0), rtol=1e-4, atol=1e-5)


def test_a_frozen_tower_is_unchanged_bit_for_bit_and_a_tuned_one_learns(tower, volumes):
    for frozen in (True, False):
        model, before = make_segmenter(tower, frozen=frozen, seed=0).train(), state(tower)
        optimizer = torch.optim.AdamW([part for part in model.parameters() if part.requires_grad], lr=1e-2)
        for _ in range(2):
            optimizer.zero_grad()
            model(volumes).square().mean().backward()
            optimizer.step()
        after = state(model.tower)
        assert same(before, after) == frozen
        assert torch.equal(before["net.bn1.running_mean"], after["net.bn1.running_mean"]) == frozen
        assert same(before, state(tower)), "the tower that was given is left as it is"
        assert all(parameter.requires_grad for parameter in tower.parameters())


def test_train_mode_reaches_the_decoder_only_when_the_tower_is_frozen(tower):
    model = EncoderDecoder(tower, SkipDecoder(tower.stage_channels), frozen=True).train()
    assert (model.decoder.training, model.tower.training) == (True, False)
    tuned = EncoderDecoder(tower, SkipDecoder(tower.stage_channels), frozen=False)
    assert tuned.train().tower.training
    assert not tuned.eval().tower.training


def test_weights_come_from_the_seed_and_leave_the_global_generator_alone(tower):
    torch.manual_seed(7)
    expected = torch.rand(3)
    for build in (
        lambda seed: make_segmenter(tower, frozen=True, seed=seed).decoder,
        lambda seed: monai_unet(SHAPE, seed=seed),
    ):
        torch.manual_seed(7)
        first, again, other = state(build(0)), state(build(0)), state(build(1))
        assert torch.equal(torch.rand(3), expected)
        assert same(first, again)
        assert not same(first, other)


def test_networks_start_at_a_rare_foreground(tower, volumes):
    for model in (make_segmenter(tower, frozen=True, seed=0), monai_unet(SHAPE, seed=0)):
        assert model(volumes).sigmoid().mean() < 0.1


def test_monais_unet_is_the_size_that_its_docstring_says():
    parameters = sum(parameter.numel() for parameter in monai_unet(SHAPE, seed=0).parameters())
    assert round(parameters / 1e6, 2) == 0.36
    assert "0.36 million" in monai_unet.__doc__


def test_monais_unet_takes_odd_shapes_and_refuses_small_ones():
    assert monai_unet((17, 35, 16), seed=0)(torch.zeros(1, 1, 17, 35, 16)).shape == (1, 1, 17, 35, 16)
    for shape in ((15, 32, 32), (31, 31, 31)):
        with pytest.raises(InputError, match="16 voxels or more"):
            monai_unet(shape, seed=0)
