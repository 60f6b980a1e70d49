"""Few-shot classification: nearest class mean of frozen features, over several draws of the support set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.preprocessing import StandardScaler

from benchmarks.benchmark import Benchmark, Score, ScoreOptions
from benchmarks.classification.labels import TaskData, load_tasks
from benchmarks.classification.predictions import POLICIES, declared_classification, fitted_parts, item_frame
from benchmarks.classification.probes import all_vectors, metadata_vectors, task_generator
from benchmarks.classification.shortcut_controls import control_notes, control_vectors
from benchmarks.statistics.metric_summary import summarise
from selip.models.scored_model import Subject
from selip.records.metric_key import own_columns
from selip.records.record import Metric
from selip.system.arrays import FloatArray, IntArray

METRIC = "{representation}_{shots}shot_balanced_accuracy"
_TINY = 1e-12
NOTES = {
    "items": POLICIES["items"],
    "classifier": "nearest class mean by cosine; vectors are centred on the mean of train, which needs no label, "
    "and brought to unit length (CL2N of SimpleShot, arXiv:1911.04623); nothing is chosen",
    "support": "volumes of train, each class its first shots in one random order of its patients, as many different "
    "patients as there are; a class with fewer volumes gives all it has; drawn from seed, task, shots and draw alone",
    "balanced accuracy": "mean over draws of an item's correctness, its classes weighted alike; the weights stay fixed "
    "in the resamples",
    "chance": "1 / K",
    "metadata": POLICIES["metadata"],
    "interval": "percentile bootstrap over patients with all their volumes, the draws held fixed; spread over draws is "
    "in the notes of a task",
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
        items, columns, spreads = score_task(data, all_vectors(subject, data), options, controls)
        found = summarise(items, columns, options)
        metrics |= {f"{data.task.name}/{name}": metric for name, metric in found.items()}
        notes[f"spread {data.task.name}"] = "; ".join(spreads)
        own = columns if options.keep_references else own_columns(columns)
        frames.append(pd.concat([items, pd.DataFrame(own)], axis=1))
    return Score(metrics, pd.concat(frames, ignore_index=True), NOTES | control_notes(subject) | notes)


def score_task(
    data: TaskData,
    known: Mapping[str, Mapping[str, FloatArray]],
    options: ScoreOptions,
    controls: Mapping[str, Mapping[str, FloatArray]] | None = None,
) -> tuple[pd.DataFrame, dict[str, FloatArray], list[str]]:
    """Per-item correctness, averaged over draws.

    Args:
        data: The task; its last part is scored.
        known: Representation to the vectors (n, F) of each part.
        options: Shots, draws and seed.
        controls: Control to its vectors, standardised here like the metadata.

    Returns:
        The items with weights that make their mean a balanced accuracy; the columns (n,), with "/chance" and
        "/metadata"; and a line a column on the spread over draws.
    """
    *_, part = data.parts
    items = item_frame(data, part)
    items["weight"] = balancing_weights(data.parts[part].labels)
    columns: dict[str, FloatArray] = {}
    spreads = []
    without = {name: _standard(raw) for name, raw in {"metadata": metadata_vectors(data), **(controls or {})}.items()}
    for shots in options.probe.shots:
        beside = {name: _correctness(data, own, shots, options).mean(axis=0) for name, own in without.items()}
        for representation, vectors in known.items():
            name = METRIC.format(representation=representation, shots=shots)
            correct = _correctness(data, vectors, shots, options)
            columns[name] = correct.mean(axis=0)
            columns[f"{name}/chance"] = np.full(len(items), 1 / len(data.classes))
            columns |= {f"{name}/{control}": values for control, values in beside.items()}
            each = np.average(correct, axis=1, weights=items["weight"])
            spreads.append(f"{name} {each.min():.3f} to {each.max():.3f}, sd {each.std():.3f}")
    return items, columns, spreads


def _standard(raw: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """Vectors standardised by train: years beside one-hot columns."""
    scaler = StandardScaler().fit(raw["train"])
    return {name: scaler.transform(vectors) for name, vectors in raw.items()}


def balancing_weights(labels: IntArray) -> FloatArray:
    """(n,) weights with which every class that occurs in `labels` (n,) weighs the same, n in all."""
    counts = np.bincount(labels)
    return len(labels) / np.count_nonzero(counts) / counts[labels]


def _correctness(data: TaskData, vectors: Mapping[str, FloatArray], shots: int, options: ScoreOptions) -> FloatArray:
    """(draws, n) whether each scored item gets its class."""
    *_, scored = data.parts
    prepared = {part: centred(vectors[part], vectors["train"].mean(axis=0)) for part in ("train", scored)}
    train, n_classes = data.parts["train"], len(data.classes)
    answers = [
        nearest_mean(prepared["train"][support], train.labels[support], prepared[scored], n_classes)
        for support in supports(train.labels, train.patients, shots, data.task.name, options)
    ]
    return np.asarray(answers == data.parts[scored].labels, dtype=np.float64)


def supports(
    labels: IntArray, patients: npt.NDArray, shots: int, task: str, options: ScoreOptions
) -> Iterator[IntArray]:
    """Rows of train in the support set of each draw, of class numbers and patients (n,); the same for every method."""
    for draw in range(options.probe.draws):
        order = task_generator(options.seed, task, shots, draw).permutation(len(labels))
        repeats = pd.Series(patients[order]).groupby([labels[order], patients[order]]).cumcount().to_numpy()
        order = order[np.argsort(repeats, kind="stable")]
        yield np.concatenate([order[labels[order] == label][:shots] for label in np.unique(labels)])


def centred(vectors: FloatArray, mean: FloatArray) -> FloatArray:
    """(n, F) unit vectors of `vectors` (n, F) less `mean` (F,)."""
    shifted = vectors - mean
    length = np.linalg.norm(shifted, axis=1, keepdims=True)
    unit: FloatArray = shifted / np.maximum(length, _TINY)
    return unit


def nearest_mean(support: FloatArray, labels: IntArray, queries: FloatArray, n_classes: int) -> IntArray:
    """(q,) class whose mean of support vectors (n, F) has the highest cosine with each query (q, F); ties: first."""
    sums = np.eye(n_classes)[labels].T @ support
    return np.asarray((queries @ centred(sums, np.zeros(sums.shape[1])).T).argmax(axis=1))


BENCHMARK = Benchmark(
    name="few_shot",
    summary="nearest class mean from 1, 4, 16 and 64 volumes a class, over five draws of the support set",
    protocol_version="1",
    source="SimpleShot, CL2N (arXiv:1911.04623); policies in the benchmark's notes",
    score=score_subject,
    declared=declared_classification(
        "few-shot", 12, headline=tuple(f"*/features_{shots}shot_balanced_accuracy" for shots in (16, 64, 4, 1))
    ),
    needs_text=False,
)
