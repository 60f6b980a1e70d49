"""The records of one benchmark, checked to belong in one table, with their per-item scores.

A row is a method with an ablation; a cell of the row is a seed. Records that differ in cohort, split, protocol,
schema, or in what their metrics count are never put together: the reader is told which two, not given a mean.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from benchmarks.statistics.intervals import SEEDS_FOR_A_SPREAD
from leaderboards.scores.comparability import SHARED, check_comparable, check_names, check_same, check_same_metrics
from leaderboards.scores.method_rows import MethodRow, row_of
from leaderboards.scores.terms import by_terms
from selip.records.declaration import Declared
from selip.records.metric_key import MetricKey
from selip.records.record import CohortFacts, Record
from selip.records.record_files import read_per_item, read_records
from selip.system.errors import InputError
from selip.system.mappings import grouped

FULL = "selip"
"""The method whose ablations stand on the page `ablation`, those of another one on `ablation_METHOD`."""


def named(cohort: CohortFacts) -> str:
    """Cohort and profile."""
    return "-".join(part for part in (cohort.name, cohort.profile) if part)


@dataclass(frozen=True)
class BenchmarkRecords:
    """Comparable records of one benchmark: all of them, also failed and skipped ones, and rows by label.

    A row without one of the seeds has a hole. `items` are per-item scores by run id and pool, for the records that have
    them.
    """

    benchmark: str
    records: tuple[Record, ...]
    rows: tuple[MethodRow, ...]
    seeds: tuple[int, ...]
    items: dict[tuple[str, str], pd.DataFrame]

    @property
    def facts(self) -> Record:
        """A record that stands for what all have in common: cohort, split, protocol."""
        return self.records[0]

    @property
    def declared(self) -> Declared:
        """All that the benchmark says of itself."""
        return self.facts.declared

    @property
    def contrasts(self) -> tuple[tuple[str, str], ...]:
        """Pairs of methods whose difference was declared before any run, of each group of equal terms."""
        return tuple(dict.fromkeys(pair for record in self.records for pair in record.contrasts))

    @property
    def controls(self) -> dict[str, tuple[str, ...]]:
        """The controls that each method was declared to be compared with, by method."""
        controls = {name for record in self.records for name in record.controls}
        pairs = [(one, two) for one, two in self.contrasts if two in controls]
        return {method: tuple(two for one, two in pairs if one == method) for method, _ in pairs}

    @property
    def describes_runs(self) -> bool:
        """True with too few seeds to say anything of others."""
        return len(self.seeds) < SEEDS_FOR_A_SPREAD

    @property
    def complete(self) -> tuple[MethodRow, ...]:
        """Rows without a hole."""
        return tuple(row for row in self.rows if not row.hole)

    @property
    def synthetic(self) -> bool:
        """True where the scored patients are simulated; real ones stay real, whoever the models were trained on."""
        return any(one.synthetic for one in (self.facts.cohort, self.facts.transfer) if one)

    @property
    def cohort_name(self) -> str:
        """Cohort and profile, e.g. "phantom-quick"; of a cohort that no model was trained on, both in words."""
        if self.facts.trained_on is None:
            return named(self.facts.cohort)
        trained, scored = self.cohort_names
        return f"trained on {trained}, scored on {scored}"

    @property
    def cohort_names(self) -> tuple[str, str]:
        """Names of the cohort behind the models and of the scored one, with hashes where they are called alike."""
        scored, trained = self.facts.cohort, self.facts.trained_on or self.facts.cohort
        if named(scored) != named(trained) or scored == trained:
            return named(trained), named(scored)
        return f"{named(trained)} {trained.content_hash[:8]}", f"{named(scored)} {scored.content_hash[:8]}"

    def row(self, method: str, ablation: str = "") -> MethodRow | None:
        """The complete row of a method, None when there is none."""
        return next((row for row in self.complete if (row.method, row.ablation) == (method, ablation)), None)

    def records_of(self, row: MethodRow) -> list[Record]:
        """Records of a row, also failed and skipped ones."""
        return [r for r in self.records if (r.method, r.ablation) == (row.method, row.ablation)]

    def frames(self, row: MethodRow, key: str) -> list[pd.DataFrame]:
        """Per-item scores of a row in the pool of metric `key`, one a seed; empty unless every seed has the metric."""
        runs = [(record.run_id, MetricKey.parse(key).pool) for record in row.scored if key in record.metrics]
        found = [self.items[run] for run in runs if run in self.items]
        return found if len(found) == len(row.scored) else []

    def reference(self, key: str, name: str) -> float | None:
        """The value of a reference, such as "chance", beside a metric; None where there is none."""
        beside = MetricKey.parse(key).beside(name)
        found = (record.metrics.get(beside) for record in self.records)
        return next((metric.value for metric in found if metric), None)

    def levels(self, key: str) -> dict[str, float]:
        """Names and values of what a trained method must clear in a metric: the first declared floor and majority."""
        named = self.declared.floors
        values = {name: self.reference(key, name) for name in (*[*named][:1], "majority") if name in named}
        return {named[name]: value for name, value in values.items() if value is not None}

    def floor(self, key: str) -> tuple[str, float] | None:
        """The higher of the levels, or the lower one where less is better; None without any."""
        best = max if self.is_higher_better(key) else min
        return best(self.levels(key).items(), key=lambda level: level[1], default=None)

    def floors(self, keys: Iterable[str]) -> dict[str, str]:
        """Declared references that one of the metrics has beside it, and their names, in order."""
        keys, named = list(keys), self.declared.floors
        return {name: words for name, words in named.items() if any(self.reference(k, name) is not None for k in keys)}

    def is_higher_better(self, key: str) -> bool:
        """Direction of a metric."""
        return all(record.metrics[key].higher_is_better for record in self.records if key in record.metrics)


def by_kind(run_dirs: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Run directories that score the kind of patients of the first, simulated or real, and those of the other kind."""
    if len(run_dirs) < 2:
        return list(run_dirs), []
    simulated = {one: any(record.cohort.synthetic for record in read_records(one / "records")) for one in run_dirs}
    alike = [one for one in run_dirs if simulated[one] == simulated[run_dirs[0]]]
    return alike, [one for one in run_dirs if one not in alike]


def read_boards(run_dirs: Path | Sequence[Path]) -> dict[str, BenchmarkRecords]:
    """Reads the records of run directories: one board a benchmark, by name, all of one cohort and split.

    Raises:
        InputError: When there is no record, when two may not stand on one page, or when two claim the same cell.
    """
    folders = [one / "records" for one in ([run_dirs] if isinstance(run_dirs, Path) else run_dirs)]
    records: dict[str, Record] = {}
    found: dict[str, Path] = {}
    for folder in folders:
        for record in read_records(folder):
            if records.setdefault(record.run_id, record) != record:
                both = f"{found[record.run_id]} and {folder}"
                raise InputError(f"got two records {record.run_id} in {both} that differ; leave one of them out")
            found.setdefault(record.run_id, folder)
    return boards_of(found, list(records.values()))


def boards_of(folders: Path | Mapping[str, Path], records: Sequence[Record]) -> dict[str, BenchmarkRecords]:
    """`read_boards` of records that were read from a folder, or each from that of its id; all of it or a part."""
    check_names(records)
    check_same(records, SHARED)
    by_benchmark = grouped((record.benchmark, record) for record in by_terms(records))
    return {name: _board_of(folders, name, found) for name, found in sorted(by_benchmark.items())}


def _board_of(folders: Path | Mapping[str, Path], benchmark: str, found: Sequence[Record]) -> BenchmarkRecords:
    records = tuple(sorted(found, key=_place))
    check_comparable(records)
    scored = [record for record in records if record.status == "ok"]
    check_same_metrics(scored)
    items = {
        (record.run_id, str(pool)): frame
        for record in scored
        if record.per_item
        for pool, frame in read_per_item(
            folders if isinstance(folders, Path) else folders[record.run_id], record
        ).groupby("pool")
    }
    return _assembled(benchmark, records, items)


def _place(record: Record) -> tuple[object, ...]:
    """Trained methods before encoders from outside, and first those that know the second cohort."""
    return (
        record.encoder is not None,
        record.transfer is None,
        record.method,
        record.ablation,
        record.seed,
        record.run_id,
    )


def methods_of(board: BenchmarkRecords) -> BenchmarkRecords:
    """The board without ablations; as it is when it holds nothing else."""
    records = tuple(record for record in board.records if not record.ablation)
    return _assembled(board.benchmark, records, board.items) if records else board


def ablations_of(board: BenchmarkRecords, method: str = FULL) -> BenchmarkRecords | None:
    """A full method and its ablations, over the seeds that ablations were run with; None without ablations."""
    mine = [record for record in board.records if record.method == method]
    seeds = {record.seed for record in mine if record.ablation}
    records = tuple(record for record in mine if record.seed in seeds)
    return _assembled(board.benchmark, records, board.items) if seeds else None


def row_alone(board: BenchmarkRecords, label: str) -> BenchmarkRecords | None:
    """The board with one row and the seeds of its records alone; None without that row."""
    row = next((row for row in board.rows if row.label == label), None)
    return _assembled(board.benchmark, tuple(board.records_of(row)), board.items) if row else None


def _assembled(
    benchmark: str, records: tuple[Record, ...], items: dict[tuple[str, str], pd.DataFrame]
) -> BenchmarkRecords:
    trained = [record for record in records if record.encoder is None]
    seeds = tuple(sorted({record.seed for record in trained or records}))
    names = sorted({(record.encoder is not None, record.method, record.ablation) for record in records})
    rows = tuple(row_of(records, method, ablation, seeds) for _, method, ablation in names)
    return BenchmarkRecords(benchmark, records, rows, seeds, items)
