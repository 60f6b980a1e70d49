"""What only a CUDA device can show: tox run -e gpu."""

from __future__ import annotations

import pytest
import torch

from selip.catalogue import experiment_file, find_method
from selip.experiment import validation_score
from selip.model import weights_hash
from selip.settings import read_experiment
from selip.trainer import Run, train
from selip.training_data import load_training_data

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


@pytest.fixture
def config(tiny_run):
    return read_experiment(experiment_file("quick"), tiny_run).run


def test_volumes_stay_on_the_device(small_cohort):
    assert load_training_data(small_cohort, torch.device("cuda")).volumes.is_cuda


@pytest.mark.parametrize("method", ["selip", "clip", "label_smoothing", "shuffled_selip"])
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
