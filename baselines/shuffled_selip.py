"""SeLIP with the similarity of other texts: the control for what the similarity says.

    S'_ij = S_pi(i) pi(j),   pi a fixed permutation of the abnormal texts, one per seed

Source: control for arXiv:2503.19801. Over the cohort's texts S' has the spectrum, the row sums and the diagonal of S up
to order. pi keeps a text and its left-right twin together, so that flips mean the same as in S; only which texts are
called alike is wrong. If it does as well as SeLIP, similarity is not what helped.
"""

from __future__ import annotations

import numpy as np

from baselines.selip import SelipSettings, prepare_with
from selip.similarity.text_similarity import TextSimilarity
from selip.system.errors import UnavailableError
from selip.training.method import Method, Objective, Preparation
from selip.training.search_space import Span

FEWEST_MOVED = 4


def permutation(normal: np.ndarray, twin: np.ndarray, seed: int) -> np.ndarray:
    """(N,) int64 permutation pi of abnormal texts with pi(twin(i)) = twin(pi(i)), by `seed`.

    Args:
        normal: (N,) bool, which texts are the normal sentence.
        twin: (N,) int64, the left-right flipped twin of each text.
        seed: Seed of the run.
    """
    rng = np.random.default_rng([seed, 2])
    numbers = np.arange(len(normal))
    result = numbers.copy()
    mutual = twin[twin] == numbers  # not so for a text whose clauses are not in canonical order: it moves by itself
    alone = numbers[~normal & ((twin == numbers) | ~mutual)]
    result[alone] = rng.permutation(alone)
    first = numbers[~normal & mutual & (numbers < twin)]
    moved = rng.permutation(first)
    moved = np.where(rng.random(len(moved)) < 0.5, moved, twin[moved])
    result[first], result[twin[first]] = moved, twin[moved]
    return result


def prepare(preparation: Preparation) -> Objective:
    """SeLIP's objective over the permuted similarity.

    Raises:
        UnavailableError: When too few texts would change their place for this to be another similarity.
    """
    order = permutation(preparation.texts.is_normal(), preparation.texts.twin, preparation.seed)
    moved = (order != np.arange(len(order))) & (order != preparation.texts.twin)
    if moved.sum() < FEWEST_MOVED:
        raise UnavailableError(
            f"got training texts of which a shuffle moves {moved.sum()}; shuffled_selip needs at least {FEWEST_MOVED}"
        )
    similarity = TextSimilarity.of(preparation.texts, preparation.config.similarity)
    return prepare_with(similarity.permuted(order).to(preparation.device), preparation.settings)


METHOD = Method(
    name="shuffled_selip",
    summary="control: SeLIP with the similarity of shuffled texts",
    source="control for arXiv:2503.19801",
    prepare=prepare,
    settings=SelipSettings,
    space={"kl_weight": Span(0.25, 4)},
    control_of="selip",
)
