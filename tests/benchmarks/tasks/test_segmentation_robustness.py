from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from benchmarks.benchmark import ScoreOptions
from benchmarks.segmentation.masked_volumes import Cases
from benchmarks.tasks.robustness import CORRUPTIONS, LEVELS, summarise_levels
from benchmarks.tasks.segmentation_robustness import worse, worsened_dices
from selip.models.volume_towers import Intensity

SHAPE = (24, 24, 12)


class Threshold(nn.Module):
    """A network that finds what is brighter than `above`, with random answers for a `share` of the voxels."""

    def __init__(self, above, share=0.0):
        super().__init__()
        self.above, self.share = nn.Parameter(torch.tensor(above)), share

    def forward(self, volumes):
        random = torch.Generator().manual_seed(0)
        luck = torch.rand(volumes.shape, generator=random)
        found = torch.where(luck < self.share, (luck * 7919 % 1).float(), volumes)
        return 100 * (found - self.above)


@pytest.fixture(scope="module")
def cases():
    """Bright boxes off the middle of dim heads."""
    volumes, masks = torch.full((6, 1, *SHAPE), 60, dtype=torch.uint8), torch.zeros((6, 1, *SHAPE), dtype=torch.bool)
    for number in range(6):
        masks[number, 0, 3 : 8 + number % 2, 14:20, 5:10] = True
    volumes[masks] = 230
    return Cases(volumes, masks, torch.zeros(6, dtype=torch.int64), Intensity("minmax", SHAPE))


def test_perfect_damaged_and_random(cases):
    overall = []
    for share in (0.0, 0.2, 1.0):
        clean, columns = worsened_dices(Threshold(0.6, share), 0.5, cases, SHAPE, 0)
        assert set(columns) == set(CORRUPTIONS)
        assert {len(levels) for levels in columns.values()} == {len(LEVELS)}
        overall.append((clean["dice"].mean(), np.mean([*columns.values()])))
        if not share:
            perfect = columns
            assert not clean["dice/empty"].any()
    assert overall[0][0] == 1
    assert overall[0] > overall[1] > overall[2]
    assert overall[2][1] == pytest.approx(overall[2][0], abs=1e-3), "an answer that sees nothing loses nothing"
    assert perfect["rician_noise"][0].mean() > perfect["rician_noise"][4].mean()


def test_a_mask_turns_with_its_volume_and_with_nothing_else(cases):
    for name in CORRUPTIONS:
        found = worse(cases, name, 5, 0)
        assert torch.equal(found.masks, cases.masks) == (name != "rotation"), name
    turned = worse(cases, "rotation", 5, 0)
    inside = turned.volumes[turned.masks].float().mean()
    assert inside > 200 > turned.volumes[cases.masks].float().mean()


def test_levels_are_summarised_by_their_means():
    items = pd.DataFrame(
        {"item_id": list("abcd"), "patient_id": list("aabb"), "contrast": "T1", "site": "", "text": ""}
    )
    clean = {"dice": np.full(4, 0.8), "dice/empty": np.zeros(4)}
    columns = {name: [np.full(4, start - 0.1 * level) for level in LEVELS] for name, start in (("a", 0.9), ("b", 0.6))}
    metrics, table, worst = summarise_levels(items, clean, columns, ScoreOptions(n_resamples=10))
    assert worst == "b at level 5"
    assert metrics["a/dice"].value == pytest.approx(0.6)
    assert metrics["overall/dice_1"].value == pytest.approx((0.8 + 0.5) / 2)
    assert metrics["overall/kept"].value == pytest.approx((0.6 + 0.3) / 2 / 0.8)
    assert metrics["overall/worst"].value == pytest.approx(0.1)
    assert set(table["pool"]) == {"overall", "a", "b"}


def test_a_lesion_of_one_voxel_is_turned_and_not_lost():
    masks = torch.zeros(1, 1, 21, 21, 3, dtype=torch.bool)
    masks[0, 0, 14, 7, 1] = True
    cases = Cases(torch.zeros(masks.shape, dtype=torch.uint8), masks)
    for level in LEVELS:
        assert 1 <= worse(cases, "rotation", level, 0).masks.sum() <= 4
    empty = Cases(cases.volumes, torch.zeros_like(masks))
    assert not worse(empty, "rotation", 3, 0).masks.any()
