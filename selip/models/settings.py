"""Settings of both towers: frozen dataclasses, units in their field names."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field, PositiveInt

EMBEDDINGS = "embeddings"
"""Folder of a run directory that keeps what was encoded."""


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
        volume_tower: MONAI 3D ResNet of this depth ("resnet10", "resnet18", "resnet50"), "open_clip_slices", or
            "monai:CLASS", any network of MONAI.
        tower_arguments: Arguments of "monai:CLASS" that differ from the network's own defaults, as "init_filters=16".
        init: File of weights that the volume tower starts from, for every method alike; "" is random weights.
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
        logit_scale: "learned" for every method, or "fixed" as in the authors' code.
        logit_scale_start: Its value before the first step, in [1, 100].
        slices: The 2D tower of "open_clip_slices".
    """

    volume_tower: Annotated[str, Field(pattern="^(resnet10|resnet18|resnet50|open_clip_slices|monai:.+)$")] = "resnet18"
    tower_arguments: tuple[str, ...] = ()
    init: str = ""
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
    logit_scale_start: Annotated[float, Field(ge=1, le=100)] = 1 / 0.07
    slices: SliceConfig = field(default_factory=SliceConfig)
