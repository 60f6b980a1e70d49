"""The page: every part of a leaderboard in one HTML file that asks nothing of the outside.

Intervals are drawn in the cells of its tables: one scale a column, shared by columns that are of the same thing.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from leaderboards.figures.example_pictures import PagePicture, shrunk
from leaderboards.site.cards import Card, Configuration, anchor_of
from leaderboards.site.first_screen import FirstScreen
from leaderboards.site.scales import mark_of, scales_of
from leaderboards.tables.document import TEMPLATES, Block, Page, environment

LIMIT = 2_950_000
"""Bytes that the page stays under; pictures are shrunk to what tables and drawings leave of it."""
FRAME = 600
"""Bytes of the page around a picture, at most."""


@dataclass(frozen=True)
class Site:
    """The page: facts below the title, sections in order, a card a method, and the pictures that are of no method.

    `drawings` are the figures that it shows, as SVG by name.
    """

    title: str
    cohort: str
    synthetic: bool
    first: FirstScreen
    facts: Sequence[tuple[str, str]]
    parts: Sequence[Page]
    cards: Sequence[Card]
    configurations: Sequence[Configuration]
    drawings: Mapping[str, str] = field(default_factory=dict)
    pictures: Sequence[PagePicture] = ()
    strip: Sequence[PagePicture] = ()

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
    """The page with each picture on the card of its method: METHOD-... or TASK-METHOD-... by file name.

    The worked examples of the method that the study is about stand on the first screen instead.
    """
    owners = {picture.path: _owner(picture.path.stem, site.cards) for picture in pictures}
    about = site.first.method
    strip = [one for one in pictures if owners[one.path] == about and one.path.stem.startswith(f"{about}-")]
    kept = [one for one in pictures if one not in strip]
    cards = [replace(card, pictures=[one for one in kept if owners[one.path] == card.label]) for card in site.cards]
    return replace(site, cards=cards, strip=strip, pictures=[one for one in kept if not owners[one.path]])


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
    templates.filters |= {"scales": scales_of, "mark": mark_of, "why": _why, "anchor": anchor_of, "shown": _is_shown}
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
    return bool(block.lead or block.tables or any(figure.inline for figure in block.figures))
