"""Every kind of encoder answers by the protocol: vectors, texts, towers; and what is wrong with one is one line."""

from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import open_clip
import pandas as pd
import pytest
import torch

from selip.experiments.external.opening import open_encoder
from selip.models.embeddings import embed_cohort, embed_volumes
from selip.models.encoder import VolumeBatch, Wants
from selip.models.encoders import ENCODERS
from selip.models.encoders.open_clip_models import SliceSettings, as_pictures
from selip.models.monai_towers import MonaiTower, load_weights
from selip.models.volume_towers import contrast_positions
from selip.system.errors import InputError, UnavailableError

TINY_CLIP = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}
MODULE = """
import torch
from torch import nn
class Net(nn.Module):
    wants = {wants}
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv3d(1, 4, 3, stride=2, padding=1)
    def forward(self, volumes):
        {body}
    def encode_texts(self, texts):
        return torch.tensor([[len(text), 1.0, text.count("left"), text.count("high")] for text in texts])
def make():
    return Net()
"""
MAP = "return [self.conv(volumes)]"


@pytest.fixture(scope="module")
def tiny_clip(tmp_path_factory):
    """Name of a randomly initialised model of open_clip of a few thousand weights."""
    path = tmp_path_factory.mktemp("clip") / "selip-tiny.json"
    path.write_text(json.dumps(TINY_CLIP))
    open_clip.add_model_config(path)
    return path.stem


@pytest.fixture
def write_module(tmp_path):
    def write(body=MAP, wants="{}", name="mine"):
        path = tmp_path / f"{name}.py"
        path.write_text(MODULE.format(body=body, wants=wants))
        return f"module:{path}:make"

    return write


def embedded(spec, cohort, **settings):
    encoder, facts = open_encoder(spec, settings, cohort)
    return embed_cohort(encoder, cohort, "test", ()), encoder, facts


def test_every_kind_is_listed_with_the_form_of_its_argument(command):
    code, out, _ = command("list", "encoders", "--json")
    rows = {row["name"]: row for row in json.loads(out)}
    assert code == 0
    assert set(rows) == set(ENCODERS)
    assert all(row["summary"] and row["source"].startswith(f"{name}:") for name, row in rows.items())


def test_open_clip_encodes_slices_and_says_which(tiny_clip, small_cohort):
    found, encoder, facts = embedded(f"open_clip:{tiny_clip}", small_cohort, slices=2, pooling="max")
    np.testing.assert_allclose(np.linalg.norm(found.volumes, axis=1), 1, atol=1e-6)
    assert found.encode_text(["at left thalamus", "normal"]).shape == (2, 16)
    assert facts.settings == {"pretrained": "", "slices": 2, "pooling": "max", "window": [0.0, 1.0]}
    assert len(facts.weights_hash) == 64
    assert encoder.logit_scale == pytest.approx(1 / 0.07, rel=1e-4)


def test_a_slice_is_shown_with_front_on_top_and_the_right_side_on_the_left():
    volume = torch.zeros(1, 1, 4, 6, 2)
    volume[0, 0, 3, 5] = 1.0  # right and front
    (picture,) = as_pictures(volume, (2.0, 1.0, 5.0), SliceSettings(slices=1))[0]
    shown = np.asarray(picture)
    assert shown.shape == (8, 8, 3), "pixels are square, and so is the picture"
    assert shown[:4, :4].sum() == shown.sum() > 0
    dark = as_pictures(volume / 2, (1.0, 1.0, 1.0), SliceSettings(slices=1, window=(0.5, 1.0)))[0][0]
    assert np.asarray(dark).sum() == 0, "the window's lower end is black"


@pytest.mark.parametrize("spec", ["hf-hub:microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224", "open_clip:RN50"])
def test_hub_names_offline_are_one_line(spec, small_cohort):
    settings = {"pretrained": "openai"} if spec.startswith("open_clip") else {}
    with pytest.raises(UnavailableError, match="cannot be had here") as stop:
        open_encoder(spec, settings, small_cohort)
    assert "\n" not in str(stop.value)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("SwinUNETR", {"feature_size": 12, "depths": [1, 1, 1, 1], "num_heads": [1, 1, 1, 1]}),
        ("SegResNet", {"init_filters": 8, "blocks_down": [1, 1]}),
        ("ViT", {"hidden_size": 12, "mlp_dim": 12, "num_layers": 1, "num_heads": 2}),
        ("DenseNet121", {"init_features": 4, "growth_rate": 2, "block_config": [1, 1]}),
    ],
)
def test_networks_of_monai_have_maps_and_take_a_state_dict(name, arguments, small_cohort, tmp_path):
    if name in ("SwinUNETR", "ViT"):
        pytest.importorskip("einops", reason="MONAI's transformers need it")
    tower = MonaiTower(name, arguments, small_cohort.info.shape).eval()
    volumes = torch.rand(2, 1, *small_cohort.info.shape)
    maps = tower.stage_maps(volumes)
    assert [one.shape[1] for one in maps] == list(tower.stage_channels)
    torch.testing.assert_close(tower(volumes), tower.pool(tower.last_map(volumes)))
    state = tower.net.state_dict()
    moved = {f"module.{key}": value + 1 if value.is_floating_point() else value for key, value in state.items()}
    torch.save({"state_dict": moved}, tmp_path / "weights.pt")
    encoder, _ = open_encoder(
        f"monai:{name}", {"weights": str(tmp_path / "weights.pt"), "arguments": arguments}, small_cohort
    )
    first = next(iter(state))
    torch.testing.assert_close(encoder.net.tower.net.state_dict()[first], moved[f"module.{first}"])


def test_weights_of_another_network_are_refused(tmp_path):
    tower = MonaiTower("SegResNet", {"init_filters": 8, "blocks_down": [1, 1]}, (16, 16, 8))
    torch.save({"other.weight": torch.zeros(2)}, tmp_path / "other.pt")
    torch.save({key: value[:1] for key, value in tower.net.state_dict().items()}, tmp_path / "cut.pt")
    (tmp_path / "damaged.pt").write_bytes(b"\x80no")
    for name in ("other.pt", "cut.pt", "damaged.pt", "absent.pt"):
        with pytest.raises(InputError, match=rf"got .*{name}"):
            load_weights(tower.net, tmp_path / name)


def test_a_module_gives_maps_for_decoders_and_their_mean(write_module, small_cohort):
    found, encoder, _ = embedded(write_module(), small_cohort)
    assert encoder.volume_tower.stage_channels == (4,)
    rows = small_cohort.rows("test")[:3]
    volumes = torch.from_numpy(small_cohort.read_volumes(rows)).unsqueeze(1).float() / 255
    expected = torch.nn.functional.normalize(encoder.net.conv(volumes).mean((2, 3, 4)), dim=1)
    np.testing.assert_allclose(found.volumes[:3], expected.detach().numpy(), atol=1e-6)


def test_a_torchscript_file_is_scored_like_its_module(write_module, small_cohort, tmp_path):
    found, encoder, _ = embedded(write_module("return self.conv(volumes).mean((2, 3, 4))"), small_cohort)
    traced = torch.jit.trace(encoder.net, torch.zeros(2, 1, *small_cohort.info.shape))
    traced.save(tmp_path / "net.pt")
    again, script, _ = embedded(f"torchscript:{tmp_path / 'net.pt'}", small_cohort)
    np.testing.assert_allclose(again.volumes, found.volumes, atol=1e-6)
    with pytest.raises(UnavailableError, match="no text side"):
        script.encode_texts(["normal"])


def test_what_an_encoder_wants_of_a_volume_is_made():
    volumes = torch.rand(2, 1, 8, 6, 4)
    assert torch.equal(Wants().prepared(volumes, (1.0, 1.0, 2.0)), volumes)
    assert Wants(spacing_mm=(2.0, 1.0, 1.0)).prepared(volumes, (1.0, 1.0, 2.0)).shape[2:] == (4, 6, 8)
    assert Wants(shape=(5, 5, 5)).prepared(volumes, (1.0, 1.0, 2.0)).shape[2:] == (5, 5, 5)
    cut = Wants(spacing_mm=(1.0, 1.0, 2.0), shape=(4, 10, 4)).prepared(volumes, (1.0, 1.0, 2.0))
    assert torch.equal(cut[:, :, :, 2:8], volumes[:, :, 2:6])
    assert not cut[:, :, :, [0, 1, 8, 9]].any()
    standard = Wants(intensity="own_z").standardised(volumes)
    torch.testing.assert_close(standard.mean((2, 3, 4)), torch.zeros(2, 1), atol=1e-5, rtol=0)


def test_volumes_of_a_study_share_what_is_encoded_together(write_module, small_cohort):
    """The interface of HLIP: (1, S, 1, I, J, K), the S series of a study."""
    body = "assert volumes.ndim == 6; return volumes.flatten(2).mean(2)[:, :1] * torch.ones(1, 3) + 0 * len(volumes)"
    found, _, facts = embedded(write_module(body, "{'per_study': True}"), small_cohort)
    assert facts.wants["per_study"]
    for _, rows in found.items.groupby("study_id").groups.items():
        assert np.ptp(found.features[rows], axis=0).max() == 0
    first = found.items.index[found.items["study_id"] == found.items["study_id"][0]]
    stored = small_cohort.read_volumes(small_cohort.rows("test")[first])
    assert len(stored) > 1


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("raise ValueError('not today')", "ValueError .*not today"),
        ("return volumes.flatten(1)[:, :4] * float('nan')", "not finite"),
        ("return volumes.flatten(1)[:1]", "shape"),
        ("return 'vector'", "no .* vectors"),
        ("return volumes.flatten(2)", "no .* vectors"),
    ],
)
def test_a_module_that_answers_wrongly_is_one_line(body, reason, write_module, small_cohort):
    with pytest.raises(InputError, match=reason) as stop:
        embedded(write_module(body), small_cohort)
    assert "\n" not in str(stop.value)


ABSENT = (
    "module:absent.py:make", "module:absent.py", "torchscript:absent.pt", "monai:SwinUNET", "open_clip:ViT-B-33",
    "embeddings:absent", "masks:absent", "scores:absent.csv", "checkpoint:absent.safetensors", "clip", "nothing:x",
)  # fmt: skip


@pytest.mark.parametrize("spec", ABSENT)
def test_what_is_not_there_is_said(spec, small_cohort):
    with pytest.raises(InputError, match=r"^got "):
        open_encoder(spec, {}, small_cohort)


def test_a_wrong_setting_is_said(write_module, small_cohort):
    with pytest.raises(InputError, match=r"unknown key 'module\.slice'"):
        open_encoder(write_module(), {"slice": 3}, small_cohort)
    with pytest.raises(InputError, match="window"):
        open_encoder("open_clip:RN50", {"window": [1, 0]}, small_cohort)


def vectors(cohort, parts=("train", "val", "test")):
    ids = [one for part in parts for one in cohort.volumes["volume_id"].iloc[cohort.rows(part)]]
    return ids, np.random.default_rng(0).normal(size=(len(ids), 5)).astype(np.float32)


def write_npy(folder, ids, values, texts=()):
    folder.mkdir(exist_ok=True)
    np.save(folder / "volumes.npy", values)
    (folder / "volume_ids.txt").write_text("\n".join(ids))
    if texts:
        np.save(folder / "texts.npy", np.ones((len(texts), values.shape[1])))
        (folder / "texts.json").write_text(json.dumps(list(texts)))
    return f"embeddings:{folder}"


def test_embeddings_are_found_by_id(small_cohort, tmp_path):
    ids, values = vectors(small_cohort, ("test",))
    order = np.random.default_rng(1).permutation(len(ids))
    spec = write_npy(tmp_path / "e", [ids[n] for n in order], values[order], ["normal"])
    found, encoder, _ = embedded(spec, small_cohort)
    np.testing.assert_allclose(found.volumes, values / np.linalg.norm(values, axis=1, keepdims=True), atol=1e-6)
    encoder.check([small_cohort])
    with pytest.raises(InputError, match=r"without 1 of 2 texts, first 'at left"):
        encoder.encode_texts(["normal", "at left thalamus shows high signal"])
    with pytest.raises(UnavailableError, match="no embedding of"):
        embed_cohort(encoder, small_cohort, "train", ())


def test_wrong_embeddings_are_refused(small_cohort, tmp_path):
    ids, values = vectors(small_cohort)
    odd = values.copy()
    odd[3, 2] = np.nan
    table = pd.DataFrame({"volume_id": ids, "embedding": [*values]})
    ragged = table.assign(embedding=[*values[:-1], values[-1][:3]])
    cases = {
        "not finite": lambda: write_npy(tmp_path / "a", ids, odd),
        "first 'stranger'": lambda: write_npy(tmp_path / "b", [*ids, "stranger"], np.vstack([values, values[:1]])),
        "without 1 of": lambda: write_npy(tmp_path / "c", ids[1:], values[1:]),
        "twice": lambda: write_npy(tmp_path / "d", [*ids, ids[0]], np.vstack([values, values[:1]])),
        "for .* names": lambda: write_npy(tmp_path / "e", ids, values[1:]),
    }
    for reason, write in cases.items():
        with pytest.raises(InputError, match=reason):
            open_encoder(write(), {}, small_cohort)[0].check([small_cohort])
    (tmp_path / "f").mkdir()
    ragged.to_parquet(tmp_path / "f" / "volumes.parquet")
    with pytest.raises(InputError, match="3 to 5 numbers"):
        open_encoder(f"embeddings:{tmp_path / 'f'}", {}, small_cohort)
    (tmp_path / "f" / "volumes.parquet").write_bytes(b"no")
    with pytest.raises(InputError, match="unreadable"):
        open_encoder(f"embeddings:{tmp_path / 'f'}", {}, small_cohort)


def test_masks_are_read_on_the_grid_of_the_cohort_alone(small_cohort, tmp_path):
    info = small_cohort.info
    study = small_cohort.volumes["study_id"][0]
    ids = small_cohort.volumes["volume_id"][small_cohort.volumes["study_id"] == study].tolist()
    mask = np.zeros(info.shape, np.uint8)
    mask[2:4, 3:5, 1] = 1
    nib.save(nib.Nifti1Image(mask, np.diag([*info.spacing_mm, 1])), tmp_path / f"{study}.nii.gz")
    encoder, _ = open_encoder(f"masks:{tmp_path}", {}, small_cohort)
    encoder.check([small_cohort])
    assert (encoder.masks(ids) == mask.astype(bool)).all()
    with pytest.raises(InputError, match="no mask of 1 of 1"):
        encoder.masks(["another"])
    nib.save(nib.Nifti1Image(mask, np.diag([1, 1, 1, 1])), tmp_path / f"{study}.nii.gz")
    with pytest.raises(InputError, match="resample it"):
        encoder.masks(ids)
    (tmp_path / "stranger.nii.gz").write_bytes(b"no")
    with pytest.raises(InputError, match="first 'stranger'"):
        open_encoder(f"masks:{tmp_path}", {}, small_cohort)[0].check([small_cohort])


def test_class_probabilities_are_looked_up_and_checked(small_cohort, tmp_path):
    ids, path = small_cohort.volumes["volume_id"].tolist()[:3], tmp_path / "scores.csv"
    rows = [(one, "side", name, p) for one in ids for name, p in (("left", 0.5), ("right", 0.25), ("other", 0.25))]
    table = pd.DataFrame(rows, columns=["volume_id", "task", "class", "probability"])
    table.to_csv(path, index=False)
    encoder, _ = open_encoder(f"scores:{path}", {}, small_cohort)
    encoder.check([small_cohort])
    np.testing.assert_allclose(encoder.probabilities("side", ["left", "right"], ids[::-1]), [[2 / 3, 1 / 3]] * 3)
    for classes, asked in ((["left", "up"], ids), (["left", "right"], ["stranger"])):
        with pytest.raises(InputError, match="without 1 of side"):
            encoder.probabilities("side", classes, asked)
    for changed, reason in (
        (table.assign(probability=table["probability"] * 2), "sum to 1"),
        (pd.concat([table, table[:1]]), "twice"),
        (table.drop(columns="class"), "without class"),
    ):
        changed.to_csv(path, index=False)
        with pytest.raises(InputError, match=reason):
            open_encoder(f"scores:{path}", {}, small_cohort)[0].probabilities("side", ["left", "right"], ids)


def test_a_dual_encoder_is_an_encoder(tiny_model):
    model, facts = tiny_model()
    voxels = torch.randint(0, 256, (3, *model.shape), dtype=torch.uint8)
    contrasts = ["FLAIR", "DWI", "DWI"]
    items = pd.DataFrame({"volume_id": list("abc"), "study_id": list("abc")})
    embedded, features = embed_volumes(model, voxels, contrasts, items=items)
    batch = VolumeBatch(voxels.unsqueeze(1).float() / 255, contrast_positions(contrasts))
    with torch.no_grad():
        np.testing.assert_array_equal(embedded, model.encode_volumes(batch).numpy())
        np.testing.assert_array_equal(features, model.features(batch).numpy())
    assert model.wants.shape == facts.shape
