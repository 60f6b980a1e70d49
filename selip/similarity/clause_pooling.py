"""From a table over the members of groups (clauses of texts, places of locations) to one over the groups."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence

import numpy as np
import numpy.typing as npt

from selip.system.arrays import FloatArray


def averaging_matrix(groups: Sequence[Collection[Hashable]], members: Sequence[Hashable]) -> FloatArray:
    """A (n, m): row i is spread evenly over the members of group i and sums to 1; an empty group has a zero row."""
    index = {member: number for number, member in enumerate(members)}
    matrix = np.zeros((len(groups), len(members)))
    for row, group in enumerate(groups):
        for member in group:
            matrix[row, index[member]] += 1 / len(group)
    return matrix


def best_of(averaging: npt.ArrayLike, table: npt.ArrayLike) -> FloatArray:
    """M (n, c): M[i, u] is the largest K[a, u] over the members a of group i; zero for an empty group.

    Args:
        averaging: A (n, m) of `averaging_matrix`.
        table: K (m, c), at least 0.
    """
    matrix, member = np.asarray(table), np.asarray(averaging) > 0
    best = np.zeros((len(member), matrix.shape[1]))
    for row, mine in enumerate(member):
        best[row] = matrix[mine].max(0, initial=0)
    return best


def mean_pool(rows: FloatArray, table: FloatArray, columns: FloatArray) -> FloatArray:
    """(n, k) mean of K (m, c) over all pairs of members, for averaging matrices (n, m) and (k, c)."""
    return rows @ table @ columns.T


def best_match_pool(rows: FloatArray, table: FloatArray, columns: FloatArray) -> FloatArray:
    """(n, k) symmetric best match, 1/2 [mean_a max_b K + mean_b max_a K], for averaging matrices (n, m) and (k, c)."""
    return (best_of(rows, table) @ columns.T + rows @ best_of(columns, table.T).T) / 2
