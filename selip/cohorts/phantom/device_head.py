"""Heads of several studies at once on a device: what `render.build_head` does for one, the same formulas in torch.

Every sum is written out, one term after the other: a reduction or a matrix product may sum in another order for another
number of studies, and the bytes of a study must not hang on those beside it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from selip.cohorts.phantom.anatomy import NORMAL_TISSUES, Atlas
from selip.cohorts.phantom.device_plan import Plan, Strokes
from selip.cohorts.phantom.profiles import Profile
from selip.cohorts.phantom.render import CSF_ROW, MOST, RIPPLE, WAVES, WOBBLE, spline_weights
from selip.data.volume_batches import to_device


@dataclass(frozen=True)
class DeviceAtlas:
    """The atlas on a device.

    Attributes:
        tissues: (1, 5, X, Y, Z) as `Atlas.tissues`.
        push: (1, 3, X, Y, Z) as `Atlas.push`.
        scale: Of the millimetres of each axis, which makes the edge of the atlas 1.
        offset: What is added then.
    """

    tissues: torch.Tensor
    push: torch.Tensor
    scale: tuple[float, ...]
    offset: tuple[float, ...]


def place_atlas(atlas: Atlas, device: torch.device) -> DeviceAtlas:
    """The atlas on `device`."""
    scale = tuple(2 / (atlas.step_mm * (length - 1)) for length in atlas.depth_mm.shape)
    offset = tuple(-start * per_mm - 1 for start, per_mm in zip(atlas.origin_mm, scale, strict=True))
    return DeviceAtlas(to_device(atlas.tissues[None], device), to_device(atlas.push[None], device), scale, offset)


def build_heads(plan: Plan, profile: Profile, atlas: DeviceAtlas) -> tuple[torch.Tensor, torch.Tensor]:
    """Tissue shares (B, C, I, J, K) float32 of the studies and their masks (B, I, J, K) uint8, as `Head` has them."""
    points = _sample_points(plan.control_mm, profile)
    n_studies, (_, _, n_tissues) = len(points), plan.weights.shape
    fractions = points.new_zeros(n_studies, n_tissues, *points.shape[2:])
    fractions[:, : len(NORMAL_TISSUES)] = _sampled(atlas.tissues, _anatomy_points(points, plan, atlas), atlas)
    _widen_sulci(fractions, plan.sulci)
    shares = points.new_zeros(n_studies, plan.n_lesions, *points.shape[2:])
    for step, count in enumerate(plan.strokes.counts):
        _paint(fractions[:count], shares[:count], points[:count], plan.strokes, step)
    return _average_slices(fractions), _masks(_average_slices(shares))


def _sample_points(control_mm: torch.Tensor, profile: Profile) -> torch.Tensor:
    """MNI millimetres (B, 3, S, I, J, K) of the S samples across every slice, with lesions not yet pushing."""
    placed = control_mm
    for axis, weights in zip((2, 3, 4), spline_weights(profile), strict=True):
        placed = _blend(placed, to_device(weights.astype(np.float32), control_mm.device), axis)
    sampled = placed.unflatten(4, (profile.shape[2], profile.slice_samples))
    return sampled.permute(0, 1, 5, 2, 3, 4).contiguous()


def _blend(values: torch.Tensor, weights: torch.Tensor, axis: int) -> torch.Tensor:
    """Replaces the m control values along `axis` by n sums with `weights` (n, m)."""
    columns = weights.view(*[1] * axis, *weights.shape, *[1] * (values.dim() - axis - 1)).unbind(axis + 1)
    first, *others = (part.unsqueeze(axis) for part in values.unbind(axis))
    total = first * columns[0]
    for part, column in zip(others, columns[1:], strict=True):
        total.addcmul_(part, column)
    return total


def _sampled(maps: torch.Tensor, points: torch.Tensor, atlas: DeviceAtlas) -> torch.Tensor:
    """Trilinear values (B, m, ..., J, K) of `maps` (1, m, X, Y, Z) at MNI millimetres (B, 3, ..., J, K)."""
    flat = points.flatten(2, -3)
    axes = [flat[:, axis] * atlas.scale[axis] + atlas.offset[axis] for axis in (2, 1, 0)]
    grid, shared = torch.stack(axes, dim=-1), maps.expand(len(points), *maps.shape[1:])
    values = functional.grid_sample(shared, grid, padding_mode="border", align_corners=True)
    return values.unflatten(2, points.shape[2:-2])


def _anatomy_points(points: torch.Tensor, plan: Plan, atlas: DeviceAtlas) -> torch.Tensor:
    """Points of the atlas to look up: moved by ventricle size and by what a growing lesion pushes aside."""
    middle = points[:, :, points.shape[2] // 2]
    push = _sampled(atlas.push, middle, atlas) * _wide(plan.ventricles_mm, middle)
    moved = points - push[:, :, None]
    strokes = plan.strokes
    for step, count in enumerate(strokes.counts):
        if strokes.pushing[step]:
            offset = points[:count] - _wide(strokes.centre_mm[step, :count], points)
            x, y, z = (offset / _wide(1.5 * _mean(strokes.radii_mm[step, :count]), points)).square_().unbind(1)
            pull = torch.exp(-(x + y + z)).mul_(_wide(strokes.displaces[step, :count], x))
            moved[:count] -= offset.mul_(pull[:, None])
    return moved


def _wide(values: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Values (B, ...) with axes added behind, to be used with those of `like`."""
    return values.view(*values.shape, *[1] * (like.dim() - values.dim()))


def _mean(radii_mm: torch.Tensor) -> torch.Tensor:
    """(B,) of (B, 3)."""
    first, second, third = radii_mm.unbind(-1)
    return (first + second + third) / 3


def _widen_sulci(fractions: torch.Tensor, sulci: torch.Tensor) -> None:
    """Lets CSF take a larger share where it already has one (in place), with age and with atrophy."""
    csf, brain = fractions[:, CSF_ROW], fractions[:, 0] + fractions[:, 1]
    gain = torch.minimum(csf * _wide(sulci, csf) * (1 - csf), brain)
    fractions[:, :2] *= (1 - gain / brain.clamp(min=1e-6))[:, None]
    csf += gain


def _paint(fractions: torch.Tensor, shares: torch.Tensor, points: torch.Tensor, strokes: Strokes, step: int) -> None:
    """Replaces tissues by the layers of a stroke of each study, and raises the share of its lesion (both in place)."""
    count = len(points)
    distance, texture = _distance(points, strokes, step)
    width, rough = (_wide(values[step, :count], distance) for values in (strokes.width, strokes.patchiness))
    replaced = _wide(strokes.replaced[step, :count].T, distance[None])
    for layer in range(strokes.extents.shape[2]):
        extent = _wide(strokes.extents[step, :count, layer], distance)
        alpha = ((extent - distance) / width).add_(0.5).clamp_(0, 1).mul_(1 - rough * texture)
        moved = torch.zeros_like(alpha)
        for row, gives in enumerate(replaced):
            moved.addcmul_(fractions[:, row], gives)
        moved *= alpha
        tissues = _wide(strokes.tissues[step, :count, layer].T, distance[None])
        for row, (gives, takes) in enumerate(zip(replaced, tissues, strict=True)):
            fractions[:, row].mul_(1 - alpha * gives).addcmul_(moved, takes)
        if layer == 0:
            for number, own in enumerate(_wide(strokes.lesions[step, :count].T, distance[None])):
                torch.maximum(shares[:, number], moved * own, out=shares[:, number])


def _distance(points: torch.Tensor, strokes: Strokes, step: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Distance to the centre as a share of the wobbly outline, and a texture in [0, 1]; both (B, S, I, J, K)."""
    count = len(points)
    x, y, z = (points - _wide(strokes.centre_mm[step, :count], points)).unbind(1)
    squares, waves, ripples = torch.zeros_like(x), torch.zeros_like(x), torch.ones_like(x)
    for axis, rate in enumerate(WAVES):
        radius, phase = (_wide(values[step, :count, axis], x) for values in (strokes.radii_mm, strokes.phase))
        along = [_wide(part, x) for part in strokes.axes[step, :count, axis].unbind(-1)]
        local = (x * along[0]).addcmul_(y, along[1]).addcmul_(z, along[2]).div_(radius)
        squares.addcmul_(local, local)
        waves += torch.sin(rate * local + phase)
        ripples *= torch.sin(RIPPLE * local + phase)
    return squares.sqrt_().mul_(1 + WOBBLE * waves), 0.5 + 0.5 * ripples


def _average_slices(samples: torch.Tensor) -> torch.Tensor:
    """Mean (B, m, I, J, K) over the samples (B, m, S, I, J, K) across each slice: partial volume."""
    first, *others = samples.unbind(2)
    total = first.clone()
    for other in others:
        total += other
    return total / samples.shape[2]


def _masks(shares: torch.Tensor) -> torch.Tensor:
    """Masks (B, I, J, K) uint8 of the shares (B, n_lesions, I, J, K) of lesions, as `Head.mask`."""
    masks = torch.zeros(len(shares), *shares.shape[2:], dtype=torch.uint8, device=shares.device)
    for number, share in enumerate(shares.unbind(1), start=1):
        most = share.amax(dim=(1, 2, 3), keepdim=True)
        masks.masked_fill_((most > 0) & (share >= (0.7 * most).clamp(max=0.5)), min(number, MOST))
    return masks
