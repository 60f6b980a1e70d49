"""Labelled items for classification: from the parts of a cohort to class numbers.

Labels come from the true findings that a volume's contrast shows, and from columns that the cohort declares as tasks
(`selip.data.cohort_declaration`); the labels of a study whose lesion types nobody knows are a task of their own. A
volume that does not have exactly one class of a task is no item of it, and one of unknown state (`selip.data.states`)
is an item of none but declared ones.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.classification.class_tasks import TASKS, Shown, Task, own_tasks
from selip.data.cohort import Cohort
from selip.data.cohort_declaration import LABEL
from selip.data.findings import findings_from_json
from selip.data.states import UNKNOWN, finding_labels, states_of
from selip.models.scored_model import Subject
from selip.system.errors import UnavailableError

MIN_PATIENTS = 5
SPACING = ("spacing_right", "spacing_front", "spacing_top")
ITEM_COLUMNS = ("item_id", "patient_id", "contrast", "site", "text")


@dataclass(frozen=True)
class Part:
    """The items of a task in one part of a cohort.

    Attributes:
        items: (n,) rows with ITEM_COLUMNS, age in years (NaN when unknown), SPACING in mm, and columns of other tasks
            that the cohort declares as metadata.
        rows: (n,) their rows in the embeddings of that part.
        labels: (n,) class numbers.
    """

    items: pd.DataFrame
    rows: npt.NDArray[np.intp]
    labels: npt.NDArray[np.intp]

    @property
    def patients(self) -> npt.NDArray:
        """(n,) patient of each item."""
        return self.items["patient_id"].to_numpy(object)


@dataclass(frozen=True)
class TaskData:
    """A task with its items.

    Attributes:
        task: The task.
        classes: (K,) names, K >= 2.
        parts: Name of a part to its items.
    """

    task: Task
    classes: tuple[str, ...]
    parts: dict[str, Part]


Named = Callable[[Task, Cohort, str], pd.DataFrame]
"""Task, cohort and part to items with the name of their class; see `named_items`."""


def load_tasks(
    subject: Subject, parts: Sequence[str], tasks: Sequence[Task] | None = None, named: Named | None = None
) -> tuple[list[TaskData], dict[str, str]]:
    """The tasks that the cohorts of `subject` allow, and notes of what is in them and what is left out.

    Args:
        subject: What is scored.
        parts: Parts to label, the scored one last.
        tasks: Tasks to look for; None for all, those that the cohort declares last.
        named: Names the items of a part, as `named_items`, which does for volumes.

    Raises:
        InputError: When no task is left.
    """
    found, notes = [], {}
    for task in (*TASKS, *own_tasks(subject.cohort)) if tasks is None else tasks:
        cohort = subject.transfer if task.is_transfer else subject.cohort
        loaded = load_task(task, cohort, parts, named) if cohort else (None, "left out: no cohort")
        data, notes[f"task {task.name}"] = loaded
        found += [data] if data else []
    twins = {one.task.name: twin for one in found if not one.task.column and (twin := _twin(one, found))}
    notes |= {f"task {name}": f"left out: the same as {twin}, a column of the cohort" for name, twin in twins.items()}
    found = [one for one in found if one.task.name not in twins]
    if not found:
        reasons = "; ".join(f"{name}: {note}" for name, note in notes.items())
        raise UnavailableError(f"got no task to classify ({reasons}); allowed: one at least; use a cohort with labels")
    return found, notes


def _twin(data: TaskData, others: Sequence[TaskData]) -> str:
    """The task of a cohort's own column that gives the same items the same classes, "" for none."""
    return next((one.task.name for one in others if one.task.column and _named(one) == _named(data)), "")


def _named(data: TaskData) -> dict[str, list[tuple[str, str]]]:
    return {
        name: [(item, data.classes[label]) for item, label in zip(part.items["item_id"], part.labels, strict=True)]
        for name, part in data.parts.items()
    }


def load_task(
    task: Task, cohort: Cohort, parts: Sequence[str], named: Named | None = None
) -> tuple[TaskData | None, str]:
    """A task with its items, None when it cannot be scored, and a note either way; see `load_tasks`.

    A class with fewer than MIN_PATIENTS patients in train (where it is asked for) or in the scored part is left out; of
    a cohort in folds one with fewer than twice as many in all of it, so that each fold has the same classes.
    """
    named = named or named_items
    items = {part: named(task, cohort, part) for part in parts}
    counted = [
        items[part].groupby("label")["patient_id"].nunique() for part in parts if part != "val" or part == parts[-1]
    ]
    if cohort.fold:
        counted = [named(task, cohort, "all").groupby("label")["patient_id"].nunique() // 2]
    seen = task.classes or tuple(sorted(set().union(*(set(some["label"]) for some in items.values()))))
    classes = tuple(name for name in seen if all(count.get(name, 0) >= MIN_PATIENTS for count in counted))
    note = _unknown(cohort, parts) + _lost([name for name in seen if name not in classes], cohort)
    kept = {part: _part(some[some["label"].isin(classes)], classes) for part, some in items.items()}
    if len(classes) < 2 or not all(len(part.rows) for part in kept.values()):
        return None, f"left out: fewer than two classes, or an empty part{note}"
    sizes = ", ".join(f"{name} {len(p.rows)} of {p.items['patient_id'].nunique()}" for name, p in kept.items())
    note += _absent(kept, classes) + _known(cohort, task)
    return TaskData(task, classes, kept), f"{len(classes)} classes; volumes of patients: {sizes}{note}"


def _lost(names: Sequence[str], cohort: Cohort) -> str:
    few = f"{2 * MIN_PATIENTS} patients in the cohort" if cohort.fold else f"{MIN_PATIENTS} patients in a part"
    return f"; classes with fewer than {few}: {', '.join(names)}" if names else ""


def _absent(parts: Mapping[str, Part], classes: Sequence[str]) -> str:
    """Names the classes that a part lacks, as val of a fold may, which then chooses without them."""
    lacking = {name: [one for n, one in enumerate(classes) if n not in part.labels] for name, part in parts.items()}
    return "".join(f"; {name} has none of {', '.join(names)}" for name, names in lacking.items() if names)


def _known(cohort: Cohort, task: Task) -> str:
    names = [column.partition(":")[2] for column in _metadata(cohort, task)]
    return f"; metadata hold {', '.join(names)} too" if names else ""


def _metadata(cohort: Cohort, task: Task) -> list[str]:
    """Columns that the cohort declares as metadata, less that of the task itself."""
    return sorted(name for name, one in cohort.info.tasks.items() if one.metadata and name != task.column)


def _unknown(cohort: Cohort, parts: Sequence[str]) -> str:
    rows = np.concatenate([cohort.rows(part) for part in parts])
    unknown = np.count_nonzero(states_of(cohort.volumes.iloc[rows]) == UNKNOWN)
    return f"; {unknown} volumes of unknown state left out" if unknown else ""


def _part(items: pd.DataFrame, classes: Sequence[str]) -> Part:
    numbers = {name: number for number, name in enumerate(classes)}
    labels = np.array([numbers[name] for name in items["label"]], dtype=np.intp)
    return Part(items.drop(columns=["row", "label"]).reset_index(drop=True), items["row"].to_numpy(np.intp), labels)


def named_items(task: Task, cohort: Cohort, part: str) -> pd.DataFrame:
    """Items of one part with the name of their class; `row` is their row among the volumes of that part."""
    items, studies = items_of(task, cohort, part)
    if task.column:
        told = studies[task.column].to_numpy(object)
        fits = items["contrast"].isin(task.contrasts or [*items["contrast"]]).to_numpy() & (told != "")
        return items.assign(label=told)[fits]
    labels = [None if one.state == UNKNOWN else task.label(one) for one in shown_of(cohort, part, studies)]
    items["label"] = np.array(labels, dtype=object)
    return items[items["label"].notna()]


def items_of(task: Task, cohort: Cohort, part: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """All volumes of one part as items without a label, and the row of their study beside each."""
    volumes = cohort.volumes.iloc[cohort.rows(part)].reset_index(drop=True)
    studies = cohort.studies.set_index("study_id").loc[volumes["study_id"]]
    items = volumes.rename(columns={"volume_id": "item_id"})[list(ITEM_COLUMNS)]
    items["age"] = pd.to_numeric(studies["age"], errors="coerce").to_numpy(np.float64)
    for column, edge_mm in zip(SPACING, cohort.info.spacing_mm, strict=True):
        items[column] = float(edge_mm)
    for column in _metadata(cohort, task):
        told = studies[column].reset_index(drop=True)
        items[column] = told if column.startswith(LABEL) else pd.to_numeric(told, errors="coerce")
    items["row"] = np.arange(len(items))
    return items, studies


def shown_of(cohort: Cohort, part: str, studies: pd.DataFrame) -> list[Shown]:
    """All that is known of each volume of a part, whose studies stand beside them."""
    volumes = cohort.volumes.iloc[cohort.rows(part)]
    facts = (volumes["text"], volumes["contrast"], studies["findings"], studies["labels"], states_of(volumes))
    return [_shown(*one) for one in zip(*facts, strict=True)]


@lru_cache(maxsize=1 << 16)  # every task of every benchmark asks of the same volumes
def _shown(text: str, contrast: str, findings: str, labels: str, state: str) -> Shown:
    known = findings_from_json(findings) if findings else None
    visible = None if known is None else tuple(finding for finding in known if finding.clause(contrast))
    return Shown(text, visible, finding_labels(json.loads(labels) if labels else ()), state)
