from __future__ import annotations

from dataclasses import replace

import torch

from baselines import clip
from baselines.open_clip_slices import METHOD
from selip.models.settings import ModelConfig
from selip.models.slice_tower import SliceTower
from selip.models.volume_towers import make_volume_tower


def test_its_tower_is_the_slice_tower():
    assert isinstance(make_volume_tower(replace(ModelConfig(), **METHOD.tower), (24, 28, 12)), SliceTower)


def test_its_loss_is_clips(preparation, make_batch):
    batch, _ = make_batch(METHOD)
    ours, judge = (method.prepare(preparation)(batch) for method in (METHOD, clip.METHOD))
    assert torch.equal(ours.value, judge.value)
