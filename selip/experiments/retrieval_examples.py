"""Worked examples of retrieval, picked by a rule and never by hand: the abnormal test volumes whose ids hash lowest."""

from __future__ import annotations

from typing import Any

import numpy as np

from selip.data.cohort import Cohort, lesion_of
from selip.experiments.search import Hit, nearest_texts, nearest_volumes
from selip.models.embeddings import Embeddings
from selip.states import ABNORMAL, states_of
from selip.system.files import content_hash

EXAMPLES = 3
SHOWN = 5


def worked_examples(embeddings: Embeddings, cohort: Cohort, method: str) -> dict[str, list[dict[str, Any]]]:
    """Keyword arguments of leaderboard examples, by direction; the same queries for each method."""
    abnormal = [row for row, state in enumerate(states_of(embeddings.items)) if state == ABNORMAL]
    rows = sorted(abnormal, key=lambda row: content_hash(embeddings.items["volume_id"].iloc[row]))[:EXAMPLES]
    if not rows:
        return {}
    return {
        "image_to_text": [_image_to_text(embeddings, cohort, method, row) for row in rows],
        "text_to_image": [_text_to_image(embeddings, cohort, method, row) for row in rows],
    }


def _image_to_text(embeddings: Embeddings, cohort: Cohort, method: str, row: int) -> dict[str, Any]:
    item = embeddings.items.iloc[row]
    picture, mask = lesion_slice(cohort, item["volume_id"])
    hits = nearest_texts(embeddings, embeddings.volumes[row], SHOWN)
    return {
        "title": f"{method}: {item['volume_id']} ({item['contrast']})",
        "true_text": item["text"],
        "candidates": [(hit.text, hit.cosine, hit.text == item["text"], None) for hit in hits],
        "synthetic": cohort.info.synthetic,
        "picture": picture,
        "mask": mask,
    }


def _text_to_image(embeddings: Embeddings, cohort: Cohort, method: str, row: int) -> dict[str, Any]:
    text = embeddings.items["text"].iloc[row]
    hits = nearest_volumes(embeddings, [text], SHOWN)
    return {
        "title": f"{method}: volumes for a text",
        "true_text": text,
        "candidates": [_shown(embeddings, cohort, hit, text) for hit in hits],
        "synthetic": cohort.info.synthetic,
    }


def _shown(embeddings: Embeddings, cohort: Cohort, hit: Hit, text: str) -> tuple[str, float, bool, np.ndarray]:
    picture, _ = lesion_slice(cohort, embeddings.items["volume_id"].iloc[hit.row])
    contrast = embeddings.items["contrast"].iloc[hit.row]
    return f"{contrast}: {hit.text}", hit.cosine, hit.text == text, picture


def lesion_slice(cohort: Cohort, volume_id: str) -> tuple[np.ndarray, np.ndarray]:
    """Axial slice (I, J) of a volume where its lesion is largest (the middle one without a lesion), and its mask."""
    row = int(np.flatnonzero(cohort.volumes["volume_id"] == volume_id)[0])
    study = int(np.flatnonzero(cohort.studies["study_id"] == cohort.volumes["study_id"].iloc[row])[0])
    volume, mask = cohort.read_volumes([row])[0], lesion_of(cohort.read_masks([study])[0])
    areas = mask.astype(bool).sum((0, 1))
    level = int(areas.argmax()) if areas.any() else volume.shape[2] // 2
    return volume[:, :, level], mask[:, :, level]
