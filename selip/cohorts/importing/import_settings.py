"""The settings of an import."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import numpy as np

from selip.cohorts.importing.study_texts import Texts
from selip.data.volumes import Centre
from selip.reports.extraction.extractor import LANGUAGES
from selip.system.errors import InputError


@dataclass(frozen=True)
class SetFacts:
    """Facts about a set that has no adapter."""

    name: str
    licence: str = ""
    citation: str = ""


@dataclass(frozen=True)
class Recipe:
    """Settings by which studies become a cohort.

    Attributes:
        shape: Voxels of the cohort's grid along right, front, top.
        spacing_mm: Voxel edges along the same axes.
        seed: Seed of the split, or of the val part, where the set gives none.
        centre: Where the grid lies, see `selip.data.volumes`.
        texts: Where a contrast has no text: "extracted" from the report (from the mask without a report), "report" as
            it is, or "masks" (measured, whatever the report).
        language: Language of the reports.
        strict: Whether one study that cannot be imported refuses the import.
        workers: Processes; 0 for one a core.
        command: Command that rebuilds the cohort, for its facts.
        profile: Profile of the cohort.
    """

    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    seed: int = 0
    centre: Centre = "foreground"
    texts: Texts = "extracted"
    language: str = "en"
    strict: bool = False
    workers: int = 0
    command: str = ""
    profile: str = "imported"

    def __post_init__(self) -> None:
        """Checks the choices.

        Raises:
            InputError: One is not allowed.
        """
        if len(self.shape) != 3 or any(size < 1 for size in self.shape):
            raise InputError(f"got shape {tuple(self.shape)}; allowed: three positive whole numbers; mend it")
        if len(self.spacing_mm) != 3 or not all(0 < size < np.inf for size in self.spacing_mm):
            raise InputError(f"got spacing {tuple(self.spacing_mm)}; allowed: three positive lengths in mm; mend it")
        choices = {"centre": get_args(Centre), "texts": get_args(Texts), "language": LANGUAGES}
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise InputError(f"got {name} {getattr(self, name)!r}; allowed: {', '.join(allowed)}; choose one")
        if self.workers < 0:
            raise InputError(f"got {self.workers} workers; allowed: 0 (one a core) or more; mend it")
