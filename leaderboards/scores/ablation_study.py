"""Studies of ablations: a full method and each change of it, on the same seeds and patients."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import pandas as pd

from baselines.ablations import Ablation, all_ablations
from leaderboards.scores.benchmark_records import FULL, BenchmarkRecords, ablations_of
from leaderboards.scores.headlines import Headline, headline_of
from leaderboards.scores.method_rows import MethodRow
from leaderboards.scores.paired_differences import Comparison, adjusted, compare_pairs
from leaderboards.scores.tidy_table import KEY, Estimate, tidy
from selip.records.record import Record, Training
from selip.system.mappings import dotted

UNREGISTERED = Ablation("other", "", ())
"""Stands for an ablation that is not registered here."""
AblationsByName = Mapping[str, Ablation]


@dataclass(frozen=True)
class Ablated:
    """One ablation: its records, its line of the registry, and how its training differs from the full method's.

    `changes` are settings of its records by dotted name, `changed` the same as a user would type them (those of the
    registry without records of the full one); `start` is in which of "weights", "batches", "steps" it differs;
    `differences` are to the full method by metric, Holm-adjusted over the ablations.
    """

    row: MethodRow
    known: Ablation
    changes: Mapping[str, Any]
    changed: str
    start: tuple[str, ...]
    differences: Mapping[str, Comparison]

    @property
    def name(self) -> str:
        """Name of the ablation."""
        return self.row.ablation


@dataclass(frozen=True)
class AblationStudy:
    """A full method (None with a hole, `settings` dotted) and its ablations in the order of the registry.

    The records are over the seeds that ablations were run with; the tidy frame is of the compared metrics.
    """

    method: str
    board: BenchmarkRecords
    headline: Headline
    frame: pd.DataFrame
    full: MethodRow | None
    settings: Mapping[str, Any]
    ablations: tuple[Ablated, ...]

    @property
    def name(self) -> str:
        """The method as a reader calls it."""
        return "SeLIP" if self.method == FULL else self.method

    @property
    def page(self) -> str:
        """Name of its page."""
        return "ablation" if self.method == FULL else f"ablation_{self.method}"

    @property
    def heading(self) -> str:
        """The page's entry in a list of pages."""
        return "Ablations" if self.method == FULL else f"Ablations of {self.method}"

    @property
    def full_name(self) -> str:
        """The method without a change."""
        return f"full {self.name}"

    @property
    def keys(self) -> tuple[str, ...]:
        """The compared metrics, that which ranks first."""
        return (self.headline.key, *self.board.declared.co_primary)

    def estimate(self, ablation: str) -> Estimate | None:
        """The metric that ranks of an ablation, "" for the full method; None where it has no number."""
        here = self.frame[(self.frame["ablation"] == ablation) & (self.frame[KEY] == self.headline.key)]
        here = here[here["value"].notna()]
        return None if here.empty else Estimate(*here.iloc[0][list(Estimate._fields)].astype(float))

    @property
    def compared(self) -> list[tuple[Ablated, Comparison]]:
        """Differences to the full method in the metric that ranks, in the table's order; those with an interval."""
        found = [(one, one.differences.get(self.headline.key)) for one in self.ablations]
        return [(one, comparison) for one, comparison in found if comparison and comparison.known]


def studies_of(board: BenchmarkRecords, n_resamples: int) -> list[AblationStudy]:
    """The studies in a board, one for each method with ablations, that of SeLIP first."""
    methods = sorted({row.method for row in board.rows if row.ablation}, key=lambda name: (name != FULL, name))
    found = (study_of(board, n_resamples, method) for method in methods)
    return [study for study in found if study]


def study_of(board: BenchmarkRecords, n_resamples: int, method: str = FULL) -> AblationStudy | None:
    """The study of a method in a board, None when it holds no ablation of it or no score."""
    ablated, headline = ablations_of(board, method), headline_of(board.records)
    if ablated is None or headline is None:
        return None
    keys = (headline.key, *board.declared.co_primary)
    registry, full = all_ablations(), ablated.row(method)
    settings = next((settings_of(record) for record in ablated.records if not record.ablation), {})
    rows = sorted((row for row in ablated.rows if row.ablation), key=lambda row: _place(row.ablation, registry))
    differences = {key: _differences(ablated, rows, full, key, n_resamples, registry) for key in keys} if full else {}
    found = []
    for row in rows:
        known = registry.get(row.ablation, UNREGISTERED)
        mine = {key: by_label[row.label] for key, by_label in differences.items() if row.label in by_label}
        start = different_start(row, full) if full else ()
        changes = _changes(ablated, row, settings)
        typed = [f"{key}={_as_typed(value)}" for key, value in changes.items()] if settings else known.overrides
        found.append(Ablated(row, known, changes, ", ".join(typed), start, mine))
    return AblationStudy(method, ablated, headline, tidy(ablated, n_resamples, keys), full, settings, tuple(found))


def settings_of(record: Record) -> dict[str, Any]:
    """Run settings of a record by dotted name, as "methods.selip.kl_weight"; empty when its configuration has none."""
    return dotted(record.config.get("run", {})) | dotted({"methods": {record.method: record.settings}})


def mean_of(values: Sequence[float | None]) -> float | None:
    """Mean over seeds, None when a seed has no value."""
    known = [value for value in values if value is not None]
    return fmean(known) if known and len(known) == len(values) else None


def _changes(board: BenchmarkRecords, row: MethodRow, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that the records of a row changed: a registry may have moved on since, the records have not."""
    record = next(record for record in board.records if record.ablation == row.ablation)
    return {key: value for key, value in settings_of(record).items() if settings and settings.get(key) != value}


def _differences(
    board: BenchmarkRecords,
    rows: Sequence[MethodRow],
    full: MethodRow,
    key: str,
    n_resamples: int,
    registry: AblationsByName,
) -> dict[str, Comparison]:
    """Each scored row minus the full one, or minus the row that it is declared against; Holm over all rows."""
    found = {row.ablation: row for row in rows if not row.hole}
    pairs = [(row, _reference(row, found, full, registry)) for row in found.values()]
    known = [(row, reference) for row, reference in pairs if reference]
    compared = compare_pairs(board, known, key, n_resamples)
    return {comparison.a: comparison for comparison in adjusted(compared, family=len(rows))}


def _reference(
    row: MethodRow, found: Mapping[str, MethodRow], full: MethodRow, registry: AblationsByName
) -> MethodRow | None:
    against = registry.get(row.ablation, UNREGISTERED).against
    return found.get(against) if against else full


def _place(name: str, registry: AblationsByName) -> tuple[int, int, str]:
    """Groups in the order of the registry, ablations of a group together; unknown names last."""
    if name not in registry:
        return len(registry), 0, name
    groups = list(dict.fromkeys(one.group for one in registry.values()))
    return groups.index(registry[name].group), list(registry).index(name), name


def _as_typed(value: object) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return value if isinstance(value, str) else json.dumps(value)


def different_start(row: MethodRow, reference: MethodRow) -> tuple[str, ...]:
    """In which of "weights", "batches" and "steps" a row differs from `reference` in any seed that both have."""
    ours, theirs = ({r.seed: r.training for r in one.scored if r.training} for one in (row, reference))
    pairs = [(training, theirs[seed]) for seed, training in ours.items() if seed in theirs]
    return tuple(word for word, term in TERMS.values() if any(term(a) != term(b) for a, b in pairs))


Term = Callable[[Training], object]


TERMS: dict[str, tuple[str, Term]] = {
    "began from different weights": ("weights", lambda training: training.initial_weights_hash),
    "were fed different batches": ("batches", lambda training: training.batch_order_hash),
    "took different numbers of steps": ("steps", lambda training: training.steps),
}
"""Words for rows that differ -> the one word for it, and what must be equal."""
