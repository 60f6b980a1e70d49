"""Calibration and selective prediction: how far a confidence can be believed, and what abstaining is worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from benchmarks.benchmark import Benchmark, Score, ScoreOptions
from benchmarks.classification.labels import TaskData, load_tasks
from benchmarks.classification.predictions import (
    POLICIES,
    answer_columns,
    declared_classification,
    fitted_parts,
    item_frame,
    ranked_classes,
)
from benchmarks.classification.probes import fit_linear, fitted, metadata_vectors, task_generator, vectors_of
from benchmarks.classification.shortcut_controls import CONTROLS, control_vectors
from benchmarks.classification.shortcut_controls import NOTE as CONTROL_NOTE
from benchmarks.metrics.class_metrics import N_BINS
from benchmarks.statistics.metric_summary import summarise_classification, summarise_pool
from benchmarks.tasks.zero_shot import (
    TrainingClauses,
    class_probabilities,
    prompts_of,
    template_cosines,
    training_clauses,
)
from selip.models.scored_model import Subject
from selip.records.record import Metric
from selip.system.arrays import BoolArray, FloatArray, IntArray

TARGET = 0.1
DRAWS = 500
METADATA = "metadata"
MODELS = ("zero_shot", "linear")
Parts = Mapping[str, FloatArray]
"""Probabilities (n, K) of val and of the scored part."""
NOTES = {name: POLICIES[name] for name in ("classes", "items", "ECE", "interval")} | {
    "models": "zero_shot: the mean prompts of zero_shot at the model's own logit scale; linear: the logistic "
    "regression of linear_probe on features and all labels, whose C val chose",
    "weight": "each class has the same weight, so that an answer that knows nothing is wrong for 1 - 1 / K of them, "
    "whatever it favours",
    "aurc": "area under risk against coverage (Geifman and El-Yaniv 2017, arXiv:1705.08500): error of the most "
    "confident volumes, mean over all coverages; confidence is the highest probability; equal ones come in "
    "random order; order and weights are held fixed in the resamples; lower is better",
    "error": "share that is answered wrongly when all are answered",
    "answered": f"share that is answered when val sets the least confidence, so that at most {TARGET:g} of what is "
    "answered there is wrong; wrong: share of all that is answered, and wrongly; nothing is answered where val "
    "allows nothing",
    "bias of ECE": "ECE of few volumes is above 0 for a model that is calibrated: ece_if_calibrated is its mean when "
    f"{DRAWS} times the truth is drawn from the model's own confidence; what ECE has above it is miscalibration",
    "chance": "a class and a confidence drawn at random",
    METADATA: "contrast, site, age and spacing through the same probe, without any voxel",
    "controls of a real cohort": CONTROL_NOTE,
}


def score_subject(subject: Subject, options: ScoreOptions) -> Score:
    """Scores every task that the cohorts allow.

    Raises:
        InputError: When there is no task, or the part to score is not test.
    """
    tasks, notes = load_tasks(subject, fitted_parts(subject))
    clauses = training_clauses(subject)
    metrics: dict[str, Metric] = {}
    frames = []
    for data in tasks:
        answers = answers_of(subject, data, clauses)
        frame, found = score_task(data, answers, options)
        metrics |= found
        frames.append(frame)
        labels = data.parts[subject.split].labels
        for model in answers:
            notes[f"reliability {data.task.name} {model}"] = reliability(answers[model][subject.split], labels)
    return Score(metrics, pd.concat(frames, ignore_index=True), NOTES | notes)


def answers_of(subject: Subject, data: TaskData, clauses: TrainingClauses) -> dict[str, Parts]:
    """Probabilities of each model and of what sees no anatomy; without zero_shot where a class has no prompt."""
    asked = [*data.parts][1:]
    vectors = {part: vectors_of(subject, data, part, "features") for part in data.parts}
    found: dict[str, Parts] = {}
    if prompts := prompts_of(data, clauses):
        cosines = {part: template_cosines(subject, data, prompts, part).mean(axis=0) for part in asked}
        found["zero_shot"] = {part: class_probabilities(subject, one) for part, one in cosines.items()}
    for name, known in {"linear": vectors, METADATA: metadata_vectors(data), **control_vectors(subject, data)}.items():
        probe = fitted(data, known, fit_linear)
        found[name] = {part: probe.predict(known[part]) for part in asked}
    return found


def score_task(
    data: TaskData, answers: Mapping[str, Parts], options: ScoreOptions
) -> tuple[pd.DataFrame, dict[str, Metric]]:
    """Per-item table of a task and its metrics with their references."""
    val, scored = [*data.parts][1:]
    models = {name: one for name, one in answers.items() if name in MODELS}
    beside = {name: selective(data, one, val, scored) for name, one in answers.items() if name not in MODELS}
    chance = np.full(len(data.parts[scored].items), 1 - 1 / len(data.classes))
    columns: dict[str, FloatArray] = {}
    for model, parts in models.items():
        columns |= {f"{model}_{name}": one for name, one in selective(data, parts, val, scored).items()}
        for name in ("aurc", "error"):
            columns[f"{model}_{name}/chance"] = chance
            columns |= {f"{model}_{name}/{control}": one[name] for control, one in beside.items()}
    found, table = summarise_pool(data.task.name, data.parts[scored].items, columns, options)
    said = [answer_columns(model, parts[scored], data.classes) for model, parts in models.items()]
    truth = item_frame(data, scored).filter(like="truth")
    frame = pd.concat([table, truth, *said], axis=1)
    ece = summarise_classification(frame, {f"{model}_ece": "ece" for model in models}, options)
    found |= {f"{data.task.name}/{name}": metric for name, metric in ece.items()}
    return frame, {
        key: one.model_copy(update={"higher_is_better": key.endswith("answered")}) for key, one in found.items()
    }


def selective(data: TaskData, answers: Parts, val: str, scored: str) -> dict[str, FloatArray]:
    """Columns (n,) of a model, whose means are its metrics; see NOTES."""
    sure, right, weight = judged(answers[scored], data.parts[scored].labels)
    least = least_confidence(*judged(answers[val], data.parts[val].labels))
    wrong, answered = weight * ~right, sure >= least
    generator = task_generator(0, data.task.name)
    patients = data.parts[scored].items["patient_id"]
    return {
        "aurc": wrong * risk_weights(sure, weight),
        "error": wrong,
        "answered": weight * answered,
        "wrong": wrong * answered,
        "ece_if_calibrated": np.full(len(sure), calibrated_ece(answers[scored], patients, generator)),
    }


def judged(probabilities: FloatArray, labels: IntArray) -> tuple[FloatArray, BoolArray, FloatArray]:
    """Confidence (n,), whether it is right, and weights of mean 1 that are equal for each class in all."""
    counts = np.bincount(labels)
    weight = len(labels) / (np.count_nonzero(counts) * counts[labels])
    return probabilities.max(axis=1), probabilities.argmax(axis=1) == labels, weight


def risk_weights(sure: FloatArray, weight: FloatArray) -> FloatArray:
    """Weight (n,) of each volume's error in the area under risk against coverage.

    With W_k the weight of the k most confident, the area is the sum over k of w_k / W_n times the risk at k, the sum of
    w_i e_i up to k over W_k. So w_i e_i counts as often as w_k / W_k sums up to from i on. Of equal confidences each
    has the mean.
    """
    order = np.argsort(-sure, kind="stable")
    steps = weight[order] / weight[order].cumsum()
    after = steps[::-1].cumsum()[::-1]
    _, place = np.unique(sure[order], return_inverse=True)
    mean = np.bincount(place, after * weight[order]) / np.bincount(place, weight[order])
    found = np.empty(len(sure))
    found[order] = mean[place]
    return found


def least_confidence(sure: FloatArray, right: BoolArray, weight: FloatArray) -> float:
    """The confidence (n,) from which on most is answered with at most TARGET of it wrong; infinite where none is."""
    allowed = [np.inf]
    for least in np.unique(sure):
        kept = sure >= least
        if weight[kept & ~right].sum() <= TARGET * weight[kept].sum():
            allowed.append(least)
    return float(min(allowed))


def calibrated_ece(probabilities: FloatArray, patients: Sequence[str], generator: np.random.Generator) -> float:
    """Mean ECE of the probabilities (n, K) when the truth is drawn from their confidence; see `ece_resampler`.

    One draw a patient decides all volumes of the patient, who share the truth.
    """
    confidence = probabilities[:, list(ranked_classes(probabilities[0]))].max(axis=1)
    in_bin = np.eye(N_BINS)[bins_of(confidence)]
    names, codes = np.unique(np.asarray(patients, dtype=object), return_inverse=True)
    drawn = generator.random((DRAWS, len(names)))[:, codes] < confidence
    return float(np.abs((confidence - drawn) @ in_bin).sum(axis=1).mean() / len(confidence))


def bins_of(confidence: FloatArray) -> IntArray:
    """(n,) bin of each confidence in [0, 1], of N_BINS of equal width; 0 is in the first."""
    return np.searchsorted(np.arange(1, N_BINS) / N_BINS, confidence)


def reliability(probabilities: FloatArray, labels: IntArray) -> str:
    """The reliability curve in words: confidence of the likeliest class, how often it is right, and volumes, by bin."""
    sure, right, _ = judged(probabilities, labels)
    bins = bins_of(sure)
    rows = [bins == one for one in np.unique(bins)]
    return "; ".join(f"said {sure[own].mean():.2f}, is {right[own].mean():.2f} of {own.sum()}" for own in rows)


BENCHMARK = Benchmark(
    name="calibration",
    summary="confidence of zero-shot and of a linear probe: risk against coverage, abstaining, ECE with its bias",
    protocol_version="1",
    source="risk and coverage (arXiv:1705.08500); ECE (arXiv:1706.04599)",
    score=score_subject,
    declared=declared_classification(
        "calibration",
        56,
        family="calibration",
        headline=("*/zero_shot_aurc", "*/linear_aurc"),
        higher_is_better=False,
        floors={"chance": "chance", METADATA: "metadata only", **CONTROLS},
        words={
            "zero_shot_aurc": "zero-shot error over coverages",
            "linear_aurc": "error over coverages (linear probe)",
            "zero_shot": "zero-shot",
            "linear": "linear probe",
            "ece": "ECE",
        },
    ),
)
