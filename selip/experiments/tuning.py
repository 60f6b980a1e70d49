"""Tuning: the same number of random trials for every method, scored on val; test is never read.

A trial is a run like any other, so tuning resumes, and is executed, as an experiment is. Its first trial is the
experiment's own settings; the others draw the settings that all methods share alike, and each method's own from the
space that the method declares.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import yaml

from selip.data.cohort import Cohort
from selip.experiments.catalogue import find_method
from selip.experiments.config import CohortConfig, ExperimentConfig, Trial, TunedMethod, Tuning
from selip.experiments.executors.base import Execute
from selip.experiments.experiment import claimed, execute_cells
from selip.experiments.experiment_file import plan
from selip.experiments.sweep import dosed
from selip.records.record import Record
from selip.records.record_files import read_record
from selip.system.errors import InputError
from selip.system.files import write_atomically
from selip.system.mappings import from_mapping, read_mapping, to_mapping
from selip.system.progress import Report
from selip.training.distributed import on_main
from selip.training.search_space import draw_settings, on_edge

FILE = "tuned.yaml"
DEFAULT = "default"
"""Name of the first trial, whose settings are the experiment's."""
SEEDS = (1000, 1001)
"""Seeds of trials, where the user names none: no experiment of ours has them."""
OTHER_COHORT = 1000
"""What is added to the seed of a generated cohort for trials, where the user names none."""
METRICS = ("image_to_text_MRR", "text_to_image_MRR", "image_to_text_nDCG@10", "text_to_image_nDCG@10")
SCORE = "mean of MRR and nDCG@10, both directions, abnormal volumes of the val part; mean over seeds"
DRAWS = 0  # seed of the draws


def tuning_experiment(config: ExperimentConfig, n_trials: int, given: Iterable[str]) -> ExperimentConfig:
    """The experiment whose runs are the trials of `config`.

    Every method has `n_trials`, the default settings among them. Of the keys that the user set, `given`, "seeds" and
    "cohort.seed" are left as they are.

    Raises:
        InputError: When no method of the experiment can be tuned: scores are those of retrieval.
    """
    methods = tuple(name for name in config.methods if is_tunable(name))
    if not methods:
        raise InputError(f"got {', '.join(config.methods)}, of which none is trained with texts; name one that is")
    given, cohort = set(given), config.cohort
    if not cohort.path and "cohort.seed" not in given:
        cohort = replace(cohort, seed=cohort.seed + OTHER_COHORT)
    return replace(
        config, cohort=cohort, transfer=None, evaluate_on=None, methods=methods, ablations=(), contrasts=(),
        seeds=config.seeds if "seeds" in given else SEEDS, benchmarks=("retrieval",), part="val", tuned=None,
        trials=tuple(
            Trial(f"trial_{trial}", name, _drawn(name, trial))
            for trial in range(1, n_trials)
            for name in methods
        ),
    )  # fmt: skip


def _drawn(name: str, trial: int) -> dict[str, float]:
    """The settings of a trial, less those that the recipe of the method fixes."""
    method = find_method(name)
    fixed = {one.partition("=")[0] for one in method.overrides}
    drawn = draw_settings(name, method.space, trial, DRAWS)
    return {key: value for key, value in drawn.items() if key not in fixed}


def is_tunable(name: str) -> bool:
    """True for a method that is trained with texts, so that retrieval on val says something of it."""
    method = find_method(name)
    return method.prepare is not None and method.learns_text


def tune(
    config: ExperimentConfig, out: Path, resume: bool, command: Sequence[str], report: Report, execute: Execute,
    most: int | None = None,
) -> Path | None:  # fmt: skip
    """Runs what is not done yet of the trials of a `tuning_experiment`, and writes what they chose.

    Returns:
        The file; None while trials are left to be done. A trial of which a run fails has no score.

    Raises:
        InputError: For input that no run could use, or when every trial of a method fails.
    """
    with claimed(config, out, resume, report):
        cohorts, failed = execute_cells(config, out, command, report, execute, most)
        for label in failed:
            report.line(f"{label} has no score; the reason is in its record")
        paths = {(one.method, one.ablation or DEFAULT, one.seed): one.record_ids for one in plan(config, cohorts)}
        files = {cell: out / "records" / f"{ids['retrieval']}.json" for cell, ids in paths.items()}
        if not all(path.is_file() for path in files.values()):
            return None
        tuning = chosen(config, {cell: read_record(path) for cell, path in files.items()})
        text = yaml.safe_dump(to_mapping(tuning), sort_keys=False)
        on_main(lambda: write_atomically(out / FILE, text))
    return out / FILE


def chosen(config: ExperimentConfig, records: dict[tuple[str, str, int], Record]) -> Tuning:
    """The outcome of a tuning experiment from its records, by method, trial and seed."""
    settings = {(one.method, one.name): one.settings for one in config.trials}
    methods = {}
    for name in config.methods:
        trials = [DEFAULT, *(trial for method, trial in settings if method == name)]
        found = {trial: [records[name, trial, seed] for seed in config.seeds] for trial in trials}
        scores = {trial: score_of(ones) for trial, ones in found.items()}
        known = {trial: score for trial, score in scores.items() if score is not None}
        if not known:
            raise InputError(f"got no trial of {name} without a failed run; mend what its records say, then --resume")
        best = max(known, key=lambda trial: known[trial])
        drawn = settings.get((name, best), {})
        edges = tuple(on_edge(drawn, name, find_method(name).space))
        ids = {trial: tuple(one.run_id for one in ones) for trial, ones in found.items()}
        methods[name] = TunedMethod(best, drawn, known[best], edges, scores, ids)
    return Tuning(config.name, config.cohort, config.seeds, len(config.trials) // len(methods) + 1, SCORE, methods)


def score_of(records: Sequence[Record]) -> float | None:
    """The score of a trial from its records, one a seed; None when a run of it failed."""
    if any(one.status != "ok" for one in records):
        return None
    pool = "abnormal" if f"abnormal/{METRICS[0]}" in records[0].metrics else "all"
    return fmean(one.metrics[f"{pool}/{metric}"].value for one in records for metric in METRICS)


def with_tuned(config: ExperimentConfig, path: Path) -> ExperimentConfig:
    """`config` with the settings that `selip tune` chose.

    Raises:
        InputError: When the file is none of `selip tune`, lacks a trained method of the experiment, or saw a seed or
            the generated cohort that is to be scored, also of a dose alone.
    """
    tuning = from_mapping(Tuning, read_mapping(path, "file of 'selip tune'"))
    for one in dosed(config).values():
        _check_unseen(one, tuning, path)
    return replace(config, tuned=tuning)


def _check_unseen(config: ExperimentConfig, tuning: Tuning, path: Path) -> None:
    lacking = [name for name in config.methods if is_tunable(name) and name not in tuning.methods]
    if lacking:
        raise InputError(f"got no tuned settings of {', '.join(lacking)} in {path}; tune them too, or leave them out")
    seen = sorted(set(config.seeds) & set(tuning.seeds))
    if seen:
        raise InputError(f"got seeds {', '.join(map(str, seen))}, which tuning in {path} saw; give other seeds")
    known = None if tuning.cohort.path else (tuning.cohort.name, tuning.cohort.seed)
    for cohort in filter(None, (config.cohort, config.transfer, config.evaluate_on)):
        if known and _generated(cohort) == known:
            raise InputError(
                f"got cohort {known[0]} with seed {known[1]}, which tuning in {path} saw; give another cohort.seed"
            )


def _generated(cohort: CohortConfig) -> tuple[str, int] | None:
    """Name and seed of a cohort that was generated, also where it is given as a folder; None for any other."""
    if not cohort.path:
        return cohort.name, cohort.seed
    info = Cohort.open(cohort.path).info
    return (info.name, info.seed) if info.synthetic else None
