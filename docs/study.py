"""Writes the page of the study again, `python docs/study.py`: every number on it is one of the committed records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import combinations, pairwise
from pathlib import Path
from statistics import fmean

from study_clinic import clinic_block
from study_families import (
    FAMILIES,
    Family,
    answers,
    draw_differences,
    family_of,
    scores_table,
    sentences,
    targets_table,
)
from study_terms import dose_answer, term_answer, terms_family, unfinished

from leaderboards.figures import plots
from leaderboards.pages.dose_page import dose_page
from leaderboards.pages.tuning_block import tuning_block
from leaderboards.scores.ablation_study import study_of
from leaderboards.scores.benchmark_records import BenchmarkRecords, read_boards
from leaderboards.scores.dose_response import read_doses
from leaderboards.scores.paired_differences import ranked
from leaderboards.tables.ablation_tables import ablation_table
from leaderboards.tables.cells import Cell, Line, PageTable, Verdict
from leaderboards.tables.difference_tables import declared_table
from leaderboards.tables.document import Block, Page, Picture, to_markdown
from leaderboards.tables.protocol import cohort_facts, protocol_facts
from selip.experiments.catalogue import experiment_file
from selip.experiments.experiment_file import read_experiment
from selip.experiments.sweep import dosed
from selip.system.files import write_atomically
from selip.system.heap import keep_freed_memory

ROOT = Path(__file__).parents[1]
RECORDS = ROOT / "leaderboards" / "records"
STUDY, ABLATIONS, SWEEP = RECORDS / "study", RECORDS / "study-ablations", RECORDS / "sweep"
FEW = RECORDS / "few_findings"
PAGES = ROOT / "docs" / "pages"
DECLARED = ROOT / "benchmarks" / "experiments" / "study.yaml"
SUBJECTS = {
    "Questions.": "questions",
    "An answer:": "an answer",
    '"Cannot tell":': "cannot tell",
    "Threats said beside the numbers:": "threats",
}
"""Beginnings of what the experiment file declares, in their order, and what the page calls it."""
N_RESAMPLES = 10_000
ON_FIGURE = "Dot and 95 % interval over seeds and patients; filled where Holm's adjustment agrees; 0 dashed. "
ON_FIGURE += "Grey: true differences that fewer than four of five such studies would find."
TERMS = "Terms of S"
ON_TERMS = "Settings are those tuned for the full method. The first table decides; p in the second is of one metric. "
ON_TERMS += "selip_released is the study's own row, at settings tuned for itself."
ON_DOSES = (
    "Every dose has the experiment's own settings, which nothing tuned, and patients that the study did not have. "
)
ON_DOSES += "What a dose is said to show takes every metric and Holm's steps over all doses, contrasts and metrics."
FEW_TITLE = "At most one finding a patient"
ON_FEW = (
    "The confirmation of the sweep's positive control, whose setting was found by pilots in which selip was above "
    "clip: ten seeds of patients that nobody had looked at, declared after the study and the sweep. All methods share "
    "its settings, and none is tuned for them. It is the best case of similarity: findings repeat, reports have no "
    "errors and are read with a lexicon that knows every wording, and nDCG grades what S is made of. Most of its "
    "patients are test patients. It says nothing of reports with many findings."
)
FEW_WHERE = ", where a patient has at most one finding, of few places and types"
LEVEL = "abnormal/image_to_text_R@10"


def study_page(study: Path, ablations: Path, sweep: Path, few: Path, n_resamples: int = N_RESAMPLES) -> Page:
    """The page, from four run directories; ablations and doses that are not all done answer nothing.

    Raises:
        InputError: When one of them has no records.
    """
    keep_freed_memory()
    boards = read_boards(study)
    every = [
        family_of(title, boards[name], pool, n_resamples) for title, (name, pool) in FAMILIES.items() if name in boards
    ]
    board, method = every[0].board, every[0].board.contrasts[0][0]
    commands = [("command", text) for text in declared_commands()]
    facts = [
        *declared_words(),
        *cohort_facts(board),
        *(one for f in every for one in protocol_facts(f.board)),
        *commands,
    ]
    draw = partial(draw_differences, tuple(every), method)
    figure = Picture("study", f"{method} minus each of what it is compared with", ON_FIGURE, draw)
    blocks = [Block("The differences", figures=[figure])]
    blocks += [_block(one, n_resamples) for one in every]
    told = list(answers(every))
    again = read_boards(ablations)["retrieval"]
    terms = terms_family(TERMS, again, every[0], declared_ablations(), n_resamples)
    if terms:
        told.append(term_answer(terms))
        every.append(terms)
        blocks.append(_terms(terms, n_resamples))
    doses, declared = read_doses(sweep, n_resamples), declared_doses()
    told.append(dose_answer(doses, declared))
    if not unfinished(doses, declared):
        blocks.append(Block("Doses", ON_DOSES))
        blocks += [one for one in dose_page(doses, n_resamples).blocks if not one.small]
    findings = few_families(read_boards(few), n_resamples)
    told += answers(findings, FEW_WHERE)
    every += findings
    blocks += _few_blocks(findings, n_resamples)
    blocks += _of_fewer_seeds(boards.values(), board, n_resamples)
    tuning = tuning_block(board)
    blocks += [Block("Threats to validity", tables=[threats_table(board, again)]), *([tuning] if tuning else [])]
    blocks.append(Block("What each method was trained towards", tables=[targets_table(board)]))
    verdicts = [Verdict("plain", text) for text in [*told, *(said for one in every for said in sentences(one))]]
    return Page(
        "study", "Study", "Does report similarity help?", board.synthetic, verdicts, list(dict.fromkeys(facts)), blocks
    )


def _block(family: Family, n_resamples: int) -> Block:
    over = f"{len(family.board.contrasts)} contrasts and {len(family.keys)} metrics"
    return Block(family.title, tables=[declared_table(family.found, over), scores_table(family, n_resamples)])


def few_families(boards: Mapping[str, BenchmarkRecords], n_resamples: int) -> list[Family]:
    """The families of the confirmation, retrieval first."""
    return [
        family_of(f"{FEW_TITLE}: {title[0].lower()}{title[1:]}", boards[name], pool, n_resamples)
        for title, (name, pool) in FAMILIES.items()
        if name in boards and pool in ("", "abnormal")
    ]


def _few_blocks(families: Sequence[Family], n_resamples: int) -> Iterator[Block]:
    first = families[0]
    facts = [*cohort_facts(first.board), ("command", first.board.facts.command)]
    lines = tuple(Line((Cell(name), Cell(text, prose=True))) for name, text in facts)
    yield Block(FEW_TITLE, ON_FEW, [PageTable("Cohort and command", "", ("subject", "value"), lines)])
    yield from (_block(one, n_resamples) for one in families)


def _of_fewer_seeds(boards: Iterable[BenchmarkRecords], study: BenchmarkRecords, n_resamples: int) -> list[Block]:
    fewer = [one for one in boards if len(one.seeds) < len(study.seeds)]
    return [clinic_block(fewer, [row.label for row in ranked(study, LEVEL)], n_resamples)] if fewer else []


def _terms(family: Family, n_resamples: int) -> Block:
    study = study_of(family.board, n_resamples)
    over = f"{len(declared_ablations()) + 1} changes and {len(family.keys)} metrics"
    return Block(
        family.title, ON_TERMS, [declared_table(family.found, over), *([ablation_table(study)] if study else [])]
    )


def threats_table(board: BenchmarkRecords, again: BenchmarkRecords) -> PageTable:
    """What stands against believing the numbers, as far as the records know; `again` has the full method once more."""
    tuned = {record.method: record.tuning for record in board.records if record.tuning}
    chosen = Counter(one.chosen for one in tuned.values())
    (trial, count), edges = chosen.most_common(1)[0], [name for name, one in tuned.items() if one.edges]
    training = next(record.training for record in board.records if record.training)
    levels = {row.label: row.values(LEVEL) for row in board.complete}
    means = {label: sum(values) / len(values) for label, values in levels.items()}
    best, chance = max(means, key=means.__getitem__), board.reference(LEVEL, "chance")
    told = {
        "phantom": "simulated volumes and reports: an effect here is no effect on patients",
        "size": f"{training.parameters} trainable parameters, {training.steps} steps, two CPU cores",
        "level": f"image → text R@10 is {means[best]:.3f} for the best ({best}), {means['random_init']:.3f} untrained, "
        f"{chance:.3f} by chance",
        "tuning": f"{count} of {len(tuned)} methods chose {trial}, of draws that all share; a choice is on an edge of "
        f"its range for {', '.join(edges) or 'none'}; retrieval alone scored the trials; probes and Dice are read at "
        "those settings",
        "controls": "each at its own best: mass off the diagonal and learning rates differ between a method and its "
        "controls, so a contrast is of two tuned methods, not of one term",
        "declaration": "while the trials ran, benchmarks and the resamples of a record were changed, and nothing that "
        "trains; no run of the study had begun",
        "machines": "ablations, and benchmarks of fewer seeds, are of another machine than the ten seeds: the same "
        f"batches, and weights that differ by rounding, which training makes larger; {apart(board, again)}",
        "many tests": "Holm's steps are within each table, not over all of them",
    }
    lines = tuple(Line((Cell(name), Cell(text, prose=True))) for name, text in told.items())
    return PageTable("Threats", "", ("threat", "what is known of it"), lines)


def apart(board: BenchmarkRecords, again: BenchmarkRecords) -> str:
    """How far two machines are apart in the seeds of a method that both ran, beside how far its seeds are."""
    method = board.contrasts[0][0]
    here, there = (
        {one.seed: one.metrics[LEVEL].value for one in some.records if one.method == method and not one.ablation}
        for some in (board, again)
    )
    between = fmean(abs(here[seed] - there[seed]) for seed in there)
    seeds = fmean(abs(a - b) for a, b in combinations(here.values(), 2))
    return (
        f"{method}'s image → text R@10 is {between:.3f} apart between machines, mean of {len(there)} seeds, and "
        f"{seeds:.3f} between two seeds of one"
    )


def declared_commands() -> list[str]:
    """The commands of the experiment file's header, each with its continuation."""
    found: list[str] = []
    for line in _header():
        if line.startswith("  selip "):
            found.append(line.strip())
        elif found and line.startswith("    ") and not line.startswith("     "):
            found[-1] += f" {line.strip()}"
    return [one.partition("   ")[0] for one in found]


def declared_ablations() -> list[str]:
    """The changes of S that are declared."""
    words = (word for command in declared_commands() for word in command.split())
    return next(word for word in words if word.startswith("ablations=")).removeprefix("ablations=").split(",")


def declared_doses() -> dict[str, int]:
    """Folders of the sweep's doses and of its positive control, and the seeds of each."""
    return {name: len(dose.seeds) for name, dose in dosed(read_experiment(experiment_file("sweep"))).items()}


def declared_words() -> list[tuple[str, str]]:
    """Questions and rules as the experiment file has them, which is older than its records."""
    text = " ".join(line.strip() for line in _header())
    ends = [*map(text.index, SUBJECTS), len(text)]
    pieces = (text[start:end] for start, end in pairwise(ends))
    return [(name, one.removeprefix(word).strip()) for (word, name), one in zip(SUBJECTS.items(), pieces, strict=True)]


def _header() -> Sequence[str]:
    return [line.removeprefix("# ") for line in DECLARED.read_text().splitlines() if line.startswith("#")]


def main() -> None:
    """Writes it, with its figures."""
    page = study_page(STUDY, ABLATIONS, SWEEP, FEW)
    for figure in page.figures:
        write_atomically(PAGES / figure.path, plots.render(figure.draw))
    write_atomically(PAGES / "study.md", to_markdown(page))


if __name__ == "__main__":
    main()
