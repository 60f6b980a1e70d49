"""Probes on frozen features: fitted on train, chosen on val, asked once about the scored part.

Every choice (C, k) is that of the lowest log-loss on val, the smallest of equals. No function here takes labels of the
scored part.
"""

from __future__ import annotations

import copy
import math
import warnings
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from benchmarks.classification.labels import SPACING, TaskData
from benchmarks.classification.predictions import majority
from benchmarks.classification.shortcut_controls import control_vectors
from selip.data.cohort_declaration import LABEL, VALUE
from selip.models.scored_model import Subject
from selip.system.arrays import BoolArray, FloatArray, IntArray
from selip.system.errors import InputError

INVERSE_PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
NEIGHBOURS = (1, 3, 5, 10, 20, 50)
MAX_ITERATIONS = 1000
REPRESENTATIONS = ("features", "embeddings")


@dataclass(frozen=True)
class Examples:
    """Labelled vectors.

    Attributes:
        vectors: (n, F).
        labels: (n,) class numbers in 0..K-1.
        patients: (n,) patient of each.
    """

    vectors: FloatArray
    labels: IntArray
    patients: npt.NDArray

    def of(self, chosen: npt.NDArray) -> Examples:
        """The examples at the positions, or under the mask, `chosen`."""
        return Examples(self.vectors[chosen], self.labels[chosen], self.patients[chosen])


@dataclass(frozen=True)
class Probe:
    """A fitted probe.

    Attributes:
        choice: What val chose: C of a linear probe, k of nearest neighbours.
        predict: Vectors (n, F) to probabilities (n, K).
    """

    choice: float
    predict: Callable[[FloatArray], FloatArray]


Fit = Callable[[Examples, Examples, int], Probe]
"""Examples of train and of val and the number of classes to a probe."""


def vectors_of(subject: Subject, data: TaskData, part: str, representation: str) -> FloatArray:
    """(n, F) "features" before projection or (n, E) "embeddings" after it, of the items of a part."""
    embedded = subject.transfer_embeddings(part) if data.task.is_transfer else subject.embeddings(part)
    vectors = embedded.features if representation == "features" else embedded.volumes
    if not np.isfinite(vectors).all():
        raise InputError(f"got {representation} of the {part} part that are not finite; train again")
    return vectors[data.parts[part].rows].astype(np.float64)


def all_vectors(subject: Subject, data: TaskData) -> dict[str, dict[str, FloatArray]]:
    """`vectors_of` each representation and part."""
    return {name: {part: vectors_of(subject, data, part, name) for part in data.parts} for name in REPRESENTATIONS}


def metadata_vectors(data: TaskData) -> dict[str, FloatArray]:
    """Vectors of every part from metadata alone: contrast and site one-hot, age and spacing as numbers.

    What the cohort declares as metadata joins them, classes one-hot. Categories and the mean age that stands for an
    unknown one are those of train; a column says where it was unknown.
    """
    declared = data.parts["train"].items.columns
    classes, numbers = ([name for name in declared if name.startswith(kind)] for kind in (LABEL, VALUE))
    encoder = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["contrast", "site", *classes]),
        (SimpleImputer(add_indicator=True, keep_empty_features=True), ["age", *SPACING, *numbers]),
    ).fit(data.parts["train"].items)
    return {name: encoder.transform(part.items).astype(np.float64) for name, part in data.parts.items()}


def labelled(data: TaskData, part: str, vectors: FloatArray) -> Examples:
    """`vectors` (n, F) of the items of a part, with their labels."""
    return Examples(vectors, data.parts[part].labels, data.parts[part].patients)


def fitted(data: TaskData, vectors: Mapping[str, FloatArray], fit: Fit) -> Probe:
    """A probe on the vectors (n, F) of train, chosen on those of val."""
    train, val = (labelled(data, part, vectors[part]) for part in ("train", "val"))
    return fit(train, val, len(data.classes))


def shortcut_references(subject: Subject, data: TaskData, part: str) -> dict[str, FloatArray]:
    """Probabilities (n, K) of the items of a part, from metadata, each control, and the shares of classes."""
    without = {"metadata": metadata_vectors(data), **control_vectors(subject, data)}
    found = {name: fitted(data, known, fit_linear).predict(known[part]) for name, known in without.items()}
    return found | {"majority": majority(data, part)}


def task_generator(seed: int, task: str, *numbers: int) -> np.random.Generator:
    """Randomness of a task: a function of these arguments, so the same for every method."""
    return np.random.default_rng([seed, zlib.crc32(task.encode()), *numbers])


def fraction_mask(train: Examples, fraction: float, generator: np.random.Generator) -> BoolArray:
    """(n,) which examples a probe may see when it sees the labels of a share of the patients.

    Patients come in one random order, but the first are one of each class, so that a small share has every class. A
    share is a prefix of it: with equal generators the smaller one lies in the larger.

    Args:
        train: All examples.
        fraction: Share of the patients, in (0, 1]; at least one patient a class is taken.
        generator: Draws the order.
    """
    patients = generator.permutation(np.unique(train.patients))
    own = {patient: set(train.labels[train.patients == patient]) for patient in patients}
    first: list[str] = []
    for label in np.unique(train.labels):
        if not any(label in own[patient] for patient in first):
            first.append(next(patient for patient in patients if label in own[patient]))
    order = [*first, *(patient for patient in patients if patient not in set(first))]
    count = max(len(first), math.ceil(fraction * len(patients) - 1e-9))
    return np.isin(train.patients, order[:count])


def fit_linear(train: Examples, val: Examples, n_classes: int) -> Probe:
    """Standardised L2 logistic regression (multinomial), C chosen on val.

    The vectors are rotated into the span of the training ones. With an L2 penalty the solution lies there, so this
    changes nothing but the time, and pays when there are twice as many dimensions as examples.
    """
    scaler = StandardScaler().fit(train.vectors)
    standard = scaler.transform(train.vectors)
    is_wide = 2 * len(standard) <= standard.shape[1]
    basis = np.linalg.svd(standard, full_matrices=False)[2].T if is_wide else None

    def prepared(vectors: FloatArray) -> FloatArray:
        scaled: FloatArray = scaler.transform(vectors)
        return scaled if basis is None else scaled @ basis

    inputs, val_inputs = prepared(train.vectors), prepared(val.vectors)
    model = LogisticRegression(solver="lbfgs", max_iter=MAX_ITERATIONS, warm_start=True)
    best = (math.inf, math.nan, model)
    for penalty in INVERSE_PENALTIES:
        _fit_quietly(model.set_params(C=penalty), inputs, train.labels)
        loss = validation_loss(val.labels, _of_all_classes(model, val_inputs, n_classes))
        if loss < best[0]:
            best = (loss, penalty, copy.deepcopy(model))
    return Probe(best[1], lambda vectors: _of_all_classes(best[2], prepared(vectors), n_classes))


def _fit_quietly(model: LogisticRegression, inputs: FloatArray, labels: IntArray) -> None:
    with warnings.catch_warnings():
        # One label per class is what a share of 1 % can mean; it is no regression problem.
        warnings.filterwarnings("ignore", message="The number of unique classes", category=UserWarning)
        model.fit(inputs, labels)


def _of_all_classes(model: LogisticRegression, inputs: FloatArray, n_classes: int) -> FloatArray:
    """(n, K) probabilities; 0 for a class that the model was not shown."""
    probabilities = np.zeros((len(inputs), n_classes))
    probabilities[:, model.classes_] = model.predict_proba(inputs)
    return probabilities


def fit_neighbours(train: Examples, val: Examples, n_classes: int) -> Probe:
    """Nearest neighbours by cosine of standardised vectors, k chosen on val.

    Each neighbour has one vote, and one more vote is shared by all classes, so that no probability is 0.
    """
    scaler = StandardScaler().fit(train.vectors)
    allowed = [k for k in NEIGHBOURS if k <= len(train.labels)]
    index = NearestNeighbors(n_neighbors=allowed[-1], metric="cosine", algorithm="brute")
    index.fit(scaler.transform(train.vectors))
    one_hot = np.eye(n_classes)[train.labels]

    def votes(vectors: FloatArray) -> FloatArray:
        """(n, most neighbours, K) votes of the nearest, added up."""
        near = index.kneighbors(scaler.transform(vectors), return_distance=False)
        return one_hot[near].cumsum(axis=1)

    def smoothed(counted: FloatArray, k: int) -> FloatArray:
        return (counted[:, k - 1] + 1 / n_classes) / (k + 1)

    on_val = votes(val.vectors)
    best = min(allowed, key=lambda k: validation_loss(val.labels, smoothed(on_val, k)))
    return Probe(best, lambda vectors: smoothed(votes(vectors), best))


def validation_loss(labels: IntArray, probabilities: FloatArray) -> float:
    """Mean log-loss in nats of probabilities (n, K) against class numbers (n,); a probability is at least 1e-12.

    scikit-learn's checks of its arguments take longer than a probe of few examples.
    """
    return float(-np.log(np.maximum(probabilities[np.arange(len(labels)), labels], 1e-12)).mean())
