from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import wilcoxon

from benchmarks.statistics.significance import critical_difference, friedman_ranks, rank_groups
from leaderboards.scores.paired_differences import group_letters
from selip.system.errors import InputError

# Demsar 2006, tables 2 and 6: AUC of four decision trees on 14 data sets of UCI.
DEMSAR = np.array(
    [
        [0.763, 0.768, 0.771, 0.798], [0.599, 0.591, 0.590, 0.569], [0.954, 0.971, 0.968, 0.967],
        [0.628, 0.661, 0.654, 0.657], [0.882, 0.888, 0.886, 0.898], [0.936, 0.931, 0.916, 0.931],
        [0.661, 0.668, 0.609, 0.685], [0.583, 0.583, 0.563, 0.625], [0.775, 0.838, 0.866, 0.875],
        [1.000, 1.000, 1.000, 1.000], [0.940, 0.962, 0.965, 0.962], [0.619, 0.666, 0.614, 0.669],
        [0.972, 0.981, 0.975, 0.975], [0.957, 0.978, 0.946, 0.970],
    ]
)  # fmt: skip
TREES = ["C4.5", "C4.5+m", "C4.5+cf", "C4.5+m+cf"]


def table(values, names=None):
    names = [f"m{n}" for n in range(np.shape(values)[1])] if names is None else names
    return pd.DataFrame(values, columns=names, index=[f"t{n}" for n in range(len(values))])


def ladder(n_tasks=12, n_methods=4, noise=0.0):
    """Method m0 is best everywhere, the last one worst, but for the noise."""
    rng = np.random.default_rng(0)
    return table(-np.arange(n_methods) + rng.normal(0, 1, (n_tasks, 1)) + noise * rng.normal(size=(n_tasks, n_methods)))


def test_the_example_of_demsar():
    as_he_ranked = DEMSAR.copy()
    as_he_ranked[12, 2] += 1e-5  # printed as equal, ranked 2 and 3
    found = friedman_ranks(table(as_he_ranked, TREES))
    ranks = {"C4.5+m+cf": 1.964, "C4.5+m": 2.000, "C4.5+cf": 2.893, "C4.5": 3.143}
    assert found.ranks == pytest.approx(ranks, abs=5e-4)
    assert list(found.ranks) == list(ranks)
    by_his_formula = 12 * 14 / (4 * 5) * (sum(rank**2 for rank in found.ranks.values()) - 4 * 25 / 4)
    assert by_his_formula == pytest.approx(9.28, abs=0.01)
    assert found.statistic == pytest.approx(
        10.228346, abs=1e-6
    )  # with the correction for ties: scipy's tests, R, Matlab
    assert found.critical_difference == pytest.approx(1.25, abs=0.005)
    assert found.p_value < 0.05
    assert found.note == ""


def test_critical_values_are_those_of_demsar_s_table_5():
    q = {2: 1.960, 3: 2.343, 4: 2.569, 5: 2.728, 6: 2.850, 7: 2.949, 8: 3.031, 9: 3.102, 10: 3.164}
    q_10 = {2: 1.645, 3: 2.052, 4: 2.291, 5: 2.459, 10: 2.920}
    for k, value in q.items():
        assert critical_difference(k, 10) == pytest.approx(value * np.sqrt(k * (k + 1) / 60), rel=6e-4)
    for k, value in q_10.items():
        assert critical_difference(k, 10, alpha=0.1) == pytest.approx(value * np.sqrt(k * (k + 1) / 60), rel=6e-4)


def test_always_the_same_order_is_seen_and_separated():
    found = friedman_ranks(ladder())
    assert found.ranks == {"m0": 1, "m1": 2, "m2": 3, "m3": 4}
    assert found.statistic == pytest.approx(12 * 3)  # N (k - 1), its largest value
    assert found.p_value < 1e-6
    assert found.cliques == ()


def test_no_difference_is_one_clique():
    found = friedman_ranks(table(np.random.default_rng(1).normal(size=(12, 5))))
    assert found.p_value > 0.05
    assert found.cliques == (tuple(found.ranks),)
    tied = friedman_ranks(table(np.ones((20, 3))))
    assert tied.ranks == {"m0": 2, "m1": 2, "m2": 2}
    assert (tied.statistic, tied.p_value, tied.cliques) == (0, 1, (("m0", "m1", "m2"),))


def test_mean_ranks_sum_to_what_ranks_sum_to_with_and_without_ties():
    rng = np.random.default_rng(0)
    for scores in (rng.normal(size=(9, 6)), rng.integers(0, 3, (9, 6))):
        assert sum(friedman_ranks(table(scores)).ranks.values()) == pytest.approx(6 * 7 / 2)


def test_only_the_order_within_a_task_counts_and_neither_tasks_nor_methods_have_one():
    scores = ladder(noise=1.5)
    found = friedman_ranks(scores)
    stretched = friedman_ranks(np.exp(3 * scores).mul(np.arange(1, 13), axis=0))
    assert (stretched.ranks, stretched.statistic) == (found.ranks, found.statistic)
    shuffled = friedman_ranks(scores.sample(frac=1, random_state=0)[["m2", "m0", "m3", "m1"]])
    assert shuffled.ranks == pytest.approx(found.ranks)
    assert shuffled.statistic == pytest.approx(found.statistic)
    assert shuffled.cliques == found.cliques


def test_a_task_where_lower_is_better_is_turned_round():
    scores = ladder(noise=1.0)
    found = friedman_ranks(scores)
    assert friedman_ranks(-scores, higher_is_better=False) == found
    mixed, up = scores.copy(), np.arange(12) % 3 > 0
    mixed[~up] *= -1
    assert friedman_ranks(mixed, higher_is_better=list(up)) == found
    assert friedman_ranks(mixed).ranks != found.ranks


def test_cliques_are_the_largest_groups_without_a_pair_that_wilcoxon_and_holm_part():
    scores = ladder(n_tasks=10, n_methods=5, noise=1.2)
    found = friedman_ranks(scores)
    pairs = sorted(combinations(scores, 2), key=lambda pair: wilcoxon(scores[pair[0]] - scores[pair[1]]).pvalue)
    parted = set()
    for place, (a, b) in enumerate(pairs):
        if wilcoxon(scores[a] - scores[b]).pvalue * (len(pairs) - place) >= 0.05:
            break
        parted.add(frozenset((a, b)))
    assert 0 < len(parted) < len(pairs)
    free = [set(g) for n in range(2, 6) for g in combinations(scores, n) if not any(p <= set(g) for p in parted)]
    largest = [group for group in free if not any(group < other for other in free)]
    assert sorted(map(sorted, found.cliques)) == sorted(map(sorted, largest))
    for clique in found.cliques:
        assert [found.ranks[method] for method in clique] == sorted(found.ranks[method] for method in clique)


@pytest.mark.parametrize(
    ("shape", "note"), [((20, 2), "2 methods on 20"), ((5, 8), "8 methods on 5"), ((1, 1), "1 met")]
)
def test_too_little_is_ranked_but_not_tested(shape, note):
    found = friedman_ranks(table(np.random.default_rng(0).normal(size=shape)))
    assert len(found.ranks) == shape[1]
    assert note in found.note
    assert np.isnan([found.statistic, found.p_value, found.critical_difference]).all()
    assert found.cliques == ()


def test_no_mean_over_a_table_with_holes():
    scores = ladder()
    for hole in (np.nan, np.inf):
        scores.loc["t3", "m2"] = hole
        with pytest.raises(InputError, match="got no score of m2 on t3, and there is no mean over a table with holes"):
            friedman_ranks(scores)
    with pytest.raises(InputError, match="got no score of m1 on t0"):
        friedman_ranks(pd.DataFrame({"m0": [0.1, 0.2], "m1": [None, 0.3]}, index=["t0", "t1"]))
    with pytest.raises(InputError, match="table with holes"):
        friedman_ranks(table(np.empty((0, 3))))
    with pytest.raises(InputError, match="got 2 directions"):
        friedman_ranks(ladder(), higher_is_better=[True, False])


def test_groups_share_exactly_what_is_not_separated_as_the_letters_do():
    rng = np.random.default_rng(0)
    names = list("abcdef")
    for _ in range(20):
        pairs = [pair for pair in combinations(names, 2) if rng.random() < 0.4]
        groups = rank_groups(names, pairs)
        together = {pair for group in groups for pair in combinations(group, 2)}
        assert together == set(combinations(names, 2)) - set(pairs)
        assert {name for group in groups for name in group} == set(names)
        letters = group_letters(names, pairs)
        expected = {name: {n for n, group in enumerate(groups) if name in group} for name in names}
        assert {name: {ord(letter) - ord("a") for letter in found} for name, found in letters.items()} == expected


def test_too_few_tasks_for_so_many_methods_give_no_clique():
    scores = pd.DataFrame([np.arange(20.0)] * 8, columns=[f"m{k}" for k in range(20)])
    found = friedman_ranks(scores)
    assert found.p_value < 1e-9
    assert found.cliques == ()
    assert "too few to separate any two of 20 methods" in found.note
