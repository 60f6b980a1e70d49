"""Numbers that a cohort declares, as age or EDSS, by ridge regression on frozen features."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from benchmarks.benchmark import Benchmark, Score, ScoreOptions
from benchmarks.classification.class_tasks import own_tasks
from benchmarks.classification.labels import ITEM_COLUMNS, Part, TaskData, named_items
from benchmarks.classification.predictions import fitted_parts
from benchmarks.classification.probes import all_vectors, metadata_vectors
from benchmarks.statistics.metric_summary import summarise_classification
from selip.data.cohort_declaration import VALUE
from selip.models.scored_model import Subject
from selip.records.declaration import Declared
from selip.records.record import Metric
from selip.system.arrays import FloatArray
from selip.system.errors import UnavailableError

PENALTIES = tuple(10.0**power for power in range(-2, 7))
FEWEST = 20  # patients with a number in train; a rank correlation of fewer says nothing
NOTES = {
    "items": "volumes whose study has the number, of contrasts that are declared to show it",
    "fit": "ridge regression on vectors standardised by train, penalty in 1e-2 to 1e6 by squared error on val; what is "
    "fitted is held fixed in the resamples",
    "majority": "the median of train; it has no rank correlation",
    "metadata": "contrast, site, age and spacing through the same regression, without any voxel: what it scores is "
    "shortcut; of an age itself it is the answer",
    "chance": "rank correlation 0",
    "interval": "percentile bootstrap over patients with all their volumes, the metric computed anew in each resample",
}


def score_subject(subject: Subject, options: ScoreOptions) -> Score:
    """Scores every number that the cohort declares.

    Raises:
        InputError: When there is none, or the part to score is not test.
    """
    parts, frames, notes = fitted_parts(subject), [], dict(NOTES)
    metrics: dict[str, Metric] = {}
    for task in own_tasks(subject.cohort, VALUE):
        named = {part: named_items(task, subject.cohort, part) for part in parts}
        patients = {part: items["patient_id"].nunique() for part, items in named.items()}
        counts = ", ".join(f"{part} {count}" for part, count in patients.items())
        if patients["train"] < FEWEST or not all(patients.values()):
            notes[f"task {task.name}"] = f"left out: fewer than {FEWEST} patients in train or an empty part ({counts})"
            continue
        unit = subject.cohort.info.tasks[task.column].unit
        notes[f"task {task.name}"] = f"a number{f' in {unit}' if unit else ''}; patients: {counts}"
        data = TaskData(task, (), {part: _part(items) for part, items in named.items()})
        frame, found = _score_task(subject, data, options)
        metrics |= found
        frames.append(frame)
    if not frames:
        reasons = "; ".join(f"{name}: {text}" for name, text in notes.items() if name.startswith("task "))
        raise UnavailableError(
            f"got no number to predict ({reasons or 'no column value:NAME'}); import a table with some"
        )
    return Score(metrics, pd.concat(frames, ignore_index=True), notes)


def _part(items: pd.DataFrame) -> Part:
    numbers = items["label"].astype(np.float64).to_numpy()
    return Part(items.drop(columns=["row", "label"]).reset_index(drop=True), items["row"].to_numpy(np.intp), numbers)


def _score_task(subject: Subject, data: TaskData, options: ScoreOptions) -> tuple[pd.DataFrame, dict[str, Metric]]:
    *_, scored = data.parts
    truth = data.parts[scored].labels
    items = data.parts[scored].items[list(ITEM_COLUMNS)].assign(weight=1.0, truth=truth.astype(np.float64))
    items.insert(0, "pool", data.task.name)
    beside = {
        "metadata": predicted(data, metadata_vectors(data)),
        "majority": np.full(len(truth), np.median(data.parts["train"].labels)),
    }
    answers = {f"{name}_ridge": predicted(data, known) for name, known in all_vectors(subject, data).items()}
    kept = {f"{name}_predicted": values for name, values in answers.items()}
    references = {f"{name}_predicted": values for name, values in beside.items()}
    wanted = {f"{model}_{kind}": kind for model in answers for kind in ("spearman", "mae")}
    wanted |= {f"{name}/{one}": kind for name, kind in wanted.items() for one in beside}
    frame = items.assign(**kept)
    found = summarise_classification(frame.assign(**references), wanted, options)
    if options.keep_references:
        frame = frame.assign(**{f"{model}_predicted/{one}": beside[one] for model in answers for one in beside})
    return frame, {f"{data.task.name}/{name}": metric for name, metric in found.items()}


def predicted(data: TaskData, vectors: Mapping[str, FloatArray]) -> FloatArray:
    """(n,) numbers for the scored items, of a ridge regression on vectors (n, F) of train that val chose."""
    scaler = StandardScaler().fit(vectors["train"])
    train, val, scored = (scaler.transform(each) for each in vectors.values())
    best, answer = math.inf, np.empty(0)
    for penalty in PENALTIES:
        model = Ridge(alpha=penalty).fit(train, data.parts["train"].labels)
        error = float(np.mean((model.predict(val) - data.parts["val"].labels) ** 2))
        if error < best:
            best, answer = error, model.predict(scored)
    return np.asarray(answer, dtype=np.float32).astype(np.float64)


BENCHMARK = Benchmark(
    name="value_probe",
    summary="ridge regression of a cohort's own numbers, as age or EDSS, on frozen features: rank correlation and MAE",
    protocol_version="1",
    source="linear probe as in CLIP (arXiv:2103.00020), section 3.2, with a squared error",
    score=score_subject,
    declared=Declared(
        family="numbers",
        label="value probe",
        place=40,
        headline=("*/features_ridge_spearman",),
        floors={"metadata": "metadata only"},
        words={"spearman": "rank correlation", "mae": "mean absolute error"},
    ),
    needs_text=False,
)
