"""Text-text similarity from clauses (arXiv:2503.19801), as one table look-up and one matrix product.

    K(a, b) = mix(semantic(a, b), syntax(a, b))                      clauses a, b
    S_ij    = mean of K over all clause pairs of texts i and j       i != j
    S_ii    = 1;  S_ij = 0 when either text is the normal sentence

With the unique clauses of a cohort, K (U, U) and the averaging matrix A (N, U) whose row i is spread evenly over the
clauses of text i (zero for the normal sentence), S = A K A^T. P = A K is kept, so a batch costs a gather and a product.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from selip.errors import InputError
from selip.findings import Clause, flip_text, parse_findings_text

ClauseMeasure = Callable[[Sequence[Clause], Sequence[Clause]], np.ndarray]


def location_match(rows: Sequence[Clause], columns: Sequence[Clause]) -> np.ndarray:
    """(R, C) float64, 1 where the locations are equal, side included; an unknown location is like no other."""
    known = np.array([bool(clause.location) for clause in rows])[:, None]
    return known * _equal([clause.location.lower() for clause in rows], [clause.location.lower() for clause in columns])


def signal_match(rows: Sequence[Clause], columns: Sequence[Clause]) -> np.ndarray:
    """(R, C) float64, 1 where the signal tags (high, low, long, short, iso, else the phrase) are equal."""
    return _equal([clause.tag for clause in rows], [clause.tag for clause in columns])


def word_dice(rows: Sequence[Clause], columns: Sequence[Clause]) -> np.ndarray:
    """(R, C) in [0, 1]: 2 |A n B| / (|A| + |B|) of the word sets of location + signal."""
    return _set_dice([_words(clause) for clause in rows], [_words(clause) for clause in columns])


def character_dice(rows: Sequence[Clause], columns: Sequence[Clause]) -> np.ndarray:
    """(R, C) in [0, 1]: as `word_dice` with sets of characters, the paper's measure (made for Chinese)."""
    return _set_dice([_characters(clause) for clause in rows], [_characters(clause) for clause in columns])


SYNTAX: dict[str, ClauseMeasure] = {"word_dice": word_dice, "character_dice": character_dice}


def _words(clause: Clause) -> frozenset[str]:
    return frozenset(f"{clause.location} {clause.signal}".lower().split())


def _characters(clause: Clause) -> frozenset[str]:
    return frozenset((clause.location + clause.signal).lower())


def _equal(rows: Sequence[str], columns: Sequence[str]) -> np.ndarray:
    return (np.array(rows, dtype=object)[:, None] == np.array(columns, dtype=object)[None]).astype(np.float64)


def _set_dice(rows: Sequence[frozenset[str]], columns: Sequence[frozenset[str]]) -> np.ndarray:
    index = {token: number for number, token in enumerate(sorted(frozenset().union(*rows, *columns)))}

    def indicator(sets: Sequence[frozenset[str]]) -> np.ndarray:
        matrix = np.zeros((len(sets), len(index)))
        for row, tokens in enumerate(sets):
            matrix[row, [index[token] for token in tokens]] = 1
        return matrix

    a, b = indicator(rows), indicator(columns)
    total = a.sum(1)[:, None] + b.sum(1)[None]
    return 2 * (a @ b.T) / np.maximum(total, 1)


@dataclass(frozen=True)
class SimilarityConfig:
    """Which measure fills the clause table.

    Attributes:
        syntax: Name in SYNTAX.
        weight_location: Share of the location match in the semantic term, in [0, 1].
        weight_signal: Share of the signal-tag match in the semantic term, in [0, 1].
    """

    syntax: str = "word_dice"
    weight_location: float = 0.5
    weight_signal: float = 0.5

    def __post_init__(self) -> None:
        """Refuses unknown measures and weights outside [0, 1]."""
        if self.syntax not in SYNTAX:
            raise InputError(f"got similarity.syntax={self.syntax}; allowed: {', '.join(SYNTAX)}")
        if min(self.weight_location, self.weight_signal) < 0 or self.weight_location + self.weight_signal > 1 + 1e-9:
            raise InputError(
                f"got similarity weights {self.weight_location} and {self.weight_signal}; "
                "allowed: both at least 0 with a sum of at most 1"
            )


def clause_similarity(rows: Sequence[Clause], columns: Sequence[Clause], config: SimilarityConfig) -> np.ndarray:
    """K (R, C) in [0, 1]: semantic times syntax."""
    semantic = config.weight_location * location_match(rows, columns) + config.weight_signal * signal_match(
        rows, columns
    )
    return semantic * SYNTAX[config.syntax](rows, columns)


@dataclass(frozen=True)
class TextTable:
    """Unique texts of a cohort with their flipped twins. Text ids are positions in `texts`.

    Attributes:
        texts: Unique texts, sorted, twins included.
        clauses: Clauses of each text; empty for the normal sentence.
        twin: (N,) int64, the id of each text's left-right flipped twin.
    """

    texts: tuple[str, ...]
    clauses: tuple[tuple[Clause, ...], ...]
    twin: np.ndarray

    @classmethod
    def of(cls, texts: Sequence[str]) -> TextTable:
        """Table of the unique `texts` and their twins."""
        unique = sorted({*texts} | {flip_text(text) for text in texts})
        # A text whose clauses are not in canonical order is not the twin of its twin, so close under flipping.
        unique = sorted({*unique} | {flip_text(text) for text in unique})
        index = {text: number for number, text in enumerate(unique)}
        twin = np.array([index[flip_text(text)] for text in unique], dtype=np.int64)
        return cls(tuple(unique), tuple(parse_findings_text(text) for text in unique), twin)

    def ids(self, texts: Sequence[str]) -> np.ndarray:
        """(n,) int64 ids of `texts`.

        Raises:
            InputError: When a text is not in the table.
        """
        index = {text: number for number, text in enumerate(self.texts)}
        missing = next((text for text in texts if text not in index), None)
        if missing is not None:
            raise InputError(f"got a text outside the table: {missing!r}; build the table with it")
        return np.array([index[text] for text in texts], dtype=np.int64)

    def is_normal(self) -> np.ndarray:
        """(N,) bool, whether a text has no clause."""
        return np.array([not clauses for clauses in self.clauses])


class TextSimilarity:
    """S for any batch of text ids: one gather and one product against tables made once."""

    def __init__(self, averaging: torch.Tensor, clause_table: torch.Tensor) -> None:
        """Keeps A (N, U) and P = A K (N, U), float32.

        Args:
            averaging: A, rows sum to 1, zero rows for the normal sentence.
            clause_table: K (U, U) in [0, 1], symmetric.
        """
        self.averaging = averaging.float()
        self.projected = (averaging.double() @ clause_table.double()).float()

    @classmethod
    def of(cls, table: TextTable, config: SimilarityConfig) -> TextSimilarity:
        """Tables for the clauses of `table`."""
        unique = sorted({clause for clauses in table.clauses for clause in clauses})
        index = {clause: number for number, clause in enumerate(unique)}
        averaging = np.zeros((len(table.texts), len(unique)))
        for row, clauses in enumerate(table.clauses):
            for clause in clauses:
                averaging[row, index[clause]] += 1 / len(clauses)
        return cls(torch.from_numpy(averaging), torch.from_numpy(clause_similarity(unique, unique, config)))

    def to(self, device: torch.device) -> TextSimilarity:
        """The same tables on `device`."""
        moved = object.__new__(TextSimilarity)
        moved.averaging, moved.projected = self.averaging.to(device), self.projected.to(device)
        return moved

    def permuted(self, permutation: np.ndarray) -> TextSimilarity:
        """The similarity in which text i plays the part of text `permutation[i]`."""
        order = torch.from_numpy(permutation)
        moved = object.__new__(TextSimilarity)
        moved.averaging, moved.projected = self.averaging[order], self.projected[order]
        return moved

    def __call__(self, text_ids: torch.Tensor) -> torch.Tensor:
        """S (B, B) float32 in [0, 1], diagonal 1.

        Args:
            text_ids: (B,) int64 on the device of the tables.
        """
        similarity = self.projected[text_ids] @ self.averaging[text_ids].T
        return similarity.fill_diagonal_(1.0)
