"""Memory format, optimiser and ids."""

from __future__ import annotations

import copy
import shutil

import pytest
import torch
from torch import nn

from selip.experiments.catalogue import experiment_file, find_method
from selip.experiments.experiment_file import read_experiment
from selip.models import repeatable_kernels
from selip.models.dual_encoder import DualEncoder, weights_hash
from selip.models.repeatable_kernels import kernel_choices, repeat_exactly
from selip.models.text_towers import make_tokens
from selip.training.device_setup import arrange, float32_products, make_optimizer
from selip.training.settings import TrainingConfig
from selip.training.trackers import NOT_TRACKED
from selip.training.trainer import Run, train


@pytest.fixture(params=["resnet10", "open_clip_slices"])
def model(request, tiny_run):
    overrides = [
        *tiny_run,
        f"model.volume_tower={request.param}",
        "model.slices.slices=2",
        "model.slices.image_size=32",
    ]
    config = read_experiment(experiment_file("quick"), overrides).run.model
    torch.manual_seed(0)
    return DualEncoder(config, (16, 20, 8), make_tokens(config, ["at left insula shows high signal"])).eval()


CHANNELS_LAST = {4: torch.channels_last, 5: torch.channels_last_3d}


def test_towers_and_their_maps_are_channels_last(model):
    convolutions = [one.weight for one in model.modules() if isinstance(one, nn.Conv2d | nn.Conv3d)]
    assert convolutions
    assert all(weight.is_contiguous(memory_format=CHANNELS_LAST[weight.ndim]) for weight in convolutions)
    fine = model.volume_tower.stage_maps(torch.randn(2, 1, 16, 20, 8))[0]
    if model.config.volume_tower == "resnet10":
        assert fine.is_contiguous(memory_format=torch.channels_last_3d)


def test_contiguous_is_the_same_up_to_rounding(model):
    plain = copy.deepcopy(model)
    arrange(model.volume_tower, TrainingConfig(memory_format="contiguous"))
    assert weights_hash(model) == weights_hash(plain)
    assert all(weight.is_contiguous() for weight in model.volume_tower.parameters())
    inputs = torch.randn(2, 1, 16, 20, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(model.encode_input(inputs), plain.encode_input(inputs), rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("g++"), reason="needs a compiler")
def test_a_compiled_tower_trains_to_the_same_numbers_up_to_rounding(small_cohort, tiny_run, tmp_path):
    found = {}
    for choice in ("false", "true"):
        config = read_experiment(experiment_file("quick"), [*tiny_run, f"training.compile={choice}"]).run
        run = Run(find_method("clip"), small_cohort, config, 0, lambda embeddings: 0.0)
        found[choice] = train(run, tmp_path / f"{choice}.safetensors")
    graphs = torch._dynamo.utils.counters["stats"]
    assert graphs["unique_graphs"] >= 1
    assert graphs["calls_captured"] > 10
    losses = {choice: [row["loss"] for row in training.history] for choice, (_, _, training) in found.items()}
    assert losses["true"] == pytest.approx(losses["false"], rel=1e-4)
    (plain, *_), (compiled, *_) = found.values()
    assert plain.state_dict().keys() == compiled.state_dict().keys()


def test_the_optimiser_has_every_trained_parameter_once(model):
    own = nn.Linear(2, 2)
    optimizer = make_optimizer(model, own, TrainingConfig())
    found = [id(parameter) for group in optimizer.param_groups for parameter in group["params"]]
    assert len(set(found)) == len(found)
    assert set(found) == {id(one) for one in [*model.parameters(), *own.parameters()] if one.requires_grad}
    assert all(group["fused"] for group in optimizer.param_groups)


@pytest.fixture
def kernels_as_they_were():
    """What puts back the choices of kernels; asked for first, so that a simulated GPU has gone by then."""
    yield
    repeat_exactly()


def test_an_operation_that_does_not_repeat_is_an_error():
    repeat_exactly()
    assert torch.are_deterministic_algorithms_enabled()
    assert not torch.is_deterministic_algorithms_warn_only_enabled()
    assert not torch.backends.cudnn.benchmark


def test_a_gpu_takes_plain_attention_and_a_cpu_its_own_whatever_was_chosen(kernels_as_they_were, monkeypatch):
    backends = torch.backends.cuda
    backends.enable_flash_sdp(False)
    repeat_exactly()
    assert backends.flash_sdp_enabled()
    monkeypatch.setattr(repeatable_kernels, "scoring_device", lambda: torch.device("cuda"))
    repeat_exactly()
    assert backends.math_sdp_enabled()
    enabled = (backends.flash_sdp_enabled(), backends.mem_efficient_sdp_enabled(), backends.cudnn_sdp_enabled())
    assert enabled == (False, False, False)


def test_float32_is_float32_outside_a_step_that_asks_for_tf32(kernels_as_they_were):
    def rounded():
        return torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32

    torch.backends.cudnn.allow_tf32 = True
    repeat_exactly()
    assert rounded() == (False, False)
    with float32_products("tf32"):
        assert rounded() == (True, True)
        assert kernel_choices()[1:3] == [True, True]
    assert rounded() == (False, False)
    with float32_products("bf16"):
        assert rounded() == (False, False)


def test_two_precisions_in_one_process(small_cohort, tiny_run, tmp_path):
    found = {}
    for precision in ("no", "tf32", "bf16"):
        overrides = [*tiny_run, f"training.precision={precision}", "training.steps=1", "training.validations=1"]
        run = Run(find_method("clip"), small_cohort, read_experiment(experiment_file("quick"), overrides).run, 0,
                  lambda embeddings: 0.0, tracking=NOT_TRACKED)  # fmt: skip
        found[precision] = train(run, tmp_path / f"{precision}.safetensors")[2]
    assert {name: one.precision for name, one in found.items()} == {name: name for name in found}
    losses = {name: one.history[0]["loss"] for name, one in found.items()}
    assert losses["tf32"] == losses["no"], "a CPU rounds nothing"
    assert losses["bf16"] != losses["no"]
    assert losses["bf16"] == pytest.approx(losses["no"], rel=0.05)
