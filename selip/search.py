"""Nearest volumes to a text, nearest texts to a volume: `selip search`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from selip.cohort import Cohort
from selip.embed import embed_cohort, embed_volumes
from selip.embeddings import Embeddings
from selip.errors import InputError
from selip.findings import CONTRASTS
from selip.mismatches import mismatches
from selip.model import DualEncoder, load_checkpoint
from selip.volumes import read_volume


@dataclass(frozen=True)
class Hit:
    """One answer.

    Attributes:
        cosine: Similarity in [-1, 1].
        row: Row of the first volume that carries the answer in the embeddings' items.
        text: Its findings text.
    """

    cosine: float
    row: int
    text: str


def nearest_volumes(embeddings: Embeddings, text: str, k: int) -> list[Hit]:
    """The `k` volumes closest to `text`, best first."""
    cosines = embeddings.volumes @ embeddings.encode_text([text])[0]
    return [Hit(float(cosines[row]), row, str(embeddings.items["text"].iloc[row])) for row in _best(cosines, k)]


def nearest_texts(embeddings: Embeddings, volume: np.ndarray, k: int) -> list[Hit]:
    """The `k` texts of the gallery closest to a volume's embedding (E,), best first; equal texts are one answer."""
    texts = sorted(set(embeddings.items["text"]))
    first_row = {text: row for row, text in reversed(list(enumerate(embeddings.items["text"])))}
    cosines = embeddings.encode_text(texts) @ volume
    return [Hit(float(cosines[number]), first_row[texts[number]], texts[number]) for number in _best(cosines, k)]


def _best(cosines: np.ndarray, k: int) -> Sequence[int]:
    if k < 1:
        raise InputError(f"got -k {k}; allowed: at least 1")
    return [int(number) for number in np.argsort(-cosines, kind="stable")[:k]]


def search_cohort(
    checkpoint: Path, cohort: Path, split: str, text: str | None, volume: Path | None, contrast: str | None, k: int
) -> tuple[list[Hit], pd.DataFrame, list[str]]:
    """Answers of `selip search`, the items they point into, and lines a reader should know.

    Raises:
        InputError: Unless exactly one of `text` and `volume` is given, with words or a contrast the model can use.
    """
    if (text is None) == (volume is None):
        raise InputError(f"got --text {text} and --volume {volume}; allowed: exactly one of them")
    model, facts = load_checkpoint(checkpoint)
    opened = Cohort.open(cohort)
    notes = mismatches(facts, opened)
    embeddings = embed_cohort(model, opened, split, ())
    if volume is None:
        known, unseen = _known_text(model, text or "")
        if unseen:
            notes.append(f"words that no training text held are left out: {', '.join(unseen)}")
        hits = nearest_volumes(embeddings, known, k)
    else:
        contrast = (contrast or "").upper().replace("T1C", "T1c")
        if contrast not in CONTRASTS:
            raise InputError(f"got --contrast {contrast} for --volume; allowed: {', '.join(CONTRASTS)}")
        array = read_volume(volume, facts.shape, facts.spacing_mm)[None]
        hits = nearest_texts(embeddings, embed_volumes(model, array, [contrast])[0], k)
    return hits, embeddings.items, notes


def _known_text(model: DualEncoder, text: str) -> tuple[str, list[str]]:
    known, unseen = model.tokens.without_unseen_words(text), model.tokens.unseen_words(text)
    if not known.strip():
        raise InputError(
            f"got --text {text!r} without a word that the model was trained on; allowed: words of its reports"
        )
    return known, unseen
