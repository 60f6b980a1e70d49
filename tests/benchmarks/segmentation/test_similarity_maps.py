from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from benchmarks.metrics.mask_metrics import dice_scores
from benchmarks.segmentation.similarity_maps import SHARES, head_of, highest, map_scores, shares
from selip.models.dual_encoder import DualEncoder
from selip.models.encoder import VolumeBatch
from selip.models.settings import ModelConfig
from selip.models.text_towers import Tokens

SHAPE = (16, 16, 8)


def encoder(pooling):
    config = ModelConfig(
        volume_tower="resnet10", width=4, stages=2, stem_kernel=3, pooled_shape=(2, 2, 1), pooling=pooling,
        intensity="minmax", text_width=32, text_layers=1, embedding_size=8,
    )  # fmt: skip
    torch.manual_seed(0)
    return DualEncoder(config, SHAPE, Tokens.trained_on(["at left thalamus shows high signal"])).eval()


@pytest.mark.parametrize("pooling", ["grid", "average"])
def test_the_share_of_a_position_is_the_product_when_all_others_are_silent(pooling):
    model = encoder(pooling)
    batch = VolumeBatch(torch.rand(3, 1, *SHAPE), torch.zeros(3, dtype=torch.int64))
    texts = torch.nn.functional.normalize(torch.randn(3, 8), dim=1)
    *earlier, found = shares(model, batch, texts)
    with torch.no_grad():
        last = model.volume_tower.stage_maps(batch.voxels)[-1]
        for place in np.ndindex(*last.shape[2:]):
            alone = torch.zeros_like(last)
            alone[(..., *place)] = last[(..., *place)]
            product = (model.volume_projection(model.volume_tower.pool(alone)) * texts).sum(1)
            torch.testing.assert_close(found[(slice(None), *place)], product, atol=1e-6, rtol=1e-4)
        whole = (model.volume_projection(model.features(batch)) * texts).sum(1)
    torch.testing.assert_close(found.sum((1, 2, 3)), whole, atol=1e-5, rtol=1e-4)
    assert [tuple(one.shape) for one in earlier[:1]] == [(3, *SHAPE)]


def test_scores_of_a_map_are_those_of_sklearn_and_of_masks():
    rng = np.random.default_rng(0)
    for _ in range(20):
        inside = rng.random(400) < 0.1
        found = rng.integers(0, 50, 400) / 7.0 + inside
        scores = map_scores(found, inside)
        assert scores["voxel_AUROC"] == pytest.approx(roc_auc_score(inside, found))
        for share in SHARES:
            least = sorted(found)[-max(1, round(400 * share))]
            marked = np.array([value >= least for value in found])
            assert scores[f"dice_{share:g}"] == pytest.approx(dice_scores(marked[None], inside[None])[0])


def test_a_map_of_one_value_knows_nothing():
    inside = np.arange(10) < 3
    assert map_scores(np.ones(10), inside)["voxel_AUROC"] == 0.5
    assert map_scores(np.ones(10), inside)["pointing"] == pytest.approx(0.3)
    assert highest(np.ones(10), 0.1).all()


def test_the_head_is_found_in_noise_with_what_is_dark_inside():
    rng = np.random.default_rng(0)
    radius = np.linalg.norm(np.indices((24, 24, 12)) - np.array([12, 12, 6]).reshape(3, 1, 1, 1), axis=0)
    voxels = np.where(radius < 5.5, 180, rng.integers(0, 15, radius.shape)).astype(np.uint8)
    voxels[radius < 2] = 0
    voxels[0, 0, :2] = 255
    assert (head_of(voxels) == (radius < 5.5)).mean() > 0.98
    assert head_of(voxels)[radius < 2].all()
    assert not head_of(voxels)[0, 0].any()
