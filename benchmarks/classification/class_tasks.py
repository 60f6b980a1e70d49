"""Tasks of classification: those that every cohort may have, told by a volume's facts, and those that it declares."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from selip.data.cohort import Cohort
from selip.data.cohort_declaration import LABEL
from selip.data.findings import Finding, is_normal
from selip.data.states import ABNORMAL, NORMAL
from selip.reports.ontology import ontology

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
        column: Column of studies.csv that holds the class; "" where `label` tells it.
        contrasts: Contrasts that show it; empty for all.
        prompts: Class to its zero-shot prompts, of a declared task.
    """

    name: str
    label: Callable[[Shown], str | None]
    classes: tuple[str, ...] = ()
    is_transfer: bool = False
    column: str = ""
    contrasts: tuple[str, ...] = ()
    prompts: Mapping[str, Sequence[str]] = field(default_factory=dict)


def abnormal(volume: Shown) -> str:
    """The state of the volume: normal or abnormal, as unknown ones are no items; the normal sentence is normal."""
    return NORMAL if is_normal(volume.text) else volume.state


def lesion_type(volume: Shown) -> str | None:
    """The one lesion type that the contrast shows; a label of the study is none."""
    return _sole(finding.lesion_type for finding in volume.findings or ()) or None


def study_label(volume: Shown) -> str | None:
    """The one label of the study that names a finding, of a volume that is not normal and of unknown lesion types."""
    typed = volume.findings is not None and (not volume.findings or any(one.lesion_type for one in volume.findings))
    return None if typed or abnormal(volume) == NORMAL else _sole(volume.labels)


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
    Task("study_label", study_label),
    Task("lobe", lobe),
    Task("side", side, ("left", "right")),
    Task("glioma_grade", glioma_grade, GRADES, is_transfer=True),
)


def own_tasks(cohort: Cohort, kind: str = LABEL) -> list[Task]:
    """The tasks that a cohort declares, of classes (LABEL) or numbers (VALUE), by name."""
    return [
        Task(column.removeprefix(kind), _no_label, one.classes, column=column, contrasts=one.contrasts,
             prompts=one.prompts)
        for column, one in sorted(cohort.info.tasks.items())
        if column.startswith(kind)
    ]  # fmt: skip


def own_pools(cohort: Cohort) -> tuple[str, ...]:
    """Pools of a cohort's own tasks, and of its labels where it has any that may be a task."""
    named = not cohort.info.synthetic and cohort.studies["labels"].isin(["", "[]"]).sum() < len(cohort.studies)
    return (*(("study_label",) if named else ()), *(task.name for task in own_tasks(cohort)))


def _no_label(volume: Shown) -> None:
    """A column tells the class, not the volume."""


def _sole(names: Iterable[str]) -> str | None:
    distinct = set(names)
    return distinct.pop() if len(distinct) == 1 else None


def _place(volume: Shown) -> tuple[str, str] | None:
    places = {(finding.region, finding.side) for finding in volume.findings or ()}
    return places.pop() if len(places) == 1 else None
