"""SeLIP as the authors' code runs it, as far as the common trainer's budget, batches and towers allow.

What that code does otherwise than the paper's formula, all at once: epsilon is 1e-3 in Adam and as the lower clamp of
the probabilities inside the KL term; the logit scale stays at 1 / 0.07, as no optimiser group holds it; the syntax term
is the set Dice of characters; features are averaged over the volume; no weight decay; the rate decays as a polynomial.

Source: yangdong01123/SeLIP, commit 6c86b0c. The loss is that of `selip`.
"""

from __future__ import annotations

from dataclasses import replace

from baselines.selip import METHOD as SELIP

EPSILON = 1e-3


METHOD = replace(
    SELIP,
    name="selip_released",
    summary="selip with the authors' code's settings: clamp, Adam's epsilon, fixed scale, characters, average pool",
    source="yangdong01123/SeLIP, commit 6c86b0c, of arXiv:2503.19801",
    tower={"pooling": "average"},
    overrides=(
        f"methods.selip_released.kl_clamp={EPSILON}",
        f"training.adam_epsilon={EPSILON}",
        "training.weight_decay=0",
        "training.schedule=polynomial",
        "model.logit_scale=fixed",
        f"model.logit_scale_start={1 / 0.07}",
        "similarity.syntax=character_dice",
    ),
)
