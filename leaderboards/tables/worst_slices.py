"""Slices: a metric by contrast, site, lesion size and lesion type, for whom it is worst."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmarks.statistics.intervals import Interval, hierarchical_bootstrap
from leaderboards.scores.benchmark_records import FULL, Row
from leaderboards.scores.benchmark_scores import Sheet
from leaderboards.scores.families import words
from leaderboards.tables.cells import MISSING, Cell, Line, Table, number_cell
from leaderboards.tables.columns import Estimate, facet_of

FEWEST_ITEMS = 20
SIZE, TERCILES = "lesion_ml", ("small", "medium", "large")
COLUMNS = {"contrast": "contrast", "site": "site", "lesion_type": "lesion type", SIZE: "lesion size"}
"""Column of the per-item table to what a slice of it is called."""


@dataclass(frozen=True)
class Slice:
    """A metric of one row on some of its items.

    Attributes:
        row: Label of the row.
        by: What the items have in common, as "contrast".
        value: Which, as "DWI".
        n_items: Items.
        n_patients: Their patients.
        score: Mean over seeds with its interval; NaN where it is not defined.
    """

    row: str
    by: str
    value: str
    n_items: int
    n_patients: int
    score: Interval

    @property
    def is_ranked(self) -> bool:
        """Whether there are enough items, and a number, to call it better or worse than another."""
        return self.n_items >= FEWEST_ITEMS and bool(np.isfinite(self.score.value))


def slices_of(sheet: Sheet, row: Row, n_resamples: int) -> list[Slice]:
    """Every slice of a row on the sheet's ranking metric; empty without per-item scores."""
    if sheet.headline is None:
        return []
    key = sheet.headline.key
    frames, metric = sheet.board.frames(row, key), key.split("/", 1)[1]
    statistic, found = row.scored[0].metrics[key].statistic, []
    for by, value, chosen in _groups(frames[0]) if frames else ():
        parts = [frame[frame["item_id"].isin(chosen["item_id"])] for frame in frames]
        score = hierarchical_bootstrap(parts, metric, n_resamples, statistic=statistic)
        found.append(Slice(row.label, by, value, len(chosen), chosen["patient_id"].nunique(), score))
    return found


def _groups(items: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Kind, value and items of each slice; a column with one value, or that nobody knows, has none."""
    for column, kind in COLUMNS.items():
        if column not in items:
            continue
        values = _terciles(items[column]) if column == SIZE else items[column].astype(str)
        groups = [(name, group) for name, group in items.groupby(values, sort=False) if name]
        if len(groups) > 1:
            yield from ((kind, str(name), group) for name, group in sorted(groups, key=lambda one: str(one[0])))


def _terciles(sizes: pd.Series) -> pd.Series:
    """Third of the items that each belongs to, with its range in ml; "" for an empty mask or an unknown size."""
    known = sizes[sizes > 0].astype(float)
    if known.nunique() < len(TERCILES):
        return pd.Series("", index=sizes.index)
    edges = np.quantile(known, [1 / 3, 2 / 3])
    place = np.searchsorted(edges, known, side="right")
    grouped = known.groupby(place)
    spans = {n: f"{TERCILES[n]} ({group.min():.1f} to {group.max():.1f} ml)" for n, group in grouped}
    return pd.Series([spans[n] for n in place], index=known.index).reindex(sizes.index, fill_value="")


def audited_rows(sheet: Sheet) -> list[Row]:
    """The best row, and selip where that is another one."""
    if not sheet.standing or not sheet.standing.ranking:
        return []
    by_label = {row.label: row for row in sheet.board.complete}
    labels = dict.fromkeys([sheet.standing.ranking[0], FULL])
    return [by_label[label] for label in labels if label in sheet.standing.ranking]


def slice_table(sheet: Sheet, found: Sequence[Slice]) -> Table:
    """Slices of one benchmark, worst first within a row; those with too few items last."""
    key = sheet.headline.key if sheet.headline else ""
    signs = [record.metrics[key].higher_is_better for record in sheet.board.records if key in record.metrics]
    sign = 1 if all(signs) else -1
    order = {row.label: place for place, row in enumerate(audited_rows(sheet))}

    def place(one: Slice) -> tuple[int, bool, float, str, str]:
        value = sign * one.score.value if np.isfinite(one.score.value) else math.inf
        return order[one.row], not one.is_ranked, value, one.by, one.value

    shown = sorted(found, key=place)
    worst = {row: next((one for one in shown if one.row == row and one.is_ranked), None) for row in order}
    lines = tuple(
        Line((
            Cell(f"{one.row}: {one.by} {one.value}"),
            number_cell(Estimate(one.score.value, one.score.lower, one.score.upper), key, one is worst[one.row])
            if np.isfinite(one.score.value) else Cell(MISSING),
            Cell(str(one.n_items)),
            Cell(str(one.n_patients)),
            Cell("worst" if one is worst[one.row] else MISSING if one.is_ranked else _why(one)),
        ))
        for one in shown
    )  # fmt: skip
    name = words(sheet.name)
    caption = (
        f"{sheet.headline.name if sheet.headline else name}. Worst first; fewer than {FEWEST_ITEMS} items: not ranked."
    )
    columns = ("slice", "score", "n items", "n patients", "standing")
    facets = (None, facet_of(sheet.board, key), None, None, None) if key else ()
    return Table(f"Slices, {name}", caption, columns, lines, facets)


def _why(one: Slice) -> str:
    return "not ranked: n too small" if one.n_items < FEWEST_ITEMS else "not defined here"
