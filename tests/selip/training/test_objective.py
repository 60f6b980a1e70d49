from __future__ import annotations

import pytest
import torch
from open_clip.loss import ClipLoss
from torch.nn import functional as F

from baselines.selip import METHOD, SelipSettings, selip_loss
from selip.system.errors import InputError
from selip.training.objective import row_entropy, soft_target_info_nce
from selip.training.settings import RunConfig


def pair(seed, size=24, width=16):
    generator = torch.Generator().manual_seed(seed)
    make = lambda: F.normalize(torch.randn(size, width, generator=generator, dtype=torch.float64), dim=1)  # noqa: E731
    return make().requires_grad_(), make().requires_grad_(), torch.tensor(14.29, dtype=torch.float64).requires_grad_()


def random_similarity(seed, size=24):
    generator = torch.Generator().manual_seed(seed)
    s = torch.rand(size, size, generator=generator, dtype=torch.float64)
    s = (s + s.T) / 2 * (torch.rand(size, size, generator=generator) < 0.4)
    s = torch.triu(s, 1)
    return s + s.T + torch.eye(size)


def gradients(loss, tensors):
    return torch.autograd.grad(loss, tensors, retain_graph=True)


@pytest.mark.parametrize("seed", range(3))
def test_clip_equals_open_clip_with_gradients(seed):
    volumes, texts, scale = pair(seed)
    ours = soft_target_info_nce(scale * volumes @ texts.T, torch.eye(24, dtype=torch.float64))
    theirs = ClipLoss()(volumes, texts, scale)
    assert ours.item() == pytest.approx(theirs.item(), abs=1e-6)
    for mine, other in zip(
        gradients(ours, [volumes, texts, scale]), gradients(theirs, [volumes, texts, scale]), strict=True
    ):
        torch.testing.assert_close(mine, other, atol=1e-6, rtol=0)


@pytest.mark.parametrize("seed", range(3))
def test_selip_is_soft_target_info_nce_at_twice_the_scale(seed):
    volumes, texts, scale = pair(seed)
    logits, s = scale * volumes @ texts.T, random_similarity(seed)
    loss = selip_loss(logits, s, SelipSettings())
    p = s / s.sum(1, keepdim=True)
    targets = (torch.eye(24) + p) / 2
    expected = 2 * soft_target_info_nce(logits, targets) - row_entropy(p).mean()
    assert loss.value.item() == pytest.approx(expected.item(), abs=1e-6)
    torch.testing.assert_close(loss.targets, targets, atol=1e-9, rtol=0)
    for mine, other in zip(gradients(loss.value, [volumes, texts]), gradients(expected, [volumes, texts]), strict=True):
        torch.testing.assert_close(mine, other, atol=1e-6, rtol=0)


def test_lambda_zero_is_clip():
    volumes, texts, scale = pair(0)
    logits = scale * volumes @ texts.T
    loss = selip_loss(logits, random_similarity(0), SelipSettings(kl_weight=0))
    clip = ClipLoss()(volumes, texts, scale)
    assert loss.value.item() == pytest.approx(clip.item(), abs=1e-9)


def test_similarity_of_nothing_but_itself_is_clip_twice():
    volumes, texts, scale = pair(1)
    logits = scale * volumes @ texts.T
    loss = selip_loss(logits, torch.eye(24, dtype=torch.float64), SelipSettings())
    assert loss.value.item() == pytest.approx(2 * ClipLoss()(volumes, texts, scale).item(), abs=1e-9)


def kl_loop(z, s, config):
    """KL(P || softmax Z), an entry at a time."""
    size, total = len(z), 0.0
    for i in range(size):
        columns = [j for j in range(size) if config.diagonal == "in" or j != i]
        row = torch.stack([s[i, j] for j in columns])
        p = row.softmax(0) if config.rows == "softmax" else row / row.sum().clamp_min(1e-12)
        q = torch.stack([z[i, j] for j in columns]).softmax(0)
        for pj, qj in zip(p, q, strict=True):
            if config.kl_clamp:
                pj, qj = pj.clamp_min(config.kl_clamp), qj.clamp_min(config.kl_clamp)
            if pj > 0:
                total += (pj * (pj.log() - qj.log())).item()
    return total / size


@pytest.mark.parametrize(
    "config",
    [
        SelipSettings(),
        SelipSettings(kl_weight=0.25),
        SelipSettings(kl="one_way"),
        SelipSettings(rows="softmax"),
        SelipSettings(diagonal="out"),
        SelipSettings(diagonal="out", rows="softmax", kl="one_way"),
        SelipSettings(kl_clamp=1e-3),
    ],
)
def test_every_knob_equals_the_loop(config):
    volumes, texts, scale = pair(2, size=10)
    logits, s = scale * volumes @ texts.T, random_similarity(2, size=10)
    directions = [logits] if config.kl == "one_way" else [logits, logits.T]
    kl = sum(kl_loop(z.detach(), s, config) for z in directions) / len(directions)
    clip = ClipLoss()(volumes, texts, scale).item()
    loss = selip_loss(logits, s, config)
    assert loss.value.item() == pytest.approx(clip + config.kl_weight * kl, abs=1e-6)
    if loss.targets is not None:
        torch.testing.assert_close(loss.targets.sum(1), torch.ones(10, dtype=torch.float64))
    assert all(torch.isfinite(gradient).all() for gradient in gradients(loss.value, [volumes, texts, scale]))


@pytest.mark.parametrize("values", [{"kl": "both"}, {"rows": "max"}, {"diagonal": "maybe"}, {"kl_weight": -1}])
def test_config_refuses(values):
    (key,) = values
    with pytest.raises(InputError, match=f"methods.selip.{key}=.*allowed"):
        METHOD.settings_in(RunConfig(methods={"selip": values}))


@pytest.mark.parametrize("diagonal", ["in", "out"])
@pytest.mark.parametrize("rows", ["linear", "softmax"])
def test_masked_normal_texts_leave_the_kl_of_the_others(diagonal, rows):
    volumes, texts, scale = pair(3, size=6)
    logits, s = scale * volumes @ texts.T, random_similarity(3, size=6)
    normal = torch.tensor([False, True, False, False, True, False])
    s = s.masked_fill(normal[:, None] | normal, 0).fill_diagonal_(1)
    masked = (normal[:, None] | normal).fill_diagonal_(False)
    config = SelipSettings(diagonal=diagonal, rows=rows)
    clip = soft_target_info_nce(logits, torch.eye(6, dtype=torch.float64))
    kept = ~normal
    alone = selip_loss(logits[kept][:, kept], s[kept][:, kept], config)
    inner = soft_target_info_nce(logits[kept][:, kept], torch.eye(4, dtype=torch.float64))
    loss = selip_loss(logits, s, config, masked).value
    expected = clip + (alone.value - inner) * 4 / 6  # a batch mean over rows whose normal ones add nothing
    assert loss.item() == pytest.approx(expected.item(), abs=1e-9)
    for mine, other in zip(gradients(loss, [volumes, texts]), gradients(expected, [volumes, texts]), strict=True):
        torch.testing.assert_close(mine, other, atol=1e-9, rtol=0)


def test_one_way_targets_are_those_of_the_rows_and_columns_have_identity():
    volumes, texts, scale = pair(4)
    logits, s = scale * volumes @ texts.T, random_similarity(4)
    loss = selip_loss(logits, s, SelipSettings(kl="one_way"))
    identity = torch.eye(24, dtype=torch.float64)
    p = s / s.sum(1, keepdim=True)
    rows = -(loss.targets * F.log_softmax(logits, dim=1)).sum(1).mean() * 3
    columns = -(identity * F.log_softmax(logits.T, dim=1)).sum(1).mean()
    expected = (rows + columns) / 2 - row_entropy(p).mean()
    assert loss.value.item() == pytest.approx(expected.item(), abs=1e-9)


@pytest.mark.parametrize("config", [SelipSettings(kl_clamp=1e-3), SelipSettings(diagonal="out")])
def test_no_targets_are_reported_where_there_is_no_single_one(config):
    volumes, texts, scale = pair(4)
    assert selip_loss(scale * volumes @ texts.T, random_similarity(4), config).targets is None


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_config_refuses_what_is_not_finite(value):
    with pytest.raises(InputError, match="kl_weight"):
        METHOD.settings_in(RunConfig(methods={"selip": {"kl_weight": value}}))
