"""sentence_targets with TF-IDF for the sentence model: which words two texts share, and nothing more.

    T = row-softmax(cos(v_i, v_j) / tau),   L = (1 + lambda) * 1/2 [CE(T, Z) + CE(T, Z^T)]

v is the text's TF-IDF vector (scikit-learn's defaults: smooth idf, unit length, words of two letters or more), fitted
on the unique training texts and their left-right twins. Source: the variant without a pretrained model of Sobal et al.
2024, X-CLR, arXiv:2407.18134 (ours, not theirs); tau and the factor 1 + lambda as in entropy_match.py. Order is lost:
"left thalamus ...; right insula ..." and its twin are equal.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import torch
from sklearn.feature_extraction.text import TfidfVectorizer

from baselines.entropy_match import TargetSettings, matched_objective
from selip.system.errors import UnavailableError
from selip.training.method import Method, Objective, Preparation
from selip.training.search_space import Span

WORD = re.compile(r"\b\w\w")


def tfidf_vectors(texts: Sequence[str]) -> torch.Tensor:
    """(N, W) float32 of unit length, W words; a text without a word is zero."""
    return torch.from_numpy(TfidfVectorizer(dtype=np.float32).fit_transform(texts).toarray())


def prepare(preparation: Preparation) -> Objective:
    """Targets from the TF-IDF vectors of the training texts.

    Raises:
        UnavailableError: When no training text has a word of two letters.
    """
    if not any(WORD.search(text) for text in preparation.texts.texts):
        raise UnavailableError("got training texts without a word of two letters; tfidf_targets needs words")
    return matched_objective(tfidf_vectors(preparation.texts.texts), preparation)


METHOD = Method(
    name="tfidf_targets",
    summary="soft targets from TF-IDF, as soft as SeLIP's",
    source="TF-IDF variant of Sobal et al. 2024, X-CLR, arXiv:2407.18134",
    prepare=prepare,
    settings=TargetSettings,
    space={"temperature": Span(0.02, 1)},
    uses_similarity=True,
)
