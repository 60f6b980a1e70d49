"""Verdicts on the ablations: which differ, which the data cannot separate, and what could have been seen at all."""

from __future__ import annotations

from collections.abc import Sequence

from leaderboards.scores.ablation_study import Study
from leaderboards.scores.paired_differences import ALPHA, Comparison
from leaderboards.tables.cells import Verdict, p_text
from leaderboards.tables.verdicts import PRIMARY_NAME, on_convergence, on_seeds, on_skipped, on_what_is_missing


def ablation_verdicts(study: Study) -> list[Verdict]:
    """The sentences on top of the ablations, most important first."""
    names = {one.row.label: one.name for one in study.ablations}
    return [
        *on_what_is_missing(study.board),
        *_on_full(study),
        *_on_differences(study, names),
        *_on_smallest(study.compared),
        *on_skipped(study.board),
        on_seeds(study.board),
        *_on_start(study),
        *on_convergence(study.board),
    ]


def _on_full(study: Study) -> list[Verdict]:
    if study.full is not None:
        return []
    text = f"{study.full_name} has no complete row with the seeds of the ablations, so no ablation is compared with it."
    return [Verdict("warn", text)]


def _on_differences(study: Study, names: dict[str, str]) -> list[Verdict]:
    """Which ablations differ after Holm's adjustment, in which direction, and which do not."""
    compared, family = study.compared, len(study.ablations)
    if not compared:
        return []
    found = []
    over = f"after Holm's adjustment over {family} ablation{'s' if family > 1 else ''}"
    sides = {
        "above": [c for c in compared if c.differs and c.difference.value > 0],
        "below": [c for c in compared if c.differs and c.difference.value < 0],
    }
    for side, differing in sides.items():
        if differing:
            text = f"{side.capitalize()} {study.full_name} in {PRIMARY_NAME}, {over}: {_shown(differing, names)}."
            found.append(Verdict("plain", text))
    if not any(sides.values()):
        text = f"No ablation differs from {study.full_name} in {PRIMARY_NAME} {over} (p > {ALPHA:g})."
        found.append(Verdict("plain", text))
    alone = [names[c.a] for c in compared if c.separates and not c.differs]
    if alone:
        text = f"The interval leaves out 0, but Holm's adjustment does not: {', '.join(alone)}."
        found.append(Verdict("plain", text))
    together = [names[c.a] for c in compared if not c.separates]
    if together:
        text = f"The data cannot separate from {study.full_name}: {', '.join(together)}."
        found.append(Verdict("plain", f"{text} That is no proof that they are equal."))
    return found


def _on_smallest(compared: Sequence[Comparison]) -> list[Verdict]:
    if not compared:
        return []
    smallest = sorted(comparison.smallest for comparison in compared)
    low, high = (f"{value:.3f}" for value in (smallest[0], smallest[-1]))
    span = f"about {low}" if low == high else f"about {low} to {high} (by ablation)"
    text = f"Smallest detectable difference: {span}, found with 80 % power at .05, before Holm's adjustment."
    return [Verdict("plain", text)]


def _on_start(study: Study) -> list[Verdict]:
    """Names the rows whose training differs from the full method's in more than the change that is studied."""
    said = [f"{one.name} ({', '.join(one.start)})" for one in study.ablations if one.start]
    if said:
        text = f"Another start than {study.full_name}, of necessity: {'; '.join(said)}. The difference is of both."
        return [Verdict("plain", text)]
    if study.full is None or not any(one.row.scored for one in study.ablations):
        return []
    text = (
        f"Equal terms: every ablation began from {study.full_name}'s weights, saw its batches and took as many steps."
    )
    return [Verdict("good", text)]


def _shown(comparisons: Sequence[Comparison], names: dict[str, str]) -> str:
    said = []
    for comparison in comparisons:
        value, lower, upper, _ = comparison.difference
        numbers = f"{value:+.3f} [{lower:+.3f}, {upper:+.3f}], Holm p {p_text(comparison.p_holm)}"
        said.append(f"{names[comparison.a]} ({numbers})")
    return "; ".join(said)
