from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from bootstrap_oracles import paired_difference, patient_bootstrap
from scipy.stats import false_discovery_control

from benchmarks.metrics import resampling
from benchmarks.metrics.resampling import replicates_of, resampler_of
from benchmarks.statistics.intervals import bootstrap_columns, hierarchical_bootstrap, holm
from selip.system.errors import InputError


def weighted_median(values, weights):
    order = np.argsort(values)
    reached = np.cumsum(weights[order])
    return values[order][np.searchsorted(reached, 0.5 * reached[-1] - 1e-9)]


def statistic_by_loop(values, weights, codes, counts, statistic):
    """Writes every drawn patient's items out, as often as they were drawn."""
    rows = np.concatenate([np.repeat(np.flatnonzero(codes == p), int(times)) for p, times in enumerate(counts)])
    rows = rows[np.isfinite(values[rows])]
    if statistic == "mean":
        return np.average(values[rows], weights=weights[rows])
    return weighted_median(values[rows], weights[rows])


@pytest.mark.parametrize("statistic", ["mean", "median"])
def test_all_resamples_at_once_equal_the_loop(statistic):
    rng = np.random.default_rng(0)
    codes = np.r_[np.arange(6), rng.integers(0, 6, 24)]
    values = rng.integers(1, 8, (30, 3)).astype(float)
    values[rng.random((30, 3)) < 0.1] = np.nan
    weights = 1 / rng.integers(1, 4, 30)
    counts = rng.multinomial(6, np.full(6, 1 / 6), size=50).astype(float)
    found = resampler_of(values, weights, codes, statistic)(counts)
    expected = [[statistic_by_loop(column, weights, codes, row, statistic) for column in values.T] for row in counts]
    np.testing.assert_allclose(found, expected)


def test_draws_are_multinomial_and_do_not_depend_on_the_chunk(monkeypatch):
    whole = [np.concatenate(part) for part in zip(*resampling._draws(7, 3, 500, seed=1), strict=True)]
    monkeypatch.setattr(resampling, "_CHUNK_ENTRIES", 64)
    parts = [np.concatenate(part) for part in zip(*resampling._draws(7, 3, 500, seed=1), strict=True)]
    for one, other, units in zip(whole, parts, (7, 3), strict=True):
        np.testing.assert_array_equal(one, other)
        assert (one.sum(axis=1) == units).all()
        np.testing.assert_allclose(one.mean(axis=0), 1, atol=0.2)


def frame_of(values, patients=None, weights=1.0):
    patients = [f"p{n}" for n in range(len(values))] if patients is None else patients
    return pd.DataFrame({"patient_id": patients, "weight": weights, "metric": values})


def clustered(rng, n_patients=40, per_patient=4):
    patients = np.repeat(np.arange(n_patients), per_patient)
    values = rng.normal(0, 1, n_patients)[patients] + rng.normal(0, 0.5, len(patients))
    return values, patients


def test_interval_covers_the_truth_when_patients_are_clusters():
    rng = np.random.default_rng(0)
    covered = {"patients": 0, "items": 0}
    for trial in range(200):
        values, patients = clustered(rng)
        for unit, groups in (("patients", patients), ("items", np.arange(len(values)))):
            _, lower, upper = patient_bootstrap(values, np.ones(len(values)), groups, 400, seed=trial)
            covered[unit] += lower <= 0 <= upper
    assert 0.89 <= covered["patients"] / 200 <= 0.99
    assert covered["items"] / 200 < 0.8  # what resampling volumes would claim


def test_interval_over_seeds_covers_when_seeds_share_their_patients():
    rng = np.random.default_rng(1)
    covered = 0
    for trial in range(150):
        patient, seeds = rng.normal(0, 1, 40), rng.normal(0, 0.1, 8)
        frames = [frame_of(patient + shift + rng.normal(0, 0.3, 40)) for shift in seeds]
        _, lower, upper = hierarchical_bootstrap(frames, "metric", 400, seed=trial)
        covered += lower <= 0 <= upper
    assert 0.87 <= covered / 150 <= 0.99


def test_one_seed_is_the_patient_bootstrap_and_seeds_widen_it():
    rng = np.random.default_rng(0)
    values, patients = clustered(rng)
    one = hierarchical_bootstrap([frame_of(values, patients)], "metric", 1000)
    np.testing.assert_allclose(one, patient_bootstrap(values, np.ones(len(values)), patients, 1000))
    several = hierarchical_bootstrap([frame_of(values + shift, patients) for shift in (-1, 0, 1)], "metric", 1000)
    assert several.value == pytest.approx(one.value)
    assert several.upper - several.lower > 1.5 * (one.upper - one.lower)


def test_difference_of_identical_frames_is_exactly_zero():
    rng = np.random.default_rng(0)
    frames = [frame_of(*clustered(rng)) for _ in range(3)]
    assert paired_difference(frames, frames, "metric", 500) == (0, 0, 0, 1)


@pytest.mark.parametrize("statistic", ["mean", "median"])
def test_difference_is_paired_and_antisymmetric(statistic):
    rng = np.random.default_rng(0)
    a = [frame_of(*clustered(rng)) for _ in range(3)]
    b = [frame.assign(metric=frame["metric"] - 0.25) for frame in a]
    forth = paired_difference(a, b, "metric", 500, statistic=statistic)
    np.testing.assert_allclose(forth[:3], 0.25)  # patients and seeds cancel, so nothing is left to spread
    assert forth.p_value == pytest.approx(2 / 501)
    back = paired_difference(b, a, "metric", 500, statistic=statistic)
    np.testing.assert_allclose(back[:3], -0.25)


def test_paired_interval_is_the_one_of_the_differences():
    rng = np.random.default_rng(2)
    a, b = (frame_of(*clustered(rng)) for _ in range(2))
    paired = paired_difference([a], [b], "metric", 800)
    direct = patient_bootstrap(a["metric"] - b["metric"], a["weight"], a["patient_id"], 800)
    np.testing.assert_allclose(paired[:3], direct)


def test_value_and_bounds_grow_with_the_scores():
    values, patients = clustered(np.random.default_rng(0))
    weights = np.random.default_rng(1).random(len(values))
    for statistic in ("mean", "median"):
        low = patient_bootstrap(values, weights, patients, 500, statistic=statistic)
        high = patient_bootstrap(values + np.abs(values), weights, patients, 500, statistic=statistic)
        assert all(above >= below for above, below in zip(high, low, strict=True))
        assert low.lower <= low.value <= low.upper


def test_columns_share_resamples_and_items_have_no_order():
    rng = np.random.default_rng(0)
    values, patients = clustered(rng)
    table = np.column_stack([values, 2 * values])
    first, second = bootstrap_columns(table, np.ones(len(values)), patients, 300)
    np.testing.assert_allclose(second, 2 * np.array(first))
    shuffled = rng.permutation(len(values))
    again = bootstrap_columns(table[shuffled], np.ones(len(values)), patients[shuffled], 300)
    np.testing.assert_allclose(again, [first, second])
    narrower = patient_bootstrap(values, np.ones(len(values)), patients, 300, confidence=0.5)
    assert narrower.upper - narrower.lower < first.upper - first.lower


def test_weights_count_like_copies():
    values, patients, copies = np.array([1.0, 2.0, 7.0]), np.array(["a", "b", "c"]), np.array([3, 1, 1])
    for statistic in ("mean", "median"):
        weighted = patient_bootstrap(values, copies, patients, 300, statistic=statistic)
        written_out = patient_bootstrap(
            np.repeat(values, copies), np.ones(5), np.repeat(patients, copies), 300, statistic=statistic
        )
        np.testing.assert_allclose(weighted, written_out)


def test_one_patient_has_a_value_and_no_interval():
    value, lower, upper = patient_bootstrap([0.0, 1.0], [1, 1], ["a", "a"], 100)
    assert value == 0.5
    assert np.isnan([lower, upper]).all()
    frames = [frame_of([0.0, 1.0], ["a", "a"])]
    assert np.isnan(paired_difference(frames, frames, "metric", 100)[1:]).all()


def test_resamples_without_a_known_item_are_left_out():
    value, lower, upper = patient_bootstrap([1.0, np.nan, np.nan], [1, 1, 1], ["a", "b", "c"], 200)
    assert (value, lower, upper) == (1, 1, 1)
    assert np.isnan(patient_bootstrap([np.nan, np.nan], [1, 1], ["a", "b"], 200)).all()


def test_what_cannot_be_paired_is_refused():
    a, b = frame_of([1.0, 2.0]), frame_of([1.0, 2.0], ["p0", "p9"])
    with pytest.raises(InputError, match="different sets of patients"):
        hierarchical_bootstrap([a, b], "metric", 10)
    with pytest.raises(InputError, match="allowed: mean, median"):
        patient_bootstrap([1.0], [1.0], ["a"], 10, statistic="mode")


def test_holm_by_its_definition():
    p = [0.01, 0.04, 0.03, 0.005]
    assert holm(p) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    rng = np.random.default_rng(0)
    many = rng.random(12) ** 3
    adjusted = np.array(holm(list(many)))
    assert (adjusted >= many).all()
    assert (adjusted <= np.minimum(1, 12 * many) + 1e-12).all()
    assert (np.diff(adjusted[np.argsort(many)]) >= 0).all()
    assert (adjusted >= false_discovery_control(many) - 1e-12).all()  # family-wise error is stricter
    assert holm([]) == []


def test_replicates_average_the_drawn_seeds():
    constant = [resampler_of(np.full((2, 1), level), np.ones(2), np.arange(2), "mean") for level in (0.0, 3.0)]
    assert set(replicates_of(constant, 2, 300, seed=0).ravel()) == {0.0, 1.5, 3.0}
