from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.benchmark import ScoreOptions
from benchmarks.metrics.class_metrics import ece_resampler
from benchmarks.tasks.calibration import (
    BENCHMARK,
    TARGET,
    calibrated_ece,
    judged,
    least_confidence,
    reliability,
    risk_weights,
)

spec = importlib.util.spec_from_file_location("toy_subject", Path(__file__).parents[1] / "toy_subject.py")
toys = importlib.util.module_from_spec(spec)
spec.loader.exec_module(toys)

OPTIONS = ScoreOptions(n_resamples=100)
TASKS = ("abnormal", "lesion_type", "side")


def shuffled(share):
    """The subject whose volumes lie at their text, with a share of each part's vectors dealt out anew."""
    subject = toys.toy_subject("text")
    return replace(subject, _known={key: dealt(one, share) for key, one in subject._known.items()})


def dealt(embeddings, share):
    rng = np.random.default_rng(len(embeddings.items))
    order = np.arange(len(embeddings.items))
    moved = rng.permutation(order)[: round(share * len(order))]
    order[moved] = rng.permutation(moved)
    return replace(embeddings, volumes=embeddings.volumes[order], features=embeddings.features[order])


@pytest.fixture(scope="module")
def perfect_damaged_random():
    return [BENCHMARK.score(shuffled(share), OPTIONS).metrics for share in (0.0, 0.4, 1.0)]


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("model", ["zero_shot", "linear"])
def test_perfect_damaged_and_random(perfect_damaged_random, task, model):
    perfect, damaged, random = (one[f"{task}/{model}_aurc"] for one in perfect_damaged_random)
    assert perfect.value < 0.01
    assert perfect.value < damaged.value < random.value
    chance = perfect_damaged_random[2][f"{task}/{model}_aurc/chance"].value
    assert abs(random.value - chance) < 1.5 * (random.upper - random.lower)
    assert not random.higher_is_better
    answered = [one[f"{task}/{model}_answered"] for one in perfect_damaged_random]
    assert answered[0].value > 0.95
    assert answered[2].value < 0.5
    assert answered[0].higher_is_better


def answers(n=300, seed=0, n_classes=3):
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(n_classes), n)
    drawn = np.array([rng.choice(n_classes, p=one) for one in probabilities])
    return probabilities, drawn, rng


def test_the_area_is_that_of_a_loop_over_coverages():
    probabilities, labels, _ = answers(60)
    sure, right, weight = judged(probabilities, labels)
    order = np.argsort(-sure)
    area = 0.0
    for k in range(1, 61):
        kept = order[:k]
        area += weight[order[k - 1]] * (weight[kept] * ~right[kept]).sum() / weight[kept].sum()
    assert (weight * ~right * risk_weights(sure, weight)).sum() == pytest.approx(area)


def test_confidence_that_tells_nothing_has_the_error_itself():
    _, right, weight = judged(*answers()[:2])
    area = (weight * ~right * risk_weights(np.ones(300), weight)).mean()
    assert area == pytest.approx((weight * ~right).mean())


def test_each_class_weighs_the_same():
    _, _, weight = judged(np.ones((6, 2)), np.array([0, 0, 0, 0, 1, 1]))
    assert weight.tolist() == [0.75] * 4 + [1.5] * 2


def test_the_least_confidence_keeps_as_many_as_may_be():
    sure, right = np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, True, False, True])
    assert least_confidence(sure, right, np.ones(4)) == 0.8
    assert least_confidence(sure, np.ones(4, dtype=bool), np.ones(4)) == 0.6
    assert least_confidence(sure, np.zeros(4, dtype=bool), np.ones(4)) == np.inf
    probabilities, labels, _ = answers(500, 3)
    sure, right, weight = judged(probabilities, labels)
    kept = sure >= least_confidence(sure, right, weight)
    assert (weight * ~right)[kept].sum() <= TARGET * weight[kept].sum()


def test_a_calibrated_model_has_the_expected_ece_and_one_that_is_too_sure_has_more():
    probabilities, _, rng = answers(200)
    expected = calibrated_ece(probabilities, np.arange(200), np.random.default_rng(1))
    codes, weights = np.arange(200), np.ones(200)

    def ece(scores):
        truths = np.array([np.eye(3)[rng.choice(3, p=one)] for one in probabilities])
        return ece_resampler(truths, scores, weights, codes)(np.ones((1, 200)))[0, 0]

    assert np.mean([ece(probabilities) for _ in range(60)]) == pytest.approx(expected, rel=0.1)
    sharp = probabilities**4 / (probabilities**4).sum(axis=1, keepdims=True)
    assert ece(sharp) > 3 * calibrated_ece(sharp, np.arange(200), np.random.default_rng(1))


def test_volumes_of_a_patient_share_the_truth_that_calibration_draws():
    once, _, _ = answers(50)
    often, patients = np.repeat(once, 4, axis=0), np.repeat(np.arange(50), 4)
    of_patients = calibrated_ece(often, patients, np.random.default_rng(1))
    assert of_patients == pytest.approx(calibrated_ece(once, np.arange(50), np.random.default_rng(2)), rel=0.05)
    assert of_patients > 1.5 * calibrated_ece(often, np.arange(200), np.random.default_rng(1))


def test_the_reliability_curve_counts_every_volume():
    probabilities, labels, _ = answers(100)
    said = reliability(probabilities, labels)
    assert sum(int(part.rsplit(" ", 1)[1]) for part in said.split("; ")) == 100
    frame = pd.DataFrame({"sure": probabilities.max(axis=1), "right": probabilities.argmax(axis=1) == labels})
    first = frame[frame["sure"] <= 0.4]
    assert said.startswith(f"said {first['sure'].mean():.2f}, is {first['right'].mean():.2f} of {len(first)}")
