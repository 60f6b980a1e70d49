"""GLoRIA: contrast of whole volumes with whole texts, and of regions with words.

    A_r   = softmax over regions of 4 * (softmax over words of W_l . R_r)       attention of word l
    Z_ij  = log sum_l exp(5 cos(W_l, sum_r A_r R_r)),   words l of text j, regions r of volume i
    L     = InfoNCE(logit_scale U V^T) + InfoNCE(10 Z)

Source: Huang et al. 2021, GLoRIA, ICCV, section 3, with temperatures 4, 5 and 10 and equal weights, and the authors'
code (marshuang80/gloria, gloria/loss/gloria_loss.py). The softmax over words ahead of the attention is the code's (the
paper tells of the one over regions alone) and is taken: it is what was trained, and bounds the scores whatever the
length of the embeddings. As there, [CLS] counts as a word and [SEP] does not. Other than there: a word is a token of
the last layer, not the sum of a word's pieces over four layers; regions are the tower's last map; words have a
projection of their own; the global term has the learned logit scale of every method, not 10; both directions of a term
are averaged, not added.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from selip.training.method import Method, Objective, Preparation
from selip.training.objective import Batch, Loss, identity_targets, soft_target_info_nce
from selip.training.search_space import Span
from selip.training.settings import Positive

EPSILON = 1e-8  # guards the norm of a zero vector, nothing else


@dataclass(frozen=True)
class LocalSettings:
    """Factors of the local term, temperatures in the paper's words; the defaults are the paper's.

    Attributes:
        attention: Sharpness of the attention of a word over regions.
        aggregation: Sharpness of the sum over words.
        matching: Scale of the logits.
    """

    attention: Positive = 4.0
    aggregation: Positive = 5.0
    matching: Positive = 10.0


def local_logits(
    regions: torch.Tensor, words: torch.Tensor, kept: torch.Tensor, settings: LocalSettings
) -> torch.Tensor:
    """Logits of the local term (B, B), by default 10 Z; rows are volumes.

    With attention a of a word over regions R, |sum_r a_r R_r|^2 = a^T (R R^T) a, so that no tensor is larger than
    (B, B, L, R) and the attended regions (B, B, L, E) are never formed.

    Args:
        regions: (B, R, E).
        words: (B, L, E).
        kept: (B, L) bool, which words count; at least one of a row.
        settings: Factors.
    """
    scores = torch.einsum("tle,vre->tvlr", words, regions)
    kept = kept[:, None, :]
    over_words = scores.masked_fill(~kept.unsqueeze(-1), -torch.inf).softmax(2)
    attention = (settings.attention * over_words).softmax(3)
    gram = regions @ regions.transpose(1, 2)
    squared = (torch.einsum("tvlr,vrq->tvlq", attention, gram) * attention).sum(3)
    lengths = squared.clamp_min(EPSILON**2).sqrt() * words.norm(dim=2)[:, None]
    cosines = (attention * scores).sum(3) / lengths.clamp_min(EPSILON)
    matches = (settings.aggregation * cosines).masked_fill(~kept, -torch.inf).logsumexp(2)
    return settings.matching * matches.T


class Gloria(nn.Module):
    """Global and local loss, with the projections of regions and words that the local one needs.

    Attributes:
        settings: Factors of the local term.
        region_projection: C to E; a 1 x 1 convolution, as regions are rows here.
        word_projection: W to E.
    """

    def __init__(self, channels: int, word_width: int, embedding_size: int, settings: LocalSettings) -> None:
        super().__init__()
        self.settings = settings
        self.region_projection = nn.Linear(channels, embedding_size, bias=False)
        self.word_projection = nn.Linear(word_width, embedding_size, bias=False)

    def forward(self, batch: Batch) -> Loss:
        """Loss of a batch in nats; the targets are those of both terms."""
        regions = self.region_projection(batch.regions.float().flatten(2).transpose(1, 2))
        words = self.word_projection(batch.words.float())
        targets = identity_targets(batch.logits)
        logits = local_logits(regions, words, without_last(batch.word_mask), self.settings)
        local = soft_target_info_nce(logits, targets)
        return Loss(soft_target_info_nce(batch.logits, targets) + local, targets)


def without_last(mask: torch.Tensor) -> torch.Tensor:
    """`mask` (B, L) bool without the last token of each row, which is [SEP]; rows are padded at their end."""
    return F.pad(mask[:, 1:], (0, 1))


def prepare(preparation: Preparation) -> Objective:
    """Layers for the towers' sizes."""
    sizes = preparation.sizes
    return Gloria(sizes.regions[0], sizes.words, preparation.config.model.embedding_size, preparation.settings)


METHOD = Method(
    name="gloria",
    summary="contrastive loss of volumes and texts, and of regions and words",
    source="Huang et al. 2021, GLoRIA, ICCV",
    prepare=prepare,
    views=("pairs", "local"),
    settings=LocalSettings,
    space={"attention": Span(1, 10), "aggregation": Span(1, 10), "matching": Span(3, 30)},
)
