"""Rank metrics of a whole gallery against torchmetrics' functions called query by query, both in this run.

Beside it the whole benchmark, every pool with 10,000 resamples, against the clock.
"""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest
import torch
from torchmetrics.functional import retrieval as reference

from benchmarks import retrieval
from benchmarks.benchmark import ScoreOptions
from benchmarks.metrics import rank_metrics
from selip.embeddings import Embeddings

pytestmark = pytest.mark.speed


def by_torchmetrics(scores, positive):
    shifted = torch.from_numpy(scores - scores.min() + 1.0)
    hits = torch.from_numpy(positive)
    found = [
        [
            *(reference.retrieval_hit_rate(s, h, top_k=k) for k in (1, 5, 10)),
            reference.retrieval_reciprocal_rank(s, h),
            reference.retrieval_r_precision(s, h),
        ]
        for s, h in zip(shifted, hits, strict=True)
    ]
    return np.array(found)


def test_rank_metrics_are_10_times_faster_than_torchmetrics(benchmark):
    rng = np.random.default_rng(0)
    scores = rng.uniform(-1, 1, (400, 400))
    positive = rng.random((400, 400)) < 0.02
    positive[np.arange(400), np.arange(400)] = True
    found = benchmark.pedantic(rank_metrics, (scores, positive), rounds=5, warmup_rounds=1)
    start = time.perf_counter()
    expected = by_torchmetrics(scores, positive)
    seconds = time.perf_counter() - start
    shared = np.column_stack([found[name] for name in ("R@1", "R@5", "R@10", "MRR", "R-precision")])
    np.testing.assert_allclose(shared, expected, rtol=1e-6)
    benchmark.extra_info["times_faster_than_torchmetrics"] = seconds / benchmark.stats.stats.min
    assert seconds > 10 * benchmark.stats.stats.min


def unit_vectors(n, seed=0):
    vectors = np.random.default_rng(seed).normal(size=(n, 512)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_all_pools_of_400_volumes_take_less_than_5_seconds(benchmark):
    numbers = pd.Series(range(400)).astype(str)
    items = pd.DataFrame({"volume_id": numbers, "study_id": numbers, "patient_id": numbers.str[:2], "site": "site1"})
    items["contrast"] = np.resize(["T1", "T2", "FLAIR", "DWI"], 400)
    items["text"] = "at left region " + numbers.str[-2:] + " shows high signal"
    embeddings = Embeddings(
        items, unit_vectors(400), unit_vectors(400), lambda texts: unit_vectors(len(texts), 1), {}, list(items["text"])
    )
    score = benchmark.pedantic(retrieval.score, (embeddings, ScoreOptions()), rounds=1, warmup_rounds=1)
    assert score.metrics["abnormal/image_to_text_R@10"].n_items == 400
    assert benchmark.stats.stats.max < 5
