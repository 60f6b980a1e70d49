from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.benchmark import ScoreOptions
from benchmarks.tasks.value_probe import BENCHMARK
from selip.data.cohort_declaration import DeclaredTask
from selip.system.errors import UnavailableError

spec = importlib.util.spec_from_file_location("toy_subject", Path(__file__).parents[1] / "toy_subject.py")
toys = importlib.util.module_from_spec(spec)
spec.loader.exec_module(toys)

QUICK = ScoreOptions(n_resamples=50, keep_references=True)


def subject_with(numbers, vectors="perfect"):
    cohort = toys.toy_cohort()
    made = numbers(cohort.studies)
    studies = cohort.studies.assign(**{"value:edss": [str(number) for number in made]})
    tasks = {"value:edss": DeclaredTask(unit="points")}
    subject = toys.toy_subject(vectors, cohort)
    return replace(subject, cohort=replace(cohort, studies=studies, info=replace(cohort.info, tasks=tasks)))


def of_type(studies):
    """A number that the painted lesion type decides."""
    return [len(painted) for painted in studies["painted"]]


def test_a_number_that_the_features_tell_is_predicted_and_metadata_do_not_know_it():
    found = BENCHMARK.score(subject_with(of_type), QUICK)
    rank, error = (found.metrics[f"edss/features_ridge_{kind}"] for kind in ("spearman", "mae"))
    assert rank.value > 0.8
    assert (rank.higher_is_better, error.higher_is_better) == (True, False)
    assert error.value < 0.6 * found.metrics["edss/features_ridge_mae/majority"].value
    assert abs(found.metrics["edss/features_ridge_spearman/metadata"].value) < 0.4
    assert "in points" in found.notes["task edss"]
    truth, column = found.per_item["truth"], found.per_item["features_ridge_predicted"]
    assert error.value == pytest.approx(np.abs(truth - column).mean())
    assert "features_ridge_predicted/metadata" in found.per_item


def test_random_features_tell_no_number_and_a_cohort_without_numbers_is_not_scored():
    found = BENCHMARK.score(subject_with(of_type, "random"), replace(QUICK, n_resamples=500, confidence=0.999))
    rank = found.metrics["edss/features_ridge_spearman"]
    assert rank.lower < 0 < rank.upper
    with pytest.raises(UnavailableError, match="no column value:NAME"):
        BENCHMARK.score(toys.toy_subject(), QUICK)
    with pytest.raises(UnavailableError, match="fewer than 20 patients"):
        BENCHMARK.score(subject_with(lambda studies: ["1"] + [""] * (len(studies) - 1)), QUICK)
