"""Syntax: how alike two clauses are as strings. Each measure fills (R, C) in [0, 1], letter case aside."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from rapidfuzz import process
from rapidfuzz.distance import LCSseq, Levenshtein
from scipy import sparse

from selip.data.findings import Clause
from selip.system.arrays import FloatArray

ClauseMeasure = Callable[[Sequence[Clause], Sequence[Clause]], FloatArray]

CHRF_ORDER = 6
CHRF_BETA = 2


def word_dice(rows: Sequence[Clause], columns: Sequence[Clause]) -> FloatArray:
    """(R, C) in [0, 1]: 2 |A n B| / (|A| + |B|) of the word sets of location + signal."""
    return _set_dice([_words(clause) for clause in rows], [_words(clause) for clause in columns])


def character_dice(rows: Sequence[Clause], columns: Sequence[Clause]) -> FloatArray:
    """(R, C) in [0, 1]: as `word_dice` with sets of characters, the paper's measure (made for Chinese)."""
    return _set_dice([_characters(clause) for clause in rows], [_characters(clause) for clause in columns])


def levenshtein(rows: Sequence[Clause], columns: Sequence[Clause]) -> FloatArray:
    """(R, C) in [0, 1]: 1 - edit distance / length of the longer one, of "location signal" (Levenshtein 1966)."""
    return _rapidfuzz(Levenshtein.normalized_similarity, rows, columns)


def lcs(rows: Sequence[Clause], columns: Sequence[Clause]) -> FloatArray:
    """(R, C) in [0, 1]: longest common subsequence / length of the longer one, of "location signal"."""
    return _rapidfuzz(LCSseq.normalized_similarity, rows, columns)


def chrf(rows: Sequence[Clause], columns: Sequence[Clause]) -> FloatArray:
    """(R, C) in [0, 1]: chrF2 of "location signal" without spaces, mean of both directions, which makes it symmetric.

        F_n = (1 + beta^2) m_n / (beta^2 r_n + h_n),   chrF = mean of F_n over n = 1..6,   beta = 2

    m_n is the number of n-grams that both have (with multiplicity), r_n and h_n those of reference and hypothesis: the
    F of precision m/h and recall m/r. Source: Popovic 2015, "chrF: character n-gram F-score for automatic MT
    evaluation", WMT. As torchmetrics does, F is averaged over the orders (the paper averages precision and recall). An
    order that neither clause is long enough for is left out, so that equal clauses have 1.
    """
    a, b = [_plain(clause) for clause in rows], [_plain(clause) for clause in columns]
    total, weight = np.zeros((len(a), len(b)), dtype=np.float32), CHRF_BETA**2
    for order in range(1, CHRF_ORDER + 1):
        matches, h, r = _shared_grams(a, b, order)
        inverse = 1 / np.maximum(weight * r + h, 1) + 1 / np.maximum(weight * h + r, 1)
        total += matches * inverse
    letters = [np.array([len(text.replace(" ", "")) for text in texts]) for texts in (a, b)]
    orders = np.maximum.outer(*letters).clip(1, CHRF_ORDER)
    return (1 + weight) / 2 * total / orders


SYNTAX: dict[str, ClauseMeasure] = {
    "word_dice": word_dice,
    "character_dice": character_dice,
    "levenshtein": levenshtein,
    "lcs": lcs,
    "chrf": chrf,
}


def _words(clause: Clause) -> frozenset[str]:
    return frozenset(f"{clause.location} {clause.signal}".lower().split())


def _characters(clause: Clause) -> frozenset[str]:
    return frozenset((clause.location + clause.signal).lower())


def _plain(clause: Clause) -> str:
    return f"{clause.location} {clause.signal}".strip().lower()


def _set_dice(rows: Sequence[frozenset[str]], columns: Sequence[frozenset[str]]) -> FloatArray:
    index = {token: number for number, token in enumerate(sorted(frozenset().union(*rows, *columns)))}

    def indicator(sets: Sequence[frozenset[str]]) -> FloatArray:
        matrix = np.zeros((len(sets), len(index)))
        for row, tokens in enumerate(sets):
            matrix[row, [index[token] for token in tokens]] = 1
        return matrix

    a, b = indicator(rows), indicator(columns)
    total = a.sum(1)[:, None] + b.sum(1)[None]
    return 2 * (a @ b.T) / np.maximum(total, 1)


def _rapidfuzz(scorer: Any, rows: Sequence[Clause], columns: Sequence[Clause]) -> FloatArray:  # noqa: ANN401
    a, b = [_plain(clause) for clause in rows], [_plain(clause) for clause in columns]
    return process.cdist(a, b, scorer=scorer, dtype=np.float64)


def _shared_grams(a: Sequence[str], b: Sequence[str], order: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """(R, C) number of shared n-grams, (R, 1) and (1, C) number of n-grams of either.

    The k-th occurrence of an n-gram is a feature of its own, so min(count, count) is a plain product of 0/1 matrices.
    """
    index: dict[tuple[str, int], int] = {}
    texts = [_numbered_grams(text, order) for text in (*a, *b)]
    features = [index.setdefault(gram, len(index)) for grams in texts for gram in grams]
    sizes = np.array([len(grams) for grams in texts])
    ones, starts = np.ones(len(features), dtype=np.float32), np.concatenate([[0], sizes.cumsum()])
    has = sparse.csr_array((ones, features, starts), shape=(len(texts), len(index)))
    sizes = sizes.astype(np.float32)
    return has[: len(a)] @ has[len(a) :].T.toarray(), sizes[: len(a), None], sizes[None, len(a) :]


def _numbered_grams(text: str, order: int) -> list[tuple[str, int]]:
    """Character n-grams of `text` without spaces, each with the number of times it has occurred so far."""
    letters, seen, result = text.replace(" ", ""), Counter[str](), []
    for start in range(len(letters) - order + 1):
        gram = letters[start : start + order]
        result.append((gram, seen[gram]))
        seen[gram] += 1
    return result
