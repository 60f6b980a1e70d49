"""Rank metrics of a whole gallery against torchmetrics' functions called query by query, both in this run.

Beside it the whole benchmark, every pool with 10,000 resamples, against the clock.
"""

from __future__ import annotations

import tracemalloc

import numpy as np
import pandas as pd
import pytest
import torch
from torchmetrics.functional import retrieval as reference

from benchmarks.benchmark import ScoreOptions
from benchmarks.metrics.retrieval_metrics import rank_metrics
from benchmarks.retrieval.gallery_ranking import Tile, search
from benchmarks.retrieval.relevance import Relevance
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


def by_ours(scores, positive):
    query, candidate = np.divmod(np.flatnonzero(positive), positive.shape[1])
    own = scores[query, candidate]
    tile = Tile(slice(0, len(scores)), scores, scores, scores, 0)
    return rank_metrics(query, own, tile.reach_rows(query, own))


def test_rank_metrics_of_2000_against_torchmetrics(against):
    rng, size = np.random.default_rng(0), 2000
    scores = np.rint(rng.uniform(-1, 1, (size, size)) * 1e7).astype(np.int32)
    positive = rng.random((size, size)) < 0.002
    positive[np.arange(size), np.arange(size)] = True
    ours, reference = lambda: by_ours(scores, positive), lambda: by_torchmetrics(scores / 1e7, positive)
    found, expected, ratio = against("torchmetrics", ours, reference, rounds=15)
    shared = np.column_stack([found[name] for name in ("R@1", "R@5", "R@10", "MRR", "R-precision")])
    np.testing.assert_allclose(shared, expected, rtol=1e-6)
    assert ratio > 50


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


@pytest.mark.timeout(900)
def test_both_directions_of_20000_take_a_third_of_recall_at_5_by_top_k_in_one(against):
    size = 20_000
    volumes, texts, labels, weight = unit_vectors(size), unit_vectors(size, 1), np.arange(size), np.ones(size)
    positive = torch.eye(size, dtype=torch.bool)
    (forth, _), expected, ratio = against(
        "top_k_in_one_direction",
        lambda: search(volumes, texts, labels, unknown(size, size), weight),
        lambda: recall_at_5_by_top_k(torch.from_numpy(volumes), torch.from_numpy(texts), positive),
        rounds=2,
    )
    assert forth["R@5"].mean() == pytest.approx(float(expected.mean()), abs=1e-4)
    assert ratio > 3


def test_memory_does_not_grow_with_the_square_of_the_gallery(benchmark):
    def peak(size):
        embeddings, labels = unit_vectors(size)[:, :64], np.arange(size)
        tracemalloc.start()
        search(embeddings, embeddings[:200], labels % 200, unknown(200, size), np.ones(size))
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    small, large = peak(10_000), benchmark.pedantic(peak, (100_000,), rounds=1)
    benchmark.extra_info["bytes_a_candidate"] = (large - small) / 90_000
    assert large - small < 90_000 * 64 * 8 * 4, "a few copies of the embeddings in float64"


def unknown(n_texts, n_volumes):
    """Relevance of which nothing is known."""
    return Relevance(np.full((n_texts, 1), np.nan), np.full((1, 1), np.nan), np.zeros(n_volumes, dtype=int))


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
