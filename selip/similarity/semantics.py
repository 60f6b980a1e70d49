"""Semantics: how alike two clauses are in what they say. Each measure fills (R, C) in [0, 1], letter case aside.

A measure in PARTS grades location and signal apart and weighs them; one in WHOLE grades the clause as a whole. The
pools take a table over the members of groups (clauses of texts, places of locations) to one over the groups.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence

import numpy as np
import numpy.typing as npt

from selip.data.findings import Clause
from selip.reports.ontology import place_grade, places, signal_place
from selip.similarity.sentence_embeddings import sentence_embeddings
from selip.similarity.syntax import ClauseMeasure
from selip.system.arrays import FloatArray


def location_match(rows: Sequence[Clause], columns: Sequence[Clause]) -> FloatArray:
    """(R, C) float64, 1 where the locations are equal, side included; an unknown location is like no other."""
    known = np.array([bool(clause.location) for clause in rows])[:, None]
    return known * _equal([clause.location.lower() for clause in rows], [clause.location.lower() for clause in columns])


def signal_match(rows: Sequence[Clause], columns: Sequence[Clause]) -> FloatArray:
    """(R, C) float64, 1 where the signal tags (high, low, long, short, iso, else the phrase) are equal."""
    return _equal([clause.tag for clause in rows], [clause.tag for clause in columns])


def location_grade(rows: Sequence[Clause], columns: Sequence[Clause]) -> FloatArray:
    """(R, C) in [0, 1]: `place_grade` of the ontology; several places a location by symmetric best match.

    A location without a known term is like its equal only, and an empty one like no other.
    """
    a, b = [clause.location.lower() for clause in rows], [clause.location.lower() for clause in columns]
    names = sorted({*a, *b})
    found = [places(name) for name in names]
    members = sorted(frozenset().union(*found))
    grades = np.array([[place_grade(one, other) for other in members] for one in members])
    averaging = averaging_matrix(found, members)
    table = best_match_pool(averaging, grades.reshape(len(members), len(members)), averaging)
    np.fill_diagonal(table, [float(bool(name)) for name in names])
    return _look_up(table, names, a, b)


def signal_grade(rows: Sequence[Clause], columns: Sequence[Clause]) -> FloatArray:
    """(R, C) in [0, 1]: 1 - half the distance on the scale of signal words; 0 between scales.

    High, slightly high, iso, slightly low and low are 1, 1/2, 0, -1/2, -1 of one scale; long and short have their own.
    A phrase without a known word is like its equal only.
    """
    a, b = [clause.signal.lower() for clause in rows], [clause.signal.lower() for clause in columns]
    names = sorted({*a, *b})
    found = [signal_place(name) or (name, 0.0) for name in names]
    at = np.array([value for _, value in found])
    table = _equal([scale for scale, _ in found], [scale for scale, _ in found]) * (1 - np.abs(at[:, None] - at) / 2)
    return _look_up(table, names, a, b)


def embedding_cosine(rows: Sequence[Clause], columns: Sequence[Clause]) -> FloatArray:
    """(R, C) in [0, 1]: cosine of the MiniLM embeddings of the clauses, negative ones 0; nearly blind to the side."""
    a, b = ([clause.sentence for clause in clauses] for clauses in (rows, columns))
    names = sorted({*a, *b})
    embeddings = sentence_embeddings(names).astype(np.float64)
    return _look_up((embeddings @ embeddings.T).clip(0, 1), names, a, b)


PARTS: dict[str, tuple[ClauseMeasure, ClauseMeasure]] = {
    "fields": (location_match, signal_match),
    "ontology": (location_grade, signal_grade),
}
WHOLE: dict[str, ClauseMeasure] = {"embedding": embedding_cosine}


def _equal(rows: Sequence[str], columns: Sequence[str]) -> FloatArray:
    return (np.array(rows, dtype=object)[:, None] == np.array(columns, dtype=object)[None]).astype(np.float64)


def _look_up(table: FloatArray, names: Sequence[str], rows: Sequence[str], columns: Sequence[str]) -> FloatArray:
    """(R, C) entries of a (n, n) table over `names`."""
    index = {name: number for number, name in enumerate(names)}
    at = [np.array([index[name] for name in some], dtype=np.intp) for some in (rows, columns)]
    return table[np.ix_(*at)]


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
