"""X-CLR's targets: cosine of frozen sentence embeddings, as soft as SeLIP's.

    T = row-softmax(cos(e_i, e_j) / tau),   L = (1 + lambda) * 1/2 [CE(T, Z) + CE(T, Z^T)]

e is the packaged MiniLM's embedding of the text, never trained. Source: Sobal et al. 2024, X-CLR, arXiv:2407.18134: the
soft graph of sample similarities as targets of InfoNCE. Theirs is between images, with a fixed tau; here it is
cross-modal, and tau and the factor 1 + lambda (lambda = methods.selip.kl_weight) match SeLIP, see entropy_match.py.
MiniLM is nearly blind to the side (cosine .98 of left and right), so T is too. Without its weights: UnavailableError.
"""

from __future__ import annotations

import torch

from baselines.entropy_match import TargetSettings, matched_objective
from selip.similarity.sentence_embeddings import sentence_embeddings
from selip.system.errors import InputError, UnavailableError
from selip.training.method import Method, Objective, Preparation
from selip.training.search_space import Span


def prepare(preparation: Preparation) -> Objective:
    """Targets from the sentence embeddings of the training texts.

    Raises:
        UnavailableError: When the sentence model cannot be loaded here.
    """
    try:
        vectors = sentence_embeddings(preparation.texts.texts)
    except InputError as error:
        raise UnavailableError(str(error)) from error
    return matched_objective(torch.from_numpy(vectors), preparation)


METHOD = Method(
    name="sentence_targets",
    summary="soft targets from frozen sentence embeddings, as soft as SeLIP's",
    source="Sobal et al. 2024, X-CLR, arXiv:2407.18134",
    prepare=prepare,
    settings=TargetSettings,
    space={"temperature": Span(0.02, 1)},
    uses_similarity=True,
)
