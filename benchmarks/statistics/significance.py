"""Tests over seeds and over tasks, and the smallest difference that a comparison could have seen.

Of average ranks tasks are the sample: what is asked is whether a method is better over tasks like these. Whether it is
better on one of them is a matter of patients (`benchmarks.statistics.intervals`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import friedmanchisquare, permutation_test, rankdata, studentized_range, t, wilcoxon

from benchmarks.statistics.intervals import Difference, holm
from selip.system.arrays import FloatArray
from selip.system.errors import InputError

EXACT_UP_TO = 16
_ROUNDING = 1e-12
METHODS_FOR_A_TEST = 3
TASKS_FOR_A_TEST = 6


def sign_flip(differences_per_seed: npt.ArrayLike) -> float:
    """Two-sided p-value that paired differences are symmetric about 0, by flipping their signs.

    Exact over all 2^n sign vectors up to n = 16 seeds, 2^16 sampled ones beyond (Fisher 1935, The Design of
    Experiments, sec. 21; Ernst 2004, Stat. Sci. 19:676). The smallest p-value is 2 / 2^n: five seeds cannot go below
    .0625, so p < .05 needs n >= 6.

    Args:
        differences_per_seed: (n,) score of one method minus score of the other, one a seed.

    Returns:
        p-value in (0, 1]; NaN for fewer than two seeds.

    Raises:
        InputError: When a difference is not finite: a missing seed is no evidence.
    """
    differences = np.asarray(differences_per_seed, dtype=np.float64)
    if not np.isfinite(differences).all():
        raise InputError(f"got differences {differences.tolist()}, which are not all finite; run the missing seeds")
    if differences.size < 2:
        return math.nan
    step = _ROUNDING * np.abs(differences).sum()  # sums that differ by less are equal: it hangs on the order of terms
    if step == 0:
        return 1.0
    test = permutation_test(
        (differences,),
        lambda flipped, axis: np.round(flipped.sum(axis) / step),
        vectorized=True,
        permutation_type="samples",
        n_resamples=2**EXACT_UP_TO,
        rng=0,
    )
    return float(test.pvalue)


def smallest_detectable_difference(difference: Difference, power: float = 0.8, alpha: float = 0.05) -> float:
    """The true difference that a two-sided test of this precision finds with the given power.

    (t_{1 - alpha/2} + t_power) x standard error, that of seeds and patients, with its degrees of freedom (Bloom 1995,
    Eval. Rev. 19:547): 2.80 standard errors where they are many, 4.36 with three seeds that make all of the spread.

    Args:
        difference: Paired difference with its standard error.
        power: Chance in (0, 1) to find the difference.
        alpha: Two-sided level in (0, 1).

    Returns:
        A difference >= 0 in the unit of the metric; NaN where the standard error is unknown.

    Raises:
        InputError: When a chance is not between 0 and 1.
    """
    for name, chance in (("power", power), ("alpha", alpha)):
        if not 0 < chance < 1:
            raise InputError(f"got {name} {chance}; choose one between 0 and 1, such as 0.8")
    return float(difference.error * sum(t.ppf([1 - alpha / 2, power], difference.df)))


@dataclass(frozen=True)
class AverageRanks:
    """Methods compared over tasks.

    Attributes:
        ranks: Mean rank of each method over the tasks, 1 for the best of all; best first, ties by the given order.
        statistic: Friedman's chi-square, corrected for ties; NaN where it is not tested.
        p_value: That all methods rank alike; NaN where it is not tested.
        critical_difference: Nemenyi's: mean ranks further apart differ at the level alpha; NaN where it is not tested.
        cliques: Largest groups of two or more methods of which no two differ (Wilcoxon, Holm), best first; empty where
            it is not tested.
        note: Why nothing was tested; empty where it was.
    """

    ranks: dict[str, float]
    statistic: float
    p_value: float
    critical_difference: float
    cliques: tuple[tuple[str, ...], ...]
    note: str = ""


def friedman_ranks(
    scores: pd.DataFrame, higher_is_better: bool | Sequence[bool] = True, alpha: float = 0.05
) -> AverageRanks:
    """Friedman's test over tasks with Nemenyi's critical difference, and cliques by Wilcoxon's test with Holm's steps.

    Ties share their mean rank. The critical difference q sqrt(k (k + 1) / (6 N)), q the studentized range over sqrt 2,
    is of Demsar 2006 (J. Mach. Learn. Res. 7:1, sec. 3.2.2). His chi-square is not corrected for ties, this one is. It
    is an approximation that he trusts from about 10 tasks and 5 methods on. A pair under Nemenyi's test depends on the
    methods beside it, so the cliques are from pairwise signed-rank tests (Benavoli 2016, J. Mach. Learn. Res. 17(5)),
    zero differences split between the signs.

    Nothing is tested with fewer than 3 methods, or with fewer than 6 tasks: no pair could then reach p < .05.

    Args:
        scores: (N tasks x k methods), named by index and columns.
        higher_is_better: For all tasks, or one a task.
        alpha: Level of the critical difference and of the cliques, in (0, 1).

    Raises:
        InputError: When a score is missing, or the directions are not one for all or one a task.
    """
    costs = _costs(scores, higher_is_better)
    n_tasks, n_methods = costs.shape
    means = pd.Series(rankdata(costs, axis=1).mean(axis=0), index=scores.columns).sort_values(kind="stable")
    ranks = {str(method): float(rank) for method, rank in means.items()}
    if n_methods < METHODS_FOR_A_TEST or n_tasks < TASKS_FOR_A_TEST:
        needed = f"a test needs {METHODS_FOR_A_TEST} methods and {TASKS_FOR_A_TEST} tasks"
        note = f"{n_methods} methods on {n_tasks} tasks: {needed}"
        return AverageRanks(ranks, math.nan, math.nan, math.nan, (), note)
    statistic, p_value = _friedman(costs)
    smallest = 2.0 ** (1 - n_tasks) * math.comb(n_methods, 2)
    if n_tasks <= EXACT_UP_TO and smallest >= alpha:
        note = f"{n_tasks} tasks are too few to separate any two of {n_methods} methods after Holm's adjustment"
        return AverageRanks(ranks, statistic, p_value, critical_difference(n_methods, n_tasks, alpha), (), note)
    separated = _separated(pd.DataFrame(costs, columns=list(map(str, scores.columns))), alpha)
    cliques = tuple(group for group in rank_groups(list(ranks), separated) if len(group) > 1)
    return AverageRanks(ranks, statistic, p_value, critical_difference(n_methods, n_tasks, alpha), cliques)


def critical_difference(n_methods: int, n_tasks: int, alpha: float = 0.05) -> float:
    """Nemenyi's critical difference of two mean ranks (Demsar 2006, sec. 3.2.2), in ranks."""
    q = studentized_range.ppf(1 - alpha, n_methods, np.inf) / math.sqrt(2)
    return float(q * math.sqrt(n_methods * (n_methods + 1) / (6 * n_tasks)))


def rank_groups(ranking: Sequence[str], separated: Sequence[tuple[str, str]]) -> list[tuple[str, ...]]:
    """Largest groups without a separated pair, by insertion and absorption (Piepho 2004, J. Comput. Graph. Stat. 13).

    Every label is in a group, and two labels share one exactly when they are not separated.

    Args:
        ranking: Labels, best first.
        separated: Pairs of labels that may not share a group.

    Returns:
        Groups with their members best first, ordered by their members' places.
    """
    groups = [frozenset(ranking)]
    for a, b in separated:
        parts = {group - {lost} for group in groups for lost in ((a, b) if {a, b} <= group else ("",))}
        groups = [group for group in parts if not any(group < other for other in parts)]
    places = sorted(sorted(ranking.index(label) for label in group) for group in groups)
    return [tuple(ranking[place] for place in group) for group in places]


def _friedman(costs: FloatArray) -> tuple[float, float]:
    if (costs == costs[:, :1]).all():
        return 0.0, 1.0  # the correction for ties is 0 / 0 when every task is one tie
    statistic, p_value = friedmanchisquare(*costs.T)
    return float(statistic), float(p_value)


def _separated(costs: pd.DataFrame, alpha: float) -> list[tuple[str, str]]:
    """Pairs of methods that differ by Wilcoxon's signed-rank test, Holm's steps over all pairs."""
    pairs = list(combinations(costs.columns, 2))
    p_values = [_signed_rank_p_value((costs[a] - costs[b]).to_numpy()) for a, b in pairs]
    return [pair for pair, p_value in zip(pairs, holm(p_values), strict=True) if p_value < alpha]


def _signed_rank_p_value(differences: FloatArray) -> float:
    """Wilcoxon's signed-rank test, exact up to 50 tasks without ties and up to 16 with them."""
    ranks = rankdata(np.abs(differences))
    has_ties = len(np.unique(ranks)) < len(ranks) or not differences.all()
    if has_ties and len(ranks) <= EXACT_UP_TO:
        return sign_flip(np.sign(differences) * ranks)
    return float(wilcoxon(differences, zero_method="zsplit").pvalue)


def _costs(scores: pd.DataFrame, higher_is_better: bool | Sequence[bool]) -> FloatArray:
    """(N, k) scores with the sign that makes lower better."""
    values = scores.to_numpy(np.float64, na_value=np.nan)
    holes = np.argwhere(~np.isfinite(values))
    if not values.size or len(holes):
        where = f"{scores.columns[holes[0][1]]} on {scores.index[holes[0][0]]}" if len(holes) else "any method"
        raise InputError(
            f"got no score of {where}, and there is no mean over a table with holes; run it or leave it out"
        )
    signs = np.where(higher_is_better, -1.0, 1.0)
    if signs.shape not in ((), (len(values),)):
        raise InputError(f"got {len(signs)} directions for {len(values)} tasks; give one for all or one a task")
    return values * (signs[:, None] if signs.ndim else signs)
