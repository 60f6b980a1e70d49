from __future__ import annotations

import importlib.util
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.benchmark import ScoreOptions
from benchmarks.classification import probes
from benchmarks.classification.probes import Examples, fit_linear, fit_neighbours, fraction_mask, task_generator
from benchmarks.settings import ProbeConfig
from benchmarks.tasks.linear_probe import BENCHMARK
from selip.system.errors import InputError

spec = importlib.util.spec_from_file_location("toy_subject", Path(__file__).parents[1] / "toy_subject.py")
toys = importlib.util.module_from_spec(spec)
spec.loader.exec_module(toys)

QUICK = ScoreOptions(n_resamples=50)
ALL_LABELS = replace(QUICK, probe=ProbeConfig(label_fractions=(1.0,)))
TASKS = ("abnormal", "lesion_type", "lobe", "side", "glioma_grade")
ANSWERS = r"predicted|score:"


def examples(n, size, n_classes=3, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, n_classes, n)
    vectors = rng.normal(size=(n, size)) + 1.5 * np.eye(n_classes, size)[labels]
    return Examples(vectors, labels, np.array([f"p{row // 2}" for row in range(n)], dtype=object))


@pytest.fixture(scope="module")
def perfect():
    return BENCHMARK.score(toys.toy_subject(transfer=toys.glioma_cohort()), QUICK)


def test_perfect_features_score_one(perfect):
    for task in TASKS:
        for vectors in ("features", "embeddings"):
            for name in ("macro_auroc", "balanced_accuracy", "macro_f1", "mcc"):
                metric = perfect.metrics[f"{task}/{vectors}_linear_{name}"]
                assert (metric.value, metric.lower, metric.upper) == (1, 1, 1), (task, vectors, name)
                assert perfect.metrics[f"{task}/{vectors}_knn_{name}"].value > 0.9


def test_random_features_score_chance():
    subject = toys.toy_subject("random", transfer=toys.glioma_cohort())
    options = replace(ALL_LABELS, n_resamples=1000, confidence=0.9999)
    found = BENCHMARK.score(subject, options).metrics
    checked = 0
    for key, metric in found.items():
        if key.endswith(("macro_auroc", "_mcc")):
            assert metric.lower <= found[f"{key}/chance"].value <= metric.upper, key
            checked += 1
    assert checked == len(TASKS) * 2 * 2 * 2


def test_metadata_majority_and_chance_stand_beside_every_metric(perfect):
    for key, metric in perfect.metrics.items():
        if key.count("/") == 1:
            for reference in ("metadata", "majority"):
                beside = perfect.metrics[f"{key}/{reference}"]
                assert beside.lower is None
                if metric.higher_is_better:
                    assert beside.value <= max(metric.value, 1e-9) or "pct" in key, key
    assert perfect.metrics["lobe/features_linear_balanced_accuracy/chance"].value == pytest.approx(1 / 3, abs=1e-4)


def test_the_metadata_model_finds_a_shortcut_that_random_features_do_not():
    cohort = toys.toy_cohort()
    left = dict(zip(cohort.studies["study_id"], cohort.studies["findings"].str.contains('"left"'), strict=True))
    leaking = cohort.volumes.assign(site=[f"site{int(left[study])}" for study in cohort.volumes["study_id"]])
    found = BENCHMARK.score(toys.toy_subject("random", replace(cohort, volumes=leaking)), ALL_LABELS).metrics
    assert found["side/features_linear_balanced_accuracy/metadata"].value == 1
    assert found["side/features_linear_balanced_accuracy"].value < 0.7


def test_labels_of_test_change_no_choice_and_no_answer():
    subject = toys.toy_subject("random")
    clean, dirty = (BENCHMARK.score(one, ALL_LABELS) for one in (subject, toys.poisoned(subject)))
    assert [clean.notes[f"chosen {task}"] for task in TASKS[:4]] == [
        dirty.notes[f"chosen {task}"] for task in TASKS[:4]
    ]
    a, b = (score.per_item.set_index(["pool", "item_id"]).filter(regex=ANSWERS) for score in (clean, dirty))
    both = a.loc[["abnormal"]].dropna(axis=1).index
    assert len(both) == 160
    assert a.loc[both].dropna(axis=1).equals(b.loc[both].dropna(axis=1))
    shared = a.index.intersection(b.index)
    assert len(shared) > len(both)
    assert a.loc[shared].equals(b.loc[shared])
    truths = [score.per_item.set_index(["pool", "item_id"])["truth"].loc[both] for score in (clean, dirty)]
    assert (truths[0] != truths[1]).any()


def test_the_rotation_of_a_wide_probe_changes_nothing(monkeypatch):
    train, val = examples(40, 90), examples(30, 90, seed=1)
    monkeypatch.setattr(probes, "INVERSE_PENALTIES", (0.01,))
    plain = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, tol=1e-8)).fit(train.vectors, train.labels)
    assert fit_linear(train, val, 3).predict(val.vectors) == pytest.approx(plain.predict_proba(val.vectors), abs=1e-3)


def test_the_penalty_is_that_of_the_lowest_loss_on_val():
    train, val = examples(150, 20), examples(100, 20, seed=1)
    losses = {}
    for penalty in probes.INVERSE_PENALTIES:
        plain = make_pipeline(StandardScaler(), LogisticRegression(C=penalty)).fit(train.vectors, train.labels)
        losses[penalty] = log_loss(val.labels, plain.predict_proba(val.vectors))
    assert fit_linear(train, val, 3).choice == min(losses, key=losses.get)


def test_a_class_that_train_lacks_has_probability_zero():
    train, val = examples(40, 5, n_classes=2), examples(20, 5, n_classes=3, seed=1)
    found = fit_linear(train, val, 3).predict(val.vectors)
    assert found.shape == (20, 3)
    assert not found[:, 2].any()
    assert found.sum(axis=1) == pytest.approx(1)


def test_neighbours_vote_as_in_the_loop():
    train, val = examples(60, 6), examples(25, 6, seed=1)
    probe = fit_neighbours(train, val, 3)
    centre, spread = train.vectors.mean(0), train.vectors.std(0)
    near = (train.vectors - centre) / spread
    for query, found in zip((val.vectors - centre) / spread, probe.predict(val.vectors), strict=True):
        cosine = near @ query / np.linalg.norm(near, axis=1) / np.linalg.norm(query)
        nearest = train.labels[np.argsort(-cosine)[: int(probe.choice)]]
        assert found == pytest.approx([(np.sum(nearest == c) + 1 / 3) / (probe.choice + 1) for c in range(3)])


def test_shares_of_patients_are_nested_whole_and_hold_every_class():
    train = examples(200, 3, n_classes=5)
    masks = [fraction_mask(train, share, task_generator(0, "lobe")) for share in (0.01, 0.1, 0.5, 1.0)]
    for small, large in pairwise(masks):
        assert not (small & ~large).any()
        assert small.sum() < large.sum()
    for mask in masks:
        assert set(train.labels[mask]) == set(range(5))
        assert not set(train.patients[mask]) & set(train.patients[~mask])
    assert [len(set(train.patients[mask])) for mask in masks[1:]] == [10, 50, 100]
    assert len(set(train.patients[masks[0]])) <= 5
    assert (fraction_mask(train, 0.1, task_generator(0, "lobe")) == masks[1]).all()
    assert (fraction_mask(train, 0.1, task_generator(1, "lobe")) != masks[1]).any()


def test_fewer_labels_give_a_metric_of_their_own(perfect):
    names = {key.split("/")[1] for key in perfect.metrics}
    for share in ("_1pct", "_10pct", ""):
        assert f"features_linear{share}_balanced_accuracy" in names


def test_metrics_follow_from_the_per_item_table(perfect):
    table = perfect.per_item
    for task in TASKS:
        items = table[table["pool"] == task]
        expected = balanced_accuracy_score(items["truth"], items["features_linear_1pct_predicted"])
        assert perfect.metrics[f"{task}/features_linear_1pct_balanced_accuracy"].value == pytest.approx(expected)


def test_only_test_is_scored():
    with pytest.raises(InputError, match="fitted on train and val"):
        BENCHMARK.score(replace(toys.toy_subject(), split="val"), QUICK)
