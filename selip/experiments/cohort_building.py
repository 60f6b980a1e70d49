"""Making a cohort by its registered name."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from selip.data.cohort import Cohort
from selip.experiments.catalogue import find_cohort
from selip.experiments.config import CohortConfig
from selip.system.errors import InputError
from selip.system.progress import Report

ARCHIVES = (".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".zst", ".7z", ".rar")
MAX_VOXELS = 2**27  # 512 voxels along each edge

Grid = tuple[tuple[int, int, int], tuple[float, float, float]]


def open_or_build(config: CohortConfig, folder: Path, report: Report) -> Cohort:
    """The named folder, or a generated cohort that is built in `folder` when it is not there yet.

    Raises:
        InputError: When it cannot be opened or generated.
    """
    if config.path:
        return Cohort.open(config.path)
    if not folder.exists():
        report.line(f"building cohort {config.name} {config.profile} in {folder}")
        build_cohort(config, folder, report)
    try:
        return Cohort.open(folder)
    except InputError as error:
        raise InputError(f"{error}: delete {folder}, and --resume builds it") from error


def build_cohort(config: CohortConfig, out: Path, report: Report, workers: int = 0, device: str = "cpu") -> Cohort:
    """Generates a registered cohort into `out`; `workers` processes, 0 for one a core, never change the bytes.

    Raises:
        InputError: When the cohort cannot be generated, or not on this device.
    """
    source = find_cohort(config.name)
    if source.build is None:
        raise InputError(f"got cohort {config.name!r}, which is not generated; use 'selip cohort import {config.name}'")
    if config.settings and not source.has_settings:
        raise InputError(f"got settings {', '.join(config.settings)} for cohort {config.name!r}; leave them out")
    if device != "cpu" and not source.on_device:
        raise InputError(f"got device {device!r} for cohort {config.name!r}; leave --device out")
    options = "" if config.patients is None else f" --patients {config.patients}"
    options += "" if device == "cpu" else f" --device {device}"
    options += "".join(f" {shlex.quote(f'{key}={value}')}" for key, value in config.settings.items())
    command = f"selip cohort build {config.name} --profile {config.profile} --seed {config.seed}{options} --out DIR"
    return source.build(
        config.profile,
        config.seed,
        out,
        patients=config.patients,
        workers=workers,
        command=command,
        progress=lambda done, total: report.count("studies", done, total, ""),
        **({} if device == "cpu" else {"device": device}),
        **config.settings,
    )


def import_cohort(
    name: str,
    source: Path,
    out: Path,
    grid: Grid,
    report: Report,
    **options: Any,  # noqa: ANN401 (root, and the fields of selip.cohorts.importing.import_settings.Recipe)
) -> Cohort:
    """Imports what the user has into `out`; options that are None are left to the cohort.

    Raises:
        InputError: When the cohort cannot be imported, something in `source` is wrong, or no study came through.
    """
    if source.name.lower().endswith(ARCHIVES):
        raise InputError(f"got source {source}, an archive; unpack it first")
    if not source.exists():
        raise InputError(f"got no source {source}; name the folder that you downloaded, or a CSV file for table")
    cohort = find_cohort(name)
    if cohort.import_from is None:
        raise InputError(f"got cohort {name!r}, which is not imported; use 'selip cohort build {name}'")
    shape, spacing_mm = grid
    return cohort.import_from(
        source,
        out,
        shape=shape,
        spacing_mm=spacing_mm,
        progress=lambda done, total: report.count("studies", done, total, ""),
        say=report.line,
        **{name: value for name, value in options.items() if value is not None},
    )


def rebuild_command(arguments: Sequence[str]) -> str:
    """The `selip` command of these arguments without --workers, which changes no byte of a cohort."""
    kept = [
        argument
        for before, argument in zip(("", *arguments), arguments, strict=False)
        if before != "--workers" and not argument.startswith("--workers")
    ]
    return shlex.join(["selip", *kept])


def grid_like(path: Path) -> Grid:
    """Grid of a cohort folder or of a checkpoint's cohort."""
    if path.is_dir():
        info = Cohort.open(path).info
        return info.shape, info.spacing_mm
    from selip.models.dual_encoder import load_checkpoint

    _, facts = load_checkpoint(path)
    return facts.shape, facts.spacing_mm


def parse_grid(shape: str, spacing_mm: str) -> Grid:
    """Grid of "64,64,24" and "3,3.5,6".

    Raises:
        InputError: When either is not three positive numbers.
    """
    try:
        voxels = tuple(int(part) for part in shape.split(","))
        edges = tuple(float(part) for part in spacing_mm.split(","))
    except ValueError:
        voxels, edges = (), ()
    if len(voxels) != 3 or len(edges) != 3 or min(*voxels, *edges) <= 0 or math.prod(voxels) > MAX_VOXELS:
        raise InputError(
            f"got --shape {shape} --spacing-mm {spacing_mm}; give three positive numbers each, as 64,64,24, "
            f"and at most {MAX_VOXELS} voxels"
        )
    return voxels, edges
