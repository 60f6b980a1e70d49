"""The lines of `selip run --dry-run`: the grid of an experiment and an estimate of its time.

Real training steps are timed, and no cohort needs to exist. Voxels are noise on the cohort's grid, texts come from the
phantom's grammar, and the trainer itself takes the steps, so towers, views, augmentation and optimiser are those of the
run. On a CPU a batch is cut to MAX_CPU_VOXELS and the time scaled back by the number of pairs, which overrates what
does not grow with them.
"""

from __future__ import annotations

import textwrap
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import prod
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import torch

from selip.cohorts.phantom.generate import random_cohort
from selip.cohorts.phantom.profiles import PROFILES, Profile, resolve
from selip.data.cohort import Cohort
from selip.experiments.config import CohortConfig, ExperimentConfig
from selip.experiments.experiment_file import GridCell
from selip.models.settings import ModelConfig
from selip.system.errors import InputError, listed
from selip.system.mappings import to_mapping
from selip.system.memory import forget_peak_memory, peak_memory_mb
from selip.training.method import Method
from selip.training.regime import regime_of
from selip.training.resume_state import Progress
from selip.training.settings import RunConfig
from selip.training.trainer import Run, train

SECONDS_TO_TIME = 10.0
TEXTS_A_PAIR = 8
MAX_CPU_VOXELS = 2**20
TIMED_STEPS = 3
WIDTH, NAMES_SHOWN = 110, 6
NOT_ESTIMATED = (
    "left out: building the cohort; of each run its start, its validations (together about a tenth more) and its "
    "scores; the leaderboard"
)


def dry_run_lines(config: ExperimentConfig, cells: Sequence[GridCell]) -> Iterator[str]:
    """Lines to print, each when it is known: the grid at once, then one for each kind of step that is timed.

    Raises:
        InputError: For a cohort folder or profile that is not there.
    """
    profile = grid_profile(config.cohort)
    yield from grid_lines(config, cells, profile)
    yield from regime_warning(config, cells, profile)
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
    return resolve(cohort.profile, cohort.settings) if cohort.name == "phantom" else None


def regime_warning(config: ExperimentConfig, cells: Sequence[GridCell], profile: Profile | None) -> Iterator[str]:
    """A line where methods soften towards similar texts and hardly a text of a batch has one."""
    soft = {method.name for method, *_ in cells if method.uses_similarity}
    if not soft or profile is None:
        return
    folder, drawn = config.cohort.path, TEXTS_A_PAIR * config.run.training.batch_size
    found = regime_of(Cohort.open(folder) if folder else random_cohort(profile, drawn), config.run)
    if found.asks_nothing:
        yield f"warning: {', '.join(sorted(soft))} soften towards similar texts, and {found.warning}"


def grid_lines(config: ExperimentConfig, cells: Sequence[GridCell], profile: Profile | None) -> Iterator[str]:
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
    return textwrap.fill(text, WIDTH, initial_indent=f"  {name:11} ", subsequent_indent=" " * 14)


def _settings(values: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _settings(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}={value}".replace(" ", "")


def estimate_lines(cells: Sequence[GridCell], profile: Profile) -> Iterator[str]:
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
    if groups and not total:
        raise InputError("nothing can be trained; mend what the lines above say")
    yield f"about {duration(total)} of training steps for all runs, one after the other"
    yield NOT_ESTIMATED


def _step(timed: StepTime) -> str:
    scaled = f" (scaled from {timed.timed_pairs})" if timed.timed_pairs < timed.batch_size else ""
    return f"{timed.seconds:.3f} s for {timed.batch_size} pairs{scaled}, {timed.pairs_per_second:.0f} pairs/s"


def _names(cells: Sequence[GridCell]) -> str:
    names = list(dict.fromkeys(ablation or method.name for method, ablation, _, _ in cells))
    return listed(names, NAMES_SHOWN)


def duration(seconds: float) -> str:
    """Seconds in words, in the largest unit of which there are two: "40 s", "12 min", "3.5 h", "2.1 days"."""
    for unit, size, digits in (("days", 86_400, 1), ("h", 3600, 1), ("min", 60, 0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.{digits}f} {unit}"
    return f"{seconds:.0f} s"


@dataclass(frozen=True)
class Workload:
    """Settings that the time of a step depends on; runs that share them are timed once.

    `views` of a batch that the method asks for are without "labels", which cost nothing.
    """

    views: tuple[str, ...]
    model: ModelConfig
    batch_size: int


@dataclass(frozen=True)
class StepTime:
    """A timed step: `seconds` of one with `batch_size` pairs.

    It was timed with fewer `timed_pairs` where the time is scaled.
    """

    seconds: float
    batch_size: int
    timed_pairs: int
    memory_mb: float = field(default=0.0, compare=False)

    @property
    def pairs_per_second(self) -> float:
        """Throughput."""
        return self.batch_size / self.seconds


def workloads(cells: Iterable[GridCell]) -> dict[Workload, list[GridCell]]:
    """The runs that train, by what the time of their steps depends on."""
    found: dict[Workload, list[GridCell]] = {}
    for cell in cells:
        method, _, _, config = cell
        if method.prepare is not None:
            views = tuple(view for view in method.views if view != "labels")
            model = replace(config.model, **method.tower, logit_scale="learned")  # a fixed one costs the same
            found.setdefault(Workload(views, model, config.training.batch_size), []).append(cell)
    return found


def time_step(method: Method, config: RunConfig, profile: Profile, limit_s: float) -> StepTime:
    """Times a training step of `method` on the grid and with the texts of `profile`.

    No step is begun after `limit_s`, once one step beside the first has been timed.

    Raises:
        InputError: When the run itself could not start, as for a batch that `profile` cannot fill.
    """
    wanted = config.training.batch_size
    pairs = wanted if torch.cuda.is_available() else max(2, min(wanted, MAX_CPU_VOXELS // prod(profile.shape)))
    steps = TIMED_STEPS + 2  # the first warms up, the last would validate and is not taken
    short = replace(
        config,
        model=replace(config.model, centre_projections=False),  # done once, before the first step
        training=replace(config.training, batch_size=pairs, steps=steps, validations=1),
    )
    cohort = random_cohort(profile, pairs)
    forget_peak_memory()
    before = peak_memory_mb()
    seconds = _seconds_a_step(method, short, cohort, limit_s)
    more = max(0.0, peak_memory_mb() - before)
    return StepTime(seconds * wanted / pairs, wanted, pairs, more * wanted / pairs)


class _EnoughError(Exception):
    """Ends a training run that has been timed."""


def _seconds_a_step(method: Method, config: RunConfig, cohort: Cohort, limit_s: float) -> float:
    """Median time from step to step, the first left out."""
    ends: list[float] = []
    began = time.perf_counter()

    def timed(progress: Progress) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        ends.append(time.perf_counter())
        if progress.step > TIMED_STEPS or (progress.step > 1 and ends[-1] - began > limit_s):
            raise _EnoughError

    run = Run(method, cohort, config, seed=0, validate=lambda embeddings: 0.0, on_progress=timed)
    with TemporaryDirectory() as folder, suppress(_EnoughError):
        train(run, Path(folder) / "unused.safetensors")
    return median(after - before for before, after in pairwise(ends))
