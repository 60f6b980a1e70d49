"""Nearest volumes to a text, nearest texts to a volume; worked examples are those whose ids hash lowest."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from leaderboards.figures.example_pictures import Candidate, Example
from selip.cohorts.importing.study_texts import UNDESCRIBED
from selip.data.cohort import Cohort, lesion_of
from selip.data.findings import CONTRASTS, parse_findings_text
from selip.data.states import ABNORMAL, states_of
from selip.data.volumes import read_volume
from selip.models.dual_encoder import DualEncoder, load_checkpoint
from selip.models.embedding_cache import EmbeddingCache
from selip.models.embeddings import Embeddings, embed_cohort, embed_volumes
from selip.models.repeatable_kernels import repeat_exactly
from selip.models.scored_model import mismatches
from selip.system.errors import InputError
from selip.system.files import content_hash


@dataclass(frozen=True)
class Hit:
    """One answer: cosine in [-1, 1], row of the first volume that carries it among the items, and its findings text."""

    cosine: float
    row: int
    text: str


def nearest_volumes(embeddings: Embeddings, texts: Sequence[str], k: int) -> list[Hit]:
    """The `k` volumes closest to the mean direction of `texts`, best first."""
    query = embeddings.encode_text(texts).mean(0)
    cosines = embeddings.volumes @ (query / np.linalg.norm(query))
    return [Hit(float(cosines[row]), row, str(embeddings.items["text"].iloc[row])) for row in _best(cosines, k)]


def nearest_texts(embeddings: Embeddings, volume: np.ndarray, k: int) -> list[Hit]:
    """The `k` texts of the gallery closest to a volume's embedding (E,), best first; equal texts are one answer."""
    texts = sorted(set(embeddings.items["text"]))
    first_row = {text: row for row, text in reversed(list(enumerate(embeddings.items["text"])))}
    cosines = embeddings.encode_text(texts) @ volume
    return [Hit(float(cosines[number]), first_row[texts[number]], texts[number]) for number in _best(cosines, k)]


def _best(cosines: np.ndarray, k: int) -> Sequence[int]:
    if k < 1:
        raise InputError(f"got -k {k}; ask for at least 1")
    return [int(number) for number in np.argsort(-cosines, kind="stable")[:k]]


def search_cohort(
    checkpoint: Path, cohort: Path, split: str, text: str | None, volume: Path | None, contrast: str | None, k: int
) -> tuple[list[Hit], pd.DataFrame, list[str]]:
    """Answers of `selip search`, the items they point into, and lines a reader should know.

    Raises:
        InputError: Unless exactly one of `text` and `volume` is given, with words or a contrast the model can use.
    """
    if (text is None) == (volume is None):
        raise InputError(f"got --text {text} and --volume {volume}; give exactly one of them")
    repeat_exactly()
    model, facts = load_checkpoint(checkpoint)
    opened = Cohort.open(cohort)
    notes = mismatches(facts, opened, "test")
    embeddings = embed_cohort(model, opened, split, (), EmbeddingCache.beside(checkpoint, notes.append))
    if volume is None:
        queries, note = read_query(model, text or "", facts.train_texts)
        notes += [note] if note else []
        hits = nearest_volumes(embeddings, queries, k)
    else:
        contrast = (contrast or "").upper().replace("T1C", "T1c")
        if contrast not in CONTRASTS:
            raise InputError(f"got --contrast {contrast or 'nothing'} for --volume; allowed: {', '.join(CONTRASTS)}")
        array = read_volume(volume, facts.shape, facts.spacing_mm)[None]
        hits = nearest_texts(embeddings, embed_volumes(model, array, [contrast])[0][0], k)
    return hits, embeddings.items, notes


def read_query(model: DualEncoder, text: str, train_texts: Iterable[str]) -> tuple[list[str], str]:
    """Texts that a model understands for a user's words, and a line that says how they were read.

    Clause form, and anything for a pretrained tower, is taken as it is. Otherwise the places and signal phrases of the
    training clauses are looked for in the words, and every training clause with them stands for the query. Failing
    that, the words that training held are left.

    Raises:
        InputError: When none of the words is known.
    """
    if not model.tokens.unseen_words(text) and all(clause.location for clause in parse_findings_text(text)):
        return [text], ""
    clauses = {clause for known in train_texts for clause in parse_findings_text(known)}
    places = _named({clause.location for clause in clauses}, text)
    signals = _named({clause.signal for clause in clauses}, text)
    meant = sorted(
        clause.text
        for clause in clauses
        if (places or signals)
        and (not places or clause.location in places)
        and (not signals or clause.signal in signals)
    )
    if meant and model.tokens.words:
        return meant, f"read as {' and '.join(sorted(places | signals))}: {len(meant)} findings of the training part"
    known, unseen = model.tokens.without_unseen_words(text), model.tokens.unseen_words(text)
    if not known.strip():
        raise InputError(f"got --text {text!r} without a word the model was trained on; use words of its reports")
    return [known], f"words that no training text held are left out: {', '.join(unseen)}" if unseen else ""


def _named(phrases: Iterable[str], text: str) -> set[str]:
    """The phrases that occur in `text` as whole words, less those that are part of a longer one that does."""
    found = {phrase for phrase in phrases if phrase and re.search(rf"\b{re.escape(phrase)}\b", text, re.IGNORECASE)}
    return {phrase for phrase in found if not any(phrase != other and phrase in other for other in found)}


EXAMPLES = 3
SHOWN = 5


def worked_examples(embeddings: Embeddings, cohort: Cohort, method: str) -> dict[str, list[Example]]:
    """Examples for the leaderboard, by direction; the same queries for each method, none that nobody described."""
    states, texts = states_of(embeddings.items), embeddings.items["text"]
    abnormal = [row for row, state in enumerate(states) if state == ABNORMAL and texts.iloc[row] != UNDESCRIBED]
    rows = sorted(abnormal, key=lambda row: content_hash(embeddings.items["volume_id"].iloc[row]))[:EXAMPLES]
    if not rows:
        return {}
    return {
        "image_to_text": [_image_to_text(embeddings, cohort, method, row) for row in rows],
        "text_to_image": [_text_to_image(embeddings, cohort, method, row) for row in rows],
    }


def _image_to_text(embeddings: Embeddings, cohort: Cohort, method: str, row: int) -> Example:
    item = embeddings.items.iloc[row]
    hits = nearest_texts(embeddings, embeddings.volumes[row], SHOWN)
    candidates = [Candidate(hit.text, hit.cosine, hit.text == item["text"]) for hit in hits]
    title = f"{method}: {item['volume_id']} ({item['contrast']})"
    return Example(title, item["text"], candidates, cohort.info.synthetic, *lesion_slice(cohort, item["volume_id"]))


def _text_to_image(embeddings: Embeddings, cohort: Cohort, method: str, row: int) -> Example:
    text = embeddings.items["text"].iloc[row]
    hits = nearest_volumes(embeddings, [text], SHOWN)
    candidates = [_shown(embeddings, cohort, hit, text) for hit in hits]
    return Example(f"{method}: volumes for a text", text, candidates, cohort.info.synthetic)


def _shown(embeddings: Embeddings, cohort: Cohort, hit: Hit, text: str) -> Candidate:
    item = embeddings.items.iloc[hit.row]
    slices = lesion_slice(cohort, item["volume_id"])
    return Candidate(f"{item['contrast']}: {hit.text}", hit.cosine, hit.text == text, *slices)


def lesion_slice(cohort: Cohort, volume_id: str) -> tuple[np.ndarray, np.ndarray]:
    """Axial slice (I, J) of a volume where its lesion is largest (the middle one without a lesion), and its mask."""
    row = int(np.flatnonzero(cohort.volumes["volume_id"] == volume_id)[0])
    study = int(np.flatnonzero(cohort.studies["study_id"] == cohort.volumes["study_id"].iloc[row])[0])
    volume, mask = cohort.read_volumes([row])[0], lesion_of(cohort.read_masks([study])[0])
    areas = mask.astype(bool).sum((0, 1))
    level = int(areas.argmax()) if areas.any() else volume.shape[2] // 2
    return volume[:, :, level], mask[:, :, level]
