"""Arguments and options that several commands share; a name or a path is checked before anything heavy is imported."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from selip.experiments.catalogue import check_name
from selip.system.errors import InputError

ARCHIVES = (".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".zst", ".7z", ".rar")


def registered(what: str) -> Callable[[str], str]:
    """Checks that a name is one of the registered "methods", "benchmarks" or "cohorts", as `what` says."""

    def check(name: str) -> str:
        check_name(what, name)
        return name

    return check


def _cohort(path: Path | None) -> Path | None:
    from selip.data.cohort import facts_file

    if path:
        facts_file(path)
    return path


def _checkpoint(path: Path) -> Path:
    if not path.is_file():
        raise InputError(f"got {path}, which is no readable checkpoint (no such file); name one of 'selip train'")
    return path


def _source(path: Path) -> Path:
    if path.name.lower().endswith(ARCHIVES):
        raise InputError(f"got source {path}, an archive; unpack it first")
    if not path.exists():
        raise InputError(f"got no source {path}; name the folder that you downloaded, or a CSV file for table")
    return path


def existing_records(path: Path) -> Path:
    """Checks that a run directory, or what its records lie in, is there."""
    if not path.exists():
        raise InputError(f"got no records in {path}, which is not there; name a run directory")
    return path


AsJson = Annotated[bool, typer.Option("--json", help="Print as JSON.")]
Checkpoint = Annotated[
    Path, typer.Argument(help="A .safetensors checkpoint of 'selip train' or 'selip run'.", callback=_checkpoint)
]
CohortFolder = Annotated[Path, typer.Argument(help="A cohort folder.", callback=_cohort)]
CohortOption = Annotated[Path, typer.Option("--cohort", help="A cohort folder.", callback=_cohort)]
CohortOrNoise = Annotated[
    Path | None, typer.Option("--cohort", help="A cohort folder; without it volumes are noise.", callback=_cohort)
]
Experiment = Annotated[str, typer.Option(help="Experiment whose run settings are taken.")]
MethodName = Annotated[str, typer.Argument(help="A method of 'selip list methods'.", callback=registered("methods"))]
NewFolder = Annotated[Path, typer.Option("--out", help="Folder to write; it must not be in use.")]
Overrides = Annotated[list[str] | None, typer.Argument(help="key=value overrides, as training.steps=200.")]
Records = Annotated[
    Path, typer.Argument(help="A run directory, or any folder with records/.", callback=existing_records)
]
Resume = Annotated[bool, typer.Option("--resume", help="Continue what was begun in --out.")]
Source = Annotated[
    Path,
    typer.Argument(help="What to import: the folder you downloaded; for table, a CSV file.", callback=_source),
]
Split = Annotated[str, typer.Option(help="train, val, test or all.")]
Threads = Annotated[int, typer.Option(help="Threads of a run; 0: one on a CPU. Another number rounds sums otherwise.")]
Track = Annotated[str, typer.Option(help="Log losses to tensorboard, wandb or mlflow; the numbers are the same.")]
