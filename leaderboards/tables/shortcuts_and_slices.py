"""Shortcuts, where metadata alone does as well as the best method, and slices where methods are worst."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd

from benchmarks.statistics.intervals import interval_over_seeds
from leaderboards.scores.benchmark_records import FULL
from leaderboards.scores.benchmark_scores import BenchmarkScores
from leaderboards.scores.headlines import Headline, pool_words, task_keys
from leaderboards.scores.method_rows import MethodRow
from leaderboards.scores.paired_differences import ranked
from leaderboards.scores.tidy_table import Estimate
from leaderboards.tables.cells import MISSING, Cell, Facet, Line, PageTable, Verdict, facet_of, metric_cell, number_cell
from selip.system.mappings import grouped

FEWEST_ITEMS = 20
MOST = 0.5
"""Share of the best score above chance from which a control of the voxels, as their histogram, has most of it."""
SIZE, TERCILES = "lesion_ml", ("small", "medium", "large")
SLICED_BY = {"contrast": "contrast", "site": "site", "lesion_type": "lesion type", SIZE: "lesion size"}
"""Column of the per-item table to what a slice of it is called."""


@dataclass(frozen=True)
class Shortcut:
    """A task, benchmark and pool in words, beside what a control that knows no anatomy scores on it, held fixed.

    `best` is the best complete method; `chance` is None where there is none; `control` is the control in words.
    """

    task: str
    key: str
    best: str
    score: Estimate
    metadata: float
    chance: float | None
    higher_is_better: bool = True
    control: str = "metadata only"

    @property
    def verdict(self) -> str:
        """The judgement: the worse bound must clear metadata alone, and chance where metadata fall below it."""
        bound = self.score.lower if self.higher_is_better else self.score.upper
        if pd.isna(bound):
            return "unknown: no interval"
        sign = 1 if self.higher_is_better else -1
        if sign * bound <= sign * self.metadata:
            return "shortcut"
        if self.chance is not None and sign * bound <= sign * self.chance:
            return "not above chance"
        return "mostly a shortcut" if self.share >= MOST else "clears metadata"

    @property
    def share(self) -> float:
        """Share of what the best method scores above chance that a control of the voxels has too; 0 of metadata."""
        if self.chance is None or self.control == "metadata only" or self.score.value == self.chance:
            return 0.0
        return (self.metadata - self.chance) / (self.score.value - self.chance)


def shortcuts_of(sheet: BenchmarkScores) -> list[Shortcut]:
    """The tasks of a benchmark beside each control that they have."""
    board, found = sheet.board, []
    for key, name in product(task_keys(board.records), sheet.declared.shortcuts):
        metadata, rows = board.reference(key, name), ranked(board, key)
        if metadata is None or not rows:
            continue
        control = sheet.declared.floors.get(name, name)
        task, chance = f"{sheet.declared.label}: {pool_words(sheet.declared, key)}", board.reference(key, "chance")
        best = sheet.estimate(rows[0], key)
        found.append(Shortcut(task, key, rows[0].label, best, metadata, chance, board.is_higher_better(key), control))
    return found


def shortcut_table(found: Iterable[Shortcut]) -> PageTable:
    """One line a task."""
    lines = tuple(
        Line((
            Cell(one.task if one.control == "metadata only" else f"{one.task}, {one.control}"),
            Cell(one.best),
            metric_cell(one.score, one.key),
            metric_cell(Estimate(one.metadata), one.key),
            Cell(MISSING) if one.chance is None else metric_cell(Estimate(one.chance), one.key),
            Cell(one.verdict, strong=one.verdict != "clears metadata" and not one.verdict.startswith("unknown")),
        ))
        for one in found
    )  # fmt: skip
    caption = "Metadata only: contrast, site, age and spacing through the same probe, held fixed. Shortcut: the lower "
    caption += "bound of the best method does not clear it, so the task can be answered as well without any voxel."
    columns = ("task", "best method", "its score", "metadata only", "chance", "verdict")
    score = Facet(metric="score")
    facets = (None, None, score, score, score, None)
    return PageTable("Metadata-only reference against the best method", caption, columns, lines, facets)


def shortcut_verdicts(sheet: BenchmarkScores) -> list[Verdict]:
    """One sentence a control on the tasks that it alone answers as well, or mostly; none where there is none."""
    found = shortcuts_of(sheet)
    lost = grouped((one.control.replace(" only", ""), one.task) for one in found if one.verdict == "shortcut")
    said = [
        Verdict("warn", f"Shortcut: the best method does not clear {control} alone on {', '.join(tasks)}.")
        for control, tasks in lost.items()
    ]
    return [*said, *mostly_shortcuts(found)]


def mostly_shortcuts(found: Iterable[Shortcut]) -> list[Verdict]:
    """A sentence a control that has most of what the best method scores above chance, with its share by task."""
    mostly = (one for one in found if one.verdict == "mostly a shortcut")
    most = grouped((one.control, f"{100 * one.share:.0f} % of it on {one.task}") for one in mostly)
    text = "Shortcut: {} alone has most of what the best method scores above chance, {}."
    return [Verdict("warn", text.format(control, ", ".join(tasks))) for control, tasks in most.items()]


@dataclass(frozen=True)
class Slice:
    """A metric of one row on the items that have something in common, as "contrast" (`by`) "DWI" (`value`).

    The score is the mean over seeds with its interval, NaN where it is not defined.
    """

    row: str
    by: str
    value: str
    n_items: int
    n_patients: int
    score: Estimate

    @property
    def is_ranked(self) -> bool:
        """True with enough items, and a number, to call it better or worse than another."""
        return self.n_items >= FEWEST_ITEMS and bool(np.isfinite(self.score.value))


def slices_of(sheet: BenchmarkScores, headline: Headline, row: MethodRow, n_resamples: int) -> list[Slice]:
    """Every slice of a row on the metric that ranks; empty without per-item scores."""
    key, metric = headline.key, headline.metric
    frames = sheet.board.frames(row, key)
    statistic, found = row.scored[0].metrics[key].statistic, []
    for by, value, chosen in _groups(frames[0]) if frames else ():
        parts = [frame[frame["item_id"].isin(chosen["item_id"])] for frame in frames]
        score = Estimate(*interval_over_seeds(parts, metric, n_resamples, statistic=statistic))
        found.append(Slice(row.label, by, value, len(chosen), chosen["patient_id"].nunique(), score))
    return found


def _groups(items: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Kind, value and items of each slice; a column with one value, or that nobody knows, has none."""
    for column, kind in SLICED_BY.items():
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


def audited_rows(sheet: BenchmarkScores) -> list[MethodRow]:
    """The best row, and selip where that is another one."""
    if not sheet.standing or not sheet.standing.ranking:
        return []
    by_label = {row.label: row for row in sheet.board.complete}
    labels = dict.fromkeys([sheet.standing.ranking[0], FULL])
    return [by_label[label] for label in labels if label in sheet.standing.ranking]


def ranked_slices(headline: Headline, rows: Sequence[MethodRow], found: Sequence[Slice]) -> list[Slice]:
    """Slices by row, worst first within a row; those with too few items last."""
    order, sign = {row.label: place for place, row in enumerate(rows)}, 1 if headline.higher_is_better else -1

    def place(one: Slice) -> tuple[int, bool, float, str, str]:
        value = sign * one.score.value if np.isfinite(one.score.value) else math.inf
        return order[one.row], not one.is_ranked, value, one.by, one.value

    return sorted(found, key=place)


def slice_table(sheet: BenchmarkScores, headline: Headline, found: Sequence[Slice]) -> PageTable:
    """Slices of one benchmark, of each row the worst first, with where they stand."""
    worst = {one.row: one for one in reversed(found) if one.is_ranked}
    lines = tuple(_slice_line(headline.key, one, worst.get(one.row) is one) for one in found)
    caption = f"{headline.name}. Worst first; fewer than {FEWEST_ITEMS} items: not ranked."
    columns = ("slice", "score", "n items", "n patients", "standing")
    facets = (None, facet_of(sheet.board, headline.key), None, None, None)
    return PageTable(f"Slices, {sheet.declared.label}", caption, columns, lines, facets)


def _slice_line(key: str, one: Slice, is_worst: bool) -> Line:
    why = "not ranked: n too small" if one.n_items < FEWEST_ITEMS else "not defined here"
    return Line((
        Cell(f"{one.row}: {one.by} {one.value}"),
        metric_cell(one.score, key, is_worst) if np.isfinite(one.score.value) else Cell(MISSING),
        number_cell(one.n_items, "count"),
        number_cell(one.n_patients, "count"),
        Cell("worst" if is_worst else MISSING if one.is_ranked else why),
    ))  # fmt: skip
