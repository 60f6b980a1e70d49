"""Free-text reports that say nearly the same in different parts of a split."""

from __future__ import annotations

import numpy as np
from rapidfuzz import fuzz, process, utils

from selip.cohort import Cohort

NEAR_DUPLICATE_PERCENT = 90
TILE = 512


def near_duplicate_reports(cohort: Cohort) -> list[tuple[str, str]]:
    """Studies of val and test whose report is near-identical to one of train, each with that study of train.

    Near-identical is a token sort ratio (rapidfuzz: edit distance of the sorted words, case and
    punctuation aside) of NEAR_DUPLICATE_PERCENT or
    more. They are listed, not refused: two patients may well be described alike.
    """
    written = cohort.studies[cohort.studies["report"].str.strip() != ""]
    train, others = written[written["split"] == "train"], written[written["split"] != "train"]
    found: list[tuple[str, str]] = []
    for start in range(0, len(others) if len(train) else 0, TILE):
        tile = others.iloc[start : start + TILE]
        scores = process.cdist(
            tile["report"].tolist(),
            train["report"].tolist(),
            scorer=fuzz.token_sort_ratio,
            processor=utils.default_process,
            score_cutoff=NEAR_DUPLICATE_PERCENT,
            dtype=np.uint8,
            workers=-1,
        )
        for row in np.flatnonzero(scores.max(1)):
            found.append((str(tile["study_id"].iloc[row]), str(train["study_id"].iloc[scores[row].argmax()])))
    return found
