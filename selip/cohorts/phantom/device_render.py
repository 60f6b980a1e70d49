"""Renders many studies at once on a device, a GPU above all.

Patients, poses, lesions, tissues and scanners are those of `render`, drawn by the same numpy generators, so findings,
texts and splits are the same and voxels differ by rounding; only the noise is drawn by the device, from a seed for each
study. The bytes of a study do not depend on those beside it, but they do on the kind of device.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
import torch

from selip.cohorts.phantom.anatomy import Atlas
from selip.cohorts.phantom.device_head import DeviceAtlas, build_heads, place_atlas
from selip.cohorts.phantom.device_plan import Plan, plan_studies
from selip.cohorts.phantom.patients import Study
from selip.cohorts.phantom.physics import ADC_FLOOR, B_VALUE, MAX_ADC, bias_terms
from selip.cohorts.phantom.profiles import Profile
from selip.data.volume_batches import room_bytes
from selip.data.volumes import CLIP_PERCENTILES
from selip.system.errors import InputError

FIELDS_OF_A_SAMPLE = 60  # float32 numbers that are held for one at a time, at most
MOST_AT_ONCE = 256  # studies; more do not make it faster


@dataclass(frozen=True)
class Rendered:
    """B studies on the device.

    Attributes:
        volumes: (B, n_contrasts, I, J, K) uint8 in the order of the profile's contrasts; a study may lack some.
        masks: (B, I, J, K) uint8.
        ranges: (B, n_contrasts) float32, what the intensity rule scaled to 0..255; 0 for a constant volume.
    """

    volumes: torch.Tensor
    masks: torch.Tensor
    ranges: torch.Tensor


def find_device(name: str) -> torch.device:
    """The device `name`, as "cuda" or "cuda:1".

    Raises:
        InputError: When there is no such device here.
    """
    count = torch.cuda.device_count()
    allowed = ["cuda", *(f"cuda:{number}" for number in range(count))] if count else []
    if name not in allowed:
        raise InputError(
            f"got device {name!r}; allowed: {', '.join(['cpu', *allowed])}; name one that this machine has"
        )
    return torch.device(name)


def describe_renderer(device: torch.device) -> str:
    """Name software and device, on which the voxels of a cohort depend, as "torch 2.15.0 on NVIDIA H100"."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    return f"torch {torch.__version__} on {name}"


@torch.inference_mode()
def render_plan(plan: Plan, profile: Profile, atlas: DeviceAtlas) -> Rendered:
    """Voxels of the planned studies, in the order they were given in; the host waits for nothing."""
    fractions, masks = build_heads(plan, profile, atlas)
    volumes, ranges = scan_heads(fractions, plan, profile.contrasts)
    return Rendered(*(rows[plan.places] for rows in (volumes, masks, ranges)))


def render_on_device(
    studies: Sequence[Study],
    profile: Profile,
    seed: int,
    atlas: Atlas,
    device: torch.device,
    at_once: int | None = None,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Volumes and mask of every study, in order, as `render.render` gives them.

    Args:
        studies: What to render.
        profile: The dials.
        seed: Seed of patients and scans.
        atlas: The anatomy.
        device: Where to render.
        at_once: Studies that share the device's memory; None: as many as fit in half of what is free. It changes no
            byte.

    Raises:
        InputError: When a volume is constant.
    """
    placed, size = place_atlas(atlas, device), at_once or _studies_at_once(profile, device)
    before: _Fetch | None = None
    for start in range(0, len(studies), size):
        chunk = studies[start : start + size]
        begun = _Fetch(chunk, render_plan(plan_studies(chunk, profile, seed, device), profile, placed))
        if before is not None:  # handed out while the device is at work on the next ones
            yield from before.studies_of(profile)
        before = begun
    if before is not None:
        yield from before.studies_of(profile)


def _studies_at_once(profile: Profile, device: torch.device) -> int:
    bytes_a_study = 4 * FIELDS_OF_A_SAMPLE * prod(profile.shape) * profile.slice_samples
    return int(min(max(room_bytes(device) // bytes_a_study, 1), MOST_AT_ONCE))


class _Fetch:
    """Studies on their way from the device to the host."""

    def __init__(self, studies: Sequence[Study], rendered: Rendered) -> None:
        self.studies = studies
        tensors = (rendered.volumes, rendered.masks, rendered.ranges)
        self.volumes, self.masks, self.ranges = (tensor.to("cpu", non_blocking=True) for tensor in tensors)
        self.done = torch.cuda.Event() if rendered.volumes.is_cuda else None
        if self.done is not None:
            self.done.record(torch.cuda.current_stream(rendered.volumes.device))

    def studies_of(self, profile: Profile) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Waits for them; volumes that a study lacks are left out."""
        if self.done is not None:
            self.done.synchronize()
        rows = (self.volumes.numpy(), self.masks.numpy(), self.ranges.numpy())
        for study, volumes, mask, spread in zip(self.studies, *rows, strict=True):
            own = [profile.contrasts.index(contrast) for contrast in study.contrasts]
            if not (spread[own] > 0).all():
                raise InputError(
                    f"got a constant volume in study {study.study_id}, without any contrast; mend the settings"
                )
            yield volumes[own], mask


def scan_heads(fractions: torch.Tensor, plan: Plan, contrasts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
    """Volumes (B, n_contrasts, I, J, K) uint8 of heads (B, C, I, J, K), and the range (B, n_contrasts) of each.

    A range of 0 is that of a constant volume.
    """
    images = _noisy(_clean(fractions, plan), plan)
    named = dict(zip(plan.images, images.unbind(1), strict=True))
    if "ADC" in contrasts:
        named["ADC"] = _adc_map(named)
    return _minmax(torch.stack([named[contrast] for contrast in contrasts], dim=1))


def _clean(fractions: torch.Tensor, plan: Plan) -> torch.Tensor:
    """Images (B, W, I, J, K) without noise, in the receive field."""
    first, *others = fractions[:, None].unbind(2)
    weights = plan.weights[..., None, None, None].unbind(2)
    images = first * weights[0]
    for fraction, weight in zip(others, weights[1:], strict=True):
        images.addcmul_(fraction, weight)
    return images.abs_().mul_(_field(plan.bend, fractions.shape[2:])[:, None])


def _field(bend: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
    """Receive fields (B, I, J, K), as `bias_field`."""
    axes = [torch.linspace(-1, 1, n, device=bend.device) for n in shape]
    terms = bias_terms(*torch.meshgrid(*axes, indexing="ij"))
    field = bend.new_zeros(len(bend), *shape)
    for coefficients, term in zip(bend[..., None, None, None].unbind(1), terms, strict=True):
        field.addcmul_(coefficients, term)
    return field.exp_()


def _noisy(images: torch.Tensor, plan: Plan) -> torch.Tensor:
    """Magnitude of the images with complex Gaussian noise, that of each study from a generator of its own."""
    noise, generator = images.new_empty(len(images), 2, *images.shape[1:]), torch.Generator(images.device)
    for own, seed in zip(noise, plan.noise_seeds, strict=True):
        own.normal_(generator=generator.manual_seed(seed))
    noise *= plan.sigma[:, None, None, None, None, None]
    real, imaginary = noise.unbind(1)
    # Not hypot: it rounds the last voxels of a tensor in another way than the rest.
    return (images + real).square_().addcmul_(imaginary, imaginary).sqrt_()


def _adc_map(images: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """ADC in 1e-6 mm2/s, as `adc_map`."""
    b0, dwi = images["b0"], images["DWI"]
    adc = torch.log(b0.clamp(min=1e-6) / dwi.clamp(min=1e-6)).mul_(1e6 / B_VALUE).clamp_(0, MAX_ADC)
    return adc.masked_fill_(b0 < ADC_FLOOR, 0)


def _minmax(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Images (B, n, I, J, K) clipped to their percentiles and scaled to 0..255, and the range between these (B, n)."""
    flat = images.flatten(2)
    low, high = (_percentile(flat, percentile) for percentile in CLIP_PERCENTILES)
    spread = high - low
    scaled = (flat - low[..., None]).mul_((255 / spread)[..., None]).round_().clamp_(0, 255)
    return scaled.to(torch.uint8).view(images.shape), spread


def _percentile(values: torch.Tensor, percentile: float) -> torch.Tensor:
    """Percentile (...) of values (..., n) by linear interpolation; only the shorter tail is ranked."""
    last = values.shape[-1] - 1
    index, share = divmod(percentile / 100 * last, 1)
    lower, upper = int(index), min(int(index) + 1, last)
    if percentile > 50:
        tail = values.topk(last - lower + 1).values
        ends = tail[..., last - lower], tail[..., last - upper]
    else:
        tail = values.topk(upper + 1, largest=False).values
        ends = tail[..., lower], tail[..., upper]
    return ends[0] + (ends[1] - ends[0]) * share
