"""Training, scoring and rendering on a device that is not the CPU, as far as a machine without one can tell."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.utils import backend_registration

import baselines
from selip.experiments.catalogue import experiment_file, find_method
from selip.experiments.experiment import validation_score
from selip.experiments.experiment_file import read_experiment
from selip.training.trainer import Run, train

HERE = Path(__file__).parent
DRIVER = HERE / "driver.py"
pytestmark = [
    pytest.mark.timeout(600),  # a minute on a machine of its own
    pytest.mark.skipif(
        not hasattr(backend_registration, "_setup_privateuseone_for_python_backend"),
        reason="this torch has no backends in Python",
    ),
]


def loaded(name):
    spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


table, counts = loaded("deterministic"), loaded("counts")
COUNTED = json.loads(counts.COUNTS.read_text())
MORE = 1.05
"""Times the kernels and bytes of a step that another torch may take; above it, counts.py writes new ones on purpose."""
SMOOTH = "augment.rotation_degrees=10|augment.scale=0.1|augment.bias_field=0.1|augment.shift_voxels=1"
METHODS = [f"train|{name}" for name in baselines.METHODS]
CHUNKED = [f"train|{name}|training.micro_batch=4" for name in ("selip", "gloria", "mae", "simclr")]
OTHERWISE = [*CHUNKED, f"train|selip|{SMOOTH}", "train|selip|training.resident_gib=0"]
SCORES = [f"score|{name}" for name in ("retrieval", "zero_shot", "linear_probe", "few_shot", "segmentation")]
OTHERS = ["fine_tune|two_classes", "window|one_convolution", "render|phantom"]
REFUSED = {
    "item": "WaitingError", "tolist": "WaitingError", "bool": "WaitingError", "boolean_index": "WaitingError",
    "cpu_index": "WaitingError", "blocking_copy": "WaitingError", "copy_back": "WaitingError",
    "not_pinned": "WaitingError", "cpu_tensor": "MixedDevicesError", "generator": "MixedDevicesError",
    "gradient_of_torchs_max_pool": "", "nothing": "", "pinned": "",
}  # fmt: skip
PLANTED = [f"plant|{name}" for name in REFUSED]
CASES = [*PLANTED, *METHODS, *OTHERWISE, *SCORES, *OTHERS]


@pytest.fixture(scope="module")
def seen(small_cohort_folder, tmp_path_factory):
    """What the driver saw of each case, in a process of its own."""
    out = tmp_path_factory.mktemp("card") / "seen.jsonl"
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(HERE.parents[1]), str(HERE)]),
        "OMP_NUM_THREADS": "1",
    }
    line = [sys.executable, str(DRIVER), str(small_cohort_folder), str(out), *CASES]
    ended = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=560, check=False)
    assert ended.returncode == 0, ended.stderr[-3000:]
    return {one["case"]: one for one in map(json.loads, out.read_text().splitlines())}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_planted_is_refused_and_the_rest_is_not(name, seen):
    assert seen[f"plant|{name}"]["error"].partition(":")[0] == REFUSED[name]


@pytest.mark.parametrize("case", [*METHODS, *OTHERWISE])
def test_no_step_mixes_devices_or_waits(case, seen):
    assert not seen[case]["error"]
    assert bool(seen[case]["steps"]) == (case != "train|random_init")


def test_voxels_from_the_store_come_to_the_losses_of_resident_ones(seen):
    assert seen["train|selip|training.resident_gib=0"]["numbers"] == seen["train|selip"]["numbers"]


@pytest.mark.parametrize("case", COUNTED)
def test_a_step_takes_no_more_kernels_and_bytes_than_it_did(case, seen):
    found = counts.counts_of(seen[case])
    assert found["kernels"] <= MORE * COUNTED[case]["kernels"]
    assert found["bytes"] <= MORE * COUNTED[case]["bytes"]


def test_every_method_that_trains_is_counted():
    assert {case for case in METHODS if case != "train|random_init"} <= COUNTED.keys()


@pytest.mark.parametrize("case", [*SCORES, *OTHERS])
def test_no_score_mixes_devices(case, seen):
    assert not seen[case]["error"]
    assert seen[case]["kernels"] or case == "score|few_shot", "which reads the features that linear_probe made"
    assert seen[case]["numbers"]


def without_a_line(kernels):
    """Operations that are neither views, nor pointwise, nor in the table."""
    left = set()
    for full in kernels:
        namespace, name, overload = full.split(".")
        operation = getattr(getattr(getattr(torch.ops, namespace), name), overload)
        if not (operation.is_view or torch.Tag.pointwise in operation.tags):
            left.add(name)
    return left - table.DETERMINISTIC.keys() - table.READS


@pytest.mark.parametrize("case", [case for case in CASES if not case.startswith(("plant", "render"))])
def test_every_operation_has_a_kernel_that_repeats(case, seen):
    assert not without_a_line(seen[case]["kernels"])


def test_an_operation_that_does_not_repeat_has_no_line(seen):
    planted = seen["plant|gradient_of_torchs_max_pool"]["kernels"]
    assert without_a_line(planted) == {"max_pool3d_with_indices_backward"}


def test_the_table_has_no_line_too_many(seen):
    used = {full.split(".")[1] for one in seen.values() for full in one["kernels"]}
    assert not table.DETERMINISTIC.keys() - used


@pytest.mark.parametrize("method", ["selip", "mae"])
def test_losses_are_those_of_the_cpu(method, seen, small_cohort, tmp_path):
    tiny = DRIVER.read_text().partition("TINY = (")[2].partition(")  # fmt: skip")[0]
    overrides = [*json.loads(f"[{tiny.strip().rstrip(',')}]"), "transfer=null"]
    config = read_experiment(experiment_file("quick"), overrides).run
    run = Run(find_method(method), small_cohort, config, 0, validation_score)
    _, _, training = train(run, tmp_path / "one.safetensors")
    assert seen[f"train|{method}"]["numbers"] == pytest.approx([row["loss"] for row in training.history], rel=1e-4)
