from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from baselines import siglip
from baselines.siglip import SigmoidSettings
from baselines.siglip_soft import METHOD, soft_sigmoid
from selip.similarity.settings import SimilarityConfig
from selip.similarity.text_similarity import TextSimilarity

MASKED = SimilarityConfig(normal="masked")


def similar_to_itself_alone(preparation):
    """S = I, as the table of texts without a clause has it."""
    size = len(preparation.texts.texts)
    return TextSimilarity(torch.zeros(size, 1), torch.zeros(size, 1))


def test_is_siglip_when_every_text_is_like_itself_alone(preparation, prepared, make_batch):
    batch, leaves = make_batch(METHOD)
    ours = soft_sigmoid(similar_to_itself_alone(preparation), SigmoidSettings())
    losses = [one(batch).value for one in (ours, prepared(siglip.METHOD))]
    assert losses[0].item() == losses[1].item()
    found, right = (torch.autograd.grad(loss, list(leaves.values())) for loss in losses)
    for one, other in zip(found, right, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("config", [SimilarityConfig(), MASKED], ids=["zero", "masked"])
def test_equals_the_loop_over_pairs_with_gradients(config, preparation, prepared, make_batch):
    batch, leaves = make_batch(METHOD)
    measure = TextSimilarity.of(preparation.texts, config)
    similarity, normal = measure(batch.text_ids), torch.from_numpy(preparation.texts.is_normal())[batch.text_ids]
    judge = 0.0
    for i, volume in enumerate(batch.volumes.double()):
        for j, text in enumerate(batch.texts.double()):
            if config is MASKED and i != j and (normal[i] or normal[j]):
                continue
            logit, label = 10 * torch.dot(volume, text) - 10, 2 * similarity[i, j] - 1
            judge = judge - ((1 + label) * F.logsigmoid(logit) + (1 - label) * F.logsigmoid(-logit)) / 2
    judge = judge / len(batch.volumes)
    loss = prepared(METHOD, config=replace(preparation.config, similarity=config))(batch).value
    assert loss.item() == pytest.approx(judge.item(), rel=1e-6)
    found, right = (torch.autograd.grad(one, list(leaves.values())) for one in (loss, judge))
    for one, other in zip(found, right, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-6)


def test_the_best_logit_of_a_pair_is_that_of_its_similarity(preparation, prepared, make_batch):
    batch, _ = make_batch(METHOD)
    similarity = TextSimilarity.of(preparation.texts, SimilarityConfig())(batch.text_ids)
    assert ((similarity > 0.05) & (similarity < 0.95)).any(), "there are graded pairs"
    objective = prepared(METHOD)
    # With unit axes as texts and volumes chosen freely, the logits can be anything.
    logits = torch.logit(similarity.clamp(1e-4, 1 - 1e-4)).requires_grad_()
    scale, bias = objective.log_scale.exp().item(), objective.bias.item()
    free = replace(batch, volumes=(logits - bias) / scale, texts=torch.eye(len(logits)))
    (gradient,) = torch.autograd.grad(objective(free).value, logits)
    assert gradient.abs().max() < 1e-4
