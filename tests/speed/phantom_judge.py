"""The phantom as the obviously right loop: one sample and one voxel after the other, in double precision.

It draws the same random numbers in the same order as `selip.cohorts.phantom.render`, and shares with it the signal of a
tissue and the intensity rule, which work on no voxel; everything else is written again.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import fields

import numpy as np
from scipy.interpolate import make_interp_spline
from scipy.spatial.transform import Rotation

from selip.cohorts.phantom.patients import PATIENT_STREAM, STUDY_STREAM, generator
from selip.cohorts.phantom.physics import SEQUENCES, TISSUES, Scanner, Tissue, signal
from selip.data.volumes import percentile_minmax

CONTROL_POINTS = (5, 6, 5)
NORMAL_TISSUES = ("grey matter", "white matter", "csf", "skull", "scalp")


def render_loop(study, profile, seed, atlas):
    """Volumes and mask of a study, as `render`; its contrasts are those of the standard profile."""
    position, drawn = positions(study, profile, seed), (*study.structures, *study.lesions)
    names = [*NORMAL_TISSUES, *dict.fromkeys(tissue for lesion in drawn for tissue, _ in lesion.kind.layers)]
    fractions = np.zeros((len(names), *profile.shape))
    shares = np.zeros((len(study.lesions), *profile.shape))
    width = ventricle_width(study, profile, seed)
    for voxel in np.ndindex(profile.shape):
        samples = [position(voxel, step) for step in range(profile.slice_samples)]
        push = trilinear(atlas, atlas.push, samples[profile.slice_samples // 2])
        for point in samples:
            found, taken = mixture(study, names, point, width * push, atlas)
            fractions[(slice(None), *voxel)] += found / profile.slice_samples
            shares[(slice(None), *voxel)] += np.array(taken) / profile.slice_samples
    mask = np.zeros(profile.shape, np.uint8)
    for number, share in enumerate(shares, start=1):
        if share.max() > 0:
            mask[share >= min(0.5, 0.7 * share.max())] = number
    images = scan(fractions, names, study, profile, seed)
    return np.stack([percentile_minmax(images[contrast].astype(np.float32)) for contrast in study.contrasts]), mask


def positions(study, profile, seed):
    """position(voxel, step): MNI millimetres (3,) of a sample of a slice."""
    head, pose = generator(seed, PATIENT_STREAM, study.patient).spawn(1)[0], generator(seed, STUDY_STREAM, study.index)
    turn = Rotation.from_euler("xyz", pose.normal(0, profile.rotation_deg, 3), degrees=True).as_matrix()
    size, shift = 1 + head.normal(0, profile.scale, 3), pose.normal(0, profile.shift_mm, 3)
    warp = head.normal(0, profile.warp_mm, (3, *CONTROL_POINTS))
    splines = [make_interp_spline(np.arange(count), np.eye(count), k=3) for count in CONTROL_POINTS]
    counts = (*profile.shape[:2], profile.shape[2] * profile.slice_samples)
    extent = np.array(profile.shape) * profile.spacing_mm

    def position(voxel, step):
        where = (np.array([*voxel[:2], voxel[2] * profile.slice_samples + step]) + 0.5) / counts
        weights = [spline(w * (n - 1)) for spline, w, n in zip(splines, where, CONTROL_POINTS, strict=True)]
        moved = turn @ ((where - 0.5) * extent / size) + profile.centre_mm + shift
        return moved + np.einsum("dabc,a,b,c->d", warp, *weights)

    return position


def ageing(study):
    return max(0, study.age - 40) / 50


def atrophic(study):
    return any(not lesion.kind.layers for lesion in study.lesions)


def ventricle_width(study, profile, seed):
    drawn = generator(seed, PATIENT_STREAM, study.patient).spawn(3)[2].normal(0, profile.ventricle_mm)
    return drawn + 2.0 * ageing(study) + (5.0 if atrophic(study) else 0.0)


def trilinear(atlas, maps, point):
    """Values (m,) of `maps` at a point."""
    grid = (point - np.array(atlas.origin_mm)) / atlas.step_mm
    grid = np.clip(grid, 0, np.array(maps.shape[1:]) - 1.001)
    corner = np.floor(grid).astype(int)
    total = np.zeros(len(maps))
    for steps in itertools.product((0, 1), repeat=3):
        weight = math.prod(1 - abs(g - c - step) for g, c, step in zip(grid, corner, steps, strict=True))
        total += weight * maps[(slice(None), *(corner + steps))]
    return total


def mixture(study, names, point, pushed, atlas):
    """Share of each tissue at a point, and of each lesion."""
    looked = point - pushed
    for lesion in study.lesions:
        for focus in lesion.foci if lesion.kind.displaces else ():
            offset, reach = point - focus.centre_mm, 1.5 * focus.radii_mm.mean()
            looked = looked - lesion.kind.displaces * math.exp(-((offset / reach) ** 2).sum()) * offset
    share = np.zeros(len(names))
    share[:5] = trilinear(atlas, atlas.tissues, looked)
    brain = share[0] + share[1]
    gain = min(share[2] * (0.3 * ageing(study) + atrophic(study)) * (1 - share[2]), brain)
    share[:2] *= 1 - gain / max(brain, 1e-6)
    share[2] += gain
    for structure in study.structures:
        paint(share, names, structure, point, range(len(names)))
    replaced = [row for row, name in enumerate(names) if name not in ("csf", "skull", "scalp")]
    return share, [
        paint(share, names, lesion, point, [*replaced, 2] if lesion.kind.extra_axial else replaced)
        for lesion in study.lesions
    ]


def paint(share, names, lesion, point, rows):
    """Lets the layers of a lesion take their part of the tissues `rows`; returns the part of the outermost."""
    most = 0.0
    for focus in lesion.foci:
        local = focus.axes @ (point - focus.centre_mm) / focus.radii_mm
        waves = sum(math.sin(rate * x + p) for rate, x, p in zip((3.1, 2.7, 2.9), local, focus.phase, strict=True))
        distance = math.sqrt((local**2).sum()) * (1 + 0.06 * waves)
        texture = 0.5 + 0.5 * math.prod(math.sin(6 * x + p) for x, p in zip(local, focus.phase, strict=True))
        for number, (tissue, extent) in enumerate(lesion.kind.layers):
            ramp = 0.5 + (extent - distance) * focus.radii_mm.mean() / lesion.kind.softness_mm
            alpha = min(max(ramp, 0), 1) * (1 - lesion.kind.patchiness * texture)
            moved = alpha * sum(share[row] for row in rows)
            for row in rows:
                share[row] *= 1 - alpha
            share[names.index(tissue)] += moved
            most = max(most, moved) if number == 0 else most
    return most


def scan(fractions, names, study, profile, seed):
    """Images by contrast, a voxel at a time: signal of the mixture, receive field, noise, ADC."""
    rng = generator(seed, STUDY_STREAM, study.index).spawn(1)[0]
    patient = generator(seed, PATIENT_STREAM, study.patient).spawn(2)[1]
    tissues = [jittered(name, profile, patient) for name in names]
    tr, te, ti = 1 + rng.normal(0, profile.timing_jitter, 3) * (1, 1, 0.25)
    site = study.site
    site = Scanner(site.name, site.tr * tr, site.te * te, site.ti * ti, site.gain, site.bias, site.noise)
    bend = rng.normal(0, profile.bias * site.bias, 9)
    axes = [np.linspace(-1, 1, n) for n in profile.shape]
    order = [name for name in study.contrasts if not SEQUENCES[name].diffusion]
    images = {name: np.zeros(profile.shape) for name in (*order, "b0", "DWI", "ADC")}
    for name in (*order, "b0", "DWI"):
        unit = weight("DWI" if name == "b0" else name, TISSUES["white matter"], site)
        weights = [weight(name, tissue, site) / unit for tissue in tissues]
        noise = rng.standard_normal((2, *profile.shape), dtype=np.float32) * profile.noise * site.noise
        for voxel in np.ndindex(profile.shape):
            x, y, z = (axis[n] for axis, n in zip(axes, voxel, strict=True))
            value = sum(w * f for w, f in zip(weights, fractions[(slice(None), *voxel)], strict=True))
            value = abs(value) * math.exp(bend @ (x, y, z, x * x, y * y, z * z, x * y, y * z, x * z))
            real, imaginary = noise[(slice(None), *voxel)]
            images[name][voxel] = site.gain * math.hypot(value + real, imaginary)
    for voxel in np.ndindex(profile.shape):
        b0, dwi = (max(images[name][voxel] / site.gain, 1e-6) for name in ("b0", "DWI"))
        images["ADC"][voxel] = 0 if b0 < 0.25 else min(max(1000 * math.log(b0 / dwi), 0), 4000)
    return images


def weight(name, tissue, site):
    """Signal of a tissue in an image; for DWI the diffusion decay at b = 1,000 s/mm2 too."""
    timing = SEQUENCES["DWI" if name == "b0" else name]
    return signal(tissue, timing, site) * (math.exp(-1e-3 * tissue.adc) if name == "DWI" else 1)


def jittered(name, profile, rng):
    """The tissue in one patient."""
    spread = profile.tissue_jitter * np.array([1, 1, 1 / 3, 1, 1]) * (0.25 if name in ("csf", "cavity") else 1)
    spread[4] += profile.agent_jitter
    factors = np.maximum(1 + rng.normal(0, 1, 5) * spread, 0)
    values = [getattr(TISSUES[name], field.name) for field in fields(Tissue)]
    return Tissue(*(float(value * factor) for value, factor in zip(values, factors, strict=True)))
