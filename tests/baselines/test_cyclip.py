from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from baselines.clip import clip_objective
from baselines.cyclip import METHOD, ConsistencySettings, cyclip_loss, inconsistency


def loop(volumes, texts):
    """Both consistency terms of arXiv:2205.14459, section 3."""
    size, cross_modal, in_modal = len(volumes), 0.0, 0.0
    for j in range(size):
        for k in range(size):
            cross_modal = cross_modal + (torch.dot(volumes[j], texts[k]) - torch.dot(volumes[k], texts[j])) ** 2
            in_modal = in_modal + (torch.dot(volumes[j], volumes[k]) - torch.dot(texts[k], texts[j])) ** 2
    return cross_modal / size, in_modal / size


@pytest.fixture
def embeddings():
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(7, 5, generator=generator, dtype=torch.float64, requires_grad=True) for _ in range(2)]


def test_terms_equal_the_loop_with_gradients(embeddings):
    unit = [F.normalize(one, dim=1) for one in embeddings]
    for ours, judge in zip(inconsistency(*unit), loop(*unit), strict=True):
        assert ours.item() == pytest.approx(judge.item(), rel=1e-9)
        found, right = (torch.autograd.grad(one, embeddings, retain_graph=True) for one in (ours, judge))
        for one, other in zip(found, right, strict=True):
            torch.testing.assert_close(one, other, atol=1e-9, rtol=0)


def test_loss_is_clip_and_a_quarter_of_each_term(make_batch):
    batch, leaves = make_batch(METHOD)
    learned = [*leaves.values(), batch.logit_scale]
    loss = cyclip_loss(batch, ConsistencySettings())
    clip = clip_objective(1.0)(batch)
    judge = clip.value + 0.25 * sum(loop(batch.volumes.double(), batch.texts.double()))
    assert torch.equal(loss.targets, clip.targets)
    assert loss.value.item() == pytest.approx(judge.item(), rel=1e-6)
    found, right = (torch.autograd.grad(one, learned, retain_graph=True) for one in (loss.value, judge))
    for one, other in zip(found, right, strict=True):
        torch.testing.assert_close(one, other.to(one.dtype), atol=1e-6, rtol=0)
    (scale,) = torch.autograd.grad(clip.value, batch.logit_scale)
    assert found[-1].item() == pytest.approx(scale.item(), abs=1e-7), "the terms leave the logit scale alone"


def test_equal_spaces_are_consistent_and_a_rotation_is_so_in_modal_alone(embeddings):
    volumes = F.normalize(embeddings[0], dim=1)
    assert [term.item() for term in inconsistency(volumes, volumes)] == pytest.approx([0, 0], abs=1e-12)
    rotation = torch.linalg.qr(torch.randn(5, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)).Q
    cross_modal, in_modal = inconsistency(volumes, volumes @ rotation)
    assert in_modal.item() == pytest.approx(0, abs=1e-12)
    assert cross_modal.item() > 0.1


def test_volumes_and_texts_may_be_swapped(embeddings):
    unit = [F.normalize(one, dim=1) for one in embeddings]
    for one, other in zip(inconsistency(*unit), inconsistency(*unit[::-1]), strict=True):
        assert one.item() == pytest.approx(other.item())
