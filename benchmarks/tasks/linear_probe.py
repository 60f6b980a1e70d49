"""Linear probe and nearest neighbours on frozen features, with a share of the labels or all of them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import pandas as pd

from benchmarks.benchmark import Benchmark, Score, ScoreOptions
from benchmarks.classification.labels import TaskData, load_tasks
from benchmarks.classification.predictions import (
    POLICIES,
    Answers,
    declared_classification,
    fitted_parts,
    majority,
    score_answers,
)
from benchmarks.classification.probes import (
    Examples,
    Fit,
    Probe,
    all_vectors,
    fit_linear,
    fit_neighbours,
    fitted,
    fraction_mask,
    metadata_vectors,
    task_generator,
)
from benchmarks.classification.shortcut_controls import control_notes, control_vectors
from selip.models.scored_model import Subject
from selip.records.record import Metric
from selip.system.arrays import FloatArray

Vectors = Mapping[str, FloatArray]
NOTES = POLICIES | {
    "representations": "features: before projection; embeddings: after it; encoder frozen in eval mode",
    "linear": "standardised by train; multinomial logistic regression with an L2 penalty; C in 1e-4 to 1 by log-loss "
    "on all of val",
    "knn": "cosine of vectors standardised by train; k in 1 to 50 by log-loss on val; all labels of train",
    "label fractions": "shares of the training patients, one seeded order for every method and nested; the first "
    "patients of it are one of each class, so a small share is at least one patient a class",
}


def score_subject(subject: Subject, options: ScoreOptions) -> Score:
    """Scores every task that the cohorts allow.

    Raises:
        InputError: When there is no task, or the part to score is not test.
    """
    tasks, notes = load_tasks(subject, fitted_parts(subject))
    metrics: dict[str, Metric] = {}
    frames = []
    for data in tasks:
        controls = control_vectors(subject, data)
        answers, choices = answers_of(data, all_vectors(subject, data), options, controls)
        frame, found = score_answers(data, subject.split, answers, options)
        metrics |= found
        frames.append(frame)
        notes[f"chosen {data.task.name}"] = ", ".join(f"{model} {choice:g}" for model, choice in choices.items())
    return Score(metrics, pd.concat(frames, ignore_index=True), NOTES | control_notes(subject) | notes)


def answers_of(
    data: TaskData, known: Mapping[str, Vectors], options: ScoreOptions, controls: Mapping[str, Vectors] | None = None
) -> tuple[list[Answers], dict[str, float]]:
    """Answers of every probe of a task on its last part, and what val chose for each."""
    *_, scored = data.parts
    without, shares = {"metadata": metadata_vectors(data), **(controls or {})}, majority(data, scored)
    answers: list[Answers] = []
    choices: dict[str, float] = {}
    for arm, fit in arms(options, data.task.name).items():
        beside = {name: fitted(data, own, fit).predict(own[scored]) for name, own in without.items()}
        beside["majority"] = shares
        probes = {name: fitted(data, vectors, fit) for name, vectors in known.items()}
        models = {f"{name}_{arm}": probe.predict(known[name][scored]) for name, probe in probes.items()}
        answers.append(Answers(models, beside))
        choices |= {f"{name}_{arm}": probe.choice for name, probe in probes.items()}
    return answers, choices


def arms(options: ScoreOptions, task: str) -> dict[str, Fit]:
    """Name to fit of every probe: `linear` with each share of the labels (100 % has no suffix), and `knn`."""
    fits: dict[str, Fit] = {}
    for fraction in options.probe.label_fractions:
        suffix = "" if fraction == 1 else f"_{100 * fraction:g}pct"
        fits[f"linear{suffix}"] = partial(_fit_share, fraction=fraction, seed=options.seed, task=task)
    return fits | {"knn": fit_neighbours}


def _fit_share(train: Examples, val: Examples, n_classes: int, fraction: float, seed: int, task: str) -> Probe:
    seen = train if fraction == 1 else train.of(fraction_mask(train, fraction, task_generator(seed, task)))
    return fit_linear(seen, val, n_classes)


BENCHMARK = Benchmark(
    name="linear_probe",
    summary="logistic regression and nearest neighbours on frozen features, with 1, 10 and 100 % of the labels",
    protocol_version="1",
    source="linear probe as in CLIP (arXiv:2103.00020), section 3.2; policies in the benchmark's notes",
    score=score_subject,
    declared=declared_classification("linear probe", 10, headline=("*/features_linear_macro_auroc",)),
    needs_text=False,
)
