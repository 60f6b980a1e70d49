"""The page: every part of a leaderboard in one HTML file that asks nothing of the outside.

Intervals are drawn in the cells of its tables: one scale a column, shared by columns that are of the same thing.
"""

from __future__ import annotations

import base64
import hashlib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from leaderboards.figures.charts import Axis
from leaderboards.figures.example_pictures import PagePicture, shrunk
from leaderboards.scores.tidy_table import Estimate
from leaderboards.site.cards import Card, Configuration
from leaderboards.tables.cells import DRAWN, Cell, Facet, PageTable
from leaderboards.tables.document import TEMPLATES, Block, Page, environment

LIMIT = 2_950_000
"""Bytes that the page stays under; pictures are shrunk to what tables and drawings leave of it."""
FRAME = 600
"""Bytes of the page around a picture, at most."""

WIDTH, HEIGHT, EDGE = 84, 14, 2
"""Of a drawing, in CSS pixels; values lie between the edges."""


@dataclass(frozen=True)
class Site:
    """The page: facts below the title, sections in order, a card a method, and the pictures that are of no method."""

    title: str
    synthetic: bool
    facts: Sequence[tuple[str, str]]
    parts: Sequence[Page]
    cards: Sequence[Card]
    configurations: Sequence[Configuration]
    pictures: Sequence[PagePicture] = ()

    @property
    def anchors(self) -> dict[str, str]:
        """Label of a method to the anchor of its card."""
        return {card.label: card.anchor for card in self.cards}


def to_html(site: Site, pictures: Sequence[Path] = ()) -> str:
    """The page with the pictures of a run, as heavy as LIMIT allows; everything is escaped."""
    bare = _rendered(site)
    if not pictures:
        return bare
    shown = shrunk(pictures, LIMIT - len(bare.encode()) - FRAME * len(pictures))
    return _rendered(with_pictures(site, shown))


def with_pictures(site: Site, pictures: Sequence[PagePicture]) -> Site:
    """The page with each picture on the card of its method: METHOD-... or TASK-METHOD-... by file name."""
    owners = {picture.path: _owner(picture.path.stem, site.cards) for picture in pictures}
    cards = [replace(card, pictures=[one for one in pictures if owners[one.path] == card.label]) for card in site.cards]
    return replace(site, cards=cards, pictures=[one for one in pictures if not owners[one.path]])


def _owner(stem: str, cards: Sequence[Card]) -> str:
    """Label of the card with the longest name that the file name holds, "" for none."""
    found = [card.label for card in cards if f"-{card.label}-" in f"-{stem}"]
    return max(found, key=len, default="")


def _rendered(site: Site) -> str:
    style, script = ((TEMPLATES / name).read_text() for name in ("site.css", "site.js"))
    policy = "; ".join([
        "default-src 'none'",
        "img-src data:",
        f"style-src {_source(style)}",
        f"script-src {_source(script)}",
        "base-uri 'none'",
        "form-action 'none'",
    ])  # fmt: skip
    templates = environment(autoescape=True)
    templates.filters |= {"scales": scales_of, "mark": mark_of, "why": _why, "anchor": _anchor, "shown": _is_shown}
    page = templates.get_template("index.html.j2")
    return page.render(page=site, style=style, script=script, policy=policy)


def _source(text: str) -> str:
    """The name of inline text in a content security policy."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _why(reason: str) -> str:
    """Shorten a reason to failed, skipped or not run."""
    return next((word for word in ("failed", "skipped", "not run") if word in reason), "none")


def _is_shown(block: Block) -> bool:
    """True where the page has anything of a block: what its tables draw already needs no figure."""
    return bool(block.lead or block.tables or any(figure.drawing or figure.table for figure in block.figures))


def _anchor(title: str) -> str:
    return re.sub(r"\W+", "-", title.lower(), flags=re.ASCII).strip("-")


@dataclass(frozen=True)
class Scale:
    """The scale of a column: from values to pixels, and SVG path data of what they are read against, "" for nothing."""

    axis: Axis
    line: str

    @property
    def ends(self) -> tuple[str, str]:
        """The numbers at the ends of the scale."""
        return _short(self.axis.low), _short(self.axis.high)


def scales_of(table: PageTable) -> list[Scale | None]:
    """A scale for each column, None where there is nothing to draw."""
    facets = [*table.facets, *([None] * (len(table.columns) - len(table.facets)))]
    columns = [_estimates(table, place) for place in range(len(table.columns))]
    shared: dict[Facet, list[Estimate]] = {}
    for facet, found in zip(facets, columns, strict=True):
        if facet:
            shared.setdefault(facet, []).extend(found)
    return [
        _scale(shared[facet] if facet else found, facet.level if facet else None) if found else None
        for facet, found in zip(facets, columns, strict=True)
    ]


def mark_of(cell: Cell, scale: Scale | None) -> str:
    """SVG path data of a cell: the interval as a box and the value as a line; "" for nothing to draw."""
    if cell.estimate is None or cell.form not in DRAWN or scale is None or not math.isfinite(cell.estimate.value):
        return ""
    value, lower, upper = (scale.axis.at(number) for number in _numbers(cell.estimate))
    box = f"M{lower:g} 4H{upper:g}V10H{lower:g}z" if upper > lower else ""
    return f"{box}M{value:g} 2V12"


def _estimates(table: PageTable, place: int) -> list[Estimate]:
    cells = [line.cells[place] for line in table.lines if not line.reason]
    return [
        cell.estimate for cell in cells if cell.estimate and cell.form in DRAWN and math.isfinite(cell.estimate.value)
    ]


def _scale(estimates: Sequence[Estimate], level: float | None) -> Scale:
    numbers = [number for estimate in estimates for number in _numbers(estimate)]
    numbers += [] if level is None else [level]
    axis = Axis(min(numbers), max(numbers), EDGE, WIDTH - EDGE)
    return Scale(axis, "" if level is None else f"M{axis.at(level):g} 0V{HEIGHT}")


def _numbers(estimate: Estimate) -> tuple[float, float, float]:
    """Value and bounds; the value again where there are no bounds."""
    value, lower, upper = estimate.value, estimate.lower, estimate.upper
    return (value, lower, upper) if math.isfinite(lower) and math.isfinite(upper) else (value, value, value)


def _short(value: float) -> str:
    """A few digits, enough to read a scale by."""
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.0f}"
