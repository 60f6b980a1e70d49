"""Builds a leaderboard: records in, tables, figures and one page out. The same records give the same bytes."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from leaderboards.board import Board, read_board
from leaderboards.difference_views import declared_table, reference_table, spread_table
from leaderboards.differences import COMPARED, PRIMARY, Comparison, declared_contrasts, differences_to, separable_groups
from leaderboards.figures import Plot, plots
from leaderboards.pages import Page, Picture, facts, run_lines, to_html, to_markdown
from leaderboards.tables import tidy, to_csv
from leaderboards.theme import DARK, LIGHT, render
from leaderboards.verdicts import verdicts
from leaderboards.views import Table, abnormal_tables, pool_tables
from selip.files import write_atomically

BENCHMARK = "retrieval"
N_RESAMPLES = 10_000


def build_leaderboard(run_dir: Path, out: Path | None = None, n_resamples: int = N_RESAMPLES) -> list[Path]:
    """Writes `retrieval.md`, `retrieval.csv`, `figures/*.png` and `index.html`; returns their paths.

    Args:
        run_dir: Run directory with a folder `records`.
        out: Folder to write to; `run_dir`/leaderboard when None. The page shows `run_dir`/leaderboard/examples/*.png.
        n_resamples: Bootstrap resamples.

    Raises:
        InputError: When there are no records, or records that may not stand in one table.
    """
    out = out or run_dir / "leaderboard"
    board = read_board(run_dir, BENCHMARK)
    frame = tidy(board, n_resamples)
    contrasts = {key: declared_contrasts(board, key, n_resamples) for key in COMPARED}
    drawn = plots(board, frame, contrasts[PRIMARY])
    page = _page(board, frame, contrasts, drawn, _examples(run_dir / "leaderboard" / "examples"), n_resamples)
    files: dict[str, bytes | str] = {f"figures/{plot.name}.png": render(plot.draw, LIGHT, "png") for plot in drawn}
    files["retrieval.md"] = to_markdown(page, list(files))
    files["retrieval.csv"] = to_csv(frame)
    files["index.html"] = to_html(page)
    for name, data in files.items():
        write_atomically(out / name, data)
    return [out / name for name in files]


def _page(
    board: Board,
    frame: pd.DataFrame,
    contrasts: dict[str, list[Comparison]],
    drawn: list[Plot],
    examples: list[Picture],
    n_resamples: int,
) -> Page:
    groups = separable_groups(board, PRIMARY, n_resamples)
    return Page(
        title="Retrieval leaderboard" + (f": SYNTHETIC cohort {board.cohort_name}" if board.synthetic else ""),
        synthetic=board.synthetic,
        verdicts=verdicts(board, frame, groups, contrasts[PRIMARY]),
        facts=facts(board, n_resamples),
        main=abnormal_tables(board, frame, groups),
        differences=_difference_tables(board, frame, contrasts, n_resamples),
        pools=pool_tables(board, frame),
        runs=run_lines(board.records),
        figures=[_picture(plot) for plot in drawn],
        examples=examples,
    )


def _difference_tables(
    board: Board, frame: pd.DataFrame, contrasts: dict[str, list[Comparison]], n_resamples: int
) -> list[Table]:
    declared = [comparison for key in COMPARED for comparison in contrasts[key]]
    found = [declared_table(declared)] if declared else []
    clip = board.row("clip")
    if clip:
        others = {key: differences_to(board, clip, key, n_resamples) for key in COMPARED}
        found.append(reference_table("clip", others))
    spread = spread_table(board, frame)
    return [*found, spread] if spread else found


def _picture(plot: Plot) -> Picture:
    light, dark = (render(plot.draw, theme, "svg") for theme in (LIGHT, DARK))
    return Picture(plot.title, plot.caption, light, dark, "image/svg+xml")


def _examples(folder: Path) -> list[Picture]:
    """Pictures of worked examples that the composition root left, by file name."""
    found = []
    for png in sorted(folder.glob("*.png")):
        data, title = png.read_bytes(), png.stem.replace("_", " ").replace("-", ": ")
        found.append(Picture(title, "", data, data, "image/png"))
    return found
