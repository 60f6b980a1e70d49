"""Laws of the sequences, and the ratios to white matter that were measured on real examinations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from phantom_oracles import images_of

from selip.cohorts.phantom.lesions import KINDS
from selip.cohorts.phantom.physics import (
    BIAS_TERMS,
    SITES,
    TISSUES,
    Timing,
    Tissue,
    adc_map,
    bias_field,
    rician,
    signal,
)
from selip.cohorts.phantom.render import build_head, scan

CONTRASTS = ("T1", "T2", "FLAIR", "DWI", "ADC", "T1c")
# Medians of real examinations relative to white matter; a single number is given 8 % to either side.
RATIOS = {
    ("T1", "grey matter"): (0.82, 0.86), ("T2", "grey matter"): (1.06, 1.11), ("FLAIR", "grey matter"): (1.01, 1.04),
    ("T1c", "grey matter"): (0.91 * 0.92, 0.91 * 1.08),
    ("T1", "csf"): (0.23 * 0.92, 0.23 * 1.08), ("T2", "csf"): (2.36 * 0.92, 2.36 * 1.08),
    ("FLAIR", "csf"): (0.51 * 0.92, 0.51 * 1.08), ("T1c", "csf"): (0.22 * 0.92, 0.22 * 1.08),
    ("T1", "skull"): (0.26 * 0.92, 0.26 * 1.08), ("T1", "scalp"): (0.55 * 0.92, 0.55 * 1.08),
    ("T1", "plaque"): (0.76, 0.84), ("T2", "plaque"): (1.47, 1.77), ("FLAIR", "plaque"): (1.33, 1.37),
    ("T1c", "plaque"): (0.74, 0.88),
}  # fmt: skip
# High-grade glioma relative to the rest of the brain, with 12 % to either side.
TUMOUR = {
    "oedema": {"T1": 0.93, "T2": 1.81, "FLAIR": 1.71, "T1c": 0.85},
    "core": {"T1": 0.79, "T2": 1.88, "FLAIR": 1.39, "T1c": 1.73},
}


def images(head):
    return images_of(head.fractions, [TISSUES[name] for name in head.tissues], CONTRASTS)


@pytest.fixture(scope="module")
def normal_head(draw, still, atlas):
    head = build_head(draw("", 1)[0], still, 3, atlas)
    return head, images(head)


@pytest.fixture(scope="module")
def lesion_heads(draw, still, atlas):
    """Lesion type to three heads with their noise-free images."""
    heads = {}
    for kind in KINDS.values():
        built = [build_head(study, still, 3, atlas) for study in draw(kind.name, 3)] if kind.layers else []
        heads[kind.name] = [(head, images(head)) for head in built]
    return heads


def test_spin_echo_limits():
    water = Tissue(1000, 100, 0.8, 1000)
    assert signal(water, Timing(tr=1e9, te=0)) == pytest.approx(0.8)
    assert signal(water, Timing(tr=1e9, te=100)) == pytest.approx(0.8 / np.e)
    assert signal(water, Timing(tr=1000, te=0)) == pytest.approx(0.8 * (1 - 1 / np.e))


def test_inversion_nulls_at_t1_ln_2():
    assert signal(Tissue(1000, 100, 1, 1000), Timing(tr=1e9, te=0, ti=1000 * np.log(2))) == pytest.approx(0, abs=1e-9)


def test_contrast_agent_brightens_t1():
    plain, given = TISSUES["tumour rim"], Timing(2200, 10, 1155, agent=True)
    assert signal(plain, given) > 1.5 * signal(plain, Timing(2200, 10, 1155))


def test_adc_map_recovers_the_tissues():
    tissues = [TISSUES["white matter"], TISSUES["csf"], TISSUES["acute infarct"]]
    adc = images_of(np.eye(3, dtype=np.float32), tissues, ("ADC",))["ADC"]
    assert adc == pytest.approx([tissue.adc for tissue in tissues], rel=1e-4)


def test_adc_is_zero_in_air():
    assert adc_map(np.zeros(2), np.zeros(2)).tolist() == [0, 0]


def test_rician_noise_of_nothing_is_rayleigh():
    noise = rician(np.zeros(200_000, np.float32), 2.0, np.random.default_rng(0))
    assert noise.mean() == pytest.approx(2 * np.sqrt(np.pi / 2), rel=0.01)


def test_rician_noise_is_the_magnitude_of_a_complex_sum():
    image = np.linspace(0, 3, 1000, dtype=np.float32)
    real, imaginary = np.random.default_rng(4).standard_normal((2, 1000), dtype=np.float32) * np.float32(0.3)
    np.testing.assert_array_equal(rician(image, 0.3, np.random.default_rng(4)), np.hypot(image + real, imaginary))


def test_flat_bias_field():
    grid = np.meshgrid(*[np.linspace(-1, 1, 4)] * 3, indexing="ij", sparse=True)
    assert np.all(bias_field(grid, np.zeros(BIAS_TERMS)) == 1)
    assert bias_field(grid, np.random.default_rng(0).normal(0, 0.2, BIAS_TERMS)).std() > 0.05


@pytest.mark.parametrize(("contrast", "tissue"), [key for key in RATIOS if key[1] != "plaque"])
def test_tissue_ratios(normal_head, contrast, tissue):
    head, image = normal_head
    share = {name: head.fractions[row] for row, name in enumerate(head.tissues)}
    white = np.median(image[contrast][share["white matter"] > 0.9])
    low, high = RATIOS[contrast, tissue]
    pure = share[tissue] > 0.9
    assert pure.sum() > 30
    assert low - 0.005 <= np.median(image[contrast][pure]) / white <= high + 0.005


@pytest.mark.parametrize("contrast", ["T1", "T2", "FLAIR", "T1c"])
def test_multiple_sclerosis_ratios(lesion_heads, contrast):
    ratios = []
    for head, image in lesion_heads["multiple sclerosis plaque"]:
        white = np.median(image[contrast][head.fractions[1] > 0.9])
        ratios.append(np.median(image[contrast][head.mask > 0]) / white)
    low, high = RATIOS[contrast, "plaque"]
    assert low - 0.01 <= np.median(ratios) <= high + 0.01


@pytest.mark.parametrize("contrast", ["T1", "T2", "FLAIR", "T1c"])
@pytest.mark.parametrize("part", ["oedema", "core"])
def test_high_grade_glioma_ratios(lesion_heads, part, contrast):
    names = {"oedema": ("oedema",), "core": ("tumour rim", "necrosis")}[part]
    ratios = []
    for head, image in lesion_heads["high-grade glioma"]:
        share = sum(head.fractions[head.tissues.index(name)] for name in names)
        rest = (head.fractions[:2].sum(axis=0) > 0.8) & (head.mask == 0)
        ratios.append(np.median(image[contrast][share > 0.8]) / np.median(image[contrast][rest]))
    assert np.median(ratios) == pytest.approx(TUMOUR[part][contrast], rel=0.12)


def test_adc_of_brain_and_acute_infarct(normal_head, lesion_heads):
    head, image = normal_head
    assert 875 <= np.median(image["ADC"][head.fractions[:3].sum(axis=0) > 0.5]) <= 1050
    infarcts = [np.median(image["ADC"][head.mask > 0]) for head, image in lesion_heads["acute infarct"]]
    assert 630 <= np.median(infarcts) <= 790


def part_of(head, kind, part):
    """Voxels of a part of the lesion."""
    if part == "whole" or len(kind.layers) == 1:
        return head.lesions[0] > 0.5
    layer = kind.layers[-1 if part == "core" else -2][0]
    return head.fractions[head.tissues.index(layer)] > 0.5


def claims(kind, sign):
    """(part, polarity) that a phrase states: of its first word of polarity, and of a rim or centre it mentions."""
    first, _, second = sign.phrase.partition(" with ")
    yield sign.part, next(word for word in ("high", "low", "iso") if word in first.split())
    if second:
        polarity, place = second.split()
        yield {"rim": "ring", "centre": "core"}[place], polarity


@pytest.mark.parametrize("contrast", CONTRASTS)
@pytest.mark.parametrize("name", [kind.name for kind in KINDS.values() if kind.layers])
def test_phrase_agrees_with_the_image(lesion_heads, normal_head, name, contrast):
    kind, (normal, normal_image) = KINDS[name], normal_head
    brain = normal.fractions[:2].sum(axis=0) > 0.7

    def ratio(part):
        found = []
        for head, image in lesion_heads[name]:
            voxels = part_of(head, kind, part) & brain
            found.append(np.median(image[contrast][voxels]) / np.median(normal_image[contrast][voxels]))
        return np.median(found)

    sign = kind.signs.get(contrast)
    if sign is None:
        assert 0.85 < ratio("whole") < 1.15, "a clear change that no phrase mentions"
        return
    for part, polarity in claims(kind, sign):
        low, high = {"high": (1.08, np.inf), "low": (0, 0.92), "iso": (0.88, 1.12)}[polarity]
        assert low < ratio(part) < high, f"{sign.phrase}: {part}"


def test_atrophy_widens_what_is_bright_on_t2(draw, still, atlas, normal_head):
    head = build_head(draw("atrophy", 1)[0], still, 3, atlas)
    assert head.fractions[2].sum() > 1.2 * normal_head[0].fractions[2].sum()
    assert not head.mask.any()
    white, csf = (signal(TISSUES[name], Timing(5300, 72)) for name in ("white matter", "csf"))
    assert csf > white


@pytest.mark.parametrize("number", range(len(SITES)))
def test_ratios_hold_loosely_on_every_scanner(draw, still, atlas, number):
    profile = replace(still, tissue_jitter=0.04, timing_jitter=0.02, noise=0.03)
    study = replace(draw("", number + 1)[number], site=SITES[number])
    head = build_head(study, still, 3, atlas)
    image = scan(head, study, profile, 3)
    for (contrast, tissue), (low, high) in RATIOS.items():
        if tissue in ("grey matter", "csf"):
            pure = head.fractions[head.tissues.index(tissue)] > 0.9
            ratio = np.median(image[contrast][pure]) / np.median(image[contrast][head.fractions[1] > 0.9])
            slack = 0.15 if tissue == "csf" else 0.12
            assert low - slack * max(1, low) < ratio < high + slack * max(1, high), (contrast, tissue)
