from __future__ import annotations

import warnings
from typing import get_args

import numpy as np
import pandas as pd
import pytest
from bootstrap_oracles import paired_difference, patient_bootstrap
from sklearn import metrics as sk

from benchmarks.metrics.resampling import replicates_of
from benchmarks.statistics.intervals import interval_over_seeds
from benchmarks.statistics.pool_statistics import PER_ITEM, STATISTICS, known_items, limits_of, resampler_for
from benchmarks.statistics.table_intervals import row_intervals
from selip.records.record import Statistic
from selip.system.errors import InputError

CLASSES = ("infarct", "plaque", "haemorrhage", "rare", "never")
RANKED = {"auroc": sk.roc_auc_score, "auprc": sk.average_precision_score}
HARD = {
    "accuracy": sk.accuracy_score,
    "balanced_accuracy": sk.balanced_accuracy_score,
    "macro_f1": lambda truth, guess, sample_weight: sk.f1_score(
        truth, guess, average="macro", sample_weight=sample_weight, zero_division=0
    ),
    "mcc": sk.matthews_corrcoef,
    "mae": sk.mean_absolute_error,
}
CLASSIFICATION = [name for name in STATISTICS if name not in PER_ITEM]


def task(seed=0, n_items=60, n_patients=25, skill=1.0):
    """A task of five classes, one of which has a single item and one none; scores of one decimal, so that many tie."""
    rng = np.random.default_rng(seed)
    truth = np.r_[3, rng.integers(0, 3, n_items - 1)]
    logits = rng.normal(size=(n_items, 5)) + skill * np.eye(5)[truth]
    scores = np.round(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), 1)
    unknown = rng.random((n_items, 5)) < 0.1
    frame = pd.DataFrame(np.where(unknown, np.nan, np.eye(5)[truth]), columns=[f"truth:{name}" for name in CLASSES])
    frame[[f"score:{name}" for name in CLASSES]] = scores
    patients = np.r_[np.arange(n_patients), rng.integers(0, n_patients, n_items - n_patients)]
    guess = np.where(rng.random(n_items) < 0.3, rng.integers(0, 5, n_items), truth)
    numbers = {"truth": np.where(rng.random(n_items) < 0.1, np.nan, truth), "predicted": guess.astype(float)}
    return frame.assign(patient_id=[f"p{n}" for n in patients], weight=1 / rng.integers(1, 4, n_items), **numbers)


def metric_named(statistic):
    return f"{statistic}:infarct" if statistic in RANKED else statistic


def by_sklearn(frame, statistic):
    """What scikit-learn says of the items as they are."""
    if statistic in HARD:
        known = frame[frame["truth"].notna()]
        if known.empty:
            return np.nan
        return HARD[statistic](known["truth"], known["predicted"], sample_weight=known["weight"])
    if statistic == "ece":
        return ece_by_loop(frame)
    if statistic == "spearman":
        return spearman_by_loop(frame)
    function, found = RANKED[statistic.removeprefix("macro_")], []
    for name in CLASSES if statistic.startswith("macro") else CLASSES[:1]:
        known = frame[frame[f"truth:{name}"].notna()]
        if known[f"truth:{name}"].nunique() == 2:
            found.append(function(known[f"truth:{name}"], known[f"score:{name}"], sample_weight=known["weight"]))
    return np.mean(found) if found else np.nan


def ece_by_loop(frame):
    scores = frame[[f"score:{name}" for name in CLASSES]].to_numpy()
    right = frame[[f"truth:{name}" for name in CLASSES]].to_numpy()[np.arange(len(frame)), scores.argmax(axis=1)]
    items = pd.DataFrame({"weight": frame["weight"].to_numpy(), "right": right, "sure": scores.max(axis=1)}).dropna()
    items["bin"] = [max(1, sum(sure > edge for edge in np.arange(10) / 10)) for sure in items["sure"]]
    gaps = [abs((part["weight"] * (part["right"] - part["sure"])).sum()) for _, part in items.groupby("bin")]
    return sum(gaps) / items["weight"].sum() if len(items) else np.nan


def spearman_by_loop(frame):
    """Pearson's correlation of weighted mid-ranks."""
    known = frame[frame["truth"].notna()]
    weights = known["weight"].to_numpy()
    ranks = [
        [sum(w * ((b < a) + (b == a) / 2) for b, w in zip(values, weights, strict=True)) for a in values]
        for values in (known["truth"].to_numpy(), known["predicted"].to_numpy())
    ]
    covariance = np.cov(np.array(ranks), aweights=weights, ddof=0)
    return covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])


def drawn(frame, counts):
    """The items of a resample, written out as often as their patient is drawn."""
    times = dict(zip(sorted(set(frame["patient_id"])), counts, strict=True))
    return frame.loc[frame.index.repeat(frame["patient_id"].map(times).astype(int))].reset_index(drop=True)


@pytest.mark.parametrize("statistic", CLASSIFICATION)
def test_values_and_replicates_are_scikit_learns_on_the_items_written_out(statistic):
    frame = task()
    statistic_of = resampler_for(frame, metric_named(statistic), statistic)
    counts = np.random.default_rng(1).multinomial(25, np.full(25, 1 / 25), size=60).astype(float)
    counts = np.vstack([np.ones(25), counts])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # scikit-learn on classes that are predicted and never true
        expected = [by_sklearn(drawn(frame, row), statistic) for row in counts]
    np.testing.assert_allclose(statistic_of(counts)[:, 0], expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("statistic", CLASSIFICATION)
def test_one_patient_per_item_and_no_ties_is_scikit_learn_too(statistic):
    frame = task(3, 40, 40).assign(weight=1.0)
    scores = [f"score:{name}" for name in CLASSES]
    noise = np.random.default_rng(0).random((40, 5)) * 1e-3
    frame[scores] = np.clip(frame[scores] + noise, 0, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        expected = by_sklearn(frame, statistic)
    found = resampler_for(frame, metric_named(statistic), statistic)(np.ones((1, 40)))
    assert found[0, 0] == pytest.approx(expected, rel=1e-12)


def test_records_name_every_statistic_and_no_other():
    assert set(get_args(Statistic)) == set(STATISTICS)


@pytest.mark.parametrize("statistic", PER_ITEM)
def test_means_and_medians_are_what_they_were(statistic):
    rng = np.random.default_rng(0)
    frame = task().assign(score=rng.integers(0, 9, 60).astype(float))
    arguments = (frame["score"], frame["weight"], frame["patient_id"], 300)
    expected = patient_bootstrap(*arguments, statistic=statistic)
    assert interval_over_seeds([frame], "score", 300, statistic=statistic) == expected
    with pytest.raises(InputError, match="got no column R@7"):
        interval_over_seeds([frame], "R@7", 10, statistic=statistic)


@pytest.mark.parametrize("statistic", CLASSIFICATION)
def test_intervals_and_differences_of_seeds(statistic):
    ours, theirs = ([task(seed, skill=skill) for seed in (0, 1, 2)] for skill in (2.0, 0.5))
    metric, options = metric_named(statistic), {"n_resamples": 300, "statistic": statistic}
    resamplers = [resampler_for(frame, metric, statistic) for frame in ours]
    interval = interval_over_seeds(ours, metric, **options)
    assert interval.value == pytest.approx(np.mean([resampler(np.ones((1, 25))) for resampler in resamplers]))
    two = np.nanquantile(replicates_of(resamplers[:2], 25, 300, 0).cases[:, 0], [0.025, 0.975])
    np.testing.assert_allclose(interval_over_seeds(ours[:2], metric, **options)[1:], two)
    difference = paired_difference(ours, theirs, metric, **options)
    assert difference.value == pytest.approx(interval.value - interval_over_seeds(theirs, metric, **options).value)
    assert paired_difference(ours, ours, metric, **options)[:4] == (0, 0, 0, 1)
    rows = row_intervals({"ours": ours, "theirs": theirs}, [metric], **options)
    np.testing.assert_allclose(rows.intervals["ours", metric], interval, rtol=1e-10)
    np.testing.assert_allclose(rows.differences["ours", "theirs", metric], difference, rtol=1e-9, atol=1e-12)


def test_a_better_model_is_found_better():
    ours, theirs = task(0, 400, 150, 3.0), task(0, 400, 150, 1.0)
    for statistic in ("macro_auroc", "macro_auprc"):
        assert paired_difference([ours], [theirs], statistic, 500, statistic=statistic).lower > 0


def test_interval_of_auroc_covers_its_truth():
    """The two items of a patient share their noise; the true AUROC of N(1, 1) over N(0, 1) is Phi(1 / 2^.5)."""
    rng, covered = np.random.default_rng(0), 0
    for trial in range(150):
        truth = np.repeat(rng.random(60) < 0.4, 2).astype(float)
        scores = truth + np.repeat(rng.normal(size=60), 2)
        frame = pd.DataFrame({"patient_id": np.repeat(np.arange(60), 2).astype(str), "weight": 1.0})
        frame = frame.assign(**{"truth:x": truth, "score:x": scores})
        _, lower, upper = interval_over_seeds([frame], "auroc", 300, seed=trial, statistic="auroc")
        covered += lower <= 0.76025 <= upper
    assert 0.88 <= covered / 150 <= 0.99


def test_known_items_do_not_hang_on_the_model():
    frame = task()
    for statistic in CLASSIFICATION:
        other = frame.assign(predicted=0.0, **{f"score:{name}": 0.5 for name in CLASSES})
        known = known_items(frame, metric_named(statistic), statistic)
        np.testing.assert_array_equal(known, known_items(other, metric_named(statistic), statistic))
        assert 0 < known.sum() <= 60
    np.testing.assert_array_equal(known_items(frame, "mcc", "mcc"), frame["truth"].notna())
    np.testing.assert_array_equal(known_items(frame, "truth", "mean"), frame["truth"].notna())


def test_what_there_is_no_statistic_for_is_refused():
    with pytest.raises(InputError, match=r"got statistic 'mode'; allowed: mean, median, auroc, .*, mae; choose"):
        interval_over_seeds([task()], "mode", 10, statistic="mode")
    with pytest.raises(InputError, match=r"got 'auroc' in a pool of 5 classes; .* auroc:CLASS or take macro_auroc"):
        resampler_for(task().assign(**{"truth:never": 0.0}), "auroc", "auroc")
    frame = task().rename(columns=lambda name: name.replace("score:", "linear_score:"))
    with pytest.raises(InputError, match="got 'linear_auprc' in a pool"):
        resampler_for(frame, "linear_auprc", "auprc")


@pytest.mark.parametrize(
    ("values", "metric", "statistic", "expected"),
    [
        ([0.0, 1.0, np.nan], "R@10", "mean", (0, 1)),
        ([1.0, 40.0], "median_rank", "median", (0, np.inf)),
        ([0.0, 0.5], "hd95_mm", "mean", (0, np.inf)),
        ([-0.5, 0.5], "difference", "mean", (-np.inf, np.inf)),
        ([], "auroc", "auroc", (0, 1)),
        ([], "mcc", "mcc", (-1, 1)),
    ],
)
def test_limits_of_a_metric_are_those_of_its_items_or_its_formula(values, metric, statistic, expected):
    assert limits_of([pd.DataFrame({metric: values})], metric, statistic) == expected


def test_an_interval_over_seeds_stays_within_the_limits_of_its_metric():
    frames = [
        pd.DataFrame({"patient_id": list("abcdef"), "weight": 1.0, "hit": [1.0] * (6 - k) + [0.0] * k})
        for k in (0, 2, 0)
    ]
    found = interval_over_seeds(frames, "hit", n_resamples=200)
    assert found.lower >= 0
    assert found.upper == 1
    rows = row_intervals({"x": frames, "y": frames}, ["hit"], n_resamples=200)
    assert rows.intervals["x", "hit"].upper == 1
    assert np.isnan(interval_over_seeds([frames[1].iloc[:1]], "hit", n_resamples=50).upper)
