"""SigLIP with SeLIP's text similarity for labels.

    L = 1/B sum_ij BCE(sigmoid(t U_i . V_j + b), S_ij)

Source: ours; SigLIP (arXiv:2303.15343) with the similarity of arXiv:2503.19801. On SigLIP's scale of -1 and 1 the label
is y = 2 S - 1, and BCE is 1/2 [(1 + y) softplus(-z) + (1 - y) softplus(z)]: it is SigLIP's loss at y = -1 and y = 1 and
linear in y between, so that the best logit of a pair is that of S. (softplus(-y z) would leave y = 0 without a
gradient.) With S = I it is SigLIP. Pairs that SeLIP leaves out under `similarity.normal: masked` are left out here too.
"""

from __future__ import annotations

import torch

from baselines.siglip import PairwiseSigmoid, SigmoidSettings
from selip.similarity.text_similarity import TextSimilarity
from selip.training.method import Method, Objective, Preparation
from selip.training.objective import Batch
from selip.training.search_space import Span


def soft_sigmoid(similarity: TextSimilarity, settings: SigmoidSettings) -> PairwiseSigmoid:
    """The pairwise loss whose labels are S of a batch's texts; its tables are where batches will be."""

    def weights(batch: Batch) -> torch.Tensor | None:
        dropped = similarity.dropped(batch.text_ids)
        return None if dropped is None else (~dropped).float()

    return PairwiseSigmoid(settings, lambda batch: similarity(batch.text_ids), weights)


def prepare(preparation: Preparation) -> Objective:
    """Labels are the similarity that the run's settings describe."""
    similarity = TextSimilarity.of(preparation.texts, preparation.config.similarity)
    return soft_sigmoid(similarity.to(preparation.device), preparation.settings)


METHOD = Method(
    name="siglip_soft",
    summary="pairwise sigmoid loss against the similarity between reports",
    source="ours; Zhai et al. 2023, arXiv:2303.15343, with S of arXiv:2503.19801",
    prepare=prepare,
    settings=SigmoidSettings,
    space={"scale": Span(3, 30), "bias": Span(-12, -2, is_log=False)},
    uses_similarity=True,
)
