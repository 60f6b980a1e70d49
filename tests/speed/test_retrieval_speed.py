"""Rank metrics of a whole gallery against torchmetrics' functions called query by query, both in this run.

Beside it the whole benchmark, every pool with 10,000 resamples, against the clock.
"""

from __future__ import annotations

import time
import tracemalloc

import numpy as np
import pandas as pd
import pytest
import torch
from torchmetrics.functional import retrieval as reference

from benchmarks.benchmark import ScoreOptions
from benchmarks.metrics.retrieval_metrics import rank_metrics
from benchmarks.retrieval.gallery_ranking import search
from benchmarks.tasks import retrieval
from selip.models.embeddings import Embeddings

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


def test_rank_metrics_are_15_times_faster_than_torchmetrics(benchmark):
    rng, size = np.random.default_rng(0), 2000
    scores = np.rint(rng.uniform(-1, 1, (size, size)) * 1e7).astype(np.int32)
    positive = rng.random((size, size)) < 0.002
    positive[np.arange(size), np.arange(size)] = True
    found = benchmark.pedantic(rank_metrics, (scores, positive), rounds=5, warmup_rounds=1)
    start = time.perf_counter()
    expected = by_torchmetrics(scores / 1e7, positive)
    seconds = time.perf_counter() - start
    shared = np.column_stack([found[name] for name in ("R@1", "R@5", "R@10", "MRR", "R-precision")])
    np.testing.assert_allclose(shared, expected, rtol=1e-6)
    benchmark.extra_info["times_faster_than_torchmetrics"] = seconds / benchmark.stats.stats.min
    assert seconds > 15 * benchmark.stats.stats.min


def recall_at_5_by_top_k(queries, candidates, positive):
    """Recall@5 of one direction as CLIP_benchmark has it: batches of 64, top-k, one-hot, product."""
    scores = queries @ candidates.T
    found = []
    for start in range(0, len(scores), 64):
        rows = slice(start, start + 64)
        top = torch.topk(scores[rows], 5, dim=1).indices
        hits = torch.nn.functional.one_hot(top, num_classes=len(candidates)) * positive[rows, None]
        found.append(hits.sum((1, 2)) / positive[rows].sum(1))
    return torch.cat(found)


def test_both_directions_of_20000_take_less_time_than_recall_at_5_by_top_k_in_one(benchmark):
    size = 20_000
    volumes, texts, labels = unit_vectors(size), unit_vectors(size, 1), np.arange(size)
    weight, nothing = np.ones(size), unknown(size)

    def both():
        forth = search(volumes, texts, labels, labels, nothing, weight)
        return forth, search(texts, volumes, labels, labels, nothing, weight)

    forth, _ = benchmark.pedantic(both, rounds=1)
    start = time.perf_counter()
    expected = recall_at_5_by_top_k(
        torch.from_numpy(volumes), torch.from_numpy(texts), torch.eye(size, dtype=torch.bool)
    )
    seconds = time.perf_counter() - start
    assert forth["R@5"].mean() == pytest.approx(float(expected.mean()), abs=1e-4)
    benchmark.extra_info["times_faster_than_top_k_in_one_direction"] = seconds / benchmark.stats.stats.min
    assert seconds > benchmark.stats.stats.min


def test_memory_does_not_grow_with_the_square_of_the_gallery(benchmark):
    def peak(size):
        embeddings, labels = unit_vectors(size)[:, :64], np.arange(size)
        tracemalloc.start()
        search(
            embeddings[:200],
            embeddings,
            labels[:200],
            labels,
            unknown(size),
            np.ones(200),
        )
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    small, large = peak(10_000), benchmark.pedantic(peak, (100_000,), rounds=1)
    benchmark.extra_info["bytes_a_candidate"] = (large - small) / 90_000
    assert large - small < 90_000 * 64 * 8 * 4, "a few copies of the embeddings in float64"


def unknown(size):
    """Relevance of `size` candidates that nothing is known of."""
    return lambda rows: np.broadcast_to(np.nan, (rows.stop - rows.start, size))


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
