"""Heat maps as a table of cells with one of a few shades."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

SHADES = 6


class Shaded(NamedTuple):
    """A cell: what it says and its shade from 0 to SHADES - 1, None for a cell without number."""

    text: str
    shade: int | None


@dataclass(frozen=True)
class HeatMap:
    """A heat map.

    Attributes:
        row_name: What the rows are.
        column_name: What the columns are.
        columns: Heads of the columns.
        rows: Head and cells of each row.
        note: What stands beside it.
    """

    row_name: str
    column_name: str
    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Shaded]]]
    note: str
    template: str = "heat_map.html.j2"


def heat_map_of(
    grid: pd.DataFrame, row_name: str, column_name: str, missing: Callable[[str, str], str], note: str = ""
) -> HeatMap:
    """A heat map of a frame of scores.

    Args:
        grid: Values, NaN where there is none.
        row_name: What the index is.
        column_name: What the columns are.
        missing: Row and column to what a cell without value says.
        note: What stands beside the map.
    """
    low, high = float(np.nanmin(grid.to_numpy())), float(np.nanmax(grid.to_numpy()))

    def shaded(row: str, column: str) -> Shaded:
        value = grid.loc[row, column]
        if pd.isna(value):
            return Shaded(missing(row, column), None)
        return Shaded(f"{value:.3f}", _shade((value - low) / (high - low) if high > low else 0.0))

    rows = [(row, [shaded(row, column) for column in grid.columns]) for row in grid.index]
    return HeatMap(row_name, column_name, list(grid.columns), rows, note)


def _shade(share: float) -> int:
    return min(int(share * SHADES), SHADES - 1)
