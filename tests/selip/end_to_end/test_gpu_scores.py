"""Scores and resumed runs on a CUDA device: tox run -e gpu. The phantom: cohorts/phantom/test_device_render.py."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.tasks.fine_tune import Classifier, Scans, classify, fit
from selip.experiments.catalogue import experiment_file, find_benchmark, find_method
from selip.experiments.experiment import evaluate_checkpoint, score_options, validation_score
from selip.experiments.experiment_file import read_experiment
from selip.experiments.run import majority_texts
from selip.experiments.step_profile import profile_step
from selip.models.dual_encoder import weights_hash
from selip.models.embeddings import embed_cohort
from selip.models.scored_model import Subject
from selip.records.record_files import read_records
from selip.training.trainer import Run, train
from selip.training.training_data import contrast_positions

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
SHORT = (
    "evaluation.segmentation.steps=4", "evaluation.segmentation.validations=1",
    "evaluation.segmentation.label_fractions=[1.0]", "evaluation.probe.fine_tune_steps=5",
    "evaluation.probe.fine_tune_batch_size=4",
)  # fmt: skip
FARTHEST = 1e-4
"""Of two float32 embeddings of unit length, entry by entry, of which one was computed on a CPU."""
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def config(tiny_run):
    return read_experiment(experiment_file("quick"), [*tiny_run, *SHORT])


@pytest.fixture(scope="module")
def trained(config, small_cohort, tmp_path_factory):
    """A trained model, its facts and its checkpoint."""
    path = tmp_path_factory.mktemp("gpu") / "selip.safetensors"
    model, facts, _ = train(Run(find_method("selip"), small_cohort, config.run, 0, validation_score), path)
    return model, facts, path


@pytest.fixture
def subject(trained, small_cohort):
    return Subject(trained[0], small_cohort, majority_texts(trained[1]))


def test_a_run_that_was_killed_goes_on_to_the_same_numbers(trained, config, small_cohort, tmp_path):
    class Killed(BaseException):
        pass

    def kill(progress):
        if progress.step == 5:  # validations are at 2, 4 and 6
            raise Killed

    run = Run(find_method("selip"), small_cohort, config.run, 0, validation_score, kill)
    with pytest.raises(Killed):
        train(run, tmp_path / "resumed.safetensors")
    again = Run(find_method("selip"), small_cohort, config.run, 0, validation_score)
    assert weights_hash(train(again, tmp_path / "resumed.safetensors")[0]) == weights_hash(trained[0])


def test_evaluate_comes_to_the_numbers_of_the_run(trained, subject, config, small_cohort_folder):
    of_run = find_benchmark("retrieval").score(subject, score_options(config.evaluation))
    evaluated, _ = evaluate_checkpoint(trained[2], small_cohort_folder, "retrieval", "test")
    assert {name: one.value for name, one in evaluated.metrics.items()} == {
        name: one.value for name, one in of_run.metrics.items()
    }


def test_segmentation_repeats(subject, config):
    first, second = (find_benchmark("segmentation").score(subject, score_options(config.evaluation)) for _ in range(2))
    assert first.metrics == second.metrics
    assert first.per_item.equals(second.per_item)


def test_fine_tuning_repeats(trained, config, small_cohort):
    rows = small_cohort.rows("train")[:12]
    contrasts = contrast_positions(small_cohort.volumes.iloc[rows]["contrast"].tolist())
    part = Scans(torch.from_numpy(small_cohort.read_volumes(rows)), contrasts), torch.arange(12) % 2
    found = []
    for _ in range(2):
        classifier = Classifier(trained[0], 2).to(trained[0].log_logit_scale.device)
        fit(classifier, part, part, config.evaluation.probe, np.random.default_rng(0))
        found.append(classify(classifier, part[0]))
    assert (found[0] == found[1]).all()


def test_embeddings_are_near_those_of_a_cpu(trained, small_cohort):
    texts = small_cohort.volumes["text"].tolist()[:9]
    there, here = (
        embed_cohort(model, small_cohort, "test", ()) for model in (trained[0], copy.deepcopy(trained[0]).cpu())
    )
    np.testing.assert_allclose(there.volumes, here.volumes, rtol=0, atol=FARTHEST)
    np.testing.assert_allclose(there.encode_text(texts), here.encode_text(texts), rtol=0, atol=FARTHEST)


def test_a_profiled_step_is_of_the_device_and_waits_for_nothing(config, small_cohort):
    profile = profile_step(find_method("selip"), config.run, small_cohort, 3)
    assert profile.device == torch.cuda.get_device_name()
    assert profile.precision == "bf16"
    assert profile.counts.synchronisations == 0
    assert profile.memory_mb > 0


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA devices")
def test_two_devices_come_to_the_losses_of_one(small_cohort_folder, tiny_run, tmp_path):
    losses = {}
    for processes in (1, 2):
        out = tmp_path / str(processes)
        launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
        command = ["-m", "selip", "train", "clip", "--cohort", str(small_cohort_folder), "--out", str(out), *tiny_run]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        subprocess.run([*launcher, *command, "training.precision=no"], env=environment, check=True, timeout=200)
        (record,) = read_records(out / "records")
        losses[processes] = [row["loss"] for row in record.training.history]
    assert losses[2] == pytest.approx(losses[1], rel=1e-3)
