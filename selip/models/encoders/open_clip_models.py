"""Models of open_clip over axial slices: a volume is the mean or the maximum over the embeddings of its slices.

A slice is shown as radiology does: front on top, the patient's right on the left of the picture, pixels square, filled
with black to a square; then the model's own preprocessing and tokenizer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import open_clip
import torch
from PIL import Image
from pydantic import PositiveInt
from torch.nn import functional as F

from selip.data.cohort import CohortInfo
from selip.data.volume_batches import scoring_device
from selip.models.encoder import EncoderKind, Stated, VolumeBatch, Wants
from selip.models.slice_tower import evenly_spaced_slices, without_log
from selip.system.errors import InputError, UnavailableError, one_line
from selip.system.files import tensors_hash
from selip.system.registry import unknown

HUB = "hf-hub:"


@dataclass(frozen=True)
class SliceSettings(Stated):
    """Settings of a model over slices.

    Attributes:
        pretrained: Tag of open_clip, or a file of weights; "" is random weights from seed 0.
        slices: Axial slices that are encoded: the middle one of each of so many equal parts of the volume.
        pooling: "mean" or "max" over the unit vectors of the slices.
        window: Values of the stored [0, 1] that become black and white.
    """

    pretrained: str = ""
    slices: PositiveInt = 8
    pooling: Literal["mean", "max"] = "mean"
    window: tuple[float, float] = (0.0, 1.0)

    def __post_init__(self) -> None:
        """Refuses a window that is none."""
        if not self.window[0] < self.window[1]:
            raise InputError(f"got window={list(self.window)}; give black and white, as [0, 1]")


class OpenClipEncoder:
    """A model of open_clip as an Encoder."""

    wants = Wants()

    def __init__(self, name: str, settings: SliceSettings) -> None:
        self.settings, self.device = settings, scoring_device()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.model, self.preprocess, self.tokenizer = _parts(name, settings)
        self.model.eval().to(self.device)
        self.weights_hash = tensors_hash(self.model.state_dict())
        self.logit_scale = float(self.model.logit_scale.detach().exp())

    def encode_volumes(self, batch: VolumeBatch) -> torch.Tensor:
        """Pooled vectors (B, E) of the slices of volumes."""
        pictures = as_pictures(batch.voxels, batch.spacing_mm, self.settings)
        images = torch.stack([self.preprocess(one) for some in pictures for one in some]).to(self.device)
        vectors = torch.cat([F.normalize(self.model.encode_image(some).float(), dim=1) for some in images.split(64)])
        by_volume = vectors.view(len(pictures), -1, vectors.shape[1])
        return by_volume.mean(1) if self.settings.pooling == "mean" else by_volume.amax(1)

    def encode_texts(self, texts: Sequence[str]) -> torch.Tensor:
        """Vectors (n, E) of texts, cut at the model's context length."""
        tokens = self.tokenizer(list(texts)).to(self.device)
        return torch.cat([self.model.encode_text(some).float() for some in tokens.split(64)])


def as_pictures(volumes: torch.Tensor, spacing_mm: Sequence[float], settings: SliceSettings) -> list[list[Image.Image]]:
    """The slices of each volume (B, 1, I, J, K) in [0, 1] as square pictures of square pixels."""
    slices = evenly_spaced_slices(volumes, settings.slices)  # (B, S, I, J)
    right, front = spacing_mm[0], spacing_mm[1]
    edge = min(right, front)
    size = [round(n * mm / edge) for n, mm in zip(slices.shape[2:], (right, front), strict=True)]
    if size != list(slices.shape[2:]):
        slices = F.interpolate(slices, size=size, mode="bilinear", align_corners=False)
    black, white = settings.window
    shown = ((slices - black) / (white - black)).clamp(0, 1).transpose(2, 3).flip((2, 3))
    rows, columns = shown.shape[2:]
    side = max(rows, columns)
    above, left = (side - rows) // 2, (side - columns) // 2
    shown = F.pad(shown, (left, side - columns - left, above, side - rows - above))
    grey = (255 * shown).round().byte().cpu().numpy()
    return [[Image.fromarray(one).convert("RGB") for one in some] for some in grey]


def _parts(name: str, settings: SliceSettings) -> tuple[Any, Any, Any]:
    """Model, preprocessing and tokenizer.

    Raises:
        InputError: For a name that open_clip does not know.
        UnavailableError: When the model, its weights or its tokenizer cannot be had here.
    """
    if not name.startswith(HUB) and name not in open_clip.list_models():
        raise InputError(unknown("model of open_clip", name, open_clip.list_models()))
    try:
        with without_log():
            model, _, preprocess = open_clip.create_model_and_transforms(
                name, pretrained=settings.pretrained or None, pretrained_text=False
            )
            return model, preprocess, open_clip.get_tokenizer(name)
    except Exception as error:  # hubs, files and networks raise errors of many libraries
        kind = name if name.startswith(HUB) else f"open_clip:{name}"
        raise UnavailableError(
            f"got {kind} with pretrained={settings.pretrained!r}, which cannot be had here ({one_line(error)}); "
            "weights of a hub need a network once, HF_HUB_OFFLINE unset"
        ) from error


def _open(argument: str, settings: SliceSettings, info: CohortInfo) -> OpenClipEncoder:
    return OpenClipEncoder(argument, settings)


def _open_hub(argument: str, settings: SliceSettings, info: CohortInfo) -> OpenClipEncoder:
    return OpenClipEncoder(f"{HUB}{argument}", settings)


OPEN_CLIP = EncoderKind(
    name="open_clip",
    summary="any model of open_clip over axial slices, with its own preprocessing and tokenizer",
    source="open_clip:NAME",
    open=_open,
    settings=SliceSettings,
)
HF_HUB = EncoderKind(
    name="hf-hub",
    summary="a model of the Hugging Face hub in open_clip's form over axial slices, as BiomedCLIP",
    source="hf-hub:ORG/NAME",
    open=_open_hub,
    settings=SliceSettings,
)
