"""From plots to pictures of a page."""

from __future__ import annotations

from collections.abc import Iterable

from leaderboards.figures.plots import Plot
from leaderboards.figures.theme import render
from leaderboards.tables.document import Picture


def pictures_of(plots: Iterable[Plot]) -> list[Picture]:
    """Each plot as the PNG that a Markdown page shows, and as what the HTML page shows."""
    return [
        Picture(plot.title, plot.caption, f"figures/{plot.name}.png", render(plot.draw), plot.drawing, plot.table)
        for plot in plots
    ]
