"""What `selip run --dry-run` says: the grid of an experiment and how long it will take."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from selip.cohorts.phantom.profiles import PROFILES, Profile, resolve
from selip.data.cohort import Cohort
from selip.experiments.config import CohortConfig, ExperimentConfig
from selip.experiments.time_estimate import Cell, StepTime, time_step, workloads
from selip.system.errors import InputError
from selip.system.mappings import to_mapping

SECONDS_TO_TIME = 10.0
WIDTH = 110
NAMES_SHOWN = 6
LEFT_OUT = (
    "left out: building the cohort; of each run its start, its validations (together about a tenth more) and its "
    "scores; the leaderboard"
)


def dry_run_lines(config: ExperimentConfig, cells: Sequence[Cell]) -> Iterator[str]:
    """Lines to print, each when it is known: the grid at once, then one for each kind of step that is timed.

    Args:
        config: Experiment.
        cells: Its runs, those of `selip.experiments.grid.grid` with their methods loaded.

    Raises:
        InputError: For a cohort folder or profile that is not there.
    """
    profile = grid_profile(config.cohort)
    yield from grid_lines(config, cells, profile)
    if profile is None:
        yield f"no estimate: only building cohort {config.cohort.name} tells its grid; build it and give cohort.path"
    else:
        yield from estimate_lines(cells, profile)


def grid_profile(cohort: CohortConfig) -> Profile | None:
    """A profile of the phantom with the grid that `cohort` will have; None when only building it would tell.

    Raises:
        InputError: For a cohort folder or a profile that is not there.
    """
    if cohort.path:
        info = Cohort.open(cohort.path).info
        return replace(PROFILES["standard"], shape=info.shape, spacing_mm=info.spacing_mm)
    return resolve(cohort.profile, {}) if cohort.name == "phantom" else None


def grid_lines(config: ExperimentConfig, cells: Sequence[Cell], profile: Profile | None) -> Iterator[str]:
    """The resolved experiment, a paragraph for each part."""
    voxels = [f"{' x '.join(map(str, profile.shape))} voxels"] if profile else []
    yield f"{config.name}: {config.summary}"
    yield _paragraph("cohort", [*_which(config.cohort), *voxels])
    if config.evaluate_on:
        mapped = [f"{name}: {source or 'left out'}" for name, source in config.evaluate_on.contrasts.items()]
        yield _paragraph("evaluate_on", [*_which(config.evaluate_on), *mapped])
    yield _paragraph("methods", config.methods)
    yield _paragraph("ablations", config.ablations or ["none"])
    yield _paragraph("seeds", map(str, config.seeds))
    yield _paragraph("benchmarks", config.benchmarks)
    own = {method.name: to_mapping(method.settings_in(config.run)) for method, *_ in cells}
    shared = {name: settings for name, settings in to_mapping(config.run).items() if name != "methods"}
    for name, settings in {**shared, **own}.items():
        if settings:
            yield _paragraph(name, _settings(settings))
    yield f"{len(cells)} runs x {len(config.benchmarks)} benchmarks"


def _which(cohort: CohortConfig) -> list[str]:
    return [cohort.path] if cohort.path else [cohort.name, f"profile {cohort.profile}", f"seed {cohort.seed}"]


def _paragraph(name: str, values: Iterable[str]) -> str:
    text = ", ".join(values)
    return textwrap.fill(text, WIDTH, initial_indent=f"  {name:12}", subsequent_indent=" " * 14)


def _settings(values: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _settings(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}={value}".replace(" ", "")


def estimate_lines(cells: Sequence[Cell], profile: Profile) -> Iterator[str]:
    """A line for each kind of step, timed now, and the sum; about SECONDS_TO_TIME in all, two steps a kind at least."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"CPU threads: {torch.get_num_threads()}"
    yield f"training steps on random volumes, timed on this machine as busy as it is ({device}):"
    groups, total, deadline = workloads(cells), 0.0, time.perf_counter() + SECONDS_TO_TIME
    for left, members in zip(range(len(groups), 0, -1), groups.values(), strict=True):
        method, _, _, config = members[0]
        try:
            timed = time_step(method, config, profile, limit_s=(deadline - time.perf_counter()) / left)
        except InputError as error:
            yield f"  not timed and not counted: {_names(members)}: {error}"
            continue
        seconds = timed.seconds * sum(run.training.steps for _, _, _, run in members)
        total += seconds
        yield f"  {_step(timed)}; {len(members)} runs in {duration(seconds)}: {_names(members)}"
    yield f"about {duration(total)} of training steps for all runs, one after the other"
    yield LEFT_OUT


def _step(timed: StepTime) -> str:
    scaled = f" (scaled from {timed.timed_pairs})" if timed.timed_pairs < timed.batch_size else ""
    return f"{timed.seconds:.3f} s for {timed.batch_size} pairs{scaled}, {timed.pairs_per_second:.0f} pairs/s"


def _names(cells: Sequence[Cell]) -> str:
    names = list(dict.fromkeys(ablation or method.name for method, ablation, _, _ in cells))
    more = len(names) - NAMES_SHOWN
    return ", ".join(names[:NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")


def duration(seconds: float) -> str:
    """Seconds in words, in the largest unit of which there are two: "40 s", "12 min", "3.5 h", "2.1 days"."""
    for unit, size, digits in (("days", 86_400, 1), ("h", 3600, 1), ("min", 60, 0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.{digits}f} {unit}"
    return f"{seconds:.0f} s"
