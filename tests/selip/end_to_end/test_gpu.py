"""What only a CUDA device can show: tox run -e gpu. Its ratios: tests/speed/test_step_speed.py, which uses it too."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from functools import partial

import pytest
import torch

from baselines import METHODS
from selip.experiments.catalogue import experiment_file, find_method
from selip.experiments.experiment import validation_score
from selip.experiments.experiment_file import read_experiment
from selip.experiments.step_profile import count_synchronisations
from selip.models.dual_encoder import weights_hash
from selip.training import trainer
from selip.training.trackers import Tracking
from selip.training.trainer import Run, train
from selip.training.training_data import load_training_data

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


@pytest.fixture
def config(tiny_run):
    return read_experiment(experiment_file("quick"), tiny_run).run


def test_volumes_stay_on_the_device(small_cohort):
    assert load_training_data(small_cohort, torch.device("cuda")).volumes.is_cuda


@pytest.mark.parametrize("method", METHODS)
def test_training_in_bfloat16_ends_finite_and_repeats(method, small_cohort, config, tmp_path):
    runs = [
        train(Run(find_method(method), small_cohort, config, 0, validation_score), tmp_path / f"{number}.safetensors")
        for number in range(2)
    ]
    assert weights_hash(runs[0][0].cpu()) == weights_hash(runs[1][0].cpu())
    assert runs[0][2].history == runs[1][2].history


def test_bfloat16_follows_float32(small_cohort, tiny_run, tmp_path):
    losses = {}
    for precision in ("no", "bf16"):
        config = read_experiment(experiment_file("quick"), [*tiny_run, f"training.precision={precision}"]).run
        run = Run(find_method("selip"), small_cohort, config, 0, validation_score)
        losses[precision] = train(run, tmp_path / f"{precision}.safetensors")[2].history[0]["loss"]
    assert losses["bf16"] == pytest.approx(losses["no"], rel=0.05)


@pytest.fixture
def looped(small_cohort, tmp_path, monkeypatch):
    """Losses of a run of `method`, each step under `around`."""
    step = trainer._Loop._step

    def run(method, config, around=nullcontext):
        seen = []

        def watched(loop, number):
            with around():
                loss, norm = step(loop, number)
            seen.append((loss.value.detach(), norm.detach()))
            return loss, norm

        monkeypatch.setattr(trainer._Loop, "_step", watched)
        train(Run(find_method(method), small_cohort, config, 0, lambda _: 0.0), tmp_path / f"{method}.safetensors")
        return torch.tensor(seen)

    return run


@contextmanager
def refusing_to_wait():
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("method", [name for name in METHODS if name != "random_init"])
def test_no_step_of_any_method_waits_for_the_device(method, looped, config):
    assert looped(method, config, refusing_to_wait).isfinite().all()


SMOOTH = ("augment.rotation_degrees=10", "augment.scale=0.1", "augment.bias_field=0.1", "augment.shift_voxels=1")


@pytest.mark.parametrize("overrides", [("training.resident_gib=0",), ("training.micro_batch=4",), SMOOTH])
@pytest.mark.parametrize("method", ["selip", "clip", "siglip_soft", "gloria", "mae", "simclr", "supervised"])
def test_no_step_waits_whatever_is_on(method, overrides, looped, tiny_run):
    config = read_experiment(experiment_file("quick"), [*tiny_run, *overrides]).run
    assert looped(method, config, refusing_to_wait).isfinite().all()


def test_a_tracker_makes_the_host_wait_no_more_often(small_cohort, tiny_run, tmp_path):
    config = read_experiment(experiment_file("quick"), [*tiny_run, "training.steps=40"]).run
    waits = []
    for number, name in enumerate(("", "", "tensorboard")):  # the first run makes what the others find
        run = Run(find_method("selip"), small_cohort, config, 0, lambda _: 0.0, tracking=Tracking(name, tmp_path))
        waits.append(count_synchronisations(partial(train, run, tmp_path / f"{number}.safetensors")))
    assert list(tmp_path.rglob("events.*"))
    assert waits[2] == waits[1] > 0


@pytest.mark.parametrize("micro_batch", ["null", 4])
def test_voxels_read_ahead_come_to_the_losses_of_resident_ones(micro_batch, looped, tiny_run):
    shared = [*tiny_run, f"training.micro_batch={micro_batch}", "training.steps=20"]
    resident, ahead = (
        looped("selip", read_experiment(experiment_file("quick"), [*shared, *limit]).run)
        for limit in ((), ("training.resident_gib=0",))
    )
    assert torch.equal(resident, ahead)


@pytest.mark.parametrize("override", ["training.memory_format=contiguous", "training.compile=true"])
def test_other_kernels_come_to_the_same_losses_up_to_rounding(override, looped, config, tiny_run):
    other = read_experiment(experiment_file("quick"), [*tiny_run, override]).run
    torch.testing.assert_close(looped("selip", other), looped("selip", config), rtol=0.05, atol=0.05)


def test_the_optimiser_is_one_kernel(config, looped, monkeypatch):
    made, adam = [], torch.optim.AdamW
    monkeypatch.setattr(
        torch.optim, "AdamW", lambda *groups, **options: made.append(options) or adam(*groups, **options)
    )
    looped("clip", config)
    assert made[0]["fused"]
