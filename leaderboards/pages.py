"""Pages: the same parts as Markdown, as LaTeX tables, and as sections of one self-contained HTML file."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from leaderboards.latex import escape_latex, latex_cell
from leaderboards.views import Cell, Table, Verdict

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Picture:
    """A picture of the page.

    Attributes:
        title: Head above it; also its text for those who do not see it.
        caption: How to read it.
        light: The file's bytes, for a light page.
        dark: The same for a dark page; `light` again where there is only one.
        mime: Type of both.
        path: Where the Markdown finds it as PNG; "" for a picture of the page alone.
        png: Bytes of that file.
    """

    title: str
    caption: str
    light: bytes
    dark: bytes
    mime: str
    path: str = ""
    png: bytes = b""


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


@dataclass(frozen=True)
class Site:
    """The HTML page.

    Attributes:
        title: Title, with SYNTHETIC in it where it must be.
        synthetic: Whether the cohort is made.
        facts: What stands below the title.
        parts: Sections in order.
        examples: Worked examples of retrieval.
        cases: Cases of segmentation.
    """

    title: str
    synthetic: bool
    facts: Sequence[tuple[str, str]]
    parts: Sequence[Part]
    examples: Sequence[Picture]
    cases: Sequence[Picture]


def to_html(site: Site) -> str:
    """The page as one HTML file without any outside request; everything is escaped."""
    environment = _environment(autoescape=True)
    environment.filters["data_uri"] = data_uri
    return environment.get_template("index.html.j2").render(page=site)


def to_markdown(part: Part) -> str:
    """A part as Markdown; its figures are the files at their paths."""
    return markdown("part.md.j2", part=part)


def markdown(template: str, **values: object) -> str:
    """A template of Markdown, in which the filters md, cell and one_line escape."""
    environment = _environment(autoescape=False)
    environment.filters |= {"md": escape_markdown, "cell": markdown_cell, "one_line": one_line}
    return environment.get_template(template).render(**values)


def to_latex(part: Part) -> str:
    """The tables of a part as LaTeX, to be put into a document that uses booktabs and graphicx."""
    environment = _environment(autoescape=False, comment=("<#", "#>"))
    environment.filters |= {"tex": escape_latex, "cell": latex_cell, "one_line": one_line}
    return environment.get_template("part.tex.j2").render(part=part)


def _environment(autoescape: bool, comment: tuple[str, str] = ("{#", "#}")) -> Environment:
    return Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=autoescape, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, comment_start_string=comment[0], comment_end_string=comment[1],
    )  # fmt: skip


def data_uri(data: bytes, mime: str) -> str:
    """A file as a link that needs no file."""
    return f"data:{mime};base64,{base64.b64encode(data).decode()}"


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
