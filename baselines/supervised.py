"""Supervised: the volume tower learns the lesion types of its volumes from scratch; no text.

    L = mean over volumes and lesion types of BCE(sigmoid(W f + b), y),   y in {0, 1}

Source: floor; multi-label logistic regression on the features f before projection (PyTorch's
binary_cross_entropy_with_logits), without class weights. The head is forgotten after training and the volume
projection is not trained. It sees the labels that classification asks for, of the training part only.
"""

from __future__ import annotations

from torch import nn
from torch.nn import functional as F

from baselines.labelled import require_labels
from selip.training.method import Method, Objective, Preparation
from selip.training.objective import Batch, Loss


class LesionTypes(nn.Module):
    """The objective and its linear head."""

    def __init__(self, features: int, labels: int) -> None:
        super().__init__()
        self.head = nn.Linear(features, labels)

    def forward(self, batch: Batch) -> Loss:
        """Binary cross-entropy of the lesion types of a batch, in nats; what is unknown (NaN) is left out."""
        logits, known = self.head(batch.features.float()), (~batch.labels.isnan()).float()
        mean = F.binary_cross_entropy_with_logits(logits, batch.labels.nan_to_num(), weight=known)
        return Loss(mean * (known.numel() / known.sum().clamp_min(1)))


def prepare(preparation: Preparation) -> Objective:
    """A head for the lesion types of the run's cohort.

    Raises:
        UnavailableError: When the cohort has no labels.
    """
    require_labels(preparation, "supervised")
    return LesionTypes(preparation.sizes.features, len(preparation.label_names))


METHOD = Method(
    name="supervised",
    summary="floor: the tower trained on lesion types from scratch, no text",
    source="floor",
    prepare=prepare,
    views=("features", "labels"),
)
