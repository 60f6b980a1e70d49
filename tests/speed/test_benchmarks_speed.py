"""Processor seconds of the benchmarks that look at a study as a clinic does, one method on the whole quick cohort."""

from __future__ import annotations

import time

import pytest
import torch

from benchmarks import BENCHMARKS
from benchmarks.benchmark import ScoreOptions
from selip.cohorts.phantom.generate import build
from selip.data.cohort import Cohort
from selip.experiments.catalogue import experiment_file
from selip.experiments.experiment_file import read_experiment
from selip.models.dual_encoder import DualEncoder
from selip.models.scored_model import Subject
from selip.models.text_towers import Tokens
from selip.system.registry import load

pytestmark = pytest.mark.speed

QUICK = read_experiment(experiment_file("quick"))
OPTIONS = ScoreOptions(probe=QUICK.evaluation.probe, segmentation=QUICK.evaluation.segmentation)
CLINIC = (
    "calibration", "grounding", "report_retrieval_as_reporting", "robustness", "segmentation_robustness", "study_level",
    "subgroups", "text_sensitivity", "unseen",
)  # fmt: skip


@pytest.fixture(scope="module")
def subject(tmp_path_factory):
    folder = tmp_path_factory.mktemp("quick") / "cohort"
    build("quick", 1, folder, workers=1)
    cohort = Cohort.open(folder)
    texts = list(cohort.volumes["text"][cohort.volumes["split"] == "train"])
    torch.manual_seed(0)
    config = QUICK.run.model
    return Subject(DualEncoder(config, cohort.info.shape, Tokens.trained_on(texts)).eval(), cohort, texts)


def test_all_of_them_take_at_most_3_minutes(benchmark, subject):
    volumes, seconds = len(subject.cohort.rows("test")), {}
    for part in ("train", "val", "test"):
        subject.embeddings(part)  # made once for all benchmarks of a method

    def score():
        for name in CLINIC:
            began = time.process_time()
            load(BENCHMARKS, "selip.benchmarks", name).score(subject, OPTIONS)
            seconds[name] = time.process_time() - began

    benchmark.pedantic(score, rounds=1)
    benchmark.extra_info |= {f"seconds_per_1000_volumes_{n}": 1000 * took / volumes for n, took in seconds.items()}
    assert sum(seconds.values()) < 180
