"""Writes the page of the experiments on real patients, `python docs/patients.py`, from the committed records alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from leaderboards.scores.benchmark_records import read_boards
from leaderboards.scores.benchmark_scores import BenchmarkScores, RankedTask, families_of, tasks_of
from leaderboards.scores.headlines import Headline
from leaderboards.scores.method_rows import MethodRow
from leaderboards.scores.paired_differences import ranked
from leaderboards.tables.cells import MISSING, Cell, Line, PageTable, Verdict, metric_cell, number_cell
from leaderboards.tables.contrast_verdicts import shown_difference
from leaderboards.tables.difference_tables import declared_table
from leaderboards.tables.document import Block, Page, to_markdown
from leaderboards.tables.protocol import cohort_facts
from leaderboards.tables.verdicts import references_of
from selip.experiments.catalogue import experiment_file
from selip.system.files import write_atomically

ROOT = Path(__file__).parents[1]
RECORDS = ROOT / "leaderboards" / "records"
PAGE = ROOT / "docs" / "pages" / "patients.md"
EXPERIMENTS = ("transfer_lgg", "train_lgg", "transfer_cheng")
UNTRAINED = "random_init"
N_RESAMPLES = 10_000
COLUMNS = ("task", "patients", "best trained method", "its score", "untrained", "strongest control", "clear of all")
CAPTION = (
    "Score [95 % interval over seeds and patients], each patient scored once, out of fold. Controls see no anatomy "
    "(metadata, the lesion's volume, the histogram of intensities, the count of slices, majority, chance) or are a "
    "familiar network (U-Net). Clear of all: trained methods whose interval lies above the untrained encoder and above "
    "every control, both held fixed."
)


def patients_page(records: Path, n_resamples: int = N_RESAMPLES) -> Page | None:
    """The page, of the experiments that have records below `records`; None without any."""
    found = [name for name in EXPERIMENTS if (records / name / "records").is_dir()]
    verdicts, blocks, facts = [], [], []
    for name in found:
        sheets = [one for of in families_of(read_boards(records / name), n_resamples).values() for one in of]
        verdicts.append(Verdict("plain", f"{name}: {answer(sheets)}"))
        contrasts = [c for sheet in sheets for c in sheet.contrasts if c.known]
        tables = [tasks_table(sheets), *([declared_table(contrasts, _over(sheets))] if contrasts else [])]
        blocks.append(Block(name, questions(name), tables))
        facts += cohort_facts(sheets[0].board)
    title = "What holds on real patients?"
    return Page("patients", "Patients", title, False, verdicts, list(dict.fromkeys(facts)), blocks) if found else None


def _over(sheets: Sequence[BenchmarkScores]) -> str:
    return f"the {len(sheets[0].board.contrasts)} contrasts of each benchmark of a family"


def questions(name: str) -> str:
    """The words of an experiment file from "Questions." on."""
    lines = [line.removeprefix("# ") for line in experiment_file(name).read_text().splitlines() if line.startswith("#")]
    return " ".join(lines).partition("Questions. ")[2]


def tasks_table(sheets: Sequence[BenchmarkScores]) -> PageTable:
    """A line a task: the best trained method beside the untrained encoder and the strongest control."""
    lines = [_line(sheet, task) for sheet in sheets for task in tasks_of(sheet)]
    return PageTable("Tasks", CAPTION, COLUMNS, tuple(lines))


def _line(sheet: BenchmarkScores, task: RankedTask) -> Line:
    key, best = task.key, next(iter(_trained(sheet, task.key)), None)
    counts = [record.metrics[key].n_patients for record in sheet.board.records if key in record.metrics]
    untrained = sheet.board.row(UNTRAINED)
    strongest = _strongest(sheet, task)
    return Line((
        Cell(task.name),
        number_cell(max(counts), "count"),
        Cell(best.label if best else MISSING),
        metric_cell(sheet.estimate(best, key), key) if best else Cell(MISSING),
        metric_cell(sheet.estimate(untrained, key), key) if untrained else Cell(MISSING),
        Cell("{} {:.3f}".format(*strongest)) if strongest else Cell(MISSING),
        Cell(", ".join(clear_of_all(sheet, task)) or "none", prose=True),
    ))  # fmt: skip


def _trained(sheet: BenchmarkScores, key: str) -> list[MethodRow]:
    """Rows that took a step, best first."""
    return [row for row in ranked(sheet.board, key) if any(r.training and r.training.steps for r in row.scored)]


def _controls(sheet: BenchmarkScores, key: str) -> dict[str, float]:
    """Every reference beside a metric, and the familiar networks that are trained beside it."""
    networks = {sheet.declared.floors[name]: sheet.board.reference(key, name) for name in sheet.declared.trained_floors}
    return references_of(sheet, key) | {name: value for name, value in networks.items() if value is not None}


def _strongest(sheet: BenchmarkScores, task: RankedTask) -> tuple[str, float] | None:
    sign = 1 if task.higher_is_better else -1
    return max(_controls(sheet, task.key).items(), key=lambda one: sign * one[1], default=None)


def clear_of_all(sheet: BenchmarkScores, task: RankedTask) -> list[str]:
    """Trained methods whose interval is clear of the untrained encoder and of every control, best first."""
    head, untrained = Headline(task.key, task.name, task.higher_is_better), sheet.board.row(UNTRAINED)
    levels = [*_controls(sheet, task.key).values()]
    levels += [sheet.estimate(untrained, task.key).value] if untrained else []
    bounds = {row.label: head.worse_of(*sheet.estimate(row, task.key)[1:]) for row in _trained(sheet, task.key)}
    return [label for label, bound in bounds.items() if all(head.beyond(bound, level) for level in levels)]


def answer(sheets: Sequence[BenchmarkScores]) -> str:
    """What the tasks and the declared contrasts say, in a sentence each."""
    tasks = [(sheet, task) for sheet in sheets for task in tasks_of(sheet)]
    clear = [task.name for sheet, task in tasks if clear_of_all(sheet, task)]
    contrasts = [c for sheet in sheets for c in sheet.contrasts if c.known]
    told = [f"{c.name} in {c.metric} ({shown_difference(c)})" for c in contrasts if c.differs]
    verb = "is" if len(told) == 1 else "are"
    return (
        f"in {len(clear)} of {len(tasks)} tasks a trained method is clear of the untrained encoder and of every control"
        f"{_listed(clear)}. Of {len(contrasts)} declared differences {len(told)} {verb} one after Holm's adjustment"
        f"{_listed(told)}."
    )


def _listed(names: Sequence[str]) -> str:
    return f": {'; '.join(names)}" if names else ""


def main() -> None:
    """Writes it."""
    page = patients_page(RECORDS)
    if page:
        write_atomically(PAGE, to_markdown(page))


if __name__ == "__main__":
    main()
