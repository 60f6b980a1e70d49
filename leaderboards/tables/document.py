"""Pages: the same parts as Markdown and as LaTeX tables; `leaderboards.site` makes one HTML page of them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from leaderboards.tables.cells import Cell, PageTable, Verdict

TEMPLATES = Path(__file__).parents[1] / "templates"
_SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\textquotedbl{}", "[": "{[}", "]": "{]}", "`": r"\textasciigrave{}",
    "→": r"$\rightarrow$", "−": "$-$", "–": "--", "—": "---", "×": r"$\times$", "±": r"$\pm$", "≥": r"$\geq$",
    "≤": r"$\leq$", "λ": r"$\lambda$", "·": r"$\cdot$", "…": r"\ldots{}", "“": "``", "”": "''", "’": "'", "✓": "yes",
}  # fmt: skip


@dataclass(frozen=True)
class Picture:
    """A figure of a part, drawn to a file that the Markdown finds; SYNTHETIC stands before its title where it must.

    The HTML page shows it where it is `inline`; of the others its tables draw the same already. `label` says it in
    words to who cannot see it, "" for the title.
    """

    name: str
    title: str
    caption: str
    draw: Callable[[], Any]
    inline: bool = False
    label: str = ""

    @property
    def path(self) -> str:
        """Its file beside the Markdown; a PDF stands beside it."""
        return f"figures/{self.name}.png"


@dataclass(frozen=True)
class Block:
    """Tables, and figures after them, under one heading; `lead` is how to read them, `small` that they are details."""

    title: str
    lead: str = ""
    tables: Sequence[PageTable] = ()
    figures: Sequence[Picture] = ()
    small: bool = False


@dataclass(frozen=True)
class Runs:
    """Every record of a part, also failed ones, a line each; each command and commit once, with who came from it."""

    value_name: str
    lines: Sequence[dict[str, str]]
    commands: Sequence[dict[str, str]]


@dataclass(frozen=True)
class Page:
    """A page as Markdown and LaTeX, a section of the HTML page whose anchor is `name`.

    Verdicts stand on top, then facts (subject and text), then blocks, then runs where they stand on no other page.
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


def to_markdown(part: Page) -> str:
    """A part as Markdown; its figures are the files at their paths."""
    return markdown("part.md.j2", part=part)


def markdown(template: str, **values: object) -> str:
    """A template of Markdown, in which the filters md, cell and one_line escape."""
    templates = environment(autoescape=False)
    templates.filters |= {"md": escape_markdown, "cell": markdown_cell, "one_line": one_line}
    return templates.get_template(template).render(**values)


def to_latex(part: Page) -> str:
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
