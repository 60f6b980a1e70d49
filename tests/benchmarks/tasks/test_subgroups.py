from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.benchmark import ScoreOptions
from benchmarks.tasks.subgroups import equal_means, score, score_subject
from selip.system.errors import UnavailableError

spec = importlib.util.spec_from_file_location("toy_subject", Path(__file__).parents[1] / "toy_subject.py")
toys = importlib.util.module_from_spec(spec)
spec.loader.exec_module(toys)

OPTIONS = ScoreOptions(n_resamples=300)


def subject(lost):
    """The subject whose volumes lie at their text, but those of the rows that `lost` tells of the items (n,)."""
    found = toys.toy_subject("text")
    cohort = replace(found.cohort, studies=found.cohort.studies.assign(has_mask="0"))
    test = found._known["cohort", "test"]
    rows = np.flatnonzero(lost(test.items))
    volumes = test.volumes.copy()
    volumes[rows] = toys.unit(np.random.default_rng(0).normal(size=volumes[rows].shape))
    return replace(found, cohort=cohort, _known={**found._known, ("cohort", "test"): replace(test, volumes=volumes)})


def test_perfect_and_random():
    sure = replace(OPTIONS, n_resamples=1000, confidence=0.9999)
    perfect = score_subject(subject(lambda items: items["site"] == "nowhere"), OPTIONS)
    random = score_subject(subject(lambda items: items["site"] != "nowhere"), sure)
    for key in ("overall/MRR", "overall/worst", "site_site0/MRR", "contrast_T1/MRR"):
        assert perfect.metrics[key].value == pytest.approx(1)
    assert perfect.metrics["overall/gap_site"].value == pytest.approx(0)
    overall = random.metrics["overall/MRR"]
    assert overall.lower <= random.metrics["overall/MRR/chance"].value <= overall.upper
    assert random.metrics["overall/worst"].lower <= random.metrics["overall/worst/chance"].value


def test_a_damaged_site_is_the_worst_group_and_its_gap_alone_is_found():
    found = score_subject(subject(lambda items: items["site"] == "site1"), OPTIONS)
    own = found.metrics["site_site1/MRR"]
    worst = found.metrics["overall/worst"]
    assert worst.value == pytest.approx(own.value)
    # its interval is that of the group, whose own size is no spread of its mean
    assert (worst.upper - worst.lower) == pytest.approx(own.upper - own.lower, rel=0.25)
    best = max(metric.value for key, metric in found.metrics.items() if key.startswith("site_") and "chance" not in key)
    assert found.metrics["overall/gap_site"].value == pytest.approx(best - own.value)
    assert not found.metrics["overall/gap_site"].higher_is_better
    p_values = {kind: float(found.notes[f"by {kind}"].rsplit(" ", 1)[1]) for kind in ("site", "contrast")}
    assert p_values["site"] < 0.001 < 0.05 < p_values["contrast"]
    patients = found.per_item[found.per_item["pool"] == "site_site1"]["patient_id"].nunique()
    assert own.n_patients == patients
    assert f"site1 {own.value:.3f} of {patients} patients" in found.notes["by site"]


def test_the_means_of_extremes_are_those_of_a_loop():
    rng = np.random.default_rng(0)
    mrr, labels = rng.random(90), rng.integers(0, 3, 90)
    items = pd.DataFrame({"volume_id": np.arange(90).astype(str), "patient_id": np.arange(90) // 2, "contrast": "T1",
                          "site": "a", "text": "x"})  # fmt: skip
    groups = {str(number): labels == number for number in range(3)}
    found = score(items, {"MRR": mrr, "MRR/chance": 0.1 * mrr}, {"kind": groups}, OPTIONS).metrics
    means = [np.mean([value for value, label in zip(mrr, labels, strict=True) if label == one]) for one in range(3)]
    assert found["overall/worst"].value == pytest.approx(min(means))
    assert found["overall/gap_kind"].value == pytest.approx(max(means) - min(means))


def test_the_test_of_equal_means_holds_its_level_and_finds_a_difference():
    p_values = {0.0: [], 1.0: []}
    for trial in range(150):
        rng = np.random.default_rng(trial)
        patients = pd.Series(np.repeat(np.arange(40), 2))
        own = np.repeat(rng.normal(size=40), 2) + 0.3 * rng.normal(size=80)
        site = np.repeat(rng.permutation(40) % 2, 2).astype(bool)
        for shift, found in p_values.items():
            groups = {"a": site, "b": ~site}
            found.append(equal_means(own + shift * site, patients, groups, replace(OPTIONS, n_resamples=200))[1])
    assert 0.005 < np.mean(np.array(p_values[0.0]) < 0.05) < 0.12
    assert np.mean(np.array(p_values[1.0]) < 0.05) > 0.7


def test_groups_of_the_same_few_patients_hold_the_level_too():
    found = []
    for trial in range(200):
        values = np.random.default_rng(trial).normal(size=(8, 4))
        patients = pd.Series(np.repeat(np.arange(8), 4))
        groups = {str(one): np.tile(np.arange(4) == one, 8) for one in range(4)}
        found.append(equal_means(values.ravel(), patients, groups, replace(OPTIONS, n_resamples=200))[1])
    assert 0.005 < np.mean(np.array(found) < 0.05) < 0.1


def test_a_cohort_without_two_groups_is_refused():
    found = subject(lambda items: items["site"] == "nowhere")
    few = {
        key: replace(one, items=one.items.assign(text="no abnormal signal in the brain"))
        for key, one in found._known.items()
    }
    with pytest.raises(UnavailableError, match="no two groups"):
        score_subject(replace(found, _known=few), OPTIONS)
