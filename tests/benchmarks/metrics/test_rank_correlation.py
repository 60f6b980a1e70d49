from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from benchmarks.metrics.rank_correlation import spearman_resampler


def drawn(counts, codes):
    """Rows of a resample as a plain loop makes them."""
    return np.array([row for row, patient in enumerate(codes) for _ in range(int(counts[patient]))])


@pytest.mark.parametrize("ties", [False, True])
def test_a_resample_is_the_correlation_of_the_rows_that_were_drawn(ties):
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(2, 30))
    if ties:
        one, other = np.round(one), np.round(other)
    codes, counts = np.repeat(np.arange(15), 2), rng.multinomial(15, np.full(15, 1 / 15), size=20).astype(float)
    found = spearman_resampler(one, other, np.ones(30), codes)(counts)[:, 0]
    expected = [spearmanr(one[rows], other[rows]).statistic for rows in (drawn(each, codes) for each in counts)]
    assert found == pytest.approx(expected, abs=1e-9)


def test_order_decides_alone_and_a_constant_has_none():
    values, once = np.arange(8.0), np.ones((1, 8))
    of = lambda other: spearman_resampler(values, other, np.ones(8), np.arange(8))(once)[0, 0]  # noqa: E731
    assert of(np.exp(values)) == pytest.approx(1)
    assert of(-values) == pytest.approx(-1)
    assert np.isnan(of(np.zeros(8)))
