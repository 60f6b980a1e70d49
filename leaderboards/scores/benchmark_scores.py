"""All that pages need of one benchmark, worked out once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from leaderboards.scores.benchmark_records import BenchmarkRecords, MethodRow, methods_of
from leaderboards.scores.headlines import Headline, headline_of
from leaderboards.scores.paired_differences import Comparison, Standing, adjusted, standing_of
from leaderboards.scores.tidy_table import Estimate, estimate_of, tidy
from selip.records.declaration import Declared


@dataclass(frozen=True)
class BenchmarkScores:
    """One benchmark without ablations; headline and standing are None when no record was scored.

    The contrasts are those declared, on the metric that ranks, Holm-adjusted over the family of benchmarks.
    """

    board: BenchmarkRecords
    headline: Headline | None
    standing: Standing | None
    frame: pd.DataFrame
    contrasts: Sequence[Comparison] = ()

    @property
    def name(self) -> str:
        """Name of the benchmark."""
        return self.board.benchmark

    @property
    def declared(self) -> Declared:
        """All that the benchmark says of itself."""
        return self.board.declared

    @property
    def groups(self) -> dict[str, str]:
        """Group letters of the rows, by label."""
        return self.standing.groups if self.standing else {}

    def estimate(self, row: MethodRow, key: str) -> Estimate:
        """Value and bounds of a complete row in a metric that it has."""
        return estimate_of(self.frame, row, key)


def families_of(boards: Mapping[str, BenchmarkRecords], n_resamples: int) -> dict[str, list[BenchmarkScores]]:
    """Page to its sheets, both in the order that benchmarks declare."""
    found: dict[str, list[BenchmarkScores]] = {}
    for board in sorted(boards.values(), key=lambda board: (board.declared.place, board.benchmark)):
        found.setdefault(board.declared.family, []).append(_sheet(methods_of(board), n_resamples))
    return {family: _with_holm(sheets) for family, sheets in found.items()}


def _sheet(board: BenchmarkRecords, n_resamples: int) -> BenchmarkScores:
    headline = headline_of(board.records)
    standing = standing_of(board, headline.key, n_resamples) if headline else None
    frame = tidy(board, n_resamples, known=[standing] if standing else [])
    return BenchmarkScores(board, headline, standing, frame)


def _with_holm(sheets: Sequence[BenchmarkScores]) -> list[BenchmarkScores]:
    """The sheets with their declared contrasts, adjusted over all of the family."""
    raw = [sheet.standing.declared(sheet.board.contrasts) if sheet.standing else [] for sheet in sheets]
    planned = sum(
        {first, second} <= {row.label for row in sheet.board.rows}
        for sheet in sheets
        if sheet.headline
        for first, second in sheet.board.contrasts
    )
    every = iter(adjusted([comparison for found in raw for comparison in found], family=planned))
    return [replace(sheet, contrasts=[next(every) for _ in found]) for sheet, found in zip(sheets, raw, strict=True)]
