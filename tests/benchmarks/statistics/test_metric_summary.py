from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from benchmarks.benchmark import ScoreOptions
from benchmarks.statistics.intervals import interval_over_seeds
from benchmarks.statistics.metric_summary import CLASS_POLICIES, summarise_classification
from selip.records.record import Metric
from selip.system.errors import InputError

OPTIONS = ScoreOptions(n_resamples=200, seed=3, confidence=0.9)
SUFFIXES = ("macro_auroc", "macro_auprc", "balanced_accuracy", "macro_f1", "mcc", "accuracy", "ece")
CLASSES = ("left", "right", "both")


def pool(scores="perfect", n_items=48):
    """16 patients with three items each, of three classes in turn."""
    rng = np.random.default_rng(0)
    truth = np.arange(n_items) % 3
    table = {"perfect": np.eye(3)[truth], "constant": np.full((n_items, 3), 1 / 3), "random": rng.random((n_items, 3))}
    frame = pd.DataFrame(np.eye(3)[truth], columns=[f"truth:{name}" for name in CLASSES])
    frame[[f"linear_score:{name}" for name in CLASSES]] = table[scores]
    frame[[f"chance_score:{name}" for name in CLASSES]] = 1 / 3
    patients = [f"p{n}" for n in np.arange(n_items) // 3]
    answers = {"truth": truth.astype(float), "linear_predicted": table[scores].argmax(axis=1).astype(float)}
    return frame.assign(patient_id=patients, weight=1.0, chance_predicted=0.0, **answers)


def test_a_perfect_model_and_one_that_knows_nothing():
    names = {f"linear_{suffix}": suffix for suffix in SUFFIXES}
    perfect = summarise_classification(pool(), names, OPTIONS)
    assert list(perfect) == list(names)
    assert {name: metric.value for name, metric in perfect.items()} == {
        name: 0.0 if name == "linear_ece" else pytest.approx(1) for name in names
    }
    nothing = summarise_classification(pool("constant"), names, OPTIONS)
    expected = (0.5, 1 / 3, 1 / 3, 1 / 6, 0, 1 / 3, 0)
    assert [metric.value for metric in nothing.values()] == pytest.approx(list(expected))
    assert [name for name, metric in perfect.items() if not metric.higher_is_better] == ["linear_ece"]


def test_metrics_say_what_they_count_and_references_have_no_interval():
    frame = pool("random")
    frame.loc[frame["patient_id"] == "p3", ["truth", *(f"truth:{name}" for name in CLASSES)]] = np.nan
    metrics = {"linear_auroc:left": "auroc", "linear_mcc": "mcc", "linear_macro_auroc/chance": "macro_auroc"}
    found = summarise_classification(frame, metrics | {"linear_mcc/chance": "mcc", "truth": "mean"}, OPTIONS)
    assert {(metric.n_patients, metric.n_items) for metric in found.values()} == {(15, 45)}
    assert [metric.statistic for metric in found.values()] == ["auroc", "mcc", "macro_auroc", "mcc", "mean"]
    assert (found["linear_macro_auroc/chance"].value, found["linear_mcc/chance"].value) == (0.5, 0)
    assert found["linear_macro_auroc/chance"].lower is found["linear_mcc/chance"].upper is None
    assert found["linear_auroc:left"].lower < found["linear_auroc:left"].value < found["linear_auroc:left"].upper


def test_a_record_and_its_table_are_enough_to_find_the_numbers_again(tmp_path):
    frame = pool("random")
    found = summarise_classification(frame, {f"linear_{name}": name for name in SUFFIXES}, OPTIONS)
    frame.to_parquet(tmp_path / "items.parquet", index=False)
    table = pd.read_parquet(tmp_path / "items.parquet").sample(frac=1, random_state=0)
    for name, metric in found.items():
        again = Metric.model_validate_json(metric.model_dump_json())
        interval = interval_over_seeds([table], name, statistic=again.statistic, **OPTIONS.resampling)
        np.testing.assert_allclose(interval, (metric.value, metric.lower, metric.upper), rtol=1e-10, atol=1e-12)


def test_classes_without_both_kinds_are_left_out():
    whole = pool("random")
    frame = whole.assign(**{"truth:all": 1.0, "truth:none": 0.0, "truth:elsewhere": np.nan})
    frame = frame.assign(**{f"linear_score:{name}": 0.5 for name in ("all", "none")})
    metrics = {"linear_macro_auroc": "macro_auroc", "linear_auroc:all": "auroc", "linear_auprc:none": "auprc"}
    found = summarise_classification(frame, metrics, OPTIONS)
    assert list(found) == ["linear_macro_auroc"]
    assert found == summarise_classification(whole, {"linear_macro_auroc": "macro_auroc"}, OPTIONS)


def test_one_patient_has_values_and_no_interval():
    found = summarise_classification(pool("random", 3), {"linear_macro_auroc": "macro_auroc"}, OPTIONS)
    assert found["linear_macro_auroc"].n_patients == 1
    assert found["linear_macro_auroc"].lower is None


def test_nothing_asked_and_nothing_there():
    assert summarise_classification(pool(), {}, OPTIONS) == {}
    with pytest.raises(InputError, match="got no column knn_predicted"):
        summarise_classification(pool(), {"knn_mcc": "mcc"}, OPTIONS)


def test_policies_name_the_bins_and_what_a_macro_mean_leaves_out():
    assert "10 bins" in CLASS_POLICIES["ECE"]
    assert "both kinds" in CLASS_POLICIES["macro"]
