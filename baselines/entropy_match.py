"""Targets from a cosine of texts, as soft as SeLIP's: what sentence_targets and tfidf_targets share.

    T = row-softmax(cos / tau),   L = (1 + lambda) * 1/2 [CE(T, Z) + CE(T, Z^T)]

tau makes the mean row entropy of T over the sampled batches equal to that of SeLIP's T = (I + lambda P) / (1 + lambda)
there, with the run's own SeLIP settings; the factor 1 + lambda is SeLIP's loss scale. So which texts are called alike
is all that differs from SeLIP. The entropy rises with tau, from that of the ties of the largest cosine to log B. Where
SeLIP's lies outside (lambda = 0 asks for 0, which equal texts in a batch do not allow), tau is the nearer end of
TEMPERATURES and the record's target_entropy shows the gap.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import brentq

from baselines.selip import prepare_with, selip_settings
from selip.similarity.text_similarity import TextSimilarity
from selip.system.errors import InputError
from selip.training.method import Objective, Preparation
from selip.training.objective import Batch, row_entropy, soft_target_objective
from selip.training.settings import Positive

SAMPLED_BATCHES = 200
TEMPERATURES = (1e-4, 1e2)  # at its ends T is the ties of the largest cosine, and uniform to 1e-4 nats
TOLERANCE = 1e-6  # of log tau


@dataclass(frozen=True)
class TargetSettings:
    """Settings of targets from a cosine of texts.

    Attributes:
        temperature: tau; null: at which T is as soft as SeLIP's.
    """

    temperature: Positive | None = None


def sampled_batches(preparation: Preparation) -> torch.Tensor:
    """(S, B) int64 text ids of S = min(200, steps) evenly spaced batches of the run."""
    last = len(preparation.batches) - 1
    steps = np.unique(np.linspace(0, last, SAMPLED_BATCHES).astype(int))
    return torch.from_numpy(preparation.batches[steps])


def selip_targets(preparation: Preparation) -> Iterator[torch.Tensor]:
    """SeLIP's T (B, B) of each sampled batch, with the run's own settings.

    Raises:
        InputError: When those settings leave SeLIP without a T that serves both directions.
    """
    settings, config = selip_settings(preparation.config), preparation.config.similarity
    if (settings.kl, settings.diagonal, settings.kl_clamp) != ("symmetric", "in", 0) or config.normal == "masked":
        raise InputError(
            f"got methods.selip.kl={settings.kl}, diagonal={settings.diagonal}, kl_clamp={settings.kl_clamp:g}, "
            f"similarity.normal={config.normal} for a control that copies SeLIP's targets; allowed: symmetric, in, 0 "
            "and not masked"
        )
    similarity = TextSimilarity.of(preparation.texts, config)  # its targets are read here, on the CPU
    selip = prepare_with(similarity, settings)
    for ids in sampled_batches(preparation):
        blank = torch.zeros(len(ids), 1)  # T does not depend on embeddings
        targets = selip(Batch(blank, blank, torch.ones(()), ids)).targets
        if targets is not None:
            yield targets


def mean_entropy(targets: Iterable[torch.Tensor]) -> float:
    """Mean row entropy in nats over target matrices (B, B)."""
    return float(np.mean([row_entropy(one).mean().item() for one in targets]))


def cosine_targets(vectors: torch.Tensor, temperature: float) -> torch.Tensor:
    """T = row-softmax(V V^T / tau), (B, B), of unit-length vectors (B, W)."""
    return (vectors @ vectors.T / temperature).softmax(1)


def matched_temperature(vectors: torch.Tensor, preparation: Preparation) -> float:
    """The tau in TEMPERATURES at which T is as soft as SeLIP's, or the end that comes nearest.

    Args:
        vectors: (N, W) float32 of unit length, one for each text of `preparation.texts`.
        preparation: What is known of the run.
    """
    wanted = mean_entropy(selip_targets(preparation))
    batches = sampled_batches(preparation)

    def excess(log_tau: float) -> float:
        return mean_entropy(cosine_targets(vectors[ids], math.exp(log_tau)) for ids in batches) - wanted

    low, high = (math.log(end) for end in TEMPERATURES)
    if excess(low) >= 0 or excess(high) <= 0:
        return min(TEMPERATURES, key=lambda end: abs(excess(math.log(end))))
    return math.exp(brentq(excess, low, high, xtol=TOLERANCE))


def matched_objective(vectors: torch.Tensor, preparation: Preparation) -> Objective:
    """Soft-target InfoNCE against cosines of texts, at SeLIP's loss scale and the temperature that is set, or matched.

    Args:
        vectors: (N, W) float32 of unit length, one for each text of `preparation.texts`.
        preparation: What is known of the run.
    """
    temperature = preparation.settings.temperature or matched_temperature(vectors, preparation)
    there = vectors.to(preparation.device)

    def targets_of(batch: Batch) -> torch.Tensor:
        return cosine_targets(there[batch.text_ids], temperature)

    return soft_target_objective(targets_of, scale=1 + selip_settings(preparation.config).kl_weight)
