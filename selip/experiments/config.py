"""Configuration: frozen dataclasses, units in their field names. settings.py fills them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from baselines.selip import SelipConfig
from benchmarks.settings import EvaluationConfig
from selip.data.findings import CONTRASTS
from selip.similarity.text_similarity import SimilarityConfig
from selip.system.errors import InputError
from selip.training.settings import AugmentConfig, TrainingConfig


@dataclass(frozen=True)
class SliceConfig:
    """The 2D tower of `volume_tower: open_clip_slices`.

    Attributes:
        model: "tiny" (a ModifiedResNet of our own size) or any model name of open_clip, as "ViT-B-32".
        weights: Pretrained tag of open_clip, fetched from its hub, as "laion2b_s34b_b79k"; "" is random weights.
        slices: Axial slices of a volume that are encoded, evenly spaced.
        image_size: Edge of the square that a slice is resized to, in pixels.
        freeze: Whether the 2D tower stays as it is (the projection still learns).
    """

    model: str = "tiny"
    weights: str = ""
    slices: PositiveInt = 8
    image_size: PositiveInt = 64
    freeze: bool = False


@dataclass(frozen=True)
class ModelConfig:
    """Both towers.

    Attributes:
        volume_tower: MONAI 3D ResNet of this depth, random weights; or "open_clip_slices".
        width: Channels of its first stage (MONAI's standard networks: 64).
        stages: Stages in use, 2 to 4; fewer keep a finer map, for small grids.
        stem_kernel: Edge of the first convolution, in voxels; its stride is 2 in plane and 1 across slices.
        stem_pool: Whether the stem ends in a max pool of stride 2, as the paper's does.
        pooling: "average" over the whole volume (the paper's), or "grid", which keeps position: a coarse grid of
            `pooled_shape`, flattened into the projection.
        pooled_shape: Cells of the grid along right, front, top.
        intensity: "minmax" (the stored [0, 1], the paper's) or "population_z": each voxel standardised by mean and
            spread of the training part for its contrast; for volumes in template alignment.
        text_tower: "scratch", "minilm" (packaged weights), or "hf:NAME" (a hub model or a local folder).
        text_width: Width of the scratch tower.
        text_layers: Layers of the scratch tower.
        freeze_text: Whether a pretrained text tower stays as it is (its projection still learns).
        embedding_size: E.
        centre_projections: Whether both projections start turned away from the mean training feature, so that
            untrained embeddings are spread out; a property of the initial weights, the same for every method.
        logit_scale: "learned" for every method, or "fixed" at 1 / 0.07 as in the authors' code.
        slices: The 2D tower of "open_clip_slices".
    """

    volume_tower: Literal["resnet10", "resnet18", "resnet50", "open_clip_slices"] = "resnet18"
    width: PositiveInt = 32
    stages: Literal[2, 3, 4] = 4
    stem_kernel: PositiveInt = 7
    stem_pool: bool = True
    pooling: Literal["average", "grid"] = "grid"
    pooled_shape: tuple[PositiveInt, PositiveInt, PositiveInt] = (4, 4, 2)
    intensity: Literal["minmax", "population_z"] = "population_z"
    text_tower: str = "scratch"
    text_width: Annotated[int, Field(ge=32, multiple_of=32)] = 128
    text_layers: PositiveInt = 2
    freeze_text: bool = False
    embedding_size: PositiveInt = 128
    centre_projections: bool = True
    logit_scale: Literal["learned", "fixed"] = "learned"
    slices: SliceConfig = field(default_factory=SliceConfig)


@dataclass(frozen=True)
class RunConfig:
    """Everything that one run depends on beside its cohort, method and seed."""

    model: ModelConfig = field(default_factory=ModelConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    similarity: SimilarityConfig = field(default_factory=SimilarityConfig)
    selip: SelipConfig = field(default_factory=SelipConfig)


@dataclass(frozen=True)
class CohortConfig:
    """Which cohort: a registered one, built when it is not there, or a folder.

    Attributes:
        name: Registered cohort that is generated, as "phantom".
        profile: Its profile.
        seed: Its seed.
        patients: Number of patients; None is the profile's own.
        path: Folder of an existing cohort, in place of the others.
    """

    name: str = "phantom"
    profile: str = "quick"
    seed: NonNegativeInt = 0
    patients: PositiveInt | None = None
    path: str = ""


@dataclass(frozen=True)
class EvaluateOnConfig(CohortConfig):
    """Which cohort is scored in place of the one that is trained on, and how the model reads its contrasts.

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
        ablations: Ablations of `selip list ablations`; each changes one thing of full SeLIP.
        seeds: Seeds of every method and ablation.
        benchmarks: Benchmarks to score.
        run: Configuration of each run.
        evaluation: Scoring.
    """

    name: str
    summary: str = ""
    cohort: CohortConfig = field(default_factory=CohortConfig)
    transfer: CohortConfig | None = None
    evaluate_on: EvaluateOnConfig | None = None
    methods: tuple[str, ...] = ("selip", "clip")
    ablations: tuple[str, ...] = ()
    seeds: tuple[NonNegativeInt, ...] = (0,)
    benchmarks: tuple[str, ...] = ("retrieval",)
    run: RunConfig = field(default_factory=RunConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)

    def __post_init__(self) -> None:
        """Refuses an empty grid and one that names a run twice."""
        for name in ("methods", "seeds", "benchmarks", "ablations"):
            values = getattr(self, name)
            if (not values and name != "ablations") or len(set(values)) < len(values):
                raise InputError(f"got {name}={','.join(map(str, values))}; allowed: at least one, each once")
        if self.ablations and "selip" not in self.methods:
            raise InputError("got ablations without the method selip, which they are compared to; add it to methods")
