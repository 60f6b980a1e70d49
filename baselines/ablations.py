"""Ablations of SeLIP: each changes one thing of the full method and is compared with it on the same seeds and patients.

An ablation is one line here.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Ablation:
    """One change of SeLIP.

    Attributes:
        group: What is varied; ablations of a group stand together in the table.
        summary: One line for `selip list ablations`.
        overrides: Run settings that differ from the experiment's, as "selip.kl_weight=0".
    """

    group: str
    summary: str
    overrides: tuple[str, ...]


ABLATIONS: dict[str, Ablation] = {
    "lambda_0": Ablation("lambda", "no similarity term: CLIP's loss", ("selip.kl_weight=0",)),
}
