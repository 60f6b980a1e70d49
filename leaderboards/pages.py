"""Pages: the same views as Markdown and as one self-contained HTML file."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from leaderboards.board import Board
from leaderboards.differences import PRIMARY
from leaderboards.views import Cell, Table, Verdict
from selip.records import Record

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
    """

    title: str
    caption: str
    light: bytes
    dark: bytes
    mime: str


@dataclass(frozen=True)
class Ablations:
    """The ablations of SeLIP: a page as Markdown, a section of the HTML page.

    Attributes:
        title: Title, with SYNTHETIC in it where it must be.
        verdicts: Sentences on top.
        facts: Protocol and policy, subject and text.
        table: One line an ablation.
        figures: Figures of the ablations.
        runs: Every record of full SeLIP and of an ablation.
    """

    title: str
    verdicts: Sequence[Verdict]
    facts: Sequence[tuple[str, str]]
    table: Table
    figures: Sequence[Picture]
    runs: Sequence[dict[str, str]]


@dataclass(frozen=True)
class Page:
    """Everything that a leaderboard shows, in order.

    Attributes:
        title: Title, with SYNTHETIC in it where it must be.
        synthetic: Whether the cohort is made.
        verdicts: Sentences on top.
        facts: Protocol and policy, subject and text.
        main: Tables of the abnormal pool.
        differences: Tables of paired differences and of spread.
        pools: Tables of the other pools.
        runs: Every record, also failed ones: method, seed, status, and how to repeat it.
        figures: Figures of the page.
        examples: Worked examples.
        ablations: The ablations of SeLIP, None where none was run.
    """

    title: str
    synthetic: bool
    verdicts: Sequence[Verdict]
    facts: Sequence[tuple[str, str]]
    main: Sequence[Table]
    differences: Sequence[Table]
    pools: Sequence[Table]
    runs: Sequence[dict[str, str]]
    figures: Sequence[Picture]
    examples: Sequence[Picture]
    ablations: Ablations | None = None


def to_html(page: Page) -> str:
    """The page as one HTML file without any outside request; everything is escaped."""
    environment = _environment(autoescape=True)
    environment.filters["data_uri"] = data_uri
    return environment.get_template("index.html.j2").render(page=page)


def to_markdown(page: Page, figures: Sequence[str], template: str = "retrieval") -> str:
    """The page as Markdown.

    Args:
        page: What it shows.
        figures: Paths of the figures relative to it, in the page's order.
        template: "retrieval", or "ablation" for the ablations alone.
    """
    environment = _environment(autoescape=False)
    environment.filters |= {"md": escape_markdown, "cell": markdown_cell, "one_line": one_line}
    return environment.get_template(f"{template}.md.j2").render(page=page, figures=figures)


def _environment(autoescape: bool) -> Environment:
    loader = FileSystemLoader(TEMPLATES)
    return Environment(
        loader=loader, autoescape=autoescape, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )


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


def facts(board: Board, n_resamples: int) -> list[tuple[str, str]]:
    """Protocol and policy: what the numbers were made of, then the benchmark's own notes."""
    record, cohort = board.facts, board.facts.cohort
    made = "SYNTHETIC, " if cohort.synthetic else ""
    shape, spacing = (" × ".join(f"{n:g}" for n in numbers) for numbers in (cohort.shape, cohort.spacing_mm))
    found = [
        ("cohort", f"{board.cohort_name} ({made}{cohort.n_patients} patients, {shape} voxels of {spacing} mm)"),
        ("cohort hash", cohort.content_hash),
        ("split fingerprint", record.split_fingerprint),
        ("protocol", f"{board.benchmark} version {record.protocol_version}"),
        *_sizes(board),
        ("seeds", ", ".join(map(str, board.seeds))),
        (
            "intervals",
            f"95 %, percentile, {n_resamples} paired resamples of patients, and of seeds where there are several",
        ),
        ("groups", "rows share a letter when the 95 % interval of their paired difference holds 0 (not adjusted)"),
    ]
    notes: dict[str, list[str]] = {}
    for scored in board.records:
        for subject, text in scored.notes.items():
            if text not in notes.setdefault(subject, []):
                notes[subject].append(text)
    return found + [(subject, " / ".join(texts)) for subject, texts in notes.items()]


def _sizes(board: Board) -> list[tuple[str, str]]:
    """Items, patients, chance and majority of the pools that a leaderboard leans on."""
    metrics = {key: metric for record in board.records for key, metric in record.metrics.items()}
    found = []
    for pool in ("abnormal", "all"):
        key = PRIMARY.replace("abnormal", pool)
        if key in metrics:
            size = f"{metrics[key].n_items} volumes of {metrics[key].n_patients} patients"
            levels = {suffix: board.reference(key, suffix) for suffix in ("chance", "majority")}
            said = [f"{suffix} {level:.3f}" for suffix, level in levels.items() if level is not None]
            found.append((f"test pool {pool}", "; ".join([size, *(f"image → text R@10 {text}" for text in said)])))
    return found


def run_lines(records: Sequence[Record]) -> list[dict[str, str]]:
    """One line a record: what ran, how it ended, and the command and commit that repeat it."""
    return [
        {
            "run": record.run_id,
            "method": f"{record.method} [{record.ablation}]" if record.ablation else record.method,
            "seed": str(record.seed),
            "status": record.status + (f": {record.reason}" if record.reason else ""),
            "value": f"{record.metrics[PRIMARY].value:.3f}" if PRIMARY in record.metrics else "–",
            "steps": f"{record.training.chosen_step} of {record.training.steps}" if record.training else "–",
            "seconds": ", ".join(f"{name} {value:.0f}" for name, value in record.seconds.items()) or "–",
            "device": record.device or "–",
            "commit": record.git_commit or "–",
            "created": record.created or "–",
            "command": record.command or "–",
        }
        for record in records
    ]
