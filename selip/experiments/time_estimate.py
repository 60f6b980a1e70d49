"""The time of an experiment: real training steps, timed on random volumes and the texts of drawn patients.

No cohort needs to exist. Voxels are noise on the cohort's grid, texts come from the phantom's grammar, and the trainer
itself takes the steps, so towers, views, augmentation and optimiser are those of the run. On a CPU a batch is cut to
MAX_CPU_VOXELS and the time scaled back by the number of pairs, which overrates what does not grow with them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from math import prod
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import torch

from selip.cohorts.phantom.patients import draw_studies
from selip.cohorts.phantom.profiles import Profile
from selip.cohorts.phantom.regions import REGIONS, sides_of
from selip.data.cohort import Cohort, CohortInfo
from selip.data.findings import clauses_of, findings_text
from selip.models.settings import ModelConfig
from selip.training.method import Method
from selip.training.resume_state import Progress
from selip.training.settings import RunConfig
from selip.training.trainer import Run, train

MAX_CPU_VOXELS = 2**20
TIMED_STEPS = 3
PATIENTS_A_PAIR = 8  # enough for two different texts a pair, so that a batch is full whatever is flipped

Cell = tuple[Method, str, int, RunConfig]
"""Method, ablation, seed and configuration of a run."""


@dataclass(frozen=True)
class Workload:
    """Settings that the time of a step depends on; runs that share them are timed once.

    Attributes:
        views: Views of a batch that the method asks for, less "labels", which cost nothing.
        model: Towers.
        batch_size: Pairs a step.
    """

    views: tuple[str, ...]
    model: ModelConfig
    batch_size: int


@dataclass(frozen=True)
class StepTime:
    """A timed step.

    Attributes:
        seconds: Time of one step with `batch_size` pairs.
        batch_size: Pairs a step.
        timed_pairs: Pairs that it was timed with; fewer than `batch_size` when the time is scaled.
    """

    seconds: float
    batch_size: int
    timed_pairs: int

    @property
    def pairs_per_second(self) -> float:
        """Throughput."""
        return self.batch_size / self.seconds


def workloads(cells: Iterable[Cell]) -> dict[Workload, list[Cell]]:
    """The runs that train, by what the time of their steps depends on."""
    found: dict[Workload, list[Cell]] = {}
    for cell in cells:
        method, _, _, config = cell
        if method.prepare is not None:
            views = tuple(view for view in method.views if view != "labels")
            model = replace(config.model, **method.tower, logit_scale="learned")  # a fixed one costs the same
            found.setdefault(Workload(views, model, config.training.batch_size), []).append(cell)
    return found


def time_step(method: Method, config: RunConfig, profile: Profile, limit_s: float) -> StepTime:
    """Times a training step of `method` on the grid and with the texts of `profile`.

    Args:
        method: A method that trains.
        config: Its configuration.
        profile: Dials of the phantom.
        limit_s: No step is begun after so many seconds, once one step beside the first has been timed.

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
    seconds = _seconds_a_step(method, short, random_cohort(profile, pairs), limit_s)
    return StepTime(seconds * wanted / pairs, wanted, pairs)


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


class _RandomCohort(Cohort):
    """A cohort of noise that is nowhere on disk."""

    def read_volumes(self, rows: Sequence[int] | range | np.ndarray) -> np.ndarray:
        """Noise (n, I, J, K) uint8."""
        rng = np.random.default_rng(self.info.seed)
        return rng.integers(0, 256, (len(rows), *self.info.shape), dtype=np.uint8)


def random_cohort(profile: Profile, pairs: int) -> Cohort:
    """Noise on the grid of `profile`, with up to 2 `pairs` different texts of its patients, all in the train part."""
    nowhere = {(name, side): np.zeros((1, 3)) for name in REGIONS for side in sides_of(name)}
    patients = min(profile.n_patients, PATIENTS_A_PAIR * pairs)
    studies = draw_studies(replace(profile, n_patients=patients), 0, nowhere)
    of_text = {
        findings_text(clauses_of(study.findings, contrast)): (study, contrast)
        for study in studies
        for contrast in study.contrasts
    }
    rows = [
        {"study_id": study.study_id, "contrast": contrast, "text": text, "split": "train"}
        for text, (study, contrast) in islice(of_text.items(), 2 * pairs)
    ]
    labels = [{"study_id": study.study_id, "labels": json.dumps(study.labels), "findings": ""} for study in studies]
    info = CohortInfo("random", profile.name, 0, True, profile.shape, profile.spacing_mm, profile.contrasts)
    return _RandomCohort(Path(), info, pd.DataFrame(labels), pd.DataFrame(rows))
