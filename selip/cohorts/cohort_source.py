"""The declaration of a cohort: how it is generated or imported."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from selip.data.cohort import Cohort


@dataclass(frozen=True)
class CohortSource:
    """A registered cohort.

    Attributes:
        name: Registry name.
        summary: One line for `selip list cohorts`.
        source: Where it comes from.
        licence: Its terms.
        build: Generates it: build(profile, seed, out, *, patients, workers, command, progress). None: it is imported.
        on_device: Whether `build` also takes device=, where the voxels are made.
        has_settings: Whether `build` also takes the settings of its profile that differ, by name.
        import_from: Imports what the user has: import_from(source, out, *, shape, spacing_mm, seed, root, centre,
            texts, language, strict, workers, command, progress, say); `root` and `centre` are absent unless asked for.
            None: it is generated.
        example: Writes a tiny thing to import below an empty folder and returns it, for the tests.
    """

    name: str
    summary: str
    source: str
    licence: str
    build: Callable[..., Cohort] | None = None
    on_device: bool = False
    has_settings: bool = False
    import_from: Callable[..., Cohort] | None = None
    example: Callable[[Path], Path] | None = None
