from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from baselines.clip import clip_objective
from baselines.gloria import METHOD, LocalSettings, local_logits, without_last

LENGTHS = (4, 1, 6, 3)


def loop(regions, words, lengths):
    """Matching scores of GLoRIA's local loss, a volume, a text and a word at a time; rows are volumes."""
    rows = []
    for volume in regions:
        row = []
        for text, length in zip(words, lengths, strict=True):
            over_words = torch.stack([torch.softmax(text[:length] @ region, dim=0) for region in volume])
            matched = 0.0
            for number, word in enumerate(text[:length]):
                attention = torch.softmax(4 * over_words[:, number], dim=0)
                context = sum(weight * region for weight, region in zip(attention, volume, strict=True))
                matched = matched + torch.exp(5 * F.cosine_similarity(word, context, dim=0))
            row.append(10 * torch.log(matched))
        rows.append(torch.stack(row))
    return torch.stack(rows)


@pytest.fixture
def local():
    generator = torch.Generator().manual_seed(0)
    shapes = (len(LENGTHS), 5, 3), (len(LENGTHS), max(LENGTHS), 3)
    regions, words = (torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes)
    kept = torch.arange(max(LENGTHS)) < torch.tensor(LENGTHS)[:, None]
    return regions.requires_grad_(), words.requires_grad_(), kept


def test_local_logits_equal_the_loop_with_gradients(local):
    regions, words, kept = local
    ours, judge = local_logits(regions, words, kept, LocalSettings()), loop(regions, words, LENGTHS)
    torch.testing.assert_close(ours, judge, atol=1e-9, rtol=0)
    probe = torch.randn(ours.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found, right = (torch.autograd.grad((one * probe).sum(), [regions, words]) for one in (ours, judge))
    for one, other in zip(found, right, strict=True):
        torch.testing.assert_close(one, other, atol=1e-9, rtol=0)


def test_padding_and_the_order_of_regions_and_words_do_not_matter(local):
    regions, words, kept = local
    logits = local_logits(regions, words, kept, LocalSettings())
    noise = torch.where(kept.unsqueeze(-1), words, 1e3)
    torch.testing.assert_close(local_logits(regions, noise, kept, LocalSettings()), logits)
    order = torch.tensor([5, 2, 0, 4, 1, 3])
    torch.testing.assert_close(local_logits(regions.flip(1), words[:, order], kept[:, order], LocalSettings()), logits)


def test_a_zero_map_and_a_zero_word_are_finite(local):
    regions, words, kept = local
    logits = local_logits(regions * 0, words, kept, LocalSettings())
    assert all(torch.isfinite(one).all() for one in torch.autograd.grad(logits.sum(), [regions, words]))
    assert torch.isfinite(local_logits(regions, words * 0, kept, LocalSettings())).all()


def test_loss_is_clips_and_the_local_one_of_projected_regions_and_words(prepared, make_batch):
    torch.manual_seed(0)
    objective = prepared(METHOD)
    batch, leaves = make_batch(METHOD, order=torch.arange(6))
    lengths = (batch.word_mask.sum(1) - 1).tolist()
    regions = batch.regions.flatten(2).transpose(1, 2) @ objective.region_projection.weight.T
    words = batch.words @ objective.word_projection.weight.T
    logits, pairs = loop(regions.double(), words.double(), lengths), torch.arange(len(lengths))
    local = (F.cross_entropy(logits, pairs) + F.cross_entropy(logits.T, pairs)) / 2
    judge = clip_objective(1.0)(batch).value + local
    loss = objective(batch).value
    assert loss.item() == pytest.approx(judge.item(), rel=1e-6)
    learned = [*leaves.values(), *objective.parameters()]
    found, right = (torch.autograd.grad(one, learned, retain_graph=True) for one in (loss, judge))
    for one, other in zip(found, right, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-5)


def test_the_last_token_is_no_word(prepared, make_batch):
    assert without_last(torch.tensor([[True, True, False], [True, True, True]])).tolist() == [
        [True, False, False],
        [True, True, False],
    ]
    objective = prepared(METHOD)
    batch, _ = make_batch(METHOD)
    last = batch.word_mask.sum(1) - 1
    changed = batch.words.clone()
    changed[torch.arange(len(last)), last] = 100
    assert objective(replace(batch, words=changed)).value == objective(batch).value
    changed[:, 0] = 100
    assert objective(replace(batch, words=changed)).value != objective(batch).value
