"""Plain tables of cells that Markdown, LaTeX and the page render alike.

A cell keeps its numbers; they become text where a renderer asks for `text` and `interval`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pandas as pd

from leaderboards.scores.benchmark_records import BenchmarkRecords
from leaderboards.scores.headlines import pool_words, words
from leaderboards.scores.method_rows import MethodRow
from leaderboards.scores.tidy_table import Estimate
from selip.records.metric_key import MetricKey

MISSING = "–"
Form = Literal["score", "length", "difference", "bounds", "share", "p", "count", "spread", "tenth", "hundredth"]
_FORMS: dict[str, str] = {
    "score": ".3f", "length": ".1f", "difference": "+.3f", "bounds": ".3f", "share": ".2f", "p": ".3f", "count": ".0f",
    "spread": ".3f", "tenth": ".1f", "hundredth": ".2f",
}  # fmt: skip
DRAWN = frozenset({"score", "length", "difference", "bounds", "share"})
"""Forms whose numbers the page draws."""


@dataclass(frozen=True)
class Verdict:
    """One sentence and how to take it: "plain", "good" or "warn"."""

    kind: str
    text: str


@dataclass(frozen=True)
class Cell:
    """A table cell.

    Attributes:
        words: What it says; "" for its number.
        note: What stands beside it; "" for the bounds of its number.
        strong: Whether it stands out.
        prose: Whether it is words.
        estimate: Its number.
        form: How the number is written.
        why: Why there is no number, where another table of the page says so too.
    """

    words: str = ""
    note: str = ""
    strong: bool = False
    prose: bool = False
    estimate: Estimate | None = None
    form: Form = "score"
    why: str = ""

    @property
    def text(self) -> str:
        """Its words, or its number as a reader sees it."""
        if self.words or self.estimate is None:
            return self.words
        if self.form == "bounds":
            return bounds_text(self.estimate, self.form) or MISSING
        return number_text(self.estimate.value, self.form)

    @property
    def interval(self) -> str:
        """The note, or the bounds in brackets."""
        shown = self.estimate is not None and self.form != "bounds" and not self.note
        return bounds_text(self.estimate, self.form) if self.estimate and shown else self.note


@dataclass(frozen=True)
class Facet:
    """The subject of a column of numbers, in words: its statistic is without model and class.

    `level` is what its numbers are read against: the floor of the benchmark, or 0 of a difference; None for nothing.
    """

    benchmark: str = ""
    pool: str = ""
    metric: str = ""
    higher_is_better: bool = True
    level: float | None = None


DIFFERENCE = Facet(level=0.0)
"""A column of differences."""


@dataclass(frozen=True)
class Line:
    """A table row; with a `reason` it has its name alone, and the reason across the columns.

    `kind` is "method", "reference" (chance, majority), "hole" or "skipped"; `label` is the method that has a card on
    the page, "" for none.
    """

    cells: tuple[Cell, ...]
    reason: str = ""
    kind: str = "method"
    label: str = ""


@dataclass(frozen=True)
class PageTable:
    """A table as shown; a facet a column, None for words, or none at all."""

    title: str
    caption: str
    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    facets: tuple[Facet | None, ...] = ()


def facet_of(board: BenchmarkRecords, key: str) -> Facet:
    """The subject of a column of a metric, `pool/metric`."""
    declared = board.declared
    floor, statistic = board.floor(key), MetricKey.parse(key).statistic
    return Facet(
        declared.label, pool_words(declared, key), words(declared, statistic),
        board.is_higher_better(key), floor[1] if floor else None,
    )  # fmt: skip


def form_of(key: str) -> Form:
    """The form of a metric: ranks and millimetres with one decimal, everything else with three."""
    return "length" if MetricKey.parse(key).metric.endswith(("median_rank", "_mm")) else "score"


def number_text(value: float, form: Form = "score") -> str:
    """A number as a reader sees it."""
    if pd.isna(value):
        return MISSING
    return "< 0.001" if form == "p" and value < 0.001 else format(value, _FORMS[form])


def bounds_text(estimate: Estimate, form: Form = "score") -> str:
    """The bounds in brackets, "" where there are none."""
    if pd.isna(estimate.lower) or pd.isna(estimate.upper):
        return ""
    return f"[{format(estimate.lower, _FORMS[form])}, {format(estimate.upper, _FORMS[form])}]"


def estimate_text(estimate: Estimate, form: Form = "score") -> str:
    """A number and its bounds in a sentence."""
    return f"{number_text(estimate.value, form)} {bounds_text(estimate, form)}".strip()


def number_cell(value: float | None, form: Form, strong: bool = False) -> Cell:
    """A number alone; MISSING where there is none."""
    return (
        Cell(MISSING) if value is None or pd.isna(value) else Cell(strong=strong, estimate=Estimate(value), form=form)
    )


def metric_cell(estimate: Estimate, key: str, strong: bool = False) -> Cell:
    """A metric's value and interval."""
    return Cell(strong=strong, estimate=estimate, form=form_of(key))


def hole_reason(row: MethodRow) -> tuple[str, str]:
    """The words in place of the numbers of a row with a hole, and the kind of its line."""
    return (f"not scored: {row.hole}", "skipped") if row.skipped else (f"no mean: {row.hole}", "hole")


def hole_lines(board: BenchmarkRecords) -> list[Line]:
    """One line for each row that cannot have a mean, with the reason: failures first, then what was skipped."""
    rows = sorted((row for row in board.rows if row.hole), key=lambda row: row.skipped)
    return [Line((Cell(row.label),), *hole_reason(row), label=row.label) for row in rows]
