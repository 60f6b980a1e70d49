"""What a reader of scores should know when a model meets a cohort it was not trained on."""

from __future__ import annotations

from collections.abc import Mapping

from selip.data.cohort import Cohort
from selip.data.contrast_mapping import reading_words
from selip.models.dual_encoder import CheckpointFacts


def mismatches(
    facts: CheckpointFacts, cohort: Cohort, split: str, reading: Mapping[str, str | None] | None = None
) -> list[str]:
    """What differs from scoring a model on the test part of its own cohort, one line each.

    Args:
        facts: Of the model.
        cohort: What is scored.
        split: Part of it that is scored.
        reading: How the model reads its contrasts, where the user says so.
    """
    reading = reading or {}
    lines = []
    if facts.cohort == cohort.info.content_hash and split != "test":
        lines.append(f"part {split!r} of the model's own cohort took part in training or choosing it: no test score")
    if facts.cohort != cohort.info.content_hash:
        kind = "a synthetic cohort" if facts.synthetic else "another cohort"
        lines.append(f"the model was trained on {kind}, so these are transfer scores, not a row of its leaderboard")
    lines += [f"{name} is {how}" for name, how in reading_words(reading).items()]
    unseen = sorted(set(cohort.volumes["contrast"]) - set(facts.contrasts) - set(reading))
    if unseen:
        lines.append(
            f"contrasts the model never saw, standardised by the volume's own mean and spread: {', '.join(unseen)}"
        )
    if facts.spacing_mm != cohort.info.spacing_mm:
        lines.append(f"voxels are {cohort.info.spacing_mm} mm, those of training were {facts.spacing_mm} mm")
    return lines
