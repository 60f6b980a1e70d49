"""Similarity of a batch against the loop it replaces, and against a training step, in the same run."""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from selip.config import read_experiment
from selip.experiment import experiment_file, find_method, validation_score
from selip.findings import Clause, findings_text
from selip.similarity import SimilarityConfig, TextSimilarity, TextTable
from selip.trainer import Run, train

pytestmark = pytest.mark.speed
JUDGE = Path(__file__).parents[1] / "selip" / "similarity_judge.py"
spec = importlib.util.spec_from_file_location("similarity_judge", JUDGE)
judge = importlib.util.module_from_spec(spec)
spec.loader.exec_module(judge)

LEAST_RATIO = {64: 200, 1024: 1000}


@pytest.fixture(scope="module")
def table():
    """2,000 texts of one to five clauses, as long as radiology findings are."""
    rng = np.random.default_rng(0)
    places = [f"{side} {place}" for side in ("left", "right") for place in ("frontal lobe", "insula", "pons")]
    signals = ["high signal", "low signal with high rim", "patchy high signal", "ovoid iso signal", "mixed signal"]

    def text():
        return findings_text(Clause(rng.choice(places), rng.choice(signals)) for _ in range(rng.integers(1, 6)))

    return TextTable.of([text() for _ in range(2000)])


@pytest.mark.parametrize("size", [64, 1024])
def test_similarity_against_the_loop(benchmark, table, size):
    ids = torch.from_numpy(np.random.default_rng(1).permutation(len(table.texts))[:size])
    measure = TextSimilarity.of(table, SimilarityConfig())
    benchmark(measure, ids)
    clauses = [table.clauses[number] for number in ids]
    began = time.perf_counter()
    expected = judge.similarity_loop(clauses)
    loop_seconds = time.perf_counter() - began
    np.testing.assert_allclose(measure(ids).numpy(), expected, atol=1e-6)
    ratio = loop_seconds / benchmark.stats["median"]
    benchmark.extra_info |= {"reference": "plain loop over texts and clauses", "ratio": ratio}
    assert ratio >= LEAST_RATIO[size]


def test_similarity_against_a_training_step(benchmark, small_cohort, tmp_path):
    config = read_experiment(experiment_file("quick"), ["training.steps=12", "training.validations=1"]).run
    stamps = []
    watch = lambda _: stamps.append(time.perf_counter())  # noqa: E731
    run = Run(find_method("selip"), small_cohort, config, 0, validation_score, watch)
    train(run, tmp_path / "step.safetensors")
    step_seconds = float(np.median(np.diff(stamps[:-1])))
    table = TextTable.of(small_cohort.volumes["text"].tolist())
    ids = torch.from_numpy(np.random.default_rng(0).permutation(len(table.texts))[: config.training.batch_size])
    benchmark(TextSimilarity.of(table, SimilarityConfig()), ids)
    share = benchmark.stats["median"] / step_seconds
    benchmark.extra_info |= {"reference": "training step of the quick experiment", "share_of_step": share}
    assert share < 0.01
