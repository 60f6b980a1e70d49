"""Configuration: frozen dataclasses, units in their field names. settings.py fills them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import NonNegativeInt, PositiveInt

from benchmarks.settings import EvaluationConfig
from selip.data.findings import CONTRASTS
from selip.system.errors import InputError
from selip.training.settings import RunConfig

DECLARED_CONTRASTS = tuple(
    ("selip", other) for other in ("clip", "clip_x2", "label_smoothing", "shuffled_selip", "sentence_targets")
)
"""Which differences are tested where an experiment does not say: fixed before any run, the first is said in words."""


@dataclass(frozen=True)
class CohortConfig:
    """A cohort: a registered one, built when it is not there, or a folder.

    Attributes:
        name: Registered cohort that is generated, as "phantom".
        profile: Its profile.
        seed: Its seed.
        patients: Number of patients; None is the profile's own.
        settings: Dials of the profile that are replaced, as wordings: 8.
        path: Folder of an existing cohort, in place of the others.
    """

    name: str = "phantom"
    profile: str = "quick"
    seed: NonNegativeInt = 0
    patients: PositiveInt | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    path: str = ""


@dataclass(frozen=True)
class EvaluateOnConfig(CohortConfig):
    """A cohort that is scored in place of the one that is trained on, and how the model reads its contrasts.

    Attributes:
        contrasts: Contrast of this cohort to the contrast of the training cohort whose statistics it is read with; null
            leaves its volumes out. A contrast that training has too is read as itself unless it is named here.
    """

    contrasts: dict[str, str | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuses words that are no contrast."""
        wrong = {*self.contrasts, *self.contrasts.values()} - {*CONTRASTS, None}
        if wrong:
            raise InputError(
                f"got evaluate_on.contrasts with {', '.join(map(str, wrong))}; allowed: {', '.join(CONTRASTS)}, and "
                "null to leave volumes out; mend the mapping"
            )


@dataclass(frozen=True)
class Trial:
    """Settings of a method that are tried.

    Attributes:
        name: Its name beside the method's.
        method: The method.
        settings: Settings of the run that differ from the experiment's, by dotted key.
    """

    name: str
    method: str
    settings: dict[str, Any]


@dataclass(frozen=True)
class TunedMethod:
    """The outcome of tuning one method.

    Attributes:
        chosen: Trial with the best score, "default" for the experiment's own settings.
        settings: Its settings by dotted key.
        score: Its score.
        edges: Keys of settings that sit on the edge of their range.
        trials: Trial name to its score, mean over seeds; null for one of which a run failed.
        records: Trial name to the ids of its records, seed by seed.
    """

    chosen: str
    settings: dict[str, float]
    score: float
    edges: tuple[str, ...]
    trials: dict[str, float | None]
    records: dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class Tuning:
    """The outcome of tuning, as `selip tune` writes it into tuned.yaml.

    Attributes:
        experiment: Name of the experiment whose settings are the default.
        cohort: Cohort that trials were trained and, on its val part, scored on.
        seeds: Seeds of every trial.
        n_trials: Trials of every method.
        score: What a score is, in words.
        methods: Outcome by method.
    """

    experiment: str
    cohort: CohortConfig
    seeds: tuple[int, ...]
    n_trials: int
    score: str
    methods: dict[str, TunedMethod]


@dataclass(frozen=True)
class ExperimentConfig:
    """A grid of runs: methods x seeds and ablations x seeds on one cohort, each scored on every benchmark.

    Attributes:
        name: Name of the experiment.
        summary: One line for `selip list experiments`.
        cohort: The cohort.
        transfer: A second cohort for tasks of transfer, on the same grid; None leaves them out.
        evaluate_on: A cohort that is scored in place of `cohort`, on the same grid; training and the choice of the
            step stay on `cohort`. None scores the test part of `cohort`.
        methods: Methods to train.
        ablations: Ablations of `selip list ablations`; each changes one thing of a full method.
        contrasts: Pairs of methods whose difference, first minus second, is tested with Holm's adjustment. The page
            says the first in words; one whose methods are not both scored is left out.
        seeds: Seeds of every method and ablation.
        benchmarks: Benchmarks to score.
        part: Part of the cohort that is scored; "val" is for tuning.
        trials: Settings of methods that are tried, for tuning, or the cells of a grid of settings.
        tuned: Settings that tuning chose for methods, laid over those of `run`; None: nothing was tuned.
        run: Configuration of each run.
        evaluation: Scoring.
        doses: Setting by key, as cohort.patients, to the values that it takes in turn, one at a time, all else as it
            is: a sweep. Empty: a plain experiment.
        folds: Folds of the scored cohort, each scored by what was fitted, and trained where it is the training cohort,
            on the others; 0: its own split. `fold` is the one that is scored, 0 for all of them, pooled.
        trained_in: Run directory of an experiment on the same cohort, as "runs/study": the checkpoint of a run that it
            trained with the same method, settings and seed is taken; what it lacks is trained. "": all is trained.
        allow_overlap: Whether cohorts that are of one public collection, by their data sheets, may train and test.
        positive_control: Settings, as "cohort.patients=150", under which the first contrast has to show a gain; a sweep
            in which it does not cannot judge. Empty: none.
    """

    name: str
    summary: str = ""
    cohort: CohortConfig = field(default_factory=CohortConfig)
    transfer: CohortConfig | None = None
    evaluate_on: EvaluateOnConfig | None = None
    methods: tuple[str, ...] = ("selip", "clip")
    ablations: tuple[str, ...] = ()
    contrasts: tuple[tuple[str, str], ...] = DECLARED_CONTRASTS
    seeds: tuple[NonNegativeInt, ...] = (0,)
    benchmarks: tuple[str, ...] = ("retrieval",)
    part: Literal["test", "val"] = "test"
    trials: tuple[Trial, ...] = ()
    tuned: Tuning | None = None
    run: RunConfig = field(default_factory=RunConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    doses: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    positive_control: tuple[str, ...] = ()
    folds: NonNegativeInt = 0
    fold: NonNegativeInt = 0
    allow_overlap: bool = False
    trained_in: str = ""

    def __post_init__(self) -> None:
        """Refuses an empty grid and one that names a run twice."""
        for name in ("methods", "seeds", "benchmarks", "ablations"):
            values = getattr(self, name)
            if (not values and name != "ablations") or len(set(values)) < len(values):
                raise InputError(f"got {name}={','.join(map(str, values))}; allowed: at least one, each once")
        if self.folds == 1 or self.fold > self.folds or (self.folds and self.doses):
            raise InputError(f"got folds={self.folds}, fold={self.fold}; allowed: 0 or from 2 on, and no doses with it")
        pairs = {frozenset(pair) for pair in self.contrasts}
        if len(pairs) < len(self.contrasts) or any(len(pair) < 2 for pair in pairs):
            shown = ", ".join(f"[{a}, {b}]" for a, b in self.contrasts)
            raise InputError(f"got contrasts {shown}; name two methods in each, and no two of them twice")
