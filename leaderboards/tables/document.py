"""Pages: the same parts as Markdown and as LaTeX tables; `leaderboards.site` makes one HTML page of them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from leaderboards.tables.cells import Cell, Table, Verdict

TEMPLATES = Path(__file__).parents[1] / "templates"
_SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\textquotedbl{}", "[": "{[}", "]": "{]}", "`": r"\textasciigrave{}",
    "→": r"$\rightarrow$", "−": "$-$", "–": "--", "—": "---", "×": r"$\times$", "±": r"$\pm$", "≥": r"$\geq$",
    "≤": r"$\leq$", "λ": r"$\lambda$", "·": r"$\cdot$", "…": r"\ldots{}", "“": "``", "”": "''", "’": "'", "✓": "yes",
}  # fmt: skip


class Drawing(Protocol):
    """What the HTML page shows in the place of a figure, as numbers and words."""

    @property
    def template(self) -> str:
        """The template that shows it, by file name."""


@dataclass(frozen=True)
class Picture:
    """A figure of a part.

    Attributes:
        title: Head above it; also its text for those who do not see it.
        caption: How to read it.
        path: Where the Markdown finds it as PNG.
        png: Bytes of that file.
        drawing: What the HTML page shows in its place.
        table: The same as a table; a figure with neither says what tables of the page draw already.
    """

    title: str
    caption: str
    path: str
    png: bytes
    drawing: Drawing | None = None
    table: Table | None = None


@dataclass(frozen=True)
class Block:
    """Tables and figures under one heading.

    Attributes:
        title: The heading.
        lead: How to read it; "" for nothing to say.
        tables: Its tables.
        figures: Its figures, after the tables.
        small: Whether the tables are details.
    """

    title: str
    lead: str = ""
    tables: Sequence[Table] = ()
    figures: Sequence[Picture] = ()
    small: bool = False


@dataclass(frozen=True)
class Runs:
    """Every record of a part, also failed ones.

    Attributes:
        value_name: What the value of a line is.
        lines: One a record: method, seed, status, value, chosen step, seconds, device, created, run.
        commands: Each command and commit once, with the methods and the number of records that came from it.
    """

    value_name: str
    lines: Sequence[dict[str, str]]
    commands: Sequence[dict[str, str]]


@dataclass(frozen=True)
class Part:
    """A page as Markdown and LaTeX, a section of the HTML page.

    Attributes:
        name: File name without ending, and the section's anchor.
        heading: Head of the section.
        title: Title of the page, with SYNTHETIC in it where it must be.
        synthetic: Whether the cohort is made.
        verdicts: Sentences on top.
        facts: Protocol and policy, subject and text.
        blocks: Tables and figures.
        runs: Where the numbers came from; None where it stands on other pages.
    """

    name: str
    heading: str
    title: str
    synthetic: bool
    verdicts: Sequence[Verdict]
    facts: Sequence[tuple[str, str]]
    blocks: Sequence[Block]
    runs: Runs | None = None

    @property
    def figures(self) -> list[Picture]:
        """Figures of all blocks."""
        return [figure for block in self.blocks for figure in block.figures]


def to_markdown(part: Part) -> str:
    """A part as Markdown; its figures are the files at their paths."""
    return markdown("part.md.j2", part=part)


def markdown(template: str, **values: object) -> str:
    """A template of Markdown, in which the filters md, cell and one_line escape."""
    templates = environment(autoescape=False)
    templates.filters |= {"md": escape_markdown, "cell": markdown_cell, "one_line": one_line}
    return templates.get_template(template).render(**values)


def to_latex(part: Part) -> str:
    """The tables of a part as LaTeX, to be put into a document that uses booktabs and graphicx."""
    templates = environment(autoescape=False, comment=("<#", "#>"))
    templates.filters |= {"tex": escape_latex, "cell": latex_cell, "one_line": one_line}
    return templates.get_template("part.tex.j2").render(part=part)


def environment(autoescape: bool, comment: tuple[str, str] = ("{#", "#}")) -> Environment:
    """Templates of this room; an undefined name is an error."""
    return Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=autoescape, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, comment_start_string=comment[0], comment_end_string=comment[1],
    )  # fmt: skip


def one_line(text: str) -> str:
    """The text with every run of white space as one space."""
    return " ".join(text.split())


def escape_markdown(text: str) -> str:
    """Text that Markdown shows as it is: no markup, no HTML, no broken table."""
    plain = one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*|]|\](?=[\[(]))", r"\\\1", plain)


def markdown_cell(cell: Cell) -> str:
    """A cell's text and its interval, escaped; bold where the cell is strong."""
    text = escape_markdown(f"{cell.text} {cell.interval}".strip())
    return f"**{text}**" if cell.strong else text


def escape_latex(text: str) -> str:
    """Text on one line that pdfLaTeX sets as it is; a character that it may not know loses its accent or is a "?"."""
    return "".join(_SPECIAL.get(character) or _ascii(character) for character in " ".join(text.split()))


def latex_cell(cell: Cell) -> str:
    """A cell's text and, smaller, its interval; bold where the cell is strong."""
    text = escape_latex(cell.text)
    shown = rf"\textbf{{{text}}}" if cell.strong else text
    return rf"{shown} {{\scriptsize {escape_latex(cell.interval)}}}" if cell.interval else shown


def _ascii(character: str) -> str:
    if " " <= character <= "~":
        return character
    plain = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    return "".join(_SPECIAL.get(one, one) for one in plain) or "?"
