from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from benchmarks.benchmark import ScoreOptions
from benchmarks.settings import ProbeConfig
from benchmarks.tasks.few_shot import BENCHMARK, balancing_weights, centred, nearest_mean, supports
from selip.system.errors import InputError

spec = importlib.util.spec_from_file_location("toy_subject", Path(__file__).parents[1] / "toy_subject.py")
toys = importlib.util.module_from_spec(spec)
spec.loader.exec_module(toys)

OPTIONS = ScoreOptions(n_resamples=200)
LABELS = np.repeat([0, 1, 2], [40, 20, 3])
PATIENTS = np.array([f"p{row // 2}" for row in range(len(LABELS))], dtype=object)


def drawn(shots, task="lobe", options=OPTIONS):
    return list(supports(LABELS, PATIENTS, shots, task, options))


def test_a_support_set_has_its_shots_of_each_class():
    for shots, expected in ((1, [1, 1, 1]), (4, [4, 4, 3]), (64, [40, 20, 3])):
        for support in drawn(shots):
            assert np.bincount(LABELS[support]).tolist() == expected
            assert len(set(support)) == len(support)


def test_a_support_set_has_as_many_patients_as_there_are():
    for support in drawn(16):
        assert len(set(PATIENTS[support[LABELS[support] == 0]])) == 16
        assert len(set(PATIENTS[support[LABELS[support] == 1]])) == 10


def test_draws_differ_from_each_other_and_are_a_function_of_seed_task_and_shots():
    first = [tuple(support) for support in drawn(4)]
    assert len(first) == 5
    assert len(set(first)) == 5
    assert first == [tuple(support) for support in drawn(4)]
    assert first != [tuple(support) for support in drawn(4, task="side")]
    assert first != [tuple(support) for support in drawn(4, options=replace(OPTIONS, seed=1))]


def test_the_nearest_mean_is_that_of_the_loop():
    rng = np.random.default_rng(0)
    support, labels, queries = rng.normal(size=(30, 5)), np.arange(30) % 3, rng.normal(size=(50, 5))
    found = nearest_mean(support, labels, queries, 3)
    for query, answer in zip(queries, found, strict=True):
        cosines = []
        for label in range(3):
            mean = support[labels == label].mean(axis=0)
            cosines.append(mean @ query / np.linalg.norm(mean) / np.linalg.norm(query))
        assert answer == np.argmax(cosines)


def test_a_class_without_support_and_a_vector_at_the_mean_are_harmless():
    assert nearest_mean(np.eye(2), np.array([0, 2]), np.eye(2), 3).tolist() == [0, 2]
    assert centred(np.ones((2, 3)), np.ones(3)).tolist() == [[0, 0, 0]] * 2


def test_the_weighted_mean_of_correctness_is_balanced_accuracy():
    rng = np.random.default_rng(0)
    truth = rng.choice(4, 200, p=[0.6, 0.2, 0.15, 0.05])
    predicted = np.where(rng.random(200) < 0.5, truth, rng.integers(0, 4, 200))
    found = np.average(truth == predicted, weights=balancing_weights(truth))
    assert found == pytest.approx(balanced_accuracy_score(truth, predicted))
    assert balancing_weights(truth).sum() == pytest.approx(200)


def test_perfect_features_score_one_from_enough_shots_and_random_ones_chance():
    perfect = BENCHMARK.score(toys.toy_subject(transfer=toys.glioma_cohort()), OPTIONS).metrics
    options = replace(OPTIONS, n_resamples=1000, confidence=0.9999)
    random = BENCHMARK.score(toys.toy_subject("random", transfer=toys.glioma_cohort()), options).metrics
    for task, n_classes in (("abnormal", 2), ("lesion_type", 3), ("lobe", 3), ("side", 2), ("glioma_grade", 2)):
        key = f"{task}/features_64shot_balanced_accuracy"
        assert perfect[key].value == 1
        assert perfect[f"{key}/metadata"].value < 0.8
        for shots in (1, 4, 16, 64):
            key = f"{task}/embeddings_{shots}shot_balanced_accuracy"
            assert random[key].lower <= random[f"{key}/chance"].value <= random[key].upper
            assert random[f"{key}/chance"].value == pytest.approx(1 / n_classes)


def test_per_item_scores_are_shares_of_the_draws_and_labels_of_test_change_no_support():
    subject = toys.toy_subject("random")
    options = replace(OPTIONS, probe=ProbeConfig(shots=(4,), draws=5))
    clean, dirty = (BENCHMARK.score(one, options).per_item for one in (subject, toys.poisoned(subject)))
    columns = ["features_4shot_balanced_accuracy", "embeddings_4shot_balanced_accuracy"]
    assert np.isin((clean[columns] * 5).round(9), range(6)).all()
    pairs = [frame[frame["pool"] == "abnormal"].set_index("item_id") for frame in (clean, dirty)]
    same = pairs[0]["truth"] == pairs[1]["truth"]
    # Two classes: where the truth was exchanged, right becomes wrong in every draw, so the answers were the same.
    assert pairs[0].loc[same, columns].equals(pairs[1].loc[same, columns])
    assert np.allclose(pairs[0].loc[~same, columns], 1 - pairs[1].loc[~same, columns])
    assert 0 < same.sum() < len(same)


def test_only_test_is_scored():
    with pytest.raises(InputError, match="fitted on train and val"):
        BENCHMARK.score(replace(toys.toy_subject(), split="all"), OPTIONS)


def test_metadata_that_tell_the_class_are_not_drowned_by_age():
    cohort = toys.toy_cohort()
    left = dict(zip(cohort.studies["study_id"], cohort.studies["findings"].str.contains('"left"'), strict=True))
    leaking = cohort.volumes.assign(site=[f"site{int(left[study])}" for study in cohort.volumes["study_id"]])
    found = BENCHMARK.score(toys.toy_subject("random", replace(cohort, volumes=leaking)), OPTIONS).metrics
    assert found["side/features_64shot_balanced_accuracy/metadata"].value > 0.95
