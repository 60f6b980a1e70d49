from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from bootstrap_oracles import paired_difference

from benchmarks.metrics.resampling import Table, resampler_of, side_by_side
from benchmarks.statistics.intervals import interval_over_seeds
from benchmarks.statistics.table_intervals import row_intervals
from selip.system.errors import InputError

METRICS = ("rank", "score")


def frame_of(rng, patients, holes=0.0, weights=None):
    score = rng.random(len(patients))
    score[rng.random(len(patients)) < holes] = np.nan
    weights = 1 / rng.integers(1, 4, len(patients)) if weights is None else weights
    rank = rng.integers(1, 30, len(patients)).astype(float)
    return pd.DataFrame({"patient_id": patients, "weight": weights, "rank": rank, "score": score})


def board(n_seeds=3, holes=0.0, rows=("a", "b", "c")):
    """Rows with their own items and weights, of the same 25 patients."""
    rng = np.random.default_rng(n_seeds)
    names = np.array([f"p{n}" for n in range(25)])
    return {
        row: [frame_of(rng, np.r_[names, rng.choice(names, 30 + seed)], holes) for seed in range(n_seeds)]
        for row in rows
    }


@pytest.mark.parametrize("statistic", ["mean", "median"])
@pytest.mark.parametrize(("n_seeds", "holes"), [(1, 0.0), (3, 0.0), (3, 0.2)])
def test_all_at_once_equals_one_at_a_time(statistic, n_seeds, holes):
    frames = board(n_seeds, holes)
    options = {"n_resamples": 400, "seed": 5, "statistic": statistic, "confidence": 0.9}
    found = row_intervals(frames, METRICS, **options)
    assert list(found.intervals) == [(row, metric) for row in "abc" for metric in METRICS]
    assert list(found.differences) == [(*pair, metric) for pair in ("ab", "ac", "bc") for metric in METRICS]
    for (row, metric), interval in found.intervals.items():
        np.testing.assert_allclose(interval, interval_over_seeds(frames[row], metric, **options), rtol=1e-10)
    for (a, b, metric), difference in found.differences.items():
        expected = paired_difference(frames[a], frames[b], metric, **options)
        np.testing.assert_allclose(difference, expected, rtol=1e-9, atol=1e-12)


def test_declared_pairs_are_signed_and_change_no_other_number():
    frames = board()
    every = row_intervals(frames, METRICS, n_resamples=200)
    declared = row_intervals(frames, METRICS, [("c", "a")], n_resamples=200)
    assert declared.intervals == every.intervals
    assert list(declared.differences) == [("c", "a", "rank"), ("c", "a", "score")]
    forth, back = every.differences["a", "c", "score"], declared.differences["c", "a", "score"]
    np.testing.assert_allclose(back[:2], (-forth.value, -forth.upper))
    assert back.p_value == forth.p_value
    assert not row_intervals(frames, METRICS, [], n_resamples=10).differences


def test_order_of_rows_and_metrics_is_only_an_order():
    frames = board()
    one = row_intervals(frames, METRICS, [("a", "b")], n_resamples=200)
    other = row_intervals(dict(reversed(frames.items())), METRICS[::-1], [("a", "b")], n_resamples=200)
    for name, interval in one.intervals.items():
        np.testing.assert_allclose(other.intervals[name], interval, rtol=1e-12)
    for name, difference in one.differences.items():
        np.testing.assert_allclose(other.differences[name], difference, rtol=1e-9, atol=1e-12)


def test_equal_rows_differ_by_exactly_nothing_wherever_they_stand():
    frames = board(rows=[f"m{n}" for n in range(9)])
    twins = frames | {"twin": [frame.sample(frac=1, random_state=0) for frame in frames["m0"]]}
    found = row_intervals(twins, METRICS, [("m0", "twin")], n_resamples=300)
    assert {one[:4] for one in found.differences.values()} == {(0, 0, 0, 1)}


def test_one_patient_has_values_and_nothing_else():
    frame = pd.DataFrame({"patient_id": ["a", "a"], "weight": 1.0, "score": [0.0, 1.0]})
    found = row_intervals({"a": [frame], "b": [frame]}, ["score"], n_resamples=20)
    assert found.intervals["a", "score"].value == 0.5
    assert np.isnan(found.intervals["a", "score"][1:]).all()
    assert np.isnan(found.differences["a", "b", "score"][1:]).all()


@pytest.mark.parametrize("statistic", ["mean", "median"])
def test_side_by_side_is_every_table_on_its_own(statistic):
    rng = np.random.default_rng(0)
    tables = []
    for n_columns in (1, 3):
        values = rng.random((20, n_columns))
        values[rng.random(values.shape) < 0.2] = np.nan
        tables.append(Table(values, rng.random(20) + 0.1, np.r_[np.arange(6), rng.integers(0, 6, 14)]))
    counts = rng.multinomial(6, np.full(6, 1 / 6), size=40).astype(float)
    expected = np.hstack([resampler_of(*table, statistic)(counts) for table in tables])
    np.testing.assert_allclose(side_by_side(tables, statistic)(counts), expected)


def test_what_cannot_be_put_in_one_table_is_refused():
    frames = board()
    with pytest.raises(InputError, match=r"got seeds by row \{'a': 3, 'b': 2\}"):
        row_intervals({"a": frames["a"], "b": frames["b"][:2]}, METRICS)
    with pytest.raises(InputError, match="run the missing ones"):
        row_intervals({"a": []}, METRICS)
    with pytest.raises(InputError, match="got no column MRR"):
        row_intervals(frames, ["score", "MRR"])
    with pytest.raises(InputError, match="got pairs with z; allowed: a, b, c"):
        row_intervals(frames, METRICS, [("a", "z")])
    fewer = [frame[frame["patient_id"] != "p3"] for frame in frames["b"]]
    with pytest.raises(InputError, match="different sets of patients"):
        row_intervals({"a": frames["a"], "b": fewer}, METRICS)
    with pytest.raises(InputError, match="allowed: mean, median"):
        row_intervals(frames, METRICS, statistic="mode")
