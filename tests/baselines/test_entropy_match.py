from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from baselines import label_smoothing, sentence_targets, tfidf_targets
from baselines.entropy_match import TEMPERATURES, TargetSettings, cosine_targets, matched_temperature, mean_entropy
from baselines.selip import selip_loss, selip_settings
from selip.data.findings import NORMAL_TEXT
from selip.similarity.settings import SimilarityConfig
from selip.similarity.text_similarity import TextSimilarity, TextTable
from selip.system.errors import InputError, UnavailableError
from selip.training.method import Preparation, Sizes
from selip.training.objective import Batch, soft_target_objective
from selip.training.settings import RunConfig

PLACES = ("thalamus", "insula", "cerebellum", "frontal lobe", "temporal lobe")
SIGNALS = ("high signal", "low signal with high rim", "patchy high signal")
CLAUSES = [f"at left {place} shows {signal}" for place in PLACES for signal in SIGNALS]
PAIRS = [f"{one}; {other}" for one, other in zip(CLAUSES, CLAUSES[4:], strict=False)]
SIZE = 12
METHODS = [sentence_targets.METHOD, tfidf_targets.METHOD]


def prepare(*, similarity=SimilarityConfig(), steps=30, repeat=1, own=None, **selip):  # noqa: B008 (frozen)
    table = TextTable.of([*CLAUSES, *PAIRS, NORMAL_TEXT])
    rng = np.random.default_rng(0)
    drawn = [rng.permutation(len(table.texts))[: SIZE // repeat] for _ in range(steps)]
    batches = np.repeat(np.array(drawn), repeat, axis=1)
    config = replace(RunConfig(), methods={"selip": selip}, similarity=similarity)
    sizes = Sizes(24, (12, 2, 2, 1), 16, (16, 16, 8))
    return Preparation(table, batches, 0, config, sizes, own or TargetSettings())


def make(ids, dtype=torch.float32):
    generator = torch.Generator().manual_seed(1)
    volumes, texts = (F.normalize(torch.randn(len(ids), 8, generator=generator), dim=1).to(dtype) for _ in range(2))
    scale = torch.tensor(14.29, requires_grad=True)
    return Batch(volumes.requires_grad_(), texts.requires_grad_(), scale, ids)


def entropy_loop(targets):
    return float(np.mean([-sum(p * math.log(p) for p in row if p > 0) for row in targets.double().tolist()]))


def selip_entropy(preparation):
    """Mean row entropy of SeLIP's T, straight from its loss."""
    measure, found = TextSimilarity.of(preparation.texts, preparation.config.similarity), []
    for ids in torch.from_numpy(preparation.batches):
        logits = torch.zeros(len(ids), len(ids))
        found.append(entropy_loop(selip_loss(logits, measure(ids), selip_settings(preparation.config)).targets))
    return float(np.mean(found))


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"kl_weight": 0.3},
        {"kl_weight": 4.0, "rows": "softmax"},
        {"similarity": SimilarityConfig(syntax="character_dice")},
    ],
    ids=["default", "weak", "soft", "characters"],
)
def test_as_soft_as_selip_on_the_batches_of_the_run(method, settings):
    preparation = prepare(**settings)
    objective = method.prepare(preparation)
    batches = torch.from_numpy(preparation.batches)
    ours = float(np.mean([entropy_loop(objective(make(ids)).targets) for ids in batches]))
    wanted = selip_entropy(preparation)
    assert 0.05 < wanted < math.log(SIZE) - 0.01
    assert ours == pytest.approx(wanted, abs=1e-3)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_targets_are_softmax_of_cosines_at_selips_scale_with_gradients(method):
    preparation = prepare(kl_weight=0.5)
    batch = make(torch.from_numpy(preparation.batches[3]))
    loss = method.prepare(preparation)(batch)
    targets = loss.targets.double()
    torch.testing.assert_close(targets.sum(1), torch.ones(SIZE, dtype=torch.float64))
    judge = torch.zeros((), dtype=torch.float64)
    for z in (batch.logits.double(), batch.logits.double().T):
        for i in range(SIZE):
            chances = torch.exp(z[i]) / torch.exp(z[i]).sum()
            judge = judge - sum(targets[i, j] * torch.log(chances[j]) for j in range(SIZE)) / SIZE / 2
    judge = 1.5 * judge  # 1 + lambda
    assert loss.value.item() == pytest.approx(judge.item(), abs=1e-5)
    leaves = (batch.volumes, batch.texts, batch.logit_scale)
    for found, right in zip(torch.autograd.grad(loss.value, leaves), torch.autograd.grad(judge, leaves), strict=True):
        torch.testing.assert_close(found, right, atol=1e-6, rtol=1e-5)


def test_row_softmax_equals_the_loop():
    vectors = F.normalize(torch.randn(5, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64), dim=1)
    found = cosine_targets(vectors, 0.2)
    for i in range(5):
        weights = [math.exp(sum(a * b for a, b in zip(vectors[i], vectors[j], strict=True)) / 0.2) for j in range(5)]
        assert found[i].tolist() == pytest.approx([weight / sum(weights) for weight in weights], abs=1e-12)


def test_alike_texts_share_mass():
    preparation = prepare()
    for method in METHODS:
        ids = preparation.texts.ids([CLAUSES[0], CLAUSES[1], CLAUSES[5], NORMAL_TEXT])
        targets = method.prepare(preparation)(make(torch.from_numpy(ids))).targets
        assert targets[0].argmax() == 0
        assert targets[0, 1] > targets[0, 2] > targets[0, 3], "same place, another place, normal"


def test_lambda_zero_asks_for_the_identity():
    preparation = prepare(kl_weight=0)
    for method in METHODS:
        targets = method.prepare(preparation)(make(torch.from_numpy(preparation.batches[0]))).targets
        torch.testing.assert_close(targets, torch.eye(SIZE), atol=1e-3, rtol=0)


def test_out_of_reach_takes_the_nearer_end():
    alone, doubled = (prepare(kl_weight=0, repeat=repeat) for repeat in (1, 2))
    vectors = tfidf_targets.tfidf_vectors(alone.texts.texts)
    assert matched_temperature(vectors, alone) == TEMPERATURES[0]
    assert matched_temperature(vectors, doubled) == TEMPERATURES[0]
    batches = torch.from_numpy(doubled.batches)
    floor = mean_entropy(cosine_targets(vectors[ids], TEMPERATURES[0]) for ids in batches)
    assert floor == pytest.approx(math.log(2), abs=1e-3), "a text that is in the batch twice"


def test_uniform_is_out_of_reach_above():
    """A lambda so large that T is P, which is uniform for normal texts that are alike."""
    preparation = prepare(kl_weight=1e9, similarity=SimilarityConfig(normal="alike"))
    normal = preparation.texts.ids([NORMAL_TEXT] * SIZE)
    preparation = replace(preparation, batches=normal[None])
    vectors = F.normalize(torch.randn(len(preparation.texts.texts), 4, generator=torch.Generator().manual_seed(0)))
    found = matched_temperature(vectors, preparation)
    assert found in TEMPERATURES
    assert mean_entropy([cosine_targets(vectors[normal], found)]) == pytest.approx(math.log(SIZE), abs=1e-4)


def test_entropy_rises_with_temperature():
    vectors = F.normalize(torch.randn(9, 4, generator=torch.Generator().manual_seed(0)))
    entropies = [mean_entropy([cosine_targets(vectors, tau)]) for tau in np.geomspace(*TEMPERATURES, 15)]
    assert entropies == sorted(entropies)
    assert entropies[0] == pytest.approx(0, abs=1e-4)
    assert entropies[-1] == pytest.approx(math.log(9), abs=1e-4)


def test_tfidf_is_blind_to_order_and_sees_the_side():
    one, other, swapped = (
        "at left insula shows high signal; at right thalamus shows low signal",
        "at right insula shows high signal; at left thalamus shows low signal",
        "at left insula shows high signal; at left thalamus shows low signal",
    )
    vectors = tfidf_targets.tfidf_vectors([one, other, swapped, NORMAL_TEXT])
    cosines = vectors @ vectors.T
    torch.testing.assert_close(cosines.diagonal(), torch.ones(4))
    assert cosines[0, 1].item() == pytest.approx(1, abs=1e-6)
    assert cosines[0, 2] < 0.95
    assert cosines[0, 3] < 0.5


def test_without_a_sentence_model_the_method_is_skipped(monkeypatch):
    def missing(texts):
        raise InputError("got no weights; allowed: the packaged ones; install them")

    monkeypatch.setattr(sentence_targets, "sentence_embeddings", missing)
    with pytest.raises(UnavailableError, match="got no weights"):
        sentence_targets.prepare(prepare())


@pytest.mark.parametrize(
    "settings",
    [
        {"kl": "one_way"},
        {"kl_clamp": 1e-3},
        {"diagonal": "out"},
        {"similarity": SimilarityConfig(normal="masked")},
    ],
)
def test_settings_without_a_single_target_are_refused(settings):
    with pytest.raises(InputError, match="a control that copies"):
        tfidf_targets.prepare(prepare(**settings))


def test_texts_without_words_are_a_reason_to_skip():
    one = prepare()
    with pytest.raises(UnavailableError, match="without a word"):
        tfidf_targets.prepare(replace(one, texts=TextTable.of(["1", "2 3"])))


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_a_temperature_that_is_set_is_taken(method):
    preparation = prepare(own=TargetSettings(temperature=0.3))
    batch = make(torch.from_numpy(preparation.batches[3]))
    targets = method.prepare(preparation)(batch).targets
    ties = targets / targets.diagonal()[:, None]
    assert ties.min().item() >= math.exp(-2 / 0.3), "no cosine is under -1"
    assert mean_entropy([targets]) > mean_entropy([method.prepare(prepare())(batch).targets])


def test_a_smoothing_that_is_set_is_taken_at_selips_loss_scale():
    preparation = prepare(kl_weight=0.5, own=label_smoothing.SmoothingSettings(epsilon=0.24))
    batch = make(torch.from_numpy(preparation.batches[3]))
    loss = label_smoothing.prepare(preparation)(batch)
    wanted = torch.full((SIZE, SIZE), 0.24 / SIZE).fill_diagonal_(1 - 0.24 + 0.24 / SIZE)
    torch.testing.assert_close(loss.targets, wanted)
    once = soft_target_objective(lambda batch: wanted)(batch).value.item()
    assert loss.value.item() == pytest.approx(1.5 * once, rel=1e-6)
