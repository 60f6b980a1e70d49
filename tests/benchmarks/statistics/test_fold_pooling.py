"""Pooling over folds: the judge is the same benchmark on a scored part that has all patients at once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from benchmarks.benchmark import ScoreOptions
from benchmarks.statistics.fold_pooling import pooled
from benchmarks.statistics.metric_summary import summarise, summarise_classification
from selip.system.errors import InputError

OPTIONS = ScoreOptions(n_resamples=200, keep_references=True)
NAMES = {f"m_{kind}": kind for kind in ("macro_auroc", "balanced_accuracy", "mcc", "ece")}


def table(n=60, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, n).astype(float)
    items = {"pool": "side", "patient_id": [f"p{row // 2}" for row in range(n)], "weight": 1.0, "truth": truth}
    frame = pd.DataFrame(items | {"truth:right": truth})
    for model in ("m", "metadata"):
        score = np.clip(0.5 + 0.2 * (truth - 0.5) * (model == "m") + 0.2 * rng.normal(size=n), 0, 1)
        frame[f"{model}_score:right"] = score.astype(np.float32).astype(float)
        frame[f"{model}_predicted"] = (score > 0.5).astype(float)
    return frame


def folds_of(frame, n_folds=3):
    """Tables of folds as records keep them, with what metadata answered beside the model, and the metrics of each."""
    number = pd.factorize(frame["patient_id"])[0] % n_folds
    tables, metrics = [], []
    wanted = NAMES | {f"{name}/metadata": kind for name, kind in NAMES.items()}
    for fold in range(n_folds):
        part = frame[number == fold].reset_index(drop=True)
        found = summarise_classification(part, wanted, OPTIONS)
        metrics.append({f"side/{name}": one for name, one in found.items()})
        kept = {f"m_{kind}/metadata": part[f"metadata_{kind}"] for kind in ("score:right", "predicted")}
        tables.append(part.drop(columns=["metadata_score:right", "metadata_predicted"]).assign(**kept))
    return tables, metrics


def test_metrics_of_the_pool_are_those_of_all_patients_at_once_and_no_mean_of_folds():
    frame = table()
    tables, metrics = folds_of(frame)
    joined, found = pooled(tables, metrics, OPTIONS)
    whole = summarise_classification(frame, NAMES | {f"{name}/metadata": kind for name, kind in NAMES.items()}, OPTIONS)
    for name, metric in whole.items():
        other = found[f"side/{name}"]
        assert other.value == pytest.approx(metric.value, abs=1e-4 if "/" in name else 1e-12), name
        assert (other.lower, other.upper, other.n_patients) == (metric.lower, metric.upper, 30)
    mean = np.mean([one["side/m_macro_auroc"].value for one in metrics])
    assert found["side/m_macro_auroc"].value != pytest.approx(mean, abs=1e-5)
    assert not [column for column in joined if "/" in column]
    assert len(joined) == len(frame)


def test_a_reference_that_no_item_has_is_the_mean_over_folds_by_their_items():
    tables, metrics = folds_of(table(), 2)
    for one, value in zip(metrics, (0.4, 0.6), strict=True):
        chance = one["side/m_balanced_accuracy"].model_copy(update={"value": value, "lower": None, "upper": None})
        one["side/m_balanced_accuracy/chance"] = chance
    found = pooled(tables, metrics, OPTIONS)[1]["side/m_balanced_accuracy/chance"]
    assert (found.value, found.n_items, found.lower) == (0.5, 60, None)


def test_means_of_items_and_balanced_weights_are_those_of_the_whole():
    rng = np.random.default_rng(1)
    frame = table().drop(columns=["m_score:right", "m_predicted", "metadata_score:right", "metadata_predicted"])
    correct, beside = rng.random((2, len(frame)))
    counts = frame["truth"].map(frame["truth"].value_counts())
    frame = frame.assign(weight=len(frame) / 2 / counts, hit=correct, **{"hit/metadata": beside})
    number = pd.factorize(frame["patient_id"])[0] % 2
    tables = [frame[number == fold].assign(weight=lambda part: 1 + part["truth"]) for fold in range(2)]
    columns = {"hit": correct, "hit/metadata": beside}
    whole = summarise(frame, columns, OPTIONS)
    each = [{f"side/{name}": metric for name, metric in whole.items()}] * 2
    joined, found = pooled(tables, each, OPTIONS)
    for name, metric in whole.items():
        assert found[f"side/{name}"].value == pytest.approx(metric.value)
    assert joined["weight"].sum() == pytest.approx(len(frame))


def test_a_patient_in_two_folds_is_refused():
    tables, metrics = folds_of(table())
    with pytest.raises(InputError, match="in two folds"):
        pooled([tables[0], tables[0]], metrics[:2], replace(OPTIONS, n_resamples=2))
