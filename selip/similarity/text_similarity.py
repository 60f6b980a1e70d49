"""Text-text similarity from clauses (arXiv:2503.19801), as one table look-up and one matrix product.

    K(a, b) = mix(semantic(a, b), syntax(a, b))                                    clauses a, b, in [0, 1]
    S_ij    = mean of K over all clause pairs of texts i and j                     pooling: mean (the paper's), i != j
    S_ij    = 1/2 [mean_a max_b K(a, b) + mean_b max_a K(a, b)]                    pooling: best_match (ours)
    S_ii    = 1;  S_ij = 0 when either text is the normal sentence                 normal: zero (the paper's)

With the unique clauses of a cohort, K (U, U) and the averaging matrix A (N, U) whose row i is spread evenly over the
clauses of text i (zero for the normal sentence), S = A K A^T. P = A K is kept, so a batch costs a gather and a product.
Best match keeps M (N, U), M[i, u] = max of K[a, u] over the clauses a of text i; then S = 1/2 [M A^T + A M^T] costs the
same. A measure (syntax.py, semantics.py) only fills K.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from selip.data.cohort import READ_FINDINGS, Cohort
from selip.data.findings import Clause, clauses_of, findings_from_json, findings_text, flip_text, parse_findings_text
from selip.data.sides import can_flip
from selip.similarity.semantics import (
    PARTS,
    WHOLE,
    averaging_matrix,
    best_match_pool,
    best_of,
    location_match,
    mean_pool,
    signal_match,
)
from selip.similarity.settings import SimilarityConfig
from selip.similarity.syntax import SYNTAX, character_dice, word_dice
from selip.system.arrays import FloatArray
from selip.system.errors import InputError

__all__ = [
    "SYNTAX", "SimilarityConfig", "TextSimilarity", "TextTable", "character_dice", "clause_similarity",
    "location_match", "semantic_similarity", "signal_match", "similarity_of_texts", "word_dice",
]  # fmt: skip


def semantic_similarity(rows: Sequence[Clause], columns: Sequence[Clause], config: SimilarityConfig) -> FloatArray:
    """Semantic term (R, C) in [0, 1]."""
    if config.semantic in WHOLE:
        return WHOLE[config.semantic](rows, columns)
    location, signal = PARTS[config.semantic]
    return config.weight_location * location(rows, columns) + config.weight_signal * signal(rows, columns)


def clause_similarity(rows: Sequence[Clause], columns: Sequence[Clause], config: SimilarityConfig) -> FloatArray:
    """K (R, C) in [0, 1]: semantic and syntax, mixed. A measure that the mix leaves out is not computed."""
    if config.mix == "syntax":
        return SYNTAX[config.syntax](rows, columns)
    semantic = semantic_similarity(rows, columns, config)
    if config.mix == "semantic":
        return semantic
    syntax = SYNTAX[config.syntax](rows, columns)
    if config.mix == "mean":
        return config.weight_syntax * syntax + config.weight_semantic * semantic
    return semantic * syntax


def similarity_of_texts(rows: Sequence[str], columns: Sequence[str], config: SimilarityConfig) -> FloatArray:
    """S (R, C) in [0, 1] of any texts, known to a table or not; 1 for equal texts.

    Under `normal: masked` a normal text has 0 with any other, as there is no KL term to leave it out of.
    """
    texts = [[parse_findings_text(text) for text in some] for some in (rows, columns)]
    row_clauses, column_clauses = (_unique_clauses(some) for some in texts)
    a, b = averaging_matrix(texts[0], row_clauses), averaging_matrix(texts[1], column_clauses)
    pool = best_match_pool if config.pooling == "best_match" else mean_pool
    similarity = pool(a, clause_similarity(row_clauses, column_clauses, config), b)
    if config.normal == "alike":
        similarity[np.ix_(~a.any(1), ~b.any(1))] = 1
    similarity[np.array(rows, dtype=object)[:, None] == np.array(columns, dtype=object)] = 1
    return similarity


def _unique_clauses(texts: Sequence[Sequence[Clause]]) -> list[Clause]:
    return sorted({clause for clauses in texts for clause in clauses})


def _said_clauses(pairs: Iterable[tuple[str, str]]) -> dict[str, set[Clause]]:
    """Clauses of each text, of its twin and of the twin's; a text that is there several times has those of all."""
    found: dict[str, set[Clause]] = {}
    for text, said in set(pairs):
        for _ in range(3):
            found.setdefault(text, set()).update(parse_findings_text(said))
            flipped = flip_text(text)
            said = said if flipped == text else flip_text(said)
            text = flipped
    return found


def text_table(cohort: Cohort, rows: np.ndarray) -> TextTable:
    """Table of the texts of some rows of a cohort's volumes, with the clauses of what was read where that is stored."""
    volumes = cohort.volumes.iloc[rows]
    if READ_FINDINGS not in cohort.studies:
        return TextTable.of(volumes["text"].tolist())
    stored = dict(zip(cohort.studies["study_id"], cohort.studies[READ_FINDINGS], strict=True))
    said = [
        findings_text(clauses_of(findings_from_json(stored[study]), contrast)) if stored[study] else text
        for study, contrast, text in zip(volumes["study_id"], volumes["contrast"], volumes["text"], strict=True)
    ]
    return TextTable.of(volumes["text"].tolist(), said)


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
    def of(cls, texts: Sequence[str], said: Sequence[str] | None = None) -> TextTable:
        """Table of the unique `texts` and their twins.

        Args:
            texts: Texts, as reports.
            said: The findings text of each, whose clauses are those of the text; None: texts are findings texts.
        """
        unique = sorted({*texts} | {flip_text(text) for text in texts})
        # A text whose clauses are not in canonical order is not the twin of its twin, so close under flipping.
        unique = sorted({*unique} | {flip_text(text) for text in unique})
        index = {text: number for number, text in enumerate(unique)}
        twin = np.array([index[flip_text(text)] for text in unique], dtype=np.int64)
        known = None if said is None else _said_clauses(zip(texts, said, strict=True))
        clauses = (parse_findings_text(text) if known is None else tuple(sorted(known[text])) for text in unique)
        return cls(tuple(unique), tuple(clauses), twin)

    def ids(self, texts: Sequence[str]) -> np.ndarray:
        """(n,) int64 ids of `texts`; raises InputError when a text is not in the table."""
        index = {text: number for number, text in enumerate(self.texts)}
        missing = next((text for text in texts if text not in index), None)
        if missing is not None:
            raise InputError(f"got a text outside the table: {missing!r}; build the table with it")
        return np.array([index[text] for text in texts], dtype=np.int64)

    def can_flip(self) -> np.ndarray:
        """(N,) bool, whether the sides of a text can be swapped with certainty; else it is its own twin."""
        return np.array([can_flip(text) for text in self.texts])

    def is_normal(self) -> np.ndarray:
        """(N,) bool, whether a text has no clause."""
        return np.array([not clauses for clauses in self.clauses])


@dataclass(frozen=True, eq=False)
class TextSimilarity:
    """S for any batch of text ids: one gather and one product against tables made once.

    Attributes:
        averaging: A (N, U) float32; rows sum to 1, zero rows for the normal sentence.
        projected: P = A K under mean pooling, M under best match, (N, U) float32.
        pooling: As in SimilarityConfig.
        normal: As in SimilarityConfig.
    """

    averaging: torch.Tensor
    projected: torch.Tensor
    pooling: str = "mean"
    normal: str = "zero"

    @classmethod
    def of(cls, table: TextTable, config: SimilarityConfig) -> TextSimilarity:
        """Tables for the clauses of `table`."""
        unique = _unique_clauses(table.clauses)
        averaging = torch.from_numpy(averaging_matrix(table.clauses, unique))
        clause_table = torch.from_numpy(clause_similarity(unique, unique, config))
        if config.pooling == "best_match":
            projected = torch.from_numpy(best_of(averaging, clause_table))
        else:
            projected = averaging @ clause_table
        return cls(averaging.float(), projected.float(), config.pooling, config.normal)

    def to(self, device: torch.device) -> TextSimilarity:
        """The same tables on `device`; itself when they are there."""
        if self.averaging.device == device:
            return self
        return replace(self, averaging=self.averaging.to(device), projected=self.projected.to(device))

    def permuted(self, permutation: np.ndarray) -> TextSimilarity:
        """The similarity in which text i plays the part of text `permutation[i]`."""
        order = torch.from_numpy(permutation).to(self.averaging.device)
        return replace(self, averaging=self.averaging[order], projected=self.projected[order])

    def __call__(self, text_ids: torch.Tensor) -> torch.Tensor:
        """S (B, B) float32 in [0, 1], diagonal 1.

        Args:
            text_ids: (B,) int64 on the device of the tables. A text that is in the batch twice has the value of the
                formula off the diagonal, as in the authors' code.
        """
        similarity = self.projected[text_ids] @ self.averaging[text_ids].T
        if self.pooling == "best_match":
            similarity = (similarity + similarity.T) / 2
        if self.normal == "alike":
            normal = self._is_normal(text_ids)
            similarity = similarity.masked_fill(normal[:, None] & normal, 1.0)
        return similarity.fill_diagonal_(1.0)

    def dropped(self, text_ids: torch.Tensor) -> torch.Tensor | None:
        """(B, B) bool, the pairs that the KL term leaves out: off the diagonal, with a normal text.

        None unless `normal: masked`.

        Args:
            text_ids: (B,) int64 on the device of the tables.
        """
        if self.normal != "masked":
            return None
        normal = self._is_normal(text_ids)
        return (normal[:, None] | normal).fill_diagonal_(False)

    def _is_normal(self, text_ids: torch.Tensor) -> torch.Tensor:
        return ~self.averaging[text_ids].any(1)
