"""The order of methods on two boards: rank correlations, their mean, and bounds of methods drawn anew."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from leaderboards.scores.rank_agreement import Pair, correlations


def pairs(one, other):
    return [Pair(f"m{n}", *both, trained=n > 0) for n, both in enumerate(zip(one, other, strict=True))]


def test_each_task_has_spearmans_correlation_and_the_mean_is_theirs():
    rng = np.random.default_rng(0)
    found = {name: pairs(rng.normal(size=8).round(1), rng.normal(size=8).round(1)) for name in "abc"}
    tasks, mean = correlations(found, 50)
    expected = {
        name: spearmanr([pair.one for pair in own], [pair.other for pair in own])[0] for name, own in found.items()
    }
    assert {name: one.value for name, one in tasks.items()} == pytest.approx(expected)
    assert mean.value == pytest.approx(np.mean([*expected.values()]))


def test_bounds_are_those_of_methods_drawn_again_and_again():
    """The loop that the weighted ranks stand for: methods drawn with replacement, each as often as drawn."""
    rng = np.random.default_rng(1)
    found = {name: pairs(np.arange(7), np.arange(7) + rng.normal(scale=2, size=7)) for name in "ab"}
    tasks, mean = correlations(found, 4000)
    drawn = []
    for _ in range(4000):
        rows = rng.integers(0, 7, 7)
        if len(set(rows)) > 1:
            drawn.append([spearmanr(*[[getattr(own[r], side) for r in rows] for side in ("one", "other")])[0]
                          for own in found.values()])  # fmt: skip
    table = np.array(drawn)
    for name, column in zip("ab", table.T, strict=True):
        assert tasks[name][1:] == pytest.approx(tuple(np.percentile(column, (2.5, 97.5))), abs=0.07)
    assert mean[1:] == pytest.approx(tuple(np.percentile(table.mean(1), (2.5, 97.5))), abs=0.07)


@pytest.mark.parametrize(("order", "value"), [(1, 1.0), (-1, -1.0)])
def test_the_same_order_is_one_and_the_reverse_minus_one(order, value):
    _, mean = correlations({"a": pairs(range(6), [order * 0.1 * n for n in range(6)])}, 100)
    assert (mean.value, mean.lower, mean.upper) == pytest.approx((value, value, value))


def test_a_task_on_which_all_are_alike_has_no_correlation_and_does_not_count():
    tasks, mean = correlations({"a": pairs(range(6), [1] * 6), "b": pairs(range(6), range(6))}, 20)
    assert np.isnan(tasks["a"].value)
    assert mean.value == pytest.approx(1)
    assert correlations({}, 20)[0] == {}
