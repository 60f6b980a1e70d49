"""Checked embeddings: what every benchmark may take for granted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from selip.models.embeddings import Embeddings
from selip.system.errors import InputError

ITEM_COLUMNS = ("volume_id", "study_id", "patient_id", "contrast", "site", "text")
_LENGTH_TOLERANCE = 1e-3


@dataclass(frozen=True)
class TextBank:
    """Embeddings of distinct texts, each encoded once.

    Attributes:
        rows: Text to its row.
        vectors: (M, E) of unit length.
    """

    rows: Mapping[str, int]
    vectors: npt.NDArray

    def of(self, texts: Iterable[str]) -> npt.NDArray:
        """(n, E) embeddings of n texts."""
        return self.vectors[[self.rows[text] for text in texts]]


def text_bank(embeddings: Embeddings, texts: Iterable[str]) -> TextBank:
    """Encodes the distinct texts in sorted order.

    Raises:
        InputError: When an embedding is not finite or not of unit length.
    """
    distinct = sorted(set(texts))
    vectors = np.asarray(embeddings.encode_text(distinct))
    check_vectors(vectors, distinct, "text")
    return TextBank({text: row for row, text in enumerate(distinct)}, vectors)


def check_embeddings(embeddings: Embeddings) -> None:
    """Refuses embeddings that cannot be scored.

    Raises:
        InputError: When there are no items, a column is missing, a volume occurs twice, or a volume's embedding is not
            finite or not of unit length.
    """
    items = embeddings.items
    missing = [column for column in ITEM_COLUMNS if column not in items]
    if missing or items.empty:
        got = f"no column {missing[0]!r}" if missing else "no items"
        raise InputError(f"got {got} to score; give at least one volume with {', '.join(ITEM_COLUMNS)}")
    repeated = items["volume_id"][items["volume_id"].duplicated()]
    if len(repeated):
        raise InputError(f"got volume {repeated.iloc[0]!r} twice; remove the repeat")
    check_vectors(embeddings.volumes, list(items["volume_id"]), "volume")


def check_vectors(vectors: npt.NDArray, names: Sequence[str], kind: str) -> None:
    """Refuses vectors (n, E) that are not finite (NaN would rank first everywhere) or not of unit length.

    Raises:
        InputError: Naming the first wrong one of `names`.
    """
    if vectors.ndim != 2 or len(vectors) != len(names):
        raise InputError(f"got {kind} embeddings of shape {vectors.shape}, not ({len(names)}, E); encode them all")
    finite = np.isfinite(vectors).all(axis=1)
    if not finite.all():
        raise InputError(
            f"got {np.count_nonzero(~finite)} non-finite {kind} embeddings, first {names[finite.argmin()]!r}; "
            "check the training for divergence"
        )
    length = np.linalg.norm(vectors.astype(np.float64), axis=1)
    wrong = np.abs(length - 1) > _LENGTH_TOLERANCE
    if wrong.any():
        first = wrong.argmax()
        raise InputError(
            f"got a {kind} embedding of length {length[first]:.4g} for {names[first]!r}; normalise the embeddings"
        )
