from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

TINY_RUN = (
    "model.volume_tower=resnet10",
    "model.width=8",
    "model.stem_kernel=3",
    "model.pooled_shape=[2, 2, 1]",
    "model.text_width=32",
    "model.text_layers=1",
    "model.embedding_size=16",
    "training.steps=6",
    "training.batch_size=8",
    "training.warmup_steps=2",
    "training.validations=3",
    "evaluation.n_resamples=50",
    "benchmarks=retrieval",
    "transfer=null",
)


@pytest.fixture(scope="session", autouse=True)
def two_threads():
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))


@pytest.fixture(scope="session")
def tiny_run():
    """Overrides that make a run a matter of seconds."""
    return TINY_RUN


@pytest.fixture(scope="session")
def small_cohort_folder(tmp_path_factory) -> Path:
    """A quick phantom of 60 patients, built once."""
    from selip.cohorts.phantom.generate import build

    folder = tmp_path_factory.mktemp("cohort") / "phantom"
    build("quick", 0, folder, workers=1, n_patients=60)
    return folder


@pytest.fixture(scope="session")
def small_cohort(small_cohort_folder):
    from selip.data.cohort import Cohort

    return Cohort.open(small_cohort_folder)
