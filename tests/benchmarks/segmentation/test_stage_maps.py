from __future__ import annotations

import pytest
import torch

from benchmarks.segmentation.decoder import make_segmenter
from benchmarks.segmentation.masked_volumes import Cases
from benchmarks.segmentation.stage_maps import RememberedTower
from benchmarks.segmentation.training import fit_segmentation
from benchmarks.settings import SegmentationConfig
from selip.models.settings import ModelConfig
from selip.models.volume_towers import VolumeTower

SHAPE = (16, 16, 12)


class Counting(VolumeTower):
    """Notes how many volumes it encodes; copies share the notes."""

    seen: list[int] = []  # noqa: RUF012

    def stage_maps(self, volumes):
        self.seen.append(len(volumes))
        return super().stage_maps(volumes)


@pytest.fixture
def tower():
    torch.manual_seed(0)
    made = Counting(ModelConfig(volume_tower="resnet10", width=4, stages=2, stem_kernel=3, pooled_shape=(2, 2, 1)))
    made(torch.randn(8, 1, *SHAPE))  # running statistics other than those of a new norm
    Counting.seen.clear()
    return made


@pytest.fixture
def volumes():
    return torch.randn(5, 1, *SHAPE, generator=torch.Generator().manual_seed(0))


@pytest.fixture(params=["memory", "file", "both", "nowhere", "no folder can be made"])
def remembered(request, tower, tmp_path):
    (tmp_path / "a file").touch()
    folder = {"file": tmp_path / "new", "both": tmp_path, "no folder can be made": tmp_path / "a file"}
    row_bytes = 4 * sum(part[0].numel() for part in tower.eval().stage_maps(torch.zeros(1, 1, *SHAPE)))
    Counting.seen.clear()
    room = {"memory": 100 * row_bytes, "both": 2 * row_bytes}
    return request.param, RememberedTower(tower.train(), folder.get(request.param), room.get(request.param, 0))


def test_maps_are_those_of_the_tower_wherever_they_are_kept(remembered, tower, volumes, tmp_path):
    place, memory = remembered
    expected = tower.eval().stage_maps(volumes)
    Counting.seen.clear()
    for rows in ([0, 1, 2], [2, 0], [3, 3, 1, 4], [0, 1, 2, 3, 4]):
        for found, whole in zip(memory.stage_maps(volumes[rows]), expected, strict=True):
            torch.testing.assert_close(found, whole[rows], rtol=1e-5, atol=1e-6)
            assert found.is_contiguous(memory_format=torch.channels_last_3d)
    assert sum(Counting.seen) == (5 if place in ("memory", "file", "both") else 13)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["a file"], "a file that outlives its use"


def test_a_flipped_volume_is_another_one(tower, volumes):
    memory = RememberedTower(tower)
    for shown in (volumes, volumes.flip(2), volumes):
        for found, whole in zip(memory.stage_maps(shown), tower.eval().stage_maps(shown), strict=True):
            torch.testing.assert_close(found, whole, rtol=1e-5, atol=1e-6)


def test_it_is_never_trained_and_the_tower_that_was_given_is_left_as_it_is(tower):
    network = make_segmenter(RememberedTower(tower.train()), frozen=True, seed=0).train()
    assert not any(part.training for part in network.tower.modules())
    assert {parameter.requires_grad for parameter in network.tower.parameters()} == {False}
    assert tower.training
    assert all(parameter.requires_grad for parameter in tower.parameters())


def test_a_decoder_learns_the_same_as_over_the_tower_itself(tower, volumes):
    cases = Cases(volumes, volumes > 1)
    config = SegmentationConfig(steps=12, batch_size=2, learning_rate=1e-2, validations=3)
    found = []
    for one in (tower, RememberedTower(tower)):
        Counting.seen.clear()
        network = make_segmenter(one, frozen=True, seed=0)
        fitted = fit_segmentation(network, cases, cases, config, torch.Generator().manual_seed(0))
        found.append((fitted, network.decoder.state_dict(), sum(Counting.seen)))
    (plain, weights, asked), (fitted, others, asked_once) = found
    assert (asked, asked_once) == (12 * 2 + 3 * 5, 5)
    assert [one.threshold for one in fitted.history] == [one.threshold for one in plain.history]
    assert [one.dice for one in fitted.history] == pytest.approx([one.dice for one in plain.history], abs=1e-5)
    for name, value in weights.items():
        torch.testing.assert_close(others[name], value, rtol=1e-5, atol=1e-5)
