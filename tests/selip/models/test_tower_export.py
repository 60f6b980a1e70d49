"""An exported volume tower, loaded by a process that has MONAI and nothing of this project."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser
from safetensors.numpy import load_file, save_file

from selip.data.findings import CONTRASTS
from selip.data.volumes import percentile_minmax
from selip.models.dual_encoder import save_checkpoint
from selip.models.tower_export import export_tower
from selip.system.errors import InputError

CONFIGS = {
    "grid": {},
    "three_stages": {"stages": 3, "volume_tower": "resnet18", "stem_pool": False},
    "paper": {"volume_tower": "resnet50", "pooling": "average", "intensity": "minmax", "stem_kernel": 7},
}
NAMES = ["FLAIR", "DWI", "T1c"]  # the last was never trained on
ALONE = """
import sys
from pathlib import Path

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("selip", "baselines", "benchmarks", "leaderboards"):
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Blocked())
root, names = Path(sys.argv[1]), sys.argv[2:]
sys.path.insert(0, str(root / names[0]))
import torch
from load_tower import load_tower
from monai.networks.nets import ResNet
from safetensors.torch import load_file, save_file

volumes = load_file(root / "volumes.safetensors")["volumes"]
features = {}
for name in names:
    tower = load_tower(root / name)
    assert type(tower.resnet) is ResNet and not tower.training
    with torch.no_grad():
        features[name] = tower(volumes, ["FLAIR", "DWI", "T1c"])
        features[f"{name}/alone"] = tower.resnet(tower.prepare(volumes, ["FLAIR", "DWI", "T1c"]))
save_file(features, root / "features.safetensors")
"""


@pytest.fixture(scope="module")
def models(tiny_model):
    return {name: tiny_model(**changes) for name, changes in CONFIGS.items()}


@pytest.fixture(scope="module")
def folder(models, tmp_path_factory):
    """Volumes, exported towers, and the features that a process without this project made of them."""
    root = tmp_path_factory.mktemp("towers")
    for name, (model, facts) in models.items():
        save_checkpoint(root / f"{name}.safetensors", model, facts)
        export_tower(root / f"{name}.safetensors", root / name)
    volumes = np.random.default_rng(0).random((len(NAMES), 1, *models["grid"][1].shape), np.float32)
    save_file({"volumes": volumes}, root / "volumes.safetensors")
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    line = [sys.executable, "-c", ALONE, str(root), *models]
    done = subprocess.run(line, cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return root


@pytest.mark.parametrize("name", CONFIGS)
def test_a_process_without_this_project_makes_the_same_features(name, models, folder):
    model, _ = models[name]
    volumes = torch.from_numpy(load_file(folder / "volumes.safetensors")["volumes"])
    with torch.no_grad():
        expected = model.volume_features(volumes, torch.tensor([CONTRASTS.index(one) for one in NAMES])).numpy()
    found = load_file(folder / "features.safetensors")
    assert expected.std() > 0.01
    np.testing.assert_allclose(found[name], expected, atol=1e-5)
    np.testing.assert_array_equal(found[f"{name}/alone"], found[name])


def test_the_facts_say_how_to_prepare_a_volume(models, folder, head):
    facts = json.loads((folder / "grid" / "tower.json").read_text())
    _, own = models["grid"]
    assert tuple(facts["shape"]) == own.shape
    assert tuple(facts["spacing_mm"]) == own.spacing_mm
    assert (facts["trained_on"], facts["synthetic"], facts["features"]) == (["DWI", "FLAIR"], True, 32 * 4)
    scale = ConfigParser(facts).get_parsed_content("scale_intensity")
    stored = percentile_minmax(head) / 255
    np.testing.assert_allclose(np.asarray(scale(head)), stored, atol=0.5 / 255 + 1e-3)


def test_what_cannot_be_exported_is_one_line(tiny_model, folder, tmp_path):
    model, facts = tiny_model(volume_tower="open_clip_slices")
    save_checkpoint(tmp_path / "slices.safetensors", model, facts)
    with pytest.raises(InputError, match="with the tower open_clip_slices, no 3D ResNet of MONAI"):
        export_tower(tmp_path / "slices.safetensors", tmp_path / "out")
    with pytest.raises(InputError, match="no readable checkpoint"):
        export_tower(tmp_path / "nothing.safetensors", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="not empty"):
        export_tower(folder / "grid.safetensors", folder / "grid")
