"""Tables of differences: declared contrasts, differences to a reference, case spread and seed spread apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from leaderboards.scores.benchmark_scores import BenchmarkScores
from leaderboards.scores.paired_differences import Comparison, ranked
from leaderboards.scores.tidy_table import KEY, Estimate
from leaderboards.tables.cells import DIFFERENCE, MISSING, Cell, Line, PageTable, facet_of, form_of, number_cell


def declared_table(contrasts: Sequence[Comparison], over: str, title: str = "Declared contrasts") -> PageTable:
    """The contrasts fixed before any run, one line a contrast and metric, with the Holm-adjusted p-value.

    `over` is what Holm's adjustment is over.
    """
    if not any(c.is_tested for c in contrasts):
        return _described_table(contrasts, title)
    over_seeds = any(pd.notna(c.p_seeds) for c in contrasts)
    lines = tuple(
        Line((
            Cell(c.name),
            Cell(c.metric),
            difference_cell(c),
            number_cell(c.p_holm, "p"),
            *([number_cell(c.p_seeds, "p")] if over_seeds else []),
            Cell(("yes" if c.differs else "no") if c.is_tested else MISSING),
            number_cell(c.smallest, "spread"),
        ))
        for c in contrasts
    )  # fmt: skip
    flips = ("p (sign flip)",) if over_seeds else ()
    columns = ("contrast", "metric", "difference", "p (Holm)", *flips, "separated", "smallest detectable")
    caption = f"Fixed before any run. Paired over patients and seeds; two-sided p, Holm over {over}, run or not."
    caption += " Sign flip: exact, over seeds alone." if over_seeds else ""
    caption += " Separated: the interval leaves out 0 and Holm's p is at most .05."
    caption += " Smallest detectable: the true difference that this comparison would find with 80 % power at .05, the "
    caption += "spread of seeds included, before Holm's adjustment."
    return PageTable(title, caption, columns, lines, (None, None, DIFFERENCE, *([None] * (len(columns) - 3))))


def _described_table(contrasts: Sequence[Comparison], title: str) -> PageTable:
    lines = tuple(Line((Cell(c.name), Cell(c.metric), difference_cell(c))) for c in contrasts)
    caption = (
        "Fixed before any run. So few seeds describe runs: intervals are over patients alone, and nothing is tested."
    )
    return PageTable(title, caption, ("contrast", "metric", "difference"), lines, (None, None, DIFFERENCE))


def reference_table(reference: str, comparisons: Mapping[str, Sequence[Comparison]]) -> PageTable:
    """Every method minus `reference`, one line a method and one column a metric in words."""
    cells = {(c.a, metric): difference_cell(c) for metric, found in comparisons.items() for c in found}
    labels = list(dict.fromkeys(c.a for found in comparisons.values() for c in found))
    lines = tuple(
        Line((Cell(f"{label} − {reference}"), *(cells.get((label, metric), Cell(MISSING)) for metric in comparisons)))
        for label in labels
    )
    tested = any(c.is_tested for found in comparisons.values() for c in found)
    caption = "Paired, strong where the interval leaves out 0. Exploratory: not adjusted for how many there are."
    caption = caption if tested else "Paired, of these runs alone: nothing is tested."
    facets = (None, *([DIFFERENCE] * len(comparisons)))
    return PageTable(f"Differences to {reference}", caption, ("contrast", *comparisons), lines, facets)


def difference_cell(comparison: Comparison) -> Cell:
    """A signed difference with its interval, strong where the interval leaves out 0."""
    return Cell(strong=comparison.separates, estimate=Estimate(*comparison.difference[:3]), form="difference")


def spread_table(sheet: BenchmarkScores) -> PageTable | None:
    """Case spread and seed spread of the metric that ranks the rows, apart; None for one seed or without rows."""
    head, seeds = sheet.headline, sheet.board.seeds
    rows = ranked(sheet.board, head.key) if head and len(seeds) > 1 else []
    if head is None or not rows:
        return None
    here = sheet.frame[sheet.frame[KEY] == head.key].set_index(["method", "ablation"])
    lines = []
    for row in rows:
        entry = here.loc[(row.method, row.ablation)]
        value, form = entry["value"], form_of(head.key)
        spans = (Estimate(value, entry[f"{of}lower"], entry[f"{of}upper"]) for of in ("case_", ""))
        case, both = (Cell(estimate=s, form="bounds") if pd.notna(s.lower) else Cell(MISSING) for s in spans)
        values = Cell(", ".join(f"{one:.3f}" for one in row.values(head.key)))
        mean = number_cell(value, "tenth" if form == "length" else "spread")
        lines.append(
            Line((Cell(row.label), mean, case, number_cell(entry["seed_sd"], "spread"), values, both), label=row.label)
        )
    columns = (
        "method", "mean", "over patients alone", "SD over seeds alone", f"value of seed {', '.join(map(str, seeds))}",
        "over both",
    )  # fmt: skip
    caption = "Patients: seeds held, patients resampled. Seeds: standard deviation of the seeds' values."
    facet = facet_of(sheet.board, head.key)
    return PageTable(
        f"Case spread and seed spread, {head.name}",
        caption,
        columns,
        tuple(lines),
        (None, facet, facet, None, None, facet),
    )
