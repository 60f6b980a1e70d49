"""Zero-shot classification: a volume against prompts for each class, without training on labels.

The texts of training are clauses, "at <location> shows <signal>", so the name of a lesion type or lobe is mostly a word
that no text tower was taught. A class is therefore described by the clauses that training texts have for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files

import numpy as np
import pandas as pd
import yaml
from scipy.special import softmax

from benchmarks.benchmark import Benchmark, Score, ScoreOptions
from benchmarks.classification.class_tasks import Task, lesion_type, lobe_of, study_label
from benchmarks.classification.labels import TaskData, load_tasks, named_items
from benchmarks.classification.predictions import (
    PARTS,
    POLICIES,
    Answers,
    answer_columns,
    declared_classification,
    item_frame,
    score_answers,
)
from benchmarks.classification.probes import shortcut_references
from benchmarks.classification.shortcut_controls import control_notes
from benchmarks.retrieval.text_bank import TextBank, check_embeddings, text_bank
from benchmarks.statistics.metric_summary import summarise_classification
from selip.data.findings import SIDES, Clause, parse_findings_text, swap_sides
from selip.models.encoder import logit_scale_of
from selip.models.scored_model import Subject
from selip.records.record import Metric
from selip.similarity.text_similarity import text_table
from selip.system.arrays import FloatArray
from selip.system.errors import UnavailableError

Prompts = list[list[list[str]]]
"""Prompts of each class, for each template."""
MAX_CLAUSES = 64
NOTES = POLICIES | {
    "prompts": f"templates of templates.yaml, filled with the {MAX_CLAUSES} commonest clauses that training texts "
    "have for the class; abnormal: all clauses, against the normal sentence; side: clauses with a side and their "
    "mirror images, so both classes have the same places and signals; lobe: clauses of its regions; lesion type and "
    "grade: clauses of the training volumes that show this type alone, as its name is no word of the texts",
    "score": "cosine with the class's mean prompt of a template, mean over templates; softmax over the classes at the "
    "model's own logit scale gives score and calibration",
    "metadata": "contrast, site, age and spacing through a logistic regression on the labels of train, which zero-shot "
    "uses for the prompts of lesion type and grade only",
}


@dataclass(frozen=True)
class TrainingClauses:
    """Clauses of the training texts, by how many volumes have them.

    Attributes:
        every: Of all texts that the model was trained on.
        of_type: Lesion type to those of the volumes that show it alone.
    """

    every: Counter[Clause]
    of_type: Mapping[str, Counter[Clause]]


def score_subject(subject: Subject, options: ScoreOptions) -> Score:
    """Scores every task that the cohorts and the training texts allow.

    Raises:
        InputError: When there is no task, or the embeddings cannot be scored.
    """
    # of another cohort's own split the scored part alone is looked at; its folds have parts to fit controls on
    fits = subject.trained_on is None or bool(subject.cohort.fold)
    has_all = fits and subject.split == "test" and all(len(subject.cohort.rows(part)) for part in PARTS)
    tasks, notes = load_tasks(subject, PARTS if has_all else (subject.split,))
    clauses = training_clauses(subject)
    metrics: dict[str, Metric] = {}
    frames = []
    for data in tasks:
        prompts = prompts_of(data, clauses)
        if not prompts:
            missing = "the cohort declares no prompts" if data.task.column else "training texts have no clause"
            notes[f"task {data.task.name}"] = f"left out: {missing} for one of its classes"
            continue
        each = template_cosines(subject, data, prompts, subject.split)
        frame, found = _score_task(subject, data, each, options)
        metrics |= found
        frames.append(frame)
        notes[f"templates {data.task.name}"] = _spread(data, subject, each, options)
    if not frames:
        raise UnavailableError(
            "got training texts without a clause for any class; train on a cohort with texts such as 'at left thalamus "
            "shows high signal'"
        )
    return Score(metrics, pd.concat(frames, ignore_index=True), NOTES | control_notes(subject) | notes)


def training_clauses(subject: Subject) -> TrainingClauses:
    """The clauses that prompts are made of; those of a report are the findings that training read in it."""
    own = subject.trained_on or subject.cohort
    table = text_table(own, own.rows("train"))
    known = dict(zip(table.texts, table.clauses, strict=True))

    def said(texts: Iterable[str]) -> Counter[Clause]:
        return Counter(one for text in texts for one in known.get(text) or parse_findings_text(text))

    typed = pd.concat([named_items(Task(one.__name__, one), own, "train") for one in (lesion_type, study_label)])
    of_type = {str(name): said(texts) for name, texts in typed.groupby("label")["text"]}
    every = said(subject.train_texts)
    return TrainingClauses(Counter({one: count for one, count in every.items() if one.location}), of_type)


def clauses_of_class(task: str, name: str, clauses: TrainingClauses) -> list[Clause]:
    """The clauses that describe a class, the commonest first; none for "normal", and for what train never says."""
    counts: Counter[Clause] = Counter()
    if task == "abnormal":
        counts = clauses.every if name == "abnormal" else counts
    elif task == "lobe":
        counts.update({one: count for one, count in clauses.every.items() if lobe_of(_region(one)) == name})
    elif task == "side":
        for one, count in clauses.every.items():
            if one.side in {"left", "right"}:
                counts[one if one.side == name else replace(one, location=swap_sides(one.location))] += count
    else:
        counts = clauses.of_type.get(name, counts)
    return sorted(counts, key=lambda one: (-counts[one], one))[:MAX_CLAUSES]


def _region(clause: Clause) -> str:
    return " ".join(word for word in clause.location.split() if word.lower() not in SIDES)


def templates() -> dict[str, list[str]]:
    """The packaged templates: "clause" and "normal", as many of each."""
    found: dict[str, list[str]] = yaml.safe_load(
        files("benchmarks.classification").joinpath("templates.yaml").read_text("utf-8")
    )
    return found


def prompts_of(data: TaskData, clauses: TrainingClauses) -> Prompts:
    """Prompts of each class for each template; empty when a class has none."""
    if data.task.column:
        declared = [list(data.task.prompts.get(name, ())) for name in data.classes]
        return [[[one] for one in some] for some in zip(*declared, strict=True)]
    described = [clauses_of_class(data.task.name, name, clauses) for name in data.classes]
    wording = templates()
    found = [
        [
            [normal] if name == "normal" else [_filled(clause, one) for one in chosen]
            for name, chosen in zip(data.classes, described, strict=True)
        ]
        for clause, normal in zip(wording["clause"], wording["normal"], strict=True)
    ]
    return found if all(all(prompts) for prompts in found) else []


def _filled(template: str, clause: Clause) -> str:
    return template.format(location=clause.location, signal=clause.signal)


def class_cosines(volumes: FloatArray, bank: TextBank, prompts: Sequence[Sequence[Iterable[str]]]) -> FloatArray:
    """(T, n, K) cosine of volumes (n, E) with the mean prompt of each class, for each template."""
    means = np.stack([[bank.of(one).astype(np.float64).mean(axis=0) for one in classes] for classes in prompts])
    length = np.linalg.norm(means, axis=-1, keepdims=True)
    unit = means / np.maximum(length, np.finfo(np.float64).tiny)
    return np.asarray(volumes.astype(np.float64) @ unit.transpose(0, 2, 1))


def template_cosines(subject: Subject, data: TaskData, prompts: Prompts, part: str) -> FloatArray:
    """`class_cosines` (T, n, K) of the items of a part."""
    embeddings = subject.transfer_embeddings(part) if data.task.is_transfer else subject.embeddings(part)
    check_embeddings(embeddings)
    bank = text_bank(embeddings, (one for classes in prompts for some in classes for one in some))
    return class_cosines(embeddings.volumes[data.parts[part].rows], bank, prompts)


def class_probabilities(subject: Subject, cosines: FloatArray) -> FloatArray:
    """Probabilities of cosines (..., K), at the model's own logit scale."""
    probabilities: FloatArray = softmax(logit_scale_of(subject.model) * cosines, axis=-1)
    return probabilities


def _score_task(
    subject: Subject, data: TaskData, each: FloatArray, options: ScoreOptions
) -> tuple[pd.DataFrame, dict[str, Metric]]:
    """Per-item table and metrics of the mean over templates of cosines (T, n, K)."""
    beside = shortcut_references(subject, data, subject.split) if "train" in data.parts else {}
    answers = Answers({"": class_probabilities(subject, each.mean(axis=0))}, beside)
    return score_answers(data, subject.split, [answers], options, by_class=("auroc", "auprc"))


def _spread(data: TaskData, subject: Subject, each: FloatArray, options: ScoreOptions) -> str:
    """Macro AUROC with each template alone, for the notes."""
    singles = [
        answer_columns(f"t{number}", class_probabilities(subject, one), data.classes) for number, one in enumerate(each)
    ]
    frame = pd.concat([item_frame(data, subject.split), *singles], axis=1)
    wanted = {f"t{number}_macro_auroc": "macro_auroc" for number in range(len(each))}
    found = [one.value for one in summarise_classification(frame, wanted, replace(options, n_resamples=1)).values()]
    if not found:
        return "macro AUROC is not defined: no class has both kinds"
    listed = ", ".join(f"{value:.3f}" for value in found)
    return f"macro AUROC with one template alone: {listed}; spread {max(found) - min(found):.3f}"


BENCHMARK = Benchmark(
    name="zero_shot",
    summary="classes from prompts alone: abnormality, lesion type, lobe, side; spread over templates",
    protocol_version="1",
    source="prompt ensembles as in CLIP (arXiv:2103.00020), section 3.1; policies in the benchmark's notes",
    score=score_subject,
    declared=declared_classification("zero-shot", 11, task_type="zero-shot-image-classification"),
)
