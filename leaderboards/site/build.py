"""Builds a leaderboard: records in, tables, figures and one page out. The same records give the same bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from leaderboards.figures import plots
from leaderboards.figures.inline_svg import inline_svg
from leaderboards.pages.agreement_page import agreement_frame, agreement_part
from leaderboards.pages.audit_page import audit_part
from leaderboards.pages.benchmark_page import ablation_part, family_part
from leaderboards.pages.dose_page import dose_frame, dose_page
from leaderboards.pages.overall_page import overall_part
from leaderboards.scores.ablation_study import studies_of
from leaderboards.scores.benchmark_records import by_kind, read_boards
from leaderboards.scores.benchmark_scores import BenchmarkScores, families_of, overall_frame, overall_of
from leaderboards.scores.dose_response import DOSES, read_doses
from leaderboards.scores.rank_agreement import rank_agreement
from leaderboards.scores.tidy_table import to_csv
from leaderboards.site.answer import size_of
from leaderboards.site.cards import cards_of, configurations_of
from leaderboards.site.first_screen import FirstScreen, first_screen_of, paper_table
from leaderboards.site.page import Site, to_html
from leaderboards.tables.ablation_tables import ablation_frame
from leaderboards.tables.benchmark_tables import benchmark_frame
from leaderboards.tables.document import Block, Page, Picture, to_latex, to_markdown
from leaderboards.tables.protocol import cohort_facts, protocol_facts, titled
from selip.system.files import write_atomically
from selip.system.heap import keep_freed_memory

N_RESAMPLES = 10_000


def build_leaderboard(
    run_dirs: Path | Sequence[Path], out: Path | None = None, n_resamples: int = N_RESAMPLES, html: bool = True
) -> list[Path]:
    """Writes a page a family of benchmarks (.md, .csv, .tex), the audit, `figures/*` (.png, .pdf) and `index.html`.

    Where the records hold ablations or several benchmarks, `ablation` and `overall` too; `paper.tex` is the ranking.

    Args:
        run_dirs: Run directory with a folder `records`, and `audit.json` where the cohort was looked at; or several,
            whose records stand on one board. Audit and pictures are those of the first. Where some score simulated
            patients and others real ones, the board is of the kind of the first, and a page says how far both agree.
        out: Folder to write to; the leaderboard of the first when None, which shows its examples/*.png.
        n_resamples: Bootstrap resamples.
        html: Whether to write `index.html`.

    Returns:
        The paths of what was written.

    Raises:
        InputError: When there are no records, or records that may not stand on one page.
    """
    keep_freed_memory()
    several = [run_dirs] if isinstance(run_dirs, Path) else list(run_dirs)
    run_dir = several[0]
    if (run_dir / DOSES).is_file():
        return build_doses(run_dir, out, n_resamples, html)
    out = out or run_dir / "leaderboard"
    several, others = by_kind(several)
    boards = read_boards(several)
    families = families_of(boards, n_resamples)
    sheets = [sheet for members in families.values() for sheet in members]
    found = (studies_of(boards[sheet.name], n_resamples) for sheet in sheets)
    studies = next((studies for studies in found if studies), [])
    parts, files = _family_parts(families, n_resamples)
    for study in studies:
        parts.append(ablation_part(study, n_resamples))
        files[f"{study.page}.csv"] = to_csv(ablation_frame(study))
    overall = overall_of(sheets) if len(boards) > 1 else None
    if overall:
        parts.insert(0, overall_part(overall, sheets, n_resamples))
        files["overall.csv"] = to_csv(overall_frame(overall))
    if others:
        beside = [sheet for some in families_of(read_boards(others), n_resamples).values() for sheet in some]
        agreement = rank_agreement(sheets, beside, n_resamples)
        parts.append(agreement_part(agreement, sheets[0].board, beside[0].board))
        files["agreement.csv"] = to_csv(agreement_frame(agreement))
    parts.append(audit_part(sheets, run_dir, n_resamples))
    first = first_screen_of(families, overall) if html else None
    ranks = overall.ranks.ranks if overall and overall.ranks else {}
    examples = sorted((run_dir / "leaderboard" / "examples").glob("*.png"))
    return _written(out, files, sheets, parts, ranks, first, examples)


def build_doses(
    run_dir: Path, out: Path | None = None, n_resamples: int = N_RESAMPLES, html: bool = True
) -> list[Path]:
    """Writes the page of a sweep: differences over doses; each dose has a leaderboard of its own beside.

    Arguments, returns and errors as of `build_leaderboard`.
    """
    out, found = out or run_dir / "leaderboard", read_doses(run_dir, n_resamples)
    part = dose_page(found, n_resamples)
    board = next(iter(found.boards.values()))
    families = families_of({board.benchmark: board}, n_resamples) if html else {}
    sheets = [sheet for members in families.values() for sheet in members]
    first = FirstScreen(part.verdicts[0].text, size_of(sheets), "", [], []) if html else None
    return _written(out, {"doses.csv": to_csv(dose_frame(found))}, sheets, [part], {}, first, [])


def _family_parts(
    families: Mapping[str, Sequence[BenchmarkScores]], n_resamples: int
) -> tuple[list[Page], dict[str, bytes | str]]:
    """The page of each family and its CSV."""
    parts: list[Page] = []
    files: dict[str, bytes | str] = {}
    for name, sheets in families.items():
        parts.append(family_part(name, sheets, n_resamples, trainings=not parts))
        files[f"{name}.csv"] = to_csv(benchmark_frame(sheets))
    return parts, files


def _written(
    out: Path,
    files: Mapping[str, bytes | str],
    sheets: Sequence[BenchmarkScores],
    parts: Sequence[Page],
    ranks: Mapping[str, float],
    first: FirstScreen | None,
    examples: Sequence[Path],
) -> list[Path]:
    """Writes the files, every part and its figures, and the page where there is a first screen; the paths."""
    files, drawings = dict(files), {}
    for figure in _figures(parts, first):
        drawn = plots.rendered(figure.name, figure.draw)
        files |= {figure.path: drawn.png, f"figures/{figure.name}.pdf": drawn.pdf}
        if figure.inline and first:
            said = figure.label or figure.title
            drawings[figure.name] = inline_svg(drawn.svg, f"SYNTHETIC: {said}" if parts[0].synthetic else said)
    for part in parts:
        files |= {f"{part.name}.md": to_markdown(part), f"{part.name}.tex": to_latex(part)}
    if first and first.places:
        block = Block("Ranking", tables=[paper_table(first)])
        files["paper.tex"] = to_latex(replace(parts[0], name="paper", title="the ranking", blocks=[block], runs=None))
    if first:
        files["index.html"] = to_html(_site(sheets, parts, ranks, first, drawings), examples)
    for name, data in files.items():
        write_atomically(out / name, data)
    return [out / name for name in files]


def _figures(parts: Sequence[Page], first: FirstScreen | None) -> list[Picture]:
    """Every figure of the parts, and that of the first screen."""
    found = [figure for part in parts for figure in part.figures]
    return [*found, first.question] if first and first.question else found


def _site(
    sheets: Sequence[BenchmarkScores],
    parts: Sequence[Page],
    ranks: Mapping[str, float],
    first: FirstScreen,
    drawings: Mapping[str, str],
) -> Site:
    board, shown = sheets[0].board, ("cohort", "trained on", "contrasts", "seeds")
    said = protocol_facts(board)
    size = next((fact for fact in said if fact[0].startswith("test pool")), None)
    about = [fact for fact in [*cohort_facts(board), *said] if fact[0] in shown or fact == size]
    title = parts[0].title if len(sheets) == 1 else titled("SeLIP-bench leaderboard", board)
    configurations = configurations_of(sheets)
    cards = cards_of(sheets, ranks, configurations)
    synthetic = any(part.synthetic for part in parts)
    return Site(title, board.cohort_name, synthetic, first, about, parts, cards, configurations, drawings)
