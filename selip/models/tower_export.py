"""Exports the volume tower of a checkpoint for users of MONAI, as files that load without this package."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors.torch import save

from selip.data.cohort_writer import check_free
from selip.data.findings import CONTRASTS
from selip.data.volumes import CLIP_PERCENTILES
from selip.models import portable_tower
from selip.models.dual_encoder import CheckpointFacts, DualEncoder, load_checkpoint
from selip.models.volume_towers import VolumeTower, resnet_arguments
from selip.system.environment import package_versions
from selip.system.errors import InputError
from selip.system.files import write_atomically


def export_tower(checkpoint: Path, out: Path) -> list[Path]:
    """Writes tower.safetensors, tower.json and load_tower.py, see `selip.models.portable_tower`.

    Args:
        checkpoint: Of `selip train` or `selip run`.
        out: Folder to write; it must not be in use.

    Returns:
        What was written.

    Raises:
        InputError: When the file is no checkpoint, its tower is not MONAI's, or the folder is in use.
    """
    model, facts = load_checkpoint(checkpoint)
    if not isinstance(model.volume_tower, VolumeTower):
        raise InputError(
            f"got {checkpoint} with the tower {facts.model.volume_tower}, no 3D ResNet of MONAI; "
            "name a checkpoint with one"
        )
    check_free(out)
    files: dict[str, bytes | str] = {
        "tower.safetensors": save(_tensors(model)),
        "load_tower.py": Path(portable_tower.__file__).read_bytes(),
        "tower.json": json.dumps(_facts(model.volume_tower, facts), indent=1) + "\n",
    }
    for name, data in files.items():
        write_atomically(out / name, data)
    return [out / name for name in files]


def _tensors(model: DualEncoder) -> dict[str, Any]:
    tensors = {f"resnet.{name}": tensor for name, tensor in model.volume_tower.net.state_dict().items()}
    tensors |= model.intensity.state_dict()
    return {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}


def _facts(tower: VolumeTower, facts: CheckpointFacts) -> dict[str, Any]:
    lower, upper = CLIP_PERCENTILES
    return {
        "resnet": resnet_arguments(facts.model),
        "stages": tower.stages,
        "pooled_shape": tower.pooled_shape,
        "features": tower.features,
        "shape": facts.shape,
        "spacing_mm": facts.spacing_mm,
        "scale_intensity": {
            "_target_": "ScaleIntensityRangePercentiles",
            "lower": lower, "upper": upper, "b_min": 0.0, "b_max": 1.0, "clip": True,
        },
        "intensity": facts.model.intensity,
        "contrasts": CONTRASTS,
        "trained_on": facts.contrasts,
        "method": facts.method,
        "seed": facts.seed,
        "step": facts.step,
        "cohort": facts.cohort,
        "split_fingerprint": facts.split_fingerprint,
        "synthetic": facts.synthetic,
        "selip_bench": package_versions()["selip-bench"],
    }  # fmt: skip
