"""SeLIP with the similarity of other texts: the control for what the similarity says.

    S'_ij = S_pi(i) pi(j),   pi a fixed permutation of the abnormal texts, one per seed

Source: control for arXiv:2503.19801. Over the cohort's texts S' has the spectrum, the row sums and the diagonal of S up
to order; only which texts are called alike is wrong. If it does as well as SeLIP, similarity is not what helped.
"""

from __future__ import annotations

import numpy as np

from selip.method import Method, Objective, Preparation
from selip.similarity import TextSimilarity
from selip.similarity_enhanced import prepare_with


def permutation(normal: np.ndarray, seed: int) -> np.ndarray:
    """(N,) int64 permutation that moves abnormal texts only, by `seed`.

    Args:
        normal: (N,) bool, which texts are the normal sentence.
        seed: Seed of the run.
    """
    result = np.arange(len(normal))
    abnormal = np.flatnonzero(~normal)
    result[abnormal] = np.random.default_rng(np.random.SeedSequence([seed, 2])).permutation(abnormal)
    return result


def prepare(preparation: Preparation) -> Objective:
    """SeLIP's objective over the permuted similarity."""
    similarity = TextSimilarity.of(preparation.texts, preparation.config.similarity)
    shuffled = similarity.permuted(permutation(preparation.texts.is_normal(), preparation.seed))
    return prepare_with(shuffled, preparation.config.selip)


METHOD = Method(
    name="shuffled_selip",
    summary="control: SeLIP with the similarity of shuffled texts",
    source="control for arXiv:2503.19801",
    prepare=prepare,
)
