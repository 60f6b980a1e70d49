"""Labelled items for classification: from the parts of a cohort to class numbers.

Labels come from the true findings that a volume's contrast shows, and from the labels of its study where nobody knows
the findings. A volume that does not have exactly one class of a task is no item of it, and one of unknown state
(`selip.data.states`) is an item of none.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pandas as pd

from selip.data.cohort import Cohort
from selip.data.findings import Finding, findings_from_json, is_normal
from selip.data.states import ABNORMAL, NORMAL, UNKNOWN, finding_labels, states_of
from selip.models.scored_model import Subject
from selip.reports.ontology import ontology
from selip.system.errors import UnavailableError

MIN_PATIENTS = 5
SPACING = ("spacing_right", "spacing_front", "spacing_top")
ITEM_COLUMNS = ("item_id", "patient_id", "contrast", "site", "text")
GRADES = ("low-grade glioma", "high-grade glioma")
LOBES = {
    "frontal lobe": "frontal lobe", "parietal lobe": "parietal lobe", "temporal lobe": "temporal lobe",
    "occipital lobe": "occipital lobe", "insula": "insula", "basal ganglia": "basal ganglia", "thalamus": "thalamus",
    "corona radiata": "cerebral white matter", "centrum semiovale": "cerebral white matter",
    "periventricular white matter": "cerebral white matter", "cerebellum": "cerebellum", "brainstem": "brainstem",
    "splenium of the corpus callosum": "corpus callosum", "genu of the corpus callosum": "corpus callosum",
    "frontal convexity": "convexity", "parietal convexity": "convexity", "sphenoid wing": "skull base", "falx": "falx",
}  # fmt: skip


@dataclass(frozen=True)
class Shown:
    """Facts that are known of one volume.

    Attributes:
        text: Text it is paired with.
        findings: True findings that its contrast shows; None when nobody knows them.
        labels: Labels of its study that name a finding.
        state: One of STATES.
    """

    text: str
    findings: tuple[Finding, ...] | None
    labels: frozenset[str]
    state: str = ABNORMAL


@dataclass(frozen=True)
class Task:
    """A classification task.

    Attributes:
        name: Part of the metric keys.
        label: Class of a volume, None when it has none or several.
        classes: All classes in order; empty for those that occur, sorted. Of two classes the second is the positive.
        is_transfer: Whether its items are those of the second cohort.
    """

    name: str
    label: Callable[[Shown], str | None]
    classes: tuple[str, ...] = ()
    is_transfer: bool = False


@dataclass(frozen=True)
class Part:
    """The items of a task in one part of a cohort.

    Attributes:
        items: (n,) rows with ITEM_COLUMNS, age in years (NaN when unknown) and SPACING in mm.
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


def abnormal(volume: Shown) -> str:
    """The state of the volume: normal or abnormal, as unknown ones are no items; the normal sentence is normal."""
    return NORMAL if is_normal(volume.text) else volume.state


def lesion_type(volume: Shown) -> str | None:
    """The one lesion type that the contrast shows."""
    if volume.findings is None:
        return None if abnormal(volume) == NORMAL else _sole(volume.labels)
    return _sole(finding.lesion_type for finding in volume.findings)


def lobe(volume: Shown) -> str | None:
    """Lobe or deep structure of the one place that the contrast shows."""
    place = _place(volume)
    return lobe_of(place[0]) if place else None


def side(volume: Shown) -> str | None:
    """Side of the one place that the contrast shows, when it is left or right."""
    place = _place(volume)
    return place[1] if place and place[1] in {"left", "right"} else None


def glioma_grade(volume: Shown) -> str | None:
    """The one grade among the labels of the study."""
    return _sole(volume.labels & set(GRADES))


def lobe_of(region: str) -> str | None:
    """Lobe or structure that a region (without side) belongs to; None for a diffuse or unknown one."""
    name = region.lower()
    above = ontology().path.get(ontology().region.get(name, name), ())
    return next((LOBES[one] for one in (name, *reversed(above)) if one in LOBES), None)


TASKS = (
    Task("abnormal", abnormal, ("normal", "abnormal")),
    Task("lesion_type", lesion_type),
    Task("lobe", lobe),
    Task("side", side, ("left", "right")),
    Task("glioma_grade", glioma_grade, GRADES, is_transfer=True),
)


def _sole(names: Iterable[str]) -> str | None:
    distinct = set(names)
    return distinct.pop() if len(distinct) == 1 else None


def _place(volume: Shown) -> tuple[str, str] | None:
    places = {(finding.region, finding.side) for finding in volume.findings or ()}
    return places.pop() if len(places) == 1 else None


def load_tasks(
    subject: Subject, parts: Sequence[str], tasks: Sequence[Task] = TASKS
) -> tuple[list[TaskData], dict[str, str]]:
    """The tasks that the cohorts of `subject` allow, and notes of what is in them and what is left out.

    Args:
        subject: What is scored.
        parts: Parts to label, the scored one last.
        tasks: Tasks to look for.

    Raises:
        InputError: When no task is left.
    """
    found, notes = [], {}
    for task in tasks:
        cohort = subject.transfer if task.is_transfer else subject.cohort
        data, notes[f"task {task.name}"] = load_task(task, cohort, parts) if cohort else (None, "left out: no cohort")
        found += [data] if data else []
    if not found:
        reasons = "; ".join(f"{name}: {note}" for name, note in notes.items())
        raise UnavailableError(f"got no task to classify ({reasons}); allowed: one at least; use a cohort with labels")
    return found, notes


def load_task(task: Task, cohort: Cohort, parts: Sequence[str]) -> tuple[TaskData | None, str]:
    """A task with its items, None when it cannot be scored, and a note either way; see `load_tasks`.

    A class with fewer than MIN_PATIENTS patients in train (where it is asked for) or in the scored part is left out.
    """
    named = {part: named_items(task, cohort, part) for part in parts}
    counted = [
        named[part].groupby("label")["patient_id"].nunique() for part in parts if part != "val" or part == parts[-1]
    ]
    seen = task.classes or tuple(sorted(set().union(*(set(items["label"]) for items in named.values()))))
    classes = tuple(name for name in seen if all(count.get(name, 0) >= MIN_PATIENTS for count in counted))
    note = _unknown(cohort, parts) + _lost([name for name in seen if name not in classes])
    kept = {part: _part(items[items["label"].isin(classes)], classes) for part, items in named.items()}
    if len(classes) < 2 or not all(len(part.rows) for part in kept.values()):
        return None, f"left out: fewer than two classes, or an empty part{note}"
    sizes = ", ".join(f"{name} {len(p.rows)} of {p.items['patient_id'].nunique()}" for name, p in kept.items())
    return TaskData(task, classes, kept), f"{len(classes)} classes; volumes of patients: {sizes}{note}"


def _lost(names: Sequence[str]) -> str:
    return f"; classes with fewer than {MIN_PATIENTS} patients in a part: {', '.join(names)}" if names else ""


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
    volumes = cohort.volumes.iloc[cohort.rows(part)].reset_index(drop=True)
    studies = cohort.studies.set_index("study_id").loc[volumes["study_id"]]
    items = volumes.rename(columns={"volume_id": "item_id"})[list(ITEM_COLUMNS)]
    items["age"] = pd.to_numeric(studies["age"], errors="coerce").to_numpy(np.float64)
    for column, edge_mm in zip(SPACING, cohort.info.spacing_mm, strict=True):
        items[column] = float(edge_mm)
    items["row"] = np.arange(len(items))
    states = states_of(volumes)
    shown = map(_shown, items["text"], items["contrast"], studies["findings"], studies["labels"], states)
    labels = [None if volume.state == UNKNOWN else task.label(volume) for volume in shown]
    items["label"] = np.array(labels, dtype=object)
    return items[items["label"].notna()]


@lru_cache(maxsize=1 << 16)  # every task of every benchmark asks of the same volumes
def _shown(text: str, contrast: str, findings: str, labels: str, state: str) -> Shown:
    known = findings_from_json(findings) if findings else None
    visible = None if known is None else tuple(finding for finding in known if finding.clause(contrast))
    return Shown(text, visible, finding_labels(json.loads(labels) if labels else ()), state)
