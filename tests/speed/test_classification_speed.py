"""10,000 resamples of the metrics of a task, 400 items of 400 patients in 13 classes, against scikit-learn's loop."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from benchmarks.benchmark import ScoreOptions
from benchmarks.statistics.metric_summary import summarise_classification

pytestmark = pytest.mark.speed

N_ITEMS, N_CLASSES, N_RESAMPLES, N_LOOPS = 400, 13, 10_000, 10
NAMES = [f"class {n}" for n in range(N_CLASSES)]
STATISTICS = ("macro_auroc", "macro_auprc", "balanced_accuracy", "macro_f1", "mcc", "accuracy", "ece")


def task():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, N_CLASSES, N_ITEMS)
    scores = np.exp(rng.normal(size=(N_ITEMS, N_CLASSES)) + np.eye(N_CLASSES)[truth])
    scores /= scores.sum(axis=1, keepdims=True)
    frame = pd.DataFrame(np.eye(N_CLASSES)[truth], columns=[f"truth:{name}" for name in NAMES])
    frame[[f"score:{name}" for name in NAMES]] = scores
    patients = [f"p{n:03d}" for n in range(N_ITEMS)]
    answers = {"truth": truth.astype(float), "predicted": scores.argmax(axis=1).astype(float)}
    return frame.assign(patient_id=patients, weight=1.0, **answers)


def by_sklearn(truths, scores, counts):
    """AUROC and AUPRC of each class in some resamples, their counts as weights."""
    for weights in counts:
        for truth, score in zip(truths.T, scores.T, strict=True):
            roc_auc_score(truth, score, sample_weight=weights)
            average_precision_score(truth, score, sample_weight=weights)


def test_seven_metrics_take_less_than_5_seconds(benchmark, against):
    frame, names = task(), {name: name for name in STATISTICS}
    truths, scores = (frame[[f"{kind}:{name}" for name in NAMES]].to_numpy() for kind in ("truth", "score"))
    counts = np.random.default_rng(0).multinomial(N_ITEMS, np.full(N_ITEMS, 1 / N_ITEMS), size=N_LOOPS)
    ours = lambda: summarise_classification(frame, names, ScoreOptions(N_RESAMPLES))  # noqa: E731
    reference = lambda: by_sklearn(truths, scores, counts)  # noqa: E731
    found, _, ratio = against("scikit_learn", ours, reference, N_RESAMPLES / N_LOOPS)
    assert list(found) == list(STATISTICS)
    assert benchmark.stats.stats.min < 5
    assert ratio > 30
