from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks.metrics.mask_metrics import score_masks
from benchmarks.segmentation.decoder import make_segmenter
from benchmarks.segmentation.masked_volumes import Cases
from benchmarks.segmentation.training import (
    BACKGROUND_LOGIT,
    THRESHOLDS,
    case_order,
    fit_segmentation,
    predict,
    predict_cases,
    segmentation_loss,
)
from benchmarks.settings import SegmentationConfig
from selip.models.settings import ModelConfig
from selip.models.volume_towers import VolumeTower
from selip.system.errors import InputError

SHAPE = (16, 16, 12)


def make_cases(n, seed):
    """Noise with a bright box in each volume, its mask."""
    rng = np.random.default_rng(seed)
    masks = np.zeros((n, 1, *SHAPE), dtype=bool)
    for mask in masks[:, 0]:
        i, j, k = rng.integers(1, 8, size=3)
        mask[i : i + 4, j : j + 4, k : k + 3] = True
    return Cases(torch.from_numpy(rng.normal(size=masks.shape) + 2 * masks).float(), torch.from_numpy(masks))


def make_model(frozen=True, seed=0):
    torch.manual_seed(0)
    config = ModelConfig(volume_tower="resnet10", width=4, stages=2, stem_kernel=3, pooled_shape=(2, 2, 1))
    return make_segmenter(VolumeTower(config), frozen=frozen, seed=seed)


def fit(model, train, val, seed=0, **budget):
    return fit_segmentation(model, train, val, SegmentationConfig(**budget), torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("frozen", [True, False])
def test_overfits_four_volumes(frozen):
    cases, model = make_cases(4, 0), make_model(frozen)
    before = {name: value.clone() for name, value in model.tower.state_dict().items()}
    fitted = fit(model, cases, cases, steps=80, batch_size=4, learning_rate=2e-2, validations=4)
    assert fitted.chosen.dice > 0.9
    unchanged = all(torch.equal(value, before[name]) for name, value in model.tower.state_dict().items())
    assert unchanged == frozen


def test_the_network_keeps_the_weights_and_the_threshold_that_val_chose():
    train, val, model = make_cases(6, 0), make_cases(5, 1), make_model()
    fitted = fit(model, train, val, steps=20, batch_size=3, learning_rate=2e-2, validations=4)
    assert [validation.step for validation in fitted.history] == [5, 10, 15, 20]
    assert fitted.chosen.dice == max(validation.dice for validation in fitted.history)
    assert not model.training
    probabilities = predict(model, val.volumes, SHAPE).numpy()[:, 0]
    dices = {
        threshold: score_masks(probabilities > threshold, val.masks.numpy()[:, 0], (1, 1, 1))["dice"].mean()
        for threshold in THRESHOLDS
    }
    assert fitted.chosen.dice == pytest.approx(dices[fitted.chosen.threshold])
    assert fitted.chosen.dice == pytest.approx(max(dices.values()))


def test_the_same_seed_gives_the_same_network_and_another_does_not():
    train, val = make_cases(6, 0), make_cases(3, 1)
    results = []
    for seed in (0, 0, 1):
        model = make_model(frozen=False)
        results.append((fit(model, train, val, seed, steps=4, batch_size=2, validations=2), model.state_dict()))
    assert results[0][0] == results[1][0]
    assert all(torch.equal(value, results[1][1][name]) for name, value in results[0][1].items())
    assert results[0][0] != results[2][0]


def test_every_epoch_sees_each_case_once():
    order = case_order(6, SegmentationConfig(steps=7, batch_size=4, validations=1), torch.Generator().manual_seed(0))
    assert order.shape == (7, 4)
    for epoch in order.flatten()[:24].view(4, 6):
        assert sorted(epoch.tolist()) == list(range(6))
    few = case_order(3, SegmentationConfig(steps=2, batch_size=8, validations=1), torch.Generator().manual_seed(0))
    assert [sorted(row) for row in few.tolist()] == [[0, 1, 2]] * 2


class Voxelwise(torch.nn.Module):
    """Three times the voxel: the same in a window as in one pass. Notes the shapes it is given."""

    def __init__(self):
        super().__init__()
        self.factor, self.seen = torch.nn.Parameter(torch.tensor(3.0)), []

    def forward(self, volumes):
        self.seen.append(tuple(volumes.shape))
        return self.factor * volumes


def test_only_larger_volumes_are_cut_into_windows():
    volumes = torch.randn(3, 1, 12, 10, 8, generator=torch.Generator().manual_seed(0))
    expected = torch.sigmoid(3 * volumes)
    for window in ((12, 10, 8), (16, 10, 9)):
        whole = Voxelwise()
        assert torch.equal(predict(whole, volumes, window, batch_size=2), expected)
        assert whole.seen == [(2, 1, 12, 10, 8), (1, 1, 12, 10, 8)]
    windowed = Voxelwise()
    torch.testing.assert_close(predict(windowed, volumes, (12, 10, 4), batch_size=2), expected)
    assert {shape[2:] for shape in windowed.seen} == {(12, 10, 4)}


def test_wrong_input_is_refused():
    cases = make_cases(2, 0)
    with pytest.raises(InputError, match="give each volume its mask"):
        Cases(cases.volumes, cases.masks[:1])
    with pytest.raises(InputError, match=r"torch\.bool"):
        Cases(cases.volumes, cases.masks.float())
    with pytest.raises(InputError, match="validations=3; lower the one"):
        SegmentationConfig(steps=2, validations=3)
    broken = Cases(cases.volumes * float("nan"), cases.masks)
    with pytest.raises(InputError, match="lower the learning rate"):
        fit(make_model(), broken, cases, steps=1, validations=1)


def test_voxels_that_are_not_scored_are_predicted_as_background_and_the_others_as_ever():
    cases, model = make_cases(3, 0), make_model()
    ignored = torch.zeros_like(cases.masks)
    ignored[1:, :, :5] = True
    plain, scored = (
        np.concatenate([found for found, _ in predict_cases(model, one, SHAPE, batch_size=2)])
        for one in (cases, replace(cases, ignored=ignored))
    )
    np.testing.assert_array_equal(scored, np.where(ignored[:, 0], 0, plain))
    assert plain[ignored[:, 0].numpy()].all()


def test_a_logit_that_is_not_scored_gets_no_gradient():
    cases = replace(make_cases(2, 0), ignored=torch.zeros((2, 1, *SHAPE), dtype=torch.bool))
    cases.ignored[1, 0, 2:4] = True
    logits = torch.zeros(cases.masks.shape, requires_grad=True)
    rows = torch.tensor([0, 1])
    segmentation_loss()(cases.scored(logits, rows, BACKGROUND_LOGIT), cases.masks.float()).backward()
    assert not logits.grad[cases.ignored].any()
    assert logits.grad[~cases.ignored].all()
