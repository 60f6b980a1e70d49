"""From probabilities of the scored items to the per-item table and the metrics beside their references."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.benchmark import ScoreOptions
from benchmarks.classification.labels import ITEM_COLUMNS, TaskData
from benchmarks.statistics.metric_summary import CLASS_POLICIES, summarise_classification
from selip.models.scored_model import Subject
from selip.records.declaration import Declared
from selip.records.metric_key import MetricKey
from selip.records.record import Metric
from selip.system.arrays import FloatArray
from selip.system.errors import InputError

STATISTICS = ("macro_auroc", "balanced_accuracy", "macro_f1", "mcc", "ece")
PARTS = ("train", "val", "test")
REFERENCE_DECIMALS = 4  # solvers of other machines differ behind it, and references must be equal in all records
POLICIES = {
    **CLASS_POLICIES,
    "classes": "a class with fewer than 5 patients in train or in the scored part, in folds with fewer than 10 in the "
    "whole cohort, is left out, for every method; of two classes the second is the positive one; more are scored one "
    "against the rest",
    "items": "volumes with exactly one class of the task, as a lesion type or place that their contrast shows alone",
    "chance": "a uniform draw of a class: balanced accuracy 1 / K, AUROC 0.5, AUPRC the share of the class, MCC 0",
    "majority": "the shares of the classes in train, the same for every volume",
    "metadata": "contrast, site, age and spacing through the same probe, without any voxel: what it scores is shortcut",
    "fit": "what is fitted is held fixed in the resamples",
}


def fitted_parts(subject: Subject) -> tuple[str, ...]:
    """The parts of a benchmark that fits on train and chooses on val.

    Raises:
        InputError: When a part to score is one that it fits or chooses on.
    """
    if subject.split != "test":
        raise InputError(f"got split {subject.split!r} to score; take test, as probes are fitted on train and val")
    return PARTS


@dataclass(frozen=True)
class Answers:
    """Class probabilities of some models for the scored items, and those of the references beside them.

    Attributes:
        models: Model, as "features_linear_10pct", to its probabilities (n, K); "" names the only one of a task.
        beside: Reference, as "metadata", to its probabilities (n, K).
    """

    models: Mapping[str, FloatArray]
    beside: Mapping[str, FloatArray] = field(default_factory=dict)


def item_frame(data: TaskData, part: str) -> pd.DataFrame:
    """Per-item table of a task before any answer: pool, ITEM_COLUMNS, weight, truth, and truth:<class> in {0, 1}."""
    labels = data.parts[part].labels
    items = data.parts[part].items[list(ITEM_COLUMNS)].assign(weight=1.0, truth=labels.astype(np.float64))
    items.insert(0, "pool", data.task.name)
    for number in ranked_classes(data.classes):
        items[f"truth:{data.classes[number]}"] = (labels == number).astype(np.float64)
    return items


def answer_columns(model: str, probabilities: FloatArray, classes: Sequence[str]) -> pd.DataFrame:
    """Columns `[model_]predicted`, the first of the likeliest classes, and `[model_]score:<class>`.

    They are rounded to float32, as a record keeps them, so that what is computed again from a record has the same ties.

    Args:
        model: Tells several models of a task apart; "" for the only one.
        probabilities: (n, K).
        classes: (K,) names.
    """
    prefix = f"{model}_" if model else ""
    probabilities = probabilities.astype(np.float32).astype(np.float64)
    columns = {f"{prefix}predicted": probabilities.argmax(axis=1).astype(np.float64)}
    columns |= {f"{prefix}score:{classes[number]}": probabilities[:, number] for number in ranked_classes(classes)}
    return pd.DataFrame(columns)


def ranked_classes(classes: Sequence[str]) -> range:
    """Numbers of the classes that have a score: all of them, of two the second."""
    return range(1, 2) if len(classes) == 2 else range(len(classes))


def score_answers(
    data: TaskData, part: str, answers: Sequence[Answers], options: ScoreOptions, by_class: Sequence[str] = ()
) -> tuple[pd.DataFrame, dict[str, Metric]]:
    """Per-item table of a task and its metrics, with their intervals and references.

    Args:
        data: The task.
        part: Name of the scored part.
        answers: Models to score.
        options: How the intervals are made.
        by_class: Statistics to give for each class and as macro mean too, as "auroc".

    Returns:
        The table, and `task/[model_]statistic[:class]` with its `/reference`; a reference has no interval.
    """
    items = item_frame(data, part)
    models = {model: probabilities for one in answers for model, probabilities in one.models.items()}
    frame = _with_columns(items, models, data.classes)
    names = [data.classes[number] for number in ranked_classes(data.classes)]
    statistics = {name: name for name in (*STATISTICS, *(f"macro_{kind}" for kind in by_class))}
    statistics |= {f"{kind}:{name}": kind for kind in by_class for name in names}
    wanted = {_key(model, name): statistic for model in models for name, statistic in statistics.items()}
    found = summarise_classification(frame, wanted, options)
    for one in answers:
        values = _reference_values(items, data, one.beside, statistics, options)
        found |= _references(found, one.models, values)
        if options.keep_references:
            frame = pd.concat([frame, *_kept(one, data.classes)], axis=1)
    return frame, {f"{data.task.name}/{name}": metric for name, metric in found.items()}


def _kept(answers: Answers, classes: Sequence[str]) -> list[pd.DataFrame]:
    """Columns of what references answered, COLUMN/REFERENCE, beside each model."""
    return [
        answer_columns(model, probabilities, classes).add_suffix(f"/{name}")
        for model in answers.models
        for name, probabilities in answers.beside.items()
    ]


def _with_columns(items: pd.DataFrame, models: Mapping[str, FloatArray], classes: Sequence[str]) -> pd.DataFrame:
    columns = [answer_columns(model, probabilities, classes) for model, probabilities in models.items()]
    return pd.concat([items, *columns], axis=1)


def _key(model: str, name: str) -> str:
    return f"{model}_{name}" if model else name


def _reference_values(
    items: pd.DataFrame,
    data: TaskData,
    beside: Mapping[str, FloatArray],
    statistics: Mapping[str, str],
    options: ScoreOptions,
) -> dict[str, float]:
    """`statistic/reference` to its value."""
    wanted = {f"{name}/{reference}": kind for name, kind in statistics.items() for reference in beside}
    table, once = _with_columns(items, beside, data.classes), replace(options, n_resamples=1)
    values = {name: metric.value for name, metric in summarise_classification(table, wanted, once).items()}
    return values | {f"{name}/chance": level for name, level in chance_levels(items, data.classes).items()}


def _references(found: Mapping[str, Metric], models: Iterable[str], values: Mapping[str, float]) -> dict[str, Metric]:
    """References beside the metrics of some models: without intervals, on the same items."""
    beside = {}
    for model in models:
        for name, value in values.items():
            key = _key(model, name)
            metric = found.get(MetricKey.named(key).metric)
            if metric:
                update = {"value": round(value, REFERENCE_DECIMALS), "lower": None, "upper": None}
                beside[key] = metric.model_copy(update=update)
    return beside


def chance_levels(frame: pd.DataFrame, classes: Sequence[str]) -> dict[str, float]:
    """Expected score of a uniform draw of a class, by metric; macro F1 from the expected counts."""
    names = [classes[number] for number in ranked_classes(classes)]
    positive = {name: float(frame[f"truth:{name}"].mean()) for name in names}
    shares = np.bincount(frame["truth"].astype(int), minlength=len(classes)) / len(frame)
    draw = 1 / len(classes)
    return {
        "macro_auroc": 0.5,
        "macro_auprc": float(np.mean(list(positive.values()))),
        "balanced_accuracy": draw,
        "macro_f1": float(np.mean(2 * shares * draw / (shares + draw))),
        "mcc": 0.0,
        **{f"auroc:{name}": 0.5 for name in names},
        **{f"auprc:{name}": share for name, share in positive.items()},
    }


def majority(data: TaskData, part: str) -> FloatArray:
    """(n, K) the shares of the classes in train, the same for every item of `part`."""
    labels = data.parts["train"].labels
    return np.tile(np.bincount(labels, minlength=len(data.classes)) / len(labels), (len(data.parts[part].rows), 1))


def declared_classification(label: str, place: int, **changes: Any) -> Declared:  # noqa: ANN401 (fields of many types)
    """Declares a benchmark of classification: its tasks are pools, ranked by their macro AUROC.

    Args:
        label: Its name in words.
        place: Its place on the page of classification, from 10.
        changes: Fields of `Declared` in which it differs.
    """
    about: dict[str, Any] = {
        "family": "classification",
        "headline": ("*/macro_auroc",),
        "pools": ("lesion_type", "abnormal", "lobe", "side", "glioma_grade"),
        "transfer_pools": ("glioma_grade",),
        "floors": {"chance": "chance", "majority": "majority", "metadata": "metadata only"},
        "words": {
            "macro_auroc": "macro AUROC", "macro_auprc": "macro AUPRC", "macro_f1": "macro F1", "mcc": "MCC",
            "ece": "ECE", "auroc": "AUROC", "auprc": "AUPRC",
        },
    }  # fmt: skip
    return Declared(label=label, place=place, **about | changes)
