"""The two sides of a comparison: what is read, which rows face each other, and what may not be compared at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd

from leaderboards.scores.benchmark_records import BenchmarkRecords, boards_of, row_alone
from leaderboards.scores.comparability import PROTOCOL, SECOND, SHARED, check_same, counts_of
from leaderboards.scores.headlines import metric_keys
from leaderboards.scores.method_rows import MethodRow
from selip.records.record import Record
from selip.records.record_files import read_record, record_files
from selip.system.errors import InputError
from selip.system.mappings import dotted

_REMEDY = (
    "allowed: the same on both sides; score the candidate as the reference was, or make it the reference of a folder "
    "that does not exist yet with --update-reference"
)
_NOT_SCORING = ("evaluation.n_resamples", "evaluation.seed")
"""Settings that decide a record's own interval and nothing else."""


@dataclass(frozen=True)
class Side:
    """One side of a comparison: what the user named, its record files, and a board a benchmark.

    `row` is the label of the one row that is compared, whatever its name on the other side; "" compares all by name.
    """

    path: Path
    files: tuple[Path, ...]
    boards: Mapping[str, BenchmarkRecords]
    row: str = ""

    @property
    def folder(self) -> Path:
        """Folder of the record files."""
        return self.files[0].parent

    @property
    def records(self) -> list[Record]:
        """All records, also failed and skipped ones."""
        return list(chain.from_iterable(board.records for board in self.boards.values()))


@dataclass(frozen=True)
class RecordPair:
    """One method with one ablation on one benchmark, or one of each side: their rows, and the boards of these."""

    benchmark: str
    reference: MethodRow
    candidate: MethodRow
    reference_board: BenchmarkRecords
    candidate_board: BenchmarkRecords

    @property
    def label(self) -> str:
        """Method and ablation, of both sides where they differ."""
        names = dict.fromkeys((self.candidate.label, self.reference.label))
        return " against ".join(names)

    @property
    def seeds(self) -> tuple[list[int], list[int]]:
        """Seeds of the reference and of the candidate."""
        reference, candidate = ([record.seed for record in row.scored] for row in (self.reference, self.candidate))
        return reference, candidate

    def frames(self, key: str) -> tuple[list[pd.DataFrame], list[pd.DataFrame]]:
        """Per-item scores of the reference and of the candidate in the pool of metric `key`, one a seed.

        Raises:
            InputError: When a side has none.
        """
        reference = self.reference_board.frames(self.reference, key)
        candidate = self.candidate_board.frames(self.candidate, key)
        for name, found in (("reference", reference), ("candidate", candidate)):
            if not found:
                raise InputError(
                    f"got no per-item scores of {self.label} on {self.benchmark} for {key} in the {name}; "
                    "allowed: records with their Parquet files; run it again"
                )
        return reference, candidate


def records_folder(path: Path) -> Path:
    """Folder of the record files of a run directory, of a folder of records, or beside a single record."""
    if path.is_file():
        return path.parent
    return path / "records" if (path / "records").is_dir() else path


def read_side(path: Path) -> Side:
    """Reads a run directory, a folder of records or a single record.

    Raises:
        InputError: When there is no record, or when two of them may not stand in one table.
    """
    folder = records_folder(path)
    files = [path] if path.is_file() else record_files(folder)
    return Side(path, tuple(files), boards_of(folder, [read_record(file) for file in files]))


def one_row(side: Side, label: str) -> Side:
    """The side with the one method, or "method [ablation]", that `label` names.

    Raises:
        InputError: When it has no such row.
    """
    found = {name: alone for name, board in side.boards.items() if (alone := row_alone(board, label))}
    if not found:
        labels = {row.label for board in side.boards.values() for row in board.rows}
        raise InputError(f"got no {label} in {side.path}; allowed: {', '.join(sorted(labels))}; name one of them")
    return replace(side, boards=found, row=label)


def pairs_of(reference: Side, candidate: Side) -> tuple[list[RecordPair], list[str]]:
    """Rows that are scored on both sides, and what is not guarded, with the reason.

    A row that took no training step is not guarded: its score is the luck of its initial weights.

    Raises:
        InputError: When the sides differ in cohort, split, protocol, settings of scoring or definition of a metric, or
            when a row has no counterpart, or a score on one side only.
    """
    _check_sides(reference, candidate)
    pairs: list[RecordPair] = []
    left_out: dict[tuple[str, str], list[str]] = {}
    for name, board in reference.boards.items():
        other = candidate.boards[name]
        for ours, theirs in zip(board.rows, other.rows, strict=True):
            pair = RecordPair(name, ours, theirs, board, other)
            reason = _left_out(pair)
            if reason:
                left_out.setdefault((pair.label, reason), []).append(name)
            else:
                _check_definitions(pair)
                pairs.append(pair)
    return pairs, [f"{label} on {', '.join(names)}: {reason}" for (label, reason), names in left_out.items()]


def _check_sides(reference: Side, candidate: Side) -> None:
    check_same([*reference.records, *candidate.records], SHARED | SECOND, _REMEDY)
    cells = [
        {name if side.row else f"{row.label} on {name}" for name, board in side.boards.items() for row in board.rows}
        for side in (reference, candidate)
    ]
    for name, alone in (("reference", cells[0] - cells[1]), ("candidate", cells[1] - cells[0])):
        if alone:
            raise InputError(
                f"got {_some(alone)} in the {name} alone; allowed: the same methods and benchmarks on both sides; run "
                "what is missing, or name single records"
            )
    for name, board in reference.boards.items():
        check_same([*board.records, *candidate.boards[name].records], PROTOCOL, _REMEDY)
        _check_scoring(board.facts, candidate.boards[name].facts)


def _check_scoring(reference: Record, candidate: Record) -> None:
    """Refuses other settings of scoring."""
    ours, theirs = (_scoring(record.config) for record in (reference, candidate))
    for key in sorted(ours.keys() | theirs.keys()):
        one, other = ours.get(key, "not set"), theirs.get(key, "not set")
        if one != other:
            raise InputError(
                f"got {key} {one} (run {reference.run_id}) and {other} (run {candidate.run_id}); {_REMEDY}"
            )


def _scoring(config: Mapping[str, Any]) -> dict[str, Any]:
    parts = {name: config[name] for name in ("evaluation", "evaluate_on") if name in config}
    return {key: value for key, value in dotted(parts).items() if key not in _NOT_SCORING}


def _left_out(pair: RecordPair) -> str:
    """The reason why a row is not guarded; "" when it is."""
    rows = (pair.reference, pair.candidate)
    if all(row.skipped for row in rows):
        return pair.reference.hole
    for name, row in zip(("reference", "candidate"), rows, strict=True):
        if row.hole:
            raise InputError(
                f"got {pair.label} on {pair.benchmark} without a score in the {name} ({row.hole}); allowed: every row "
                "scored on both sides, or skipped on both; run it again with --resume"
            )
    trained = [record.training.steps for record in pair.reference.scored if record.training]
    return "takes no training step" if trained and not any(trained) else ""


def _check_definitions(pair: RecordPair) -> None:
    ours, theirs = (
        {key: counts_of(key, row.scored[0].metrics[key]) for key in metric_keys(row.scored[:1])}
        for row in (pair.reference, pair.candidate)
    )
    for key in sorted(ours.keys() | theirs.keys()):
        if ours.get(key) != theirs.get(key):
            raise InputError(
                f"got {key} of {pair.label} on {pair.benchmark} with {ours.get(key, 'no entry')} in the reference and "
                f"{theirs.get(key, 'no entry')} in the candidate as patients, items, direction, statistic; {_REMEDY}"
            )


def _some(names: Iterable[str]) -> str:
    first, *rest = sorted(names)
    return f"{first} (and {len(rest)} more)" if rest else first
