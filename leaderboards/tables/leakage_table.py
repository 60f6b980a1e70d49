"""Leakage between the cohort behind a model and another one that it is scored on, for the audit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from leaderboards.scores.audit_record import CrossingAudit
from leaderboards.tables.cells import MISSING, Cell, Line, Table, Verdict

SHOWN = 10
IDS = {
    "same source": "both cohorts are of one source, so the same id is the same patient",
    "other source": "the cohorts have other names: the same id may be the same patient, published again, or chance",
    "counters": "a generated cohort counts its patients from one, so the same id says nothing; voxels do",
}


def found_table(title: str, caption: str, pairs: Mapping[str, Sequence[str]]) -> Table:
    """What was looked for, how often it was found, and the first of what was found."""
    lines = tuple(
        Line((Cell(name), Cell(str(len(ones)), strong=bool(ones)), Cell(_listed(ones) or MISSING, prose=True)))
        for name, ones in pairs.items()
    )
    return Table(title, caption, ("looked for", "found", "which"), lines)


def _listed(ones: Sequence[str]) -> str:
    more = f" and {len(ones) - SHOWN} more" if len(ones) > SHOWN else ""
    return ", ".join(ones[:SHOWN]) + more


def crossing_table(crossing: CrossingAudit) -> Table:
    """What train and val of the one cohort share with the test part of the other."""
    pairs = {
        "patients with the same id": crossing.shared_ids,
        "identical volumes": [" = ".join(pair) for pair in crossing.identical_volumes],
        "near-duplicate reports": [" ~ ".join(pair) for pair in crossing.near_duplicate_reports],
    }
    caption = (
        f"Ids: {IDS[crossing.ids]}. Identical: the same stored voxels (SHA-256); what was resampled otherwise is not "
        f"found so. Near-duplicate: token sort ratio of {crossing.near_duplicate_percent:g} or more, after lower case."
    )
    title = f"Leakage from train and val of {crossing.trained_on} into test of {crossing.scored_on}"
    return found_table(title, caption, pairs)


def on_crossing(crossing: CrossingAudit) -> list[Verdict]:
    """Whether the scored cohort holds what the models have seen; what may be chance is said and not held against it."""
    where = f"train and val of {crossing.trained_on} and test of {crossing.scored_on}"
    n_ids, n_same = len(crossing.shared_ids), len(crossing.identical_volumes)
    leaks = [f"{n_ids} patients in both"] if n_ids and crossing.ids == "same source" else []
    leaks += [f"{n_same} pairs of identical volumes"] if n_same else []
    if leaks:
        said = [Verdict("warn", f"Leakage between {where}: {'; '.join(leaks)}. Scores on the latter are too high.")]
    else:
        patients = "no patient in both, " if crossing.ids == "same source" else ""
        said = [Verdict("good", f"No leakage found between {where}: {patients}no identical volumes.")]
    if n_ids and crossing.ids == "other source":
        said.append(Verdict("warn", f"{n_ids} patient ids are in {where}: look whether they are the same patients."))
    n_alike = len(crossing.near_duplicate_reports)
    if n_alike:
        said.append(
            Verdict(
                "plain",
                f"{n_alike} reports of test of {crossing.scored_on} say nearly the same as one of "
                f"train or val of {crossing.trained_on}, listed below.",
            )
        )
    return said
