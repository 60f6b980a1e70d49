"""Free-text reports that say nearly the same in different parts of a split."""

from __future__ import annotations

import numpy as np
import pandas as pd
from rapidfuzz import fuzz, process, utils

from selip.data.cohort import Cohort

NEAR_DUPLICATE_PERCENT = 90
TILE = 512


def near_duplicate_reports(cohort: Cohort) -> list[tuple[str, str]]:
    """Studies of val and test whose report is near-identical to one of train, each with that study of train.

    Near-identical is a token sort ratio (rapidfuzz: edit distance of the sorted words, case and
    punctuation aside) of NEAR_DUPLICATE_PERCENT or
    more. They are listed, not refused: two patients may well be described alike.
    """
    train = cohort.studies["split"] == "train"
    return near_duplicates(cohort.studies[train], cohort.studies[~train])


def near_duplicates(known: pd.DataFrame, others: pd.DataFrame) -> list[tuple[str, str]]:
    """Studies of `others` whose report is near-identical to one of `known`, each with the nearest of those.

    Args:
        known: Rows of a cohort's `studies`.
        others: Rows of a cohort's `studies`, of the same or another cohort.
    """
    known, others = (table[table["report"].str.strip() != ""] for table in (known, others))
    found: list[tuple[str, str]] = []
    for start in range(0, len(others) if len(known) else 0, TILE):
        tile = others.iloc[start : start + TILE]
        scores = process.cdist(
            tile["report"].tolist(),
            known["report"].tolist(),
            scorer=fuzz.token_sort_ratio,
            processor=utils.default_process,
            score_cutoff=NEAR_DUPLICATE_PERCENT,
            dtype=np.uint8,
            workers=-1,
        )
        for row in np.flatnonzero(scores.max(1)):
            found.append((str(tile["study_id"].iloc[row]), str(known["study_id"].iloc[scores[row].argmax()])))
    return found
