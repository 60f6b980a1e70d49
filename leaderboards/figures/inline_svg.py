"""Figures within a page: their SVG in the colours of the page, light or dark, without what its policy forbids."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from matplotlib.colors import to_hex

from leaderboards.figures.plots import ACCENT, ALARM, FAINT, INK, LINE, PAPER, SERIES, palette

SVG = "{http://www.w3.org/2000/svg}"
HREF = "{http://www.w3.org/1999/xlink}href"
COLOURS = {INK: "ink", FAINT: "faint", PAPER: "card", ACCENT: "accent", ALARM: "alarm", LINE: "line"} | {
    to_hex(colour): f"s{number}" for number, colour in enumerate(palette([*"0123456789"]).values())
}
"""Colours of a figure and the variables of the page in their place."""
ElementTree.register_namespace("", SVG[1:-1])


def inline_svg(svg: str, label: str) -> str:
    """The SVG as an element of HTML, and below it a list of the names of its curves where it has some."""
    root = ElementTree.fromstring(svg)
    for element in list(root.iter()):
        _plain(element)
    for tag in ("metadata", "defs/svg:style/.."):
        for found in root.findall(f"svg:{tag}", {"svg": SVG[1:-1]}):
            root.remove(found)
    sizes = {"class": "chart", "viewBox": root.get("viewBox", ""), "role": "img", "aria-label": label}
    root.attrib.clear()
    root.attrib.update(sizes)
    return ElementTree.tostring(root, "unicode") + _legend(dict(_names(root)))


def _plain(element: Element) -> None:
    """Writes a style as attributes, colours as variables, an id of a group as what the page asks of it, few digits."""
    for name in {"d", "x", "y", "transform", "width", "height"} & {*element.keys()}:
        element.set(name, re.sub(r"-?\d+\.\d{2,}", lambda found: f"{float(found[0]):.4g}", element.attrib[name]))
    for rule in filter(None, (part.strip() for part in element.attrib.pop("style", "").split(";"))):
        name, _, value = rule.partition(": ")
        if name == "font":
            size = re.search(r"([\d.]+)px", value)
            element.set("font-size", size[1] if size else "8")
            if "bold" in value or "700" in value:
                element.set("font-weight", "bold")
        else:
            element.set(name, f"var(--{COLOURS[value]})" if value in COLOURS else value)
    if HREF in element.attrib:
        element.set("href", element.attrib.pop(HREF))
    if element.tag == f"{SVG}g":
        own = element.attrib.pop("id", "")
        if own.startswith(SERIES):
            element.attrib |= {"class": "series", "data-method": own.removeprefix(SERIES)}


def _names(root: Element) -> Iterator[tuple[str, tuple[str, str]]]:
    """Name, colour and dashes of every curve, grey ones last."""
    found = {}
    for group in root.iter(f"{SVG}g"):
        path = group.find(f"{SVG}path")
        if group.get("class") == "series" and path is not None:
            found[group.get("data-method", "")] = (path.get("stroke", ""), path.get("stroke-dasharray", "none"))
    yield from sorted(found.items(), key=lambda one: one[1][0] == f"var(--{COLOURS[FAINT]})")


def _legend(names: dict[str, tuple[str, str]]) -> str:
    items = [
        f'<li data-method="{escape(name)}"><svg aria-hidden="true"><path d="M0 7h22" stroke="{colour}" '
        f'stroke-dasharray="{dashes}"/></svg>{escape(name)}</li>'
        for name, (colour, dashes) in names.items()
    ]
    return f'<ul class="legend" aria-label="Methods of the chart">{"".join(items)}</ul>' if items else ""
