from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from bootstrap_oracles import paired_difference, patient_bootstrap
from scipy.stats import false_discovery_control, ttest_1samp
from seed_simulation import SHARES, covered, false_families

from benchmarks.metrics import resampling
from benchmarks.metrics.resampling import replicates_of, resampler_of
from benchmarks.statistics.intervals import bootstrap_columns, holm, interval_over_seeds, precision_of
from selip.system.errors import InputError

MONTE_CARLO = np.sqrt(0.05 * 0.95 / 800)


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


@pytest.mark.parametrize(("statistic", "few"), [("mean", 200), ("median", 200), ("median", 2)])
def test_all_resamples_at_once_equal_the_loop(monkeypatch, statistic, few):
    monkeypatch.setattr(resampling, "FEW_VALUES", few)
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
    whole = np.concatenate(list(resampling._draws(7, 3, 500, seed=1)))
    monkeypatch.setattr(resampling, "_CHUNK_ENTRIES", 64)
    np.testing.assert_array_equal(np.concatenate(list(resampling._draws(7, 30, 500, seed=1))), whole)
    assert (whole.sum(axis=1) == 7).all()
    np.testing.assert_allclose(whole.mean(axis=0), 1, atol=0.2)


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


@pytest.mark.parametrize("n_seeds", [3, 6, 10])
@pytest.mark.parametrize("shares", SHARES.values(), ids=SHARES)
def test_interval_over_seeds_holds_the_truth_93_to_97_times_in_a_hundred(n_seeds, shares):
    found = np.mean([covered(200, n_seeds, shares, part) for part in range(4)])
    assert 0.93 - 2 * MONTE_CARLO <= found <= 0.97 + 2 * MONTE_CARLO  # 800 data sets; the page has 5,000


@pytest.mark.parametrize("shares", SHARES.values(), ids=SHARES)
def test_a_family_without_a_true_difference_is_separated_once_in_twenty_at_most(shares):
    assert false_families(400, 3, shares) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 400)


def variances_by_loop(table):
    """Searle, Casella & McCulloch: mean squares of K seeds by P patients, divided by K P."""
    n_seeds, n_patients = table.shape
    rows, columns, grand = table.mean(axis=1), table.mean(axis=0), table.mean()
    rest = sum((table[k, p] - rows[k] - columns[p] + grand) ** 2 for k in range(n_seeds) for p in range(n_patients))
    rest /= (n_seeds - 1) * (n_patients - 1)
    of_patients = n_seeds * sum((column - grand) ** 2 for column in columns) / (n_patients - 1)
    of_seeds = n_patients * sum((row - grand) ** 2 for row in rows) / (n_seeds - 1)
    return (of_patients - rest) / table.size, of_seeds / table.size


def test_variances_are_those_of_the_crossed_layout():
    rng = np.random.default_rng(3)
    table = rng.normal(size=(4, 1)) + rng.normal(size=(1, 80)) + rng.normal(size=(4, 80))
    resamplers = [resampler_of(row[:, None], np.ones(80), np.arange(80), "mean") for row in table]
    found = precision_of(replicates_of(resamplers, 80, 20_000, seed=0), 80)
    patients, seeds = variances_by_loop(table)
    assert found.seeds[0] == pytest.approx(seeds)
    assert found.patients[0] == pytest.approx(patients, rel=0.04)
    share = seeds / (seeds + patients)
    assert 1 / found.df[0] == pytest.approx(share / 3 + (1 - share) / 79, rel=0.03)


def test_where_seeds_make_all_of_the_spread_it_is_student_s_interval_and_test():
    levels = np.array([0.1, 0.5, 0.3, 0.4])
    found = paired_difference([frame_of(np.full(9, x)) for x in levels], [frame_of(np.zeros(9))] * 4, "metric", 50)
    reference = ttest_1samp(levels, 0)
    np.testing.assert_allclose(found[:3], (0.325, *reference.confidence_interval(0.95)))
    assert found.p_value == pytest.approx(reference.pvalue, rel=0.01)
    assert (found.error, found.df) == (pytest.approx(levels.std(ddof=1) / 2), 3)


def test_two_seeds_describe_runs_and_know_nothing_of_others():
    values, patients = clustered(np.random.default_rng(0))
    apart = [frame_of(values + shift, patients) for shift in (-1, 1)]
    found = interval_over_seeds(apart, "metric", 500)
    np.testing.assert_allclose(found, patient_bootstrap(values, np.ones(len(values)), patients, 500))
    assert np.isnan(paired_difference(apart, apart[::-1], "metric", 50).error)


def test_one_seed_is_the_patient_bootstrap_and_seeds_widen_it():
    rng = np.random.default_rng(0)
    values, patients = clustered(rng)
    one = interval_over_seeds([frame_of(values, patients)], "metric", 1000)
    np.testing.assert_allclose(one, patient_bootstrap(values, np.ones(len(values)), patients, 1000))
    several = interval_over_seeds([frame_of(values + shift, patients) for shift in (-1, 0, 1)], "metric", 1000)
    assert several.value == pytest.approx(one.value)
    assert several.upper - several.lower > 1.5 * (one.upper - one.lower)


def test_difference_of_identical_frames_is_exactly_zero():
    rng = np.random.default_rng(0)
    frames = [frame_of(*clustered(rng)) for _ in range(3)]
    assert paired_difference(frames, frames, "metric", 500)[:4] == (0, 0, 0, 1)


@pytest.mark.parametrize("statistic", ["mean", "median"])
def test_difference_is_paired_and_antisymmetric(statistic):
    rng = np.random.default_rng(0)
    a = [frame_of(*clustered(rng)) for _ in range(3)]
    b = [frame.assign(metric=frame["metric"] - 0.25) for frame in a]
    forth = paired_difference(a, b, "metric", 500, statistic=statistic)
    np.testing.assert_allclose(forth[:3], 0.25)  # patients and seeds cancel, so nothing is left to spread
    assert forth.p_value < 1e-6
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
        interval_over_seeds([a, b], "metric", 10)
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


def test_replicates_average_the_seeds_on_the_same_draws():
    rng = np.random.default_rng(0)
    tables = rng.normal(size=(3, 12, 2))
    resamplers = [resampler_of(table, np.ones(12), np.arange(12), "mean") for table in tables]
    found = replicates_of(resamplers, 12, 40, seed=0)
    counts = np.concatenate(list(resampling._draws(12, 6, 40, seed=0)))
    drawn = np.stack([resampler(counts) for resampler in resamplers])
    np.testing.assert_allclose(found.values, tables.mean(axis=1))
    np.testing.assert_allclose(found.cases, drawn.mean(axis=0))
    own = drawn - drawn.mean(axis=0) - (found.values - found.values.mean(axis=0))[:, None]
    np.testing.assert_allclose(found.noise, (own**2).mean(axis=1).sum(axis=0) / 2)
