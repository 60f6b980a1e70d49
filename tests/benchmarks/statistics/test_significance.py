from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import rankdata, wilcoxon
from seed_simulation import SHARES, scores
from seed_simulation import differences as estimated

from benchmarks.statistics.intervals import Difference
from benchmarks.statistics.significance import sign_flip, smallest_detectable_difference
from selip.system.errors import InputError


def flipped_one_by_one(differences):
    """Count the sign vectors whose sum is as far from 0; the first sign mirrors every sum and stays."""
    sums = differences[:1]
    for difference in differences[1:]:
        sums = np.concatenate([sums + difference, sums - difference])
    slack = 1e-12 * np.abs(differences).sum()
    return np.mean(np.abs(sums) >= abs(differences.sum()) - slack)


@pytest.mark.parametrize("n", range(2, 17))
def test_sign_flip_is_the_count_over_all_sign_vectors(n):
    rng = np.random.default_rng(n)
    for differences in (rng.normal(0.5, 1, n), 0.1 * rng.integers(-2, 4, n), np.full(n, 0.1), np.zeros(n)):
        assert sign_flip(differences) == flipped_one_by_one(differences)


def test_sign_flip_knows_no_order_no_unit_and_no_side():
    differences = np.random.default_rng(0).normal(0.4, 1, 8)
    found = sign_flip(differences)
    assert found < 1
    for same in (differences[::-1], -differences, 100 * differences):
        assert sign_flip(same) == pytest.approx(found)


@pytest.mark.parametrize("n", [2, 5, 6, 10])
def test_six_seeds_of_one_sign_are_the_fewest_below_five_percent(n):
    found = sign_flip(np.linspace(1, 2, n))
    assert found == pytest.approx(2 / 2**n)
    assert (found < 0.05) == (n >= 6)


@pytest.mark.parametrize("n", [4, 11])
def test_sign_flip_on_ranks_is_the_test_of_wilcoxon(n):
    differences = np.random.default_rng(n).normal(0.4, 1, n)
    ranked = sign_flip(np.sign(differences) * rankdata(np.abs(differences)))
    assert ranked == pytest.approx(wilcoxon(differences, method="exact").pvalue)


def test_sign_flip_beyond_16_is_sampled_reproducibly_and_never_zero():
    differences = np.r_[np.random.default_rng(3).normal(0.5, 1, 16), 0.0]  # the last sign changes nothing
    found = sign_flip(differences)
    assert found == sign_flip(differences)
    assert found == pytest.approx(sign_flip(differences[:16]), abs=4 * np.sqrt(0.25 / 2**16))
    assert sign_flip(np.ones(40)) == 2 / (2**16 + 1)


def test_sign_flip_of_too_little():
    assert np.isnan(sign_flip([]))
    assert np.isnan(sign_flip([0.3]))
    with pytest.raises(InputError, match="run the missing seeds"):
        sign_flip([0.1, np.nan])


def test_smallest_detectable_difference_is_2_8_standard_errors_and_more_where_seeds_are_few():
    many, few = Difference(0.3, 0, 1, 0.5, 1.0, np.inf), Difference(0.3, 0, 1, 0.5, 1.0, df=2)
    assert smallest_detectable_difference(many) == pytest.approx(2.801585, abs=1e-6)
    assert smallest_detectable_difference(few) == pytest.approx(4.3027 + 1.0607, abs=1e-3)  # tables of Student's t
    assert smallest_detectable_difference(many._replace(error=2.0)) == pytest.approx(2 * 2.801585, abs=1e-5)
    assert smallest_detectable_difference(many, power=0.9) > smallest_detectable_difference(many)
    assert smallest_detectable_difference(many, alpha=0.01) > smallest_detectable_difference(many)
    assert np.isnan(smallest_detectable_difference(Difference(1, 0, 2, 0.5)))


def test_smallest_detectable_difference_is_found_four_times_in_five():
    shares = SHARES["seeds .5, patients .35, noise .15 (nDCG@10)"]
    tables = scores(np.random.default_rng(0), 400, 10, shares)
    smallest = np.mean([smallest_detectable_difference(one) for one in estimated(tables[:, :, :100], 0)])
    found = estimated(tables[:, :, 100:] + smallest, 0)
    assert np.mean([one.lower > 0 for one in found]) == pytest.approx(0.8, abs=0.07)


@pytest.mark.parametrize("name", ["power", "alpha"])
def test_chances_are_between_0_and_1(name):
    with pytest.raises(InputError, match=f"got {name} 1"):
        smallest_detectable_difference(Difference(0, -1, 1, 1), **{name: 1})
