"""The contract of every registered method, and what the controls promise."""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass, replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from baselines import METHODS
from baselines.label_smoothing import off_diagonal_mass
from baselines.selip import SelipSettings, selip_loss
from baselines.shuffled_selip import permutation
from selip.models.settings import ModelConfig
from selip.similarity import sentence_embeddings
from selip.similarity.settings import SimilarityConfig
from selip.similarity.text_similarity import TextSimilarity
from selip.system.errors import UnavailableError
from selip.system.registry import load
from selip.training.method import VIEWS
from selip.training.settings import RunConfig

EVERY = {name: load(METHODS, "selip.methods", name) for name in METHODS}
TRAINED = [name for name, method in EVERY.items() if method.prepare]
OF_TEXT = [name for name in TRAINED if EVERY[name].learns_text]
OF_IMAGES = [name for name in TRAINED if not EVERY[name].learns_text]
OF_LABELS = [name for name in TRAINED if "labels" in EVERY[name].views]
WITH_WEIGHTS = sorted({"sentence_targets"} & METHODS.keys())
CITATION = re.compile(r"arXiv:\d{4}\.\d{4,5}|\b(19|20)\d\d\b|\bcontrol\b|\bours\b|\bfloor\b")


def prepared(name, preparation):
    """The objective as the trainer makes it."""
    torch.manual_seed(preparation.seed)
    method = EVERY[name]
    return method.prepare(replace(preparation, settings=method.settings_in(preparation.config)))


def own_layers(objective):
    return objective if isinstance(objective, nn.Module) else nn.Module()


@pytest.mark.parametrize("name", METHODS)
def test_declaration(name, preparation):
    method = EVERY[name]
    assert method.name == name
    assert method.summary
    assert "\n" not in method.summary
    assert CITATION.search(method.source), "it names an arXiv number, a paper and its year, or what it is a control of"
    assert set(method.views) <= VIEWS.keys()
    assert method.tower.keys() <= {field.name for field in fields(ModelConfig)}
    assert is_dataclass(method.settings)
    assert method.settings_in(RunConfig()) == method.settings()
    assert method.control_of in ("", *METHODS)
    assert method.shown_texts is None or all(map(method.shown_texts, preparation.texts.texts))


@pytest.mark.parametrize("name", TRAINED)
def test_can_be_prepared_here(name, preparation):
    """A method that is skipped everywhere, UnavailableError, fails."""
    assert callable(prepared(name, preparation))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", TRAINED)
def test_shapes_and_finite_loss_and_gradients(name, dtype, preparation, make_batch):
    objective = prepared(name, preparation)
    batch, leaves = make_batch(EVERY[name], dtype)
    loss = objective(batch)
    assert (loss.value.shape, loss.value.dtype) == ((), torch.float32)
    assert torch.isfinite(loss.value)
    own = dict(own_layers(objective).named_parameters())
    gradients = torch.autograd.grad(loss.value, [*leaves.values(), *own.values()], allow_unused=True)
    for part, gradient in zip([*leaves, *own], gradients, strict=True):
        assert gradient is not None, f"{part} was asked for and is not used"
        assert torch.isfinite(gradient).all(), part
    if loss.targets is not None:
        size = len(batch.text_ids)
        assert loss.targets.shape == (size, size)
        assert (loss.targets >= 0).all()
        torch.testing.assert_close(loss.targets.sum(1).float(), torch.ones(size))


@pytest.mark.parametrize("name", TRAINED)
def test_repeated_pairs_are_finite(name, preparation, make_batch):
    batch, leaves = make_batch(EVERY[name], order=torch.arange(16) // 4)
    loss = prepared(name, preparation)(batch).value
    gradients = torch.autograd.grad(loss, list(leaves.values()))
    assert torch.isfinite(loss)
    assert all(torch.isfinite(gradient).all() for gradient in gradients)


@pytest.mark.parametrize("name", TRAINED)
def test_order_of_the_batch_does_not_matter(name, preparation, make_batch):
    objective = prepared(name, preparation)
    order = torch.randperm(16, generator=torch.Generator().manual_seed(5))
    losses = [objective(make_batch(EVERY[name], order=one)[0]).value.item() for one in (None, order)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("name", TRAINED)
def test_same_seed_same_layers_and_loss(name, preparation, make_batch):
    first, again = (prepared(name, preparation) for _ in range(2))
    layers = [own_layers(objective).state_dict() for objective in (first, again)]
    assert layers[0].keys() == layers[1].keys()
    assert all(torch.equal(layers[0][part], layers[1][part]) for part in layers[0])
    batch, _ = make_batch(EVERY[name])
    losses = [objective(batch).value for objective in (first, again, first)]
    assert losses[0] == losses[1] == losses[2], "no draw and no memory of earlier batches"


@pytest.mark.parametrize("name", OF_TEXT)
def test_overfits_one_batch_of_pairs(name, preparation, make_batch):
    objective = prepared(name, preparation)
    batch, leaves = make_batch(EVERY[name])
    embeddings = [part for part in ("volumes", "texts", "second") if part in leaves]
    groups = [{"params": list(leaves.values()), "lr": 0.05}, {"params": own_layers(objective).parameters(), "lr": 5e-3}]
    optimizer = torch.optim.Adam(groups)
    for _ in range(150):
        seen = replace(batch, **{part: F.normalize(leaves[part], dim=1) for part in embeddings})
        loss = objective(seen)
        optimizer.zero_grad()
        loss.value.backward()
        optimizer.step()
    best = (leaves["volumes"] @ F.normalize(leaves["texts"], dim=1).T).argmax(1)
    right = torch.eye(len(best)) if loss.targets is None else _most_alike(loss.targets)
    assert right[torch.arange(len(best)), best].bool().all()


def _most_alike(targets):
    """(B, B) bool, the largest targets of each row; the pair's own text is one of them, and not all texts are."""
    largest = targets >= targets.max(1, keepdim=True).values - 1e-6
    assert largest.diagonal().all()
    assert not largest.all(1).any()
    return largest


@pytest.mark.parametrize("name", OF_IMAGES)
def test_overfits_one_batch_of_volumes(name, preparation, make_batch, every_field, make_tower):
    objective, net = prepared(name, preparation), make_tower()
    batch, leaves = make_batch(EVERY[name])
    optimizer = torch.optim.Adam([*net.parameters(), *own_layers(objective).parameters()], lr=5e-3)
    losses = []
    for _ in range(40):
        seen = _views(net, every_field["inputs"], every_field["masked"])
        loss = objective(replace(batch, **{part: seen[part] for part in leaves})).value
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[-1] < losses[0] / 2


def _views(net, inputs, masked):
    """Views of a real tower; the second augmentation is a brighter volume."""
    first, second, hidden = (
        net["tower"].stage_maps(shown)[-1] for shown in (inputs, 1.2 * inputs + 0.1, inputs.masked_fill(masked, 0))
    )
    features = [net["tower"].pool(regions) for regions in (first, second)]
    volumes, again = (F.normalize(net["projection"](one), dim=1) for one in features)
    return {"volumes": volumes, "second": again, "features": features[0], "regions": first, "masked_regions": hidden}


@pytest.mark.parametrize("name", OF_LABELS)
def test_a_cohort_without_labels_is_a_reason_to_skip(name, preparation):
    with pytest.raises(UnavailableError, match="without lesion types") as error:
        prepared(name, replace(preparation, label_names=()))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", WITH_WEIGHTS)
def test_missing_weights_are_a_reason_to_skip(name, preparation, monkeypatch):
    def missing(*args, **kwargs):
        raise OSError("no weights\nand no network")

    sentence_embeddings._encoder.cache_clear()
    sentence_embeddings._encoded.cache_clear()
    monkeypatch.setattr("sentence_transformers.SentenceTransformer", missing)
    with pytest.raises(UnavailableError, match="no weights and no network") as error:
        prepared(name, preparation)
    assert "\n" not in str(error.value)


def test_clip_x2_is_clip_twice(preparation, make_batch):
    batch, _ = make_batch(EVERY["clip"])
    once, twice = (prepared(name, preparation)(batch).value.item() for name in ("clip", "clip_x2"))
    assert twice == pytest.approx(2 * once)


def test_label_smoothing_has_selips_off_diagonal_mass(preparation, make_batch):
    measure = TextSimilarity.of(preparation.texts, SimilarityConfig())
    empty = torch.zeros(16, 16)
    masses = [
        1 - selip_loss(empty, measure(ids), SelipSettings()).targets.diagonal().mean().item()
        for ids in torch.from_numpy(preparation.batches)
    ]
    assert off_diagonal_mass(preparation) == pytest.approx(np.mean(masses), abs=1e-6)
    targets = prepared("label_smoothing", preparation)(make_batch(EVERY["label_smoothing"])[0]).targets
    assert 1 - targets.diagonal().mean().item() == pytest.approx(np.mean(masses), abs=1e-6)
    off = targets[~torch.eye(16, dtype=torch.bool)]
    assert off.max() == off.min()


def test_shuffled_selip_keeps_spectrum_row_sums_and_diagonal(preparation):
    normal = preparation.texts.is_normal()
    twin = preparation.texts.twin
    order = permutation(normal, twin, seed=0)
    mutual = twin[twin] == np.arange(len(twin))
    assert (order[twin] == twin[order])[mutual].all(), "flips mean the same"
    assert sorted(order) == list(range(len(order)))
    assert (order[normal] == np.flatnonzero(normal)).all()
    assert (order != np.arange(len(order))).sum() > len(order) / 2
    assert (order != permutation(normal, twin, seed=1)).any()
    measure = TextSimilarity.of(preparation.texts, SimilarityConfig())
    ids = torch.arange(len(order))
    s, shuffled = measure(ids).double(), measure.permuted(order)(ids).double()
    torch.testing.assert_close(torch.linalg.eigvalsh(s), torch.linalg.eigvalsh(shuffled), atol=1e-5, rtol=0)
    torch.testing.assert_close(s.sum(1).sort().values, shuffled.sum(1).sort().values, atol=1e-5, rtol=0)
    assert (shuffled.diagonal() == 1).all()
    assert (s - shuffled).abs().max() > 0.3
