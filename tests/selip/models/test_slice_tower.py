from __future__ import annotations

import logging

import open_clip
import pytest
import torch

from selip.models.dual_encoder import CheckpointFacts, DualEncoder, load_checkpoint, save_checkpoint, weights_hash
from selip.models.settings import ModelConfig, SliceConfig
from selip.models.slice_tower import SliceTower, evenly_spaced_slices
from selip.models.text_towers import Tokens
from selip.system.errors import InputError, UnavailableError

SHAPE = (20, 24, 10)
TEXTS = ["at left thalamus shows high signal", "at right insula shows low signal"]


def config(pooling="average", **slices):
    small = {"slices": 4, "image_size": 32}
    return ModelConfig(
        volume_tower="open_clip_slices", pooling=pooling, text_width=32, text_layers=1, embedding_size=8,
        slices=SliceConfig(**(small | slices)),
    )  # fmt: skip


def tower(**slices):
    torch.manual_seed(0)
    return SliceTower(config(**slices))


@pytest.fixture
def mini(monkeypatch):
    """Registers towers of each kind with open_clip under "vit", "resnet" and "pooler", small enough to build."""
    text = {"context_length": 8, "vocab_size": 16, "width": 32, "heads": 1, "layers": 1}
    vit = {"image_size": 64, "layers": 1, "width": 64, "patch_size": 32}
    kinds = {"vit": vit, "pooler": vit | {"attentional_pool": True}, "resnet": vit | {"layers": [1] * 4, "width": 16}}
    for name, vision in kinds.items():
        model = {"embed_dim": 8, "vision_cfg": vision, "text_cfg": text}
        monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, name, model)


@pytest.fixture
def volumes():
    return torch.randn(3, 1, *SHAPE, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("model", ["tiny", "vit", "resnet"])
@pytest.mark.parametrize("image_size", [32, 96])
def test_features_and_maps_have_the_shapes_they_promise(model, image_size, volumes, mini):
    made = tower(model=model, image_size=image_size)
    maps = made.stage_maps(volumes)
    edges = [image_size // 32] if model == "vit" else [image_size // stride for stride in (4, 8, 16, 32)]
    expected = [(3, channels, edge, edge, 4) for channels, edge in zip(made.stage_channels, edges, strict=True)]
    assert [one.shape for one in maps] == expected
    assert made.stage_channels[-1] == made.features
    made.eval()
    torch.testing.assert_close(made(volumes), made.pool(made.stage_maps(volumes)[-1]))
    assert made(volumes).shape == (3, made.features)


def test_a_grid_keeps_where_something_lies_and_an_average_does_not(volumes):
    shown = torch.zeros(1, 1, *SHAPE)
    shown[..., 1:6, 2:8, 1:4] = 5
    for pooling, differs in (("grid", True), ("average", False)):
        made = tower(pooling=pooling, image_size=64).eval()
        maps = made.stage_maps(shown)[-1]
        assert made.features == made.pool(maps).shape[1]
        for axis in (2, 3, 4):
            assert torch.allclose(made.pool(maps), made.pool(maps.flip(axis)), atol=1e-5) != differs
    assert made.features == 384  # of the last stage
    assert tower(pooling="grid", image_size=64).features == 384 * 2 * 2 * 2


def test_slices_are_the_middles_of_equal_parts():
    depth = torch.arange(12.0).expand(1, 1, 2, 3, 12)
    assert evenly_spaced_slices(depth, 4)[0, :, 0, 0].tolist() == [1, 4, 7, 10]
    assert evenly_spaced_slices(depth, 12)[0, :, 0, 0].tolist() == list(range(12))
    assert evenly_spaced_slices(depth, 99)[0, :, 0, 0].tolist() == list(range(12)), "no slice twice"
    assert evenly_spaced_slices(depth, 1)[0, :, 0, 0].tolist() == [6]


def test_features_are_the_mean_over_slices_in_any_order(volumes):
    made = tower(slices=SHAPE[2]).eval()
    torch.testing.assert_close(made(volumes), made(volumes.flip(-1)), atol=1e-5, rtol=1e-4)
    each = [made(volumes[..., k : k + 1]) for k in range(SHAPE[2])]
    torch.testing.assert_close(made(volumes), torch.stack(each).mean(0), atol=1e-5, rtol=1e-4)


def test_maps_keep_the_slices_apart(volumes):
    made = tower(image_size=64).eval()
    changed = volumes.clone()
    changed[:, :, :, :, 6:8] += 5  # the third of four parts
    difference = (made.stage_maps(changed)[-1] - made.stage_maps(volumes)[-1]).abs().amax((0, 1, 2, 3))
    assert (difference > 1e-3).tolist() == [False, False, True, False]


@pytest.mark.parametrize("axis", [2, 3])
def test_maps_lie_as_the_volume_does(axis, volumes):
    made = tower(image_size=64).eval()
    changed = volumes.clone()
    changed.narrow(axis, 0, 5).add_(5)
    difference = (made.stage_maps(changed)[-1] - made.stage_maps(volumes)[-1]).abs()
    along = difference.mean([other for other in range(5) if other != axis])
    across = difference.mean([other for other in range(5) if other != 5 - axis])
    assert along[0] > 2 * along[1]
    assert across[0] < 2 * across[1]
    assert across[1] < 2 * across[0]


def test_gradients_reach_every_weight(volumes):
    made = tower()
    made(volumes).square().sum().backward()
    assert all(parameter.grad is not None for parameter in made.parameters())


def test_frozen_means_eval_mode_without_gradients_or_moving_statistics(volumes):
    made = tower(freeze=True).train()
    before = {name: tensor.clone() for name, tensor in made.state_dict().items()}
    features = made(volumes)
    assert not features.requires_grad
    assert not made.net.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in made.state_dict().items())
    tuned = tower().train()
    tuned(volumes)
    assert any(not torch.equal(tensor, before[name]) for name, tensor in tuned.state_dict().items())


@pytest.mark.parametrize("freeze", [False, True])
def test_checkpoint_round_trip(freeze, tmp_path, volumes):
    torch.manual_seed(0)
    model = DualEncoder(config(freeze=freeze), SHAPE, Tokens.trained_on(TEXTS)).eval()
    facts = CheckpointFacts(
        method="open_clip_slices", seed=0, step=1, model=model.config, shape=SHAPE, spacing_mm=(3.0, 3.5, 6.5),
        contrasts=("FLAIR",), cohort="c", split_fingerprint="s", synthetic=True, train_texts={TEXTS[0]: 1}, run="r",
    )  # fmt: skip
    save_checkpoint(tmp_path / "model.safetensors", model, facts)
    again, read = load_checkpoint(tmp_path / "model.safetensors")
    assert read == facts
    assert weights_hash(again.cpu()) == weights_hash(model)
    contrasts = torch.zeros(3, dtype=torch.long)
    torch.testing.assert_close(again.encode_volume(volumes, contrasts), model.encode_volume(volumes, contrasts))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"model": "ViT-B-23"}, "did you mean 'ViT-B-32'"),
        ({"model": "ViT-B-32", "weights": "laion"}, "model.slices.weights of ViT-B-32"),
        ({"weights": "openai"}, "model.slices.weights of tiny"),
    ],
)
def test_unknown_names_are_refused(wrong, message):
    with pytest.raises(InputError, match=message) as error:
        tower(**wrong)
    assert not isinstance(error.value, UnavailableError)
    assert "\n" not in str(error.value)


def test_weights_that_cannot_be_fetched_are_a_reason_to_skip(monkeypatch, caplog):
    def offline(*args, **kwargs):
        logging.getLogger("huggingface_hub").warning("Retrying in 1s")
        raise OSError("no network\nat all")

    monkeypatch.setattr("open_clip.pretrained.hf_hub_download", offline)
    with pytest.raises(UnavailableError, match="no network at all") as error:
        tower(model="ViT-B-32", weights="laion2b_s34b_b79k")
    assert "\n" not in str(error.value)
    assert not caplog.records
    logging.getLogger("selip").warning("heard")
    assert [record.message for record in caplog.records] == ["heard"], "logging is on again"


def test_a_tower_whose_map_cannot_be_read_is_a_reason_to_skip(mini):
    with pytest.raises(UnavailableError, match="pooler") as error:
        tower(model="pooler")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("model", ["vit", "resnet"])
def test_pretrained_weights_are_those_of_the_image_tower(model, mini, monkeypatch, tmp_path, volumes):
    torch.manual_seed(1)
    donor, path = open_clip.create_model(model), tmp_path / "weights.bin"
    torch.save(donor.state_dict(), path)
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, model, {"local": {"file": str(path)}})
    made = tower(model=model, weights="local", image_size=64).eval()
    found, right = made.net.state_dict(), donor.visual.state_dict()
    assert found.keys() == right.keys()
    assert all(torch.equal(found[name], right[name]) for name in right)
    larger = tower(model=model, weights="local", image_size=96)
    assert torch.equal(larger.net.conv1.weight, donor.visual.conv1.weight)
    assert larger.stage_maps(volumes)[-1].shape == (3, larger.features, 3, 3, 4)
    path.unlink()
    again = tower(model=model, image_size=64).eval()  # as a checkpoint is read: nothing is fetched again
    again.load_state_dict(made.state_dict())
    torch.testing.assert_close(again(volumes), made(volumes))
