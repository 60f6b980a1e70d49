"""Writes the page of the experiments on real patients, `python docs/patients.py`, from the committed records alone.

Beside it the figure of how well the order of methods in the study predicts theirs on patients.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from study_families import Family, family_of, sentences

from leaderboards.figures import plots
from leaderboards.pages.agreement_page import agreement_part
from leaderboards.scores.benchmark_records import read_boards
from leaderboards.scores.benchmark_scores import BenchmarkScores, RankedTask, families_of, task_name, tasks_of
from leaderboards.scores.headlines import Headline, metric_keys
from leaderboards.scores.method_rows import MethodRow
from leaderboards.scores.paired_differences import ranked, standing_of
from leaderboards.scores.rank_agreement import rank_agreement
from leaderboards.scores.tidy_table import KEY, resamples_of
from leaderboards.tables.cells import MISSING, Cell, Line, PageTable, Verdict, metric_cell, number_cell
from leaderboards.tables.difference_tables import declared_table
from leaderboards.tables.document import Block, Page, to_markdown
from leaderboards.tables.protocol import cohort_facts
from leaderboards.tables.shortcuts_and_slices import shortcut_verdicts
from leaderboards.tables.verdicts import on_skipped, references_of
from selip.experiments.catalogue import experiment_file
from selip.experiments.config import ExperimentConfig
from selip.experiments.experiment_file import read_experiment
from selip.records.metric_key import MetricKey
from selip.system.files import write_atomically

ROOT = Path(__file__).parents[1]
RECORDS = ROOT / "leaderboards" / "records"
PAGE = ROOT / "docs" / "pages" / "patients.md"
EXPERIMENTS = ("transfer_lgg", "train_lgg", "transfer_cheng")
STUDY, OF_STUDY = "study", "transfer_lgg"
"""The simulated board, and the experiment that scores its models on patients."""
UNTRAINED, SHARE = "random_init", "_10pct"
N_RESAMPLES = 10_000
FEW_RESAMPLES = 10
"""For intervals of the study's scores, of which nothing is said here."""
ASIDE = ("idh", "sex")
"""Tasks that decide nothing: IDH is known of 60 patients (the file says so), sex is none of its questions."""
COLUMNS = (
    "task", "patients", "volumes", "best trained method", "its score", "untrained", "strongest control",
    "interval above all of them",
)  # fmt: skip
CAPTION = (
    "Score [95 % interval over seeds and patients]; each patient is in one test fold, an item is a volume. Untrained, "
    "in a fine-tuned row: the network trained from scratch. Controls, held fixed, and how many there are: chance, "
    "majority, and what sees no anatomy (metadata, the lesion's volume, the histogram of intensities, the count of "
    "slices); for outlines an empty mask and one training of MONAI's U-Net. The last column is explored, not tested: "
    "the tests are the declared contrasts below. IDH, known of 60 patients, and sex stand beside and decide nothing."
)


def patients_page(records: Path, n_resamples: int = N_RESAMPLES) -> Page | None:
    """The page, of the experiments that have records below `records`; None without any.

    Of an experiment that is not finished nothing is said but that.
    """
    found = [name for name in EXPERIMENTS if (records / name / "records").is_dir()]
    answers, details, blocks, facts = [], [], [], []
    for name in found:
        sheets = _sheets(records / name, n_resamples)
        config = read_experiment(experiment_file(name))
        if left := unfinished(sheets, config):
            answers.append(Verdict("warn", f"{name}: not finished, {len(left)} runs are left; nothing is said of it."))
            continue
        families = [_family(sheet, n_resamples) for sheet in sheets if sheet.headline]
        first, *others = [replace(one, text=f"{name}: {one.text}") for one in _told(sheets, families)]
        answers.append(first)
        details += others
        blocks.append(Block(name, questions(name), [tasks_table(sheets), *map(_contrasts, families)]))
        facts += [(f"{name}, {subject}", text) for subject, text in cohort_facts(sheets[0].board)]
        if name == OF_STUDY and (records / STUDY / "records").is_dir():
            predicted = _predicted(_sheets(records / STUDY, FEW_RESAMPLES), sheets, n_resamples)
            answers += predicted.verdicts
            blocks += predicted.blocks
    title = "What holds on real patients?"
    return Page("patients", "Patients", title, False, [*answers, *details], facts, blocks) if found else None


def _sheets(run: Path, n_resamples: int) -> list[BenchmarkScores]:
    found = families_of(read_boards(run), n_resamples)
    return [_with_bounds(one, n_resamples) for members in found.values() for one in members]


def _with_bounds(sheet: BenchmarkScores, n_resamples: int) -> BenchmarkScores:
    """The sheet with bounds on every task: a board has none of classification's metrics that it does not rank by."""
    frame = sheet.frame.copy()
    for task in _tasks(sheet):
        bare = (frame[KEY] == task.key) & frame["lower"].isna()
        if bare.any():
            known = standing_of(sheet.board, task.key, resamples_of(n_resamples)).intervals
            frame.loc[bare, ["lower", "upper"]] = [known[method][1:3] for method in frame.loc[bare, "method"]]
    return replace(sheet, frame=frame)


def _predicted(study: Sequence[BenchmarkScores], sheets: Sequence[BenchmarkScores], n_resamples: int) -> Page:
    """How well the order of methods in the study predicts theirs on patients."""
    page = agreement_part(rank_agreement(study, sheets, n_resamples), study[0].board, sheets[0].board)
    verdicts = [Verdict(one.kind, f"{STUDY} (SYNTHETIC) and {OF_STUDY}: {one.text}") for one in page.verdicts]
    interval = dict(page.facts)["interval"]
    blocks = [replace(one, title=page.title, lead=f"{one.lead} Interval: {interval}.") for one in page.blocks]
    return replace(page, verdicts=verdicts, blocks=blocks)


def unfinished(sheets: Sequence[BenchmarkScores], config: ExperimentConfig) -> list[str]:
    """Runs that are declared, not scored, as "few_shot: clip, seed 1"; skipped ones have a record with the reason."""
    boards = {sheet.name: sheet.board for sheet in sheets}
    known = {
        (name, record.method, record.seed)
        for name, board in boards.items()
        for record in board.records
        if record.status != "failed"
    }
    return [
        f"{benchmark}: {method}, seed {seed}"
        for benchmark in config.benchmarks
        for method in config.methods
        for seed in config.seeds
        if (benchmark, method, seed) not in known
    ]


def _family(sheet: BenchmarkScores, n_resamples: int) -> Family:
    """The declared contrasts of a benchmark on all its tasks; of retrieval on all its co-primary metrics together."""
    pool = sheet.headline.pool if sheet.headline and sheet.declared.co_primary else ""
    return family_of(sheet.declared.label, sheet.board, pool, n_resamples, ASIDE)


def _contrasts(family: Family) -> PageTable:
    over = f"{len(family.board.contrasts)} contrasts and {len(family.keys)} metrics"
    return declared_table(family.found, over, f"Declared contrasts, {family.title}")


def questions(name: str) -> str:
    """The words of an experiment file from "Questions." on."""
    lines = [line.removeprefix("# ") for line in experiment_file(name).read_text().splitlines() if line.startswith("#")]
    return " ".join(lines).partition("Questions. ")[2]


def _told(sheets: Sequence[BenchmarkScores], families: Sequence[Family]) -> Iterator[Verdict]:
    """The answer over all tasks, then shortcuts, declared contrasts and what was not scored."""
    tasks = [(sheet, task) for sheet in sheets for task in _tasks(sheet) if _decides(task)]
    above = [task.name for sheet, task in tasks if above_all(sheet, task)]
    listed = f" ({'; '.join(above)})" if above else ""
    text = (
        f"in {len(above)} of {len(tasks)} tasks{listed} the interval of some trained method lies above the untrained "
    )
    yield Verdict("plain", f"{text}encoder and every control, explored and not tested.")
    yield from (verdict for sheet in sheets for verdict in shortcut_verdicts(sheet))
    yield from (Verdict("plain", said) for family in families if family.found for said in sentences(family))
    for sheet in sheets:
        yield from (replace(one, text=f"{sheet.declared.label}. {one.text}") for one in on_skipped(sheet.board))


def _tasks(sheet: BenchmarkScores) -> list[RankedTask]:
    """The tasks of a benchmark, and the same with a tenth of the labels."""
    found = tasks_of(sheet)
    known = {task.key: task for task in found}
    fewer = sorted(key for key in metric_keys(sheet.board.records) if SHARE in key and key.replace(SHARE, "") in known)
    return found + [
        RankedTask(sheet.name, key, f"{task_name(sheet.declared, key.replace(SHARE, ''))}, 10 %",
                   known[key.replace(SHARE, "")].higher_is_better)
        for key in fewer
    ]  # fmt: skip


def tasks_table(sheets: Sequence[BenchmarkScores]) -> PageTable:
    """A line a task: the best trained method beside the untrained encoder and the strongest control."""
    lines = [_line(sheet, task) for sheet in sheets for task in _tasks(sheet)]
    return PageTable("Tasks", CAPTION, COLUMNS, tuple(lines))


def _line(sheet: BenchmarkScores, task: RankedTask) -> Line:
    key, best = task.key, next(iter(_trained(sheet, task.key)), None)
    metric = next(record.metrics[key] for record in sheet.board.records if key in record.metrics)
    untrained, controls = sheet.board.row(UNTRAINED), _controls(sheet, key)
    sign = 1 if task.higher_is_better else -1
    strongest = max(controls.items(), key=lambda one: sign * one[1], default=("none", None))
    return Line((
        Cell(task.name),
        number_cell(metric.n_patients, "count"),
        number_cell(metric.n_items, "count"),
        Cell(best.label if best else MISSING),
        metric_cell(sheet.estimate(best, key), key) if best else Cell(MISSING),
        metric_cell(sheet.estimate(untrained, key), key) if untrained else Cell(MISSING),
        Cell(strongest[0], f"{strongest[1]:.3f} (of {len(controls)})" if strongest[1] is not None else ""),
        Cell((", ".join(above_all(sheet, task)) or "none") if _decides(task) else "stands beside", prose=True),
    ))  # fmt: skip


def _decides(task: RankedTask) -> bool:
    return MetricKey.parse(task.key).pool not in ASIDE


def _trained(sheet: BenchmarkScores, key: str) -> list[MethodRow]:
    """Rows that took a step, best first."""
    return [row for row in ranked(sheet.board, key) if row.is_trained]


def _controls(sheet: BenchmarkScores, key: str) -> dict[str, float]:
    """Every reference beside a metric, and the familiar networks that are trained beside it."""
    networks = {sheet.declared.floors[name]: sheet.board.reference(key, name) for name in sheet.declared.trained_floors}
    return references_of(sheet, key) | {name: value for name, value in networks.items() if value is not None}


def above_all(sheet: BenchmarkScores, task: RankedTask) -> list[str]:
    """Trained methods whose interval is better than the untrained encoder and than every control, best first.

    None where the untrained encoder has no score.
    """
    head, untrained = Headline(task.key, task.name, task.higher_is_better), sheet.board.row(UNTRAINED)
    if untrained is None or untrained not in ranked(sheet.board, task.key):
        return []
    levels = [*_controls(sheet, task.key).values(), sheet.estimate(untrained, task.key).value]
    bounds = {row.label: head.worse_of(*sheet.estimate(row, task.key)[1:]) for row in _trained(sheet, task.key)}
    return [label for label, bound in bounds.items() if all(head.beyond(bound, level) for level in levels)]


def main() -> None:
    """Writes it."""
    page = patients_page(RECORDS)
    if page:
        for figure in page.figures:
            write_atomically(PAGE.parent / figure.path, plots.render(figure.draw))
        write_atomically(PAGE, to_markdown(page))


if __name__ == "__main__":
    main()
