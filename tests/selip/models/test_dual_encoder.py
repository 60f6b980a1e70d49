from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch

from selip.data.findings import CONTRASTS
from selip.models.dual_encoder import (
    CheckpointFacts,
    DualEncoder,
    embed_texts,
    load_checkpoint,
    parameter_groups,
    save_checkpoint,
    weights_hash,
)
from selip.models.embeddings import embed_volumes
from selip.models.settings import ModelConfig
from selip.models.text_towers import Tokens
from selip.models.volume_towers import SPREAD_FLOOR, Intensity, VolumeTower
from selip.system.errors import InputError

SHAPE = (16, 20, 8)
TEXTS = ["at left thalamus shows high signal", "at right insula shows low signal"]
SMALL = ModelConfig(
    volume_tower="resnet10",
    width=4,
    stem_kernel=3,
    pooled_shape=(2, 2, 1),
    text_width=32,
    text_layers=1,
    embedding_size=8,
)


def model(config=SMALL):
    torch.manual_seed(0)
    return DualEncoder(config, SHAPE, Tokens.trained_on(TEXTS)).eval()


@pytest.mark.parametrize("depth", ["resnet10", "resnet18", "resnet50"])
@pytest.mark.parametrize("pooling", ["average", "grid"])
@pytest.mark.parametrize("stem_pool", [True, False])
def test_towers_give_the_features_they_promise(depth, pooling, stem_pool):
    tower = VolumeTower(dataclasses.replace(SMALL, volume_tower=depth, pooling=pooling, stem_pool=stem_pool)).eval()
    assert tower(torch.rand(2, 1, *SHAPE)).shape == (2, tower.features)


def test_grid_pooling_keeps_position_and_average_pooling_does_not():
    still = torch.zeros(1, 1, 128, 32, 16)
    left, right = still.clone(), still.clone()
    left[..., 24:40, 8:24, 4:12] = 1
    right[..., 88:104, 8:24, 4:12] = 1  # two strides of the whole net further
    change = {}
    for pooling in ("average", "grid"):
        torch.manual_seed(0)
        tower = VolumeTower(dataclasses.replace(SMALL, pooling=pooling, pooled_shape=(4, 1, 1))).eval()
        with torch.no_grad():
            change[pooling] = ((tower(left) - tower(right)).norm() / (tower(left) - tower(still)).norm()).item()
    assert change["grid"] > 2 * change["average"]


def test_population_z_standardises_each_voxel_of_each_contrast():
    generator = torch.Generator().manual_seed(0)
    volumes = torch.randint(0, 256, (60, *SHAPE), generator=generator, dtype=torch.uint8)
    volumes[30:] = volumes[30:] // 2
    contrasts = torch.tensor([CONTRASTS.index("FLAIR")] * 30 + [CONTRASTS.index("DWI")] * 30)
    rule = Intensity("population_z", SHAPE)
    rule.fit(volumes, contrasts)
    out = rule(volumes.unsqueeze(1).float() / 255, contrasts)
    for part in (out[:30], out[30:]):
        torch.testing.assert_close(part.mean(0), torch.zeros(1, *SHAPE), atol=1e-5, rtol=0)
        torch.testing.assert_close(part.std(0, correction=0), torch.ones(1, *SHAPE), atol=1e-4, rtol=0)


def test_a_contrast_never_trained_on_is_standardised_by_itself():
    rule = Intensity("population_z", SHAPE)
    rule.fit(torch.randint(0, 256, (4, *SHAPE), dtype=torch.uint8), torch.zeros(4, dtype=torch.long))
    out = rule(torch.rand(2, 1, *SHAPE), torch.tensor([0, 3]))
    assert out[1].mean().item() == pytest.approx(0, abs=1e-5)
    assert out[1].std(correction=0).item() == pytest.approx(1, abs=1e-4)


def test_a_volume_is_standardised_alike_whatever_stands_beside_it():
    rule = Intensity("population_z", SHAPE)
    rule.fit(torch.randint(0, 256, (4, *SHAPE), dtype=torch.uint8), torch.zeros(4, dtype=torch.long))
    volumes = torch.rand(2, 1, *SHAPE)
    alone = rule(volumes[:1], torch.tensor([0]))
    assert torch.equal(rule(volumes, torch.tensor([0, 3]))[:1], alone)
    assert torch.equal(rule(volumes[:1], torch.tensor([0]), all_seen=True), alone)


def test_how_many_volumes_are_embedded_at_a_time_changes_nothing():
    volumes = torch.randint(0, 256, (7, *SHAPE), dtype=torch.uint8)
    whole, pieces = (embed_volumes(model(), volumes, ["FLAIR"] * 7, batch_size=size) for size in (7, 3))
    for one, other in zip(whole, pieces, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_voxels_without_spread_stay_bounded():
    rule = Intensity("population_z", SHAPE)
    rule.fit(torch.zeros(5, *SHAPE, dtype=torch.uint8), torch.zeros(5, dtype=torch.long))
    out = rule(torch.full((1, 1, *SHAPE), 0.01), torch.tensor([0]))
    assert out.max().item() == pytest.approx(0.01 / SPREAD_FLOOR, rel=1e-4)


def test_embeddings_have_unit_length_and_logit_scale_is_clamped():
    made = model()
    with torch.no_grad():
        volumes = made.encode_volume(torch.rand(3, 1, *SHAPE), torch.tensor([0, 1, 2]))
        texts = embed_texts(made, [*TEXTS, TEXTS[0]])
        torch.testing.assert_close(volumes.norm(dim=1), torch.ones(3))
        torch.testing.assert_close(texts.norm(dim=1), torch.ones(3))
        assert torch.equal(texts[0], texts[2])
        assert made.logit_scale.item() == pytest.approx(1 / 0.07, rel=1e-4)
        for value, kept in ((20, 100), (-3, 1), (3, math.exp(3))):
            made.log_logit_scale.fill_(value)
            made.clamp_logit_scale()
            assert made.logit_scale.item() == pytest.approx(kept)


def test_logit_scale_can_be_fixed():
    assert not model(dataclasses.replace(SMALL, logit_scale="fixed")).log_logit_scale.requires_grad
    names = {id(p) for group in parameter_groups(model(), 1, 1, 1, 0.1) for p in group["params"]}
    assert len(names) == sum(1 for p in model().parameters())


def facts():
    return CheckpointFacts("clip", 0, 5, SMALL, SHAPE, (4.0, 4.0, 8.0), ("DWI",), "c", "s", True, {TEXTS[0]: 2}, "r")


def test_checkpoint_round_trip(tmp_path):
    made = model()
    save_checkpoint(tmp_path / "model.safetensors", made, facts())
    again, read = load_checkpoint(tmp_path / "model.safetensors")
    assert read == facts()
    assert weights_hash(again) == weights_hash(made)
    assert torch.equal(embed_texts(again, TEXTS), embed_texts(made, TEXTS))


@pytest.mark.parametrize("content", [b"", b"not safetensors at all", None])
def test_what_is_no_checkpoint_is_refused(tmp_path, content):
    path = tmp_path / "model.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match="no readable checkpoint"):
        load_checkpoint(path)


def test_a_truncated_checkpoint_is_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    save_checkpoint(path, model(), facts())
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="no readable checkpoint"):
        load_checkpoint(path)


def test_scalars_have_a_rate_of_their_own_and_the_scale_its_start():
    made = model(dataclasses.replace(SMALL, logit_scale_start=20.0))
    assert made.logit_scale.item() == pytest.approx(20)
    rates = {id(p): group["peak"] for group in parameter_groups(made, 1, 2, 3, 0.1) for p in group["params"]}
    assert rates[id(made.log_logit_scale)] == 3
    assert [name for name, p in made.named_parameters() if rates[id(p)] == 3] == ["log_logit_scale"]


def test_where_the_logit_scale_starts_is_no_weight_of_the_towers(tiny_model):
    one, same, other = (tiny_model(logit_scale_start=start)[0] for start in (5.0, 20.0, 5.0))
    assert one.towers_hash == same.towers_hash
    assert weights_hash(one) != weights_hash(same)
    with torch.no_grad():
        other.text_projection.weight.add_(1)
    assert one.towers_hash != other.towers_hash
