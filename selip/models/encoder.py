"""The protocol of an encoder: all that a benchmark sees of what it scores, and what each kind of encoder declares."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import torch
from torch.nn import functional as F

from selip.data.cohort import CohortInfo
from selip.system.errors import InputError, UnavailableError, is_out_of_memory, one_line

Edges = tuple[float, float, float]
CLIP_LOGIT_SCALE = 1 / 0.07
"""Logit scale of an encoder that names none: CLIP's before its first step."""


@dataclass(frozen=True)
class Wants:
    """Wishes of an encoder for its volumes.

    Attributes:
        spacing_mm: Voxel edges that volumes are resampled to; None keeps the cohort's.
        shape: Voxels that they then get: cut or filled with 0 around the centre behind `spacing_mm`, else stretched;
            None keeps what there is.
        intensity: "unit" is the stored [0, 1], "own_z" standardises each volume by its own mean and spread.
        contrasts: Contrasts that it knows; () for any.
        per_study: Whether it encodes all contrasts of a study together; its volumes share the embedding.
    """

    spacing_mm: Edges | None = None
    shape: tuple[int, int, int] | None = None
    intensity: Literal["unit", "own_z"] = "unit"
    contrasts: tuple[str, ...] = ()
    per_study: bool = False

    def prepared(self, volumes: torch.Tensor, spacing_mm: Sequence[float]) -> torch.Tensor:
        """Resamples volumes (B, C, I, J, K) of these voxel edges; the intensity rule is `standardised`."""
        kept = volumes.shape[2:]
        size = [
            max(1, round(n * e / w)) for n, e, w in zip(kept, spacing_mm, self.spacing_mm or spacing_mm, strict=True)
        ]
        size = list(self.shape) if self.shape and not self.spacing_mm else size
        if size != list(kept):
            volumes = F.interpolate(volumes, size=size, mode="trilinear", align_corners=False)
        if self.shape is None or list(self.shape) == size:
            return volumes
        margins = [wanted - there for wanted, there in zip(self.shape, size, strict=True)]
        return F.pad(volumes, [edge for m in reversed(margins) for edge in (m // 2, m - m // 2)])

    def standardised(self, volumes: torch.Tensor) -> torch.Tensor:
        """Volumes (B, C, I, J, K) in [0, 1] by the intensity rule."""
        if self.intensity == "unit":
            return volumes
        axes = (-3, -2, -1)
        return (volumes - volumes.mean(axes, keepdim=True)) / volumes.std(axes, keepdim=True).clamp_min(1e-6)


@dataclass(frozen=True)
class VolumeBatch:
    """Volumes to encode.

    Attributes:
        voxels: (B, 1, I, J, K) float32 in [0, 1], RAS axes; of `Wants.per_study` (1, S, I, J, K), the S volumes of a
            study.
        contrasts: (B,) or (S,) int64 positions in CONTRASTS.
        ids: Volume ids, as many.
        spacing_mm: Voxel edges.
    """

    voxels: torch.Tensor
    contrasts: torch.Tensor
    ids: tuple[str, ...] = ()
    spacing_mm: Edges = (1.0, 1.0, 1.0)


class Encoder(Protocol):
    """An encoder, which benchmarks score. Embeddings are (n, E) float32 of unit length.

    Beside these it may have `features(batch)` (B, F), of which `project_volumes` makes embeddings; `logit_scale`;
    `volume_tower`, a torch module with `features`, `stage_channels`, `stage_maps` as `selip.models.volume_towers` has
    them, and `intensity(volumes, contrasts)` in front of it, for fine-tuning and decoders; `check(cohorts)`, which
    refuses them; `masks(ids)` and `probabilities(task, classes, ids)`, answers that were made elsewhere.
    """

    @property
    def wants(self) -> Wants:
        """Wishes for its volumes."""

    @property
    def device(self) -> torch.device:
        """The place where volumes are to be."""

    def encode_volumes(self, batch: VolumeBatch) -> torch.Tensor:
        """Embeddings (B, E) of volumes; (1, E) of a study."""

    def encode_texts(self, texts: Sequence[str]) -> torch.Tensor:
        """Embeddings (n, E) of texts; raises UnavailableError without a text side."""


@dataclass(frozen=True)
class Stated:
    """Statements of the user on an encoder from outside, for the record.

    Attributes:
        origin: Where it comes from, as an address or a paper.
        licence: Terms of its weights.
    """

    origin: str = ""
    licence: str = ""


@dataclass(frozen=True)
class EncoderKind:
    """A kind of encoder, one file each: `NAME:ARGUMENT` opens one.

    Attributes:
        name: Name in the registry, before the colon.
        summary: One line for `selip list encoders`.
        source: Form of the argument.
        open: Argument, settings and facts of the cohort to an encoder.
        settings: Frozen dataclass of `key=value` settings, a kind of Stated; all of them go into the record.
    """

    name: str
    summary: str
    source: str
    open: Callable[[str, Any, CohortInfo], Encoder]
    settings: type = Stated


@contextmanager
def answering(what: str) -> Iterator[None]:
    """Turns what code from outside raises into one line; our own errors and those of memory pass.

    Raises:
        InputError: For any other error.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise
        raise InputError(f"got {type(error).__name__} from {what} ({one_line(error)}); mend it there") from error


def no_text_side(name: str) -> UnavailableError:
    """The error of an encoder that cannot encode texts."""
    return UnavailableError(f"{name} has no text side; give it encode_texts, or leave benchmarks of texts out")


def logit_scale_of(encoder: Any) -> float:  # noqa: ANN401 (part of the protocol that an encoder may lack)
    """The logit scale of an encoder."""
    return float(torch.as_tensor(getattr(encoder, "logit_scale", CLIP_LOGIT_SCALE)).detach())


def tower_of(encoder: Any) -> Any:  # noqa: ANN401 (towers are of several kinds)
    """The volume tower of an encoder.

    Raises:
        UnavailableError: When it has none.
    """
    tower = getattr(encoder, "volume_tower", None)
    if tower is None:
        raise UnavailableError("the encoder has no volume tower that could be trained; leave this benchmark out")
    return tower


@dataclass
class Checked:
    """An encoder from outside, whose every answer is checked and brought to unit length."""

    encoder: Any
    name: str
    sizes: dict[str, int] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self.encoder, name)

    @property
    def wants(self) -> Wants:
        """As the encoder's."""
        return getattr(self.encoder, "wants", Wants())

    @property
    def device(self) -> torch.device:
        """As the encoder's; main memory where it does not say."""
        return getattr(self.encoder, "device", torch.device("cpu"))

    def encode_volumes(self, batch: VolumeBatch) -> torch.Tensor:
        """The encoder's embeddings (B, E), at unit length."""
        return self._asked("volume", lambda: self.encoder.encode_volumes(batch), self._rows(batch))

    def encode_texts(self, texts: Sequence[str]) -> torch.Tensor:
        """The encoder's embeddings (n, E), at unit length."""
        if not hasattr(self.encoder, "encode_texts"):
            raise no_text_side(self.name)
        return self._asked("text", lambda: self.encoder.encode_texts(list(texts)), len(texts))

    def features(self, batch: VolumeBatch) -> torch.Tensor:
        """The encoder's features (B, F); its embeddings where it has none."""
        if not hasattr(self.encoder, "features"):
            return self.encode_volumes(batch)
        return self._asked("feature", lambda: self.encoder.features(batch), self._rows(batch), unit=False)

    def _rows(self, batch: VolumeBatch) -> int:
        return 1 if self.wants.per_study else len(batch.voxels)

    def _asked(self, kind: str, answer: Callable[[], Any], rows: int, unit: bool = True) -> torch.Tensor:
        with answering(self.name):
            found = torch.as_tensor(answer()).detach().float().cpu()
        shape = (rows, self.sizes.setdefault("feature" if kind == "feature" else "embedding", found.shape[-1]))
        if tuple(found.shape) != shape:
            raise InputError(
                f"got {kind} vectors of shape {tuple(found.shape)} from {self.name}, not {shape}; mend it there"
            )
        if not torch.isfinite(found).all():
            raise InputError(f"got a {kind} vector that is not finite from {self.name}; mend it there")
        return F.normalize(found, dim=1) if unit else found


def plain_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings less those that are the user's statements."""
    return {key: value for key, value in settings.items() if key not in ("origin", "licence")}
