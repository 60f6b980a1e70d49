"""Sheets: all that pages need of one benchmark, worked out once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from leaderboards.scores.benchmark_records import Board, methods_of
from leaderboards.scores.families import FAMILIES, Headline, headline_of
from leaderboards.scores.paired_differences import Comparison, Standing, adjusted, standing_of
from leaderboards.scores.tidy_table import tidy


@dataclass(frozen=True)
class Sheet:
    """One benchmark without ablations.

    Attributes:
        board: The records.
        headline: The metric that ranks the rows; None when no record was scored.
        standing: All rows and pairs on that metric; None without it.
        frame: Tidy frame of the board.
        contrasts: Declared contrasts on that metric, Holm-adjusted over the family of the sheet.
    """

    board: Board
    headline: Headline | None
    standing: Standing | None
    frame: pd.DataFrame
    contrasts: Sequence[Comparison] = ()

    @property
    def name(self) -> str:
        """Name of the benchmark."""
        return self.board.benchmark

    @property
    def groups(self) -> dict[str, str]:
        """Group letters of the rows, by label."""
        return self.standing.groups if self.standing else {}


def sheets_of(boards: Mapping[str, Board], n_resamples: int) -> dict[str, list[Sheet]]:
    """Page to its sheets, in order; a benchmark that no family names has a page of its own. No page is empty."""
    named = {name for members in FAMILIES.values() for name in members}
    families = FAMILIES | {name: (name,) for name in boards if name not in named}
    found = {}
    for family, members in families.items():
        sheets = [_sheet(methods_of(boards[name]), n_resamples) for name in members if name in boards]
        if sheets:
            found[family] = _with_holm(sheets)
    return found


def _sheet(board: Board, n_resamples: int) -> Sheet:
    headline = headline_of(board)
    standing = standing_of(board, headline.key, n_resamples) if headline else None
    frame = tidy(board, n_resamples, known=[standing] if standing else [])
    return Sheet(board, headline, standing, frame)


def _with_holm(sheets: Sequence[Sheet]) -> list[Sheet]:
    """The sheets with their declared contrasts, adjusted over all of the family."""
    raw = [sheet.standing.declared(sheet.board.contrasts) if sheet.standing else [] for sheet in sheets]
    planned = sum(
        {first, second} <= {row.label for row in sheet.board.rows}
        for sheet in sheets
        if sheet.headline
        for first, second in sheet.board.contrasts
    )
    every = iter(adjusted([comparison for found in raw for comparison in found], family=planned))
    return [
        Sheet(sheet.board, sheet.headline, sheet.standing, sheet.frame, [next(every) for _ in found])
        for sheet, found in zip(sheets, raw, strict=True)
    ]
