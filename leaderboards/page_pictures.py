"""From plots, and from files that others left, to pictures of a page."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from leaderboards.pages import Picture
from leaderboards.plotting import Plot
from leaderboards.theme import DARK, LIGHT, render


def pictures_of(plots: Iterable[Plot]) -> list[Picture]:
    """Each plot drawn for a light and a dark page, and as the PNG that a Markdown page shows."""
    found = []
    for plot in plots:
        light, dark = (render(plot.draw, theme, "svg") for theme in (LIGHT, DARK))
        path, png = f"figures/{plot.name}.png", render(plot.draw, LIGHT, "png")
        found.append(Picture(plot.title, plot.caption, light, dark, "image/svg+xml", path, png))
    return found


def left_pictures(folder: Path) -> tuple[list[Picture], list[Picture]]:
    """Worked examples of retrieval, and cases of segmentation (segmentation-*.png), by file name."""
    examples: list[Picture] = []
    cases: list[Picture] = []
    for png in sorted(folder.glob("*.png")):
        data, title = png.read_bytes(), png.stem.replace("_", " ").replace("-", ": ")
        mine = cases if png.stem.startswith("segmentation-") else examples
        mine.append(Picture(title, "", data, data, "image/png"))
    return examples, cases
