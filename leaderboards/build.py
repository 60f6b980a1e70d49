"""Builds a leaderboard: records in, tables, figures and one page out. The same records give the same bytes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd

from leaderboards.ablation_figures import ablation_plots
from leaderboards.ablation_verdicts import ablation_verdicts
from leaderboards.ablation_views import ablation_frame, ablation_table
from leaderboards.ablations import Study, study_of
from leaderboards.board import Board, methods_of, read_board
from leaderboards.difference_views import declared_table, reference_table, spread_table
from leaderboards.differences import COMPARED, PRIMARY, Comparison, declared_contrasts, differences_to, separable_groups
from leaderboards.figures import plots
from leaderboards.pages import Ablations, Page, Picture, facts, run_lines, to_html, to_markdown
from leaderboards.plotting import Plot
from leaderboards.tables import tidy, to_csv
from leaderboards.theme import DARK, LIGHT, render
from leaderboards.verdicts import verdicts
from leaderboards.views import Table, abnormal_tables, pool_tables
from selip.files import write_atomically

BENCHMARK = "retrieval"
N_RESAMPLES = 10_000


def build_leaderboard(run_dir: Path, out: Path | None = None, n_resamples: int = N_RESAMPLES) -> list[Path]:
    """Writes `retrieval.md`, `retrieval.csv`, `figures/*.png` and `index.html`; returns their paths.

    Where the records hold ablations, `ablation.md` and `ablation.csv` too.

    Args:
        run_dir: Run directory with a folder `records`.
        out: Folder to write to; `run_dir`/leaderboard when None. The page shows `run_dir`/leaderboard/examples/*.png.
        n_resamples: Bootstrap resamples.

    Raises:
        InputError: When there are no records, or records that may not stand in one table.
    """
    out = out or run_dir / "leaderboard"
    every = read_board(run_dir, BENCHMARK)
    board, study = methods_of(every), study_of(every, n_resamples)
    frame = tidy(board, n_resamples)
    contrasts = {key: declared_contrasts(board, key, n_resamples) for key in COMPARED}
    drawn, ablated = plots(board, frame, contrasts[PRIMARY]), ablation_plots(study) if study else []
    page = _page(board, frame, contrasts, drawn, _examples(run_dir / "leaderboard" / "examples"), n_resamples)
    files = _figure_files(drawn)
    files["retrieval.md"] = to_markdown(page, list(files))
    files["retrieval.csv"] = to_csv(frame)
    if study:
        page = replace(page, ablations=_ablations(study, ablated, n_resamples), runs=run_lines(every.records))
        pictures = _figure_files(ablated)
        files |= {**pictures, "ablation.md": to_markdown(page, list(pictures), "ablation")}
        files["ablation.csv"] = to_csv(ablation_frame(study))
    files["index.html"] = to_html(page)
    for name, data in files.items():
        write_atomically(out / name, data)
    return [out / name for name in files]


def _figure_files(drawn: list[Plot]) -> dict[str, bytes | str]:
    return {f"figures/{plot.name}.png": render(plot.draw, LIGHT, "png") for plot in drawn}


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
        title=_title("Retrieval leaderboard", board),
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


def _ablations(study: Study, drawn: list[Plot], n_resamples: int) -> Ablations:
    return Ablations(
        title=_title("Ablations of SeLIP", study.board),
        verdicts=ablation_verdicts(study),
        facts=[fact for fact in facts(study.board, n_resamples) if fact[0] != "groups"],
        table=ablation_table(study),
        figures=[_picture(plot) for plot in drawn],
        runs=run_lines(study.board.records),
    )


def _title(text: str, board: Board) -> str:
    return text + (f": SYNTHETIC cohort {board.cohort_name}" if board.synthetic else "")


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
