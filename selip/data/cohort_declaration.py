"""A cohort's word about itself: the tasks that its own columns are, and its data sheet.

A column `label:NAME` (classes) or `value:NAME` (numbers) of studies.csv is a task of that name. What cannot be read off
the column is declared in a YAML file, for `table` the one beside the CSV (mine.yaml for mine.csv):

    tasks:
      idh:
        title: IDH mutation
        classes: [wildtype, mutant]
        prompts: {wildtype: [an IDH wildtype glioma], mutant: [an IDH mutant glioma]}
      edss: {title: disability, unit: EDSS points}
      hand: {classes: [left, right], contrasts: [T1], mirrored: {left: right, right: left}}
    sheet: {source: ..., licence: ..., consent: ..., biases: ..., collections: [TCGA-LGG]}
    conflict: mask
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal

from selip.data.findings import CONTRASTS
from selip.system.errors import InputError
from selip.system.mappings import from_mapping, read_mapping

LABEL, VALUE = "label:", "value:"
FOLD = "fold"
"""Column of studies.csv: the fold of a patient, in cohorts that bring folds."""
TAKEN = frozenset({"abnormal", "lesion_type", "lobe", "side", "glioma_grade", "study_label"})
"""Names of tasks that every cohort has."""


@dataclass(frozen=True)
class DeclaredTask:
    """A task that a cohort brings.

    Attributes:
        title: Its name in words; "" for its name.
        unit: Unit of a number, as "years".
        classes: Classes in order, of two the second is the positive one; empty for those that occur, sorted.
        contrasts: Contrasts that show it; empty for all.
        mirrored: Class to the class of the mirrored head; empty where a flip changes nothing. Training then mirrors a
            head with such a class only together with a text that names its side.
        metadata: Whether it is known without an image, as sex: it joins the metadata control of the other tasks.
        prompts: Class to its zero-shot prompts, as many for each; empty: zero-shot leaves the task out.
    """

    title: str = ""
    unit: str = ""
    classes: tuple[str, ...] = ()
    contrasts: tuple[str, ...] = ()
    mirrored: dict[str, str] = field(default_factory=dict)
    metadata: bool = False
    prompts: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuses contrasts and classes that are none, and prompts of some classes alone."""
        if unknown := {*self.contrasts} - {*CONTRASTS}:
            raise InputError(f"got contrasts {', '.join(sorted(unknown))}; allowed: {', '.join(CONTRASTS)}; mend them")
        if self.classes and ({*self.mirrored, *self.mirrored.values(), *self.prompts} - {*self.classes}):
            raise InputError(f"got mirrored or prompts of other classes than {', '.join(self.classes)}; name those")
        if self.prompts and ({*self.prompts} != {*self.classes} or len({*map(len, self.prompts.values())}) > 1):
            raise InputError("got prompts that are not as many for each of the classes; give each class its own")


@dataclass(frozen=True)
class DataSheet:
    """Facts that whoever reads a number of the cohort should know; "" is not known, and is printed so.

    Attributes:
        source: Where the data were had.
        licence: Terms, as far as known.
        consent: Consent of the patients and the uses it covers.
        biases: Who is in it and who is not, and what its makers changed.
        collections: Public collections that its patients are from, as "TCGA-LGG": two cohorts that share one may hold
            the same patients.
    """

    source: str = ""
    licence: str = ""
    consent: str = ""
    biases: str = ""
    collections: tuple[str, ...] = ()

    def printed(self) -> dict[str, str]:
        """Subject to what is known, "not known" where nothing is; empty when nothing is known at all."""
        values = {**asdict(self), "collections": ", ".join(self.collections)}
        return {name: text or "not known" for name, text in values.items()} if any(values.values()) else {}


@dataclass(frozen=True)
class CohortDeclaration:
    """All that a cohort declares.

    Attributes:
        tasks: Name of a column, without its kind, to what it means.
        sheet: The data sheet.
        conflict: Side of a study where table and mask say different ones: "mask", "table", or "unknown", which leaves
            its findings out.
    """

    tasks: dict[str, DeclaredTask] = field(default_factory=dict)
    sheet: DataSheet = field(default_factory=DataSheet)
    conflict: Literal["mask", "table", "unknown"] = "mask"


def of_collections(*names: str) -> CohortDeclaration:
    """The declaration of a public set of which nothing is declared but the collections that its patients are from."""
    return CohortDeclaration(sheet=DataSheet(collections=names))


def read_declaration(path: Path) -> CohortDeclaration:
    """The declaration in a YAML file; an empty one where there is no file.

    Raises:
        InputError: It is none.
    """
    if not path.is_file():
        return CohortDeclaration()
    return from_mapping(CohortDeclaration, read_mapping(path, "cohort declaration"))


def is_own(column: str) -> bool:
    """True of a column that is a task of its cohort, or its fold."""
    return column == FOLD or (column.startswith((LABEL, VALUE)) and bool(column.partition(":")[2]))


def is_number(text: str) -> bool:
    """True when a text is a finite number."""
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def unfit_columns(columns: Iterable[str], declared: Mapping[str, DeclaredTask]) -> str:
    """A reason why columns and declaration cannot be the tasks of a cohort, "" where they can."""
    names = [column.partition(":")[2] for column in columns if column != FOLD]
    taken, twice = sorted({*names} & TAKEN), sorted({name for name in names if names.count(name) > 1})
    odd = [name for name in names if not name.replace("_", "").replace("-", "").isalnum()]
    missing = sorted({*declared} - {*names})
    if taken:
        return f"a task called {taken[0]!r}, which every cohort has; allowed: another name, as label:my_{taken[0]}"
    if twice:
        return f"label:{twice[0]} and value:{twice[0]}; allowed: one task a name; rename one of the two"
    if odd:
        return f"a task called {odd[0]!r}; allowed: letters, digits, '_' and '-'; rename the column"
    named = ", ".join(missing)
    return f"declared tasks without a column: {named}; allowed: a column each, as label:{missing[0]}" if missing else ""


def completed(declared: CohortDeclaration, columns: Iterable[str]) -> dict[str, DeclaredTask]:
    """Column to its task, declared or as it stands.

    Raises:
        InputError: A column cannot be a task, or a declared task has no column.
    """
    own = [column for column in columns if is_own(column)]
    if reason := unfit_columns(own, declared.tasks):
        raise InputError(f"got {reason}")
    tasks = {column: declared.tasks.get(column.partition(":")[2], DeclaredTask()) for column in own if column != FOLD}
    return {column: task if task.title else replace(task, title=_words(column)) for column, task in tasks.items()}


def _words(column: str) -> str:
    return column.partition(":")[2].replace("_", " ")
