"""Images of several heads at once on a device: what `render.scan` and `percentile_minmax` do for one.

The receiver's gain is left out: the intensity rule takes it away again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from selip.cohorts.phantom.device_plan import Plan
from selip.cohorts.phantom.physics import ADC_FLOOR, B_VALUE, MAX_ADC, bias_terms
from selip.data.volumes import CLIP_PERCENTILES


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
