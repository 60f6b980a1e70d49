"""Findings from masks: lesions in the template's own brain, where place and signal are known, and real masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from selip.data.cohort import IGNORE
from selip.data.findings import Finding
from selip.data.nifti import Image, read_nifti
from selip.data.template_space import mni_template
from selip.reports.mask_findings import describe, findings_from_mask, white_points, words_of
from selip.reports.mask_lesions import count_left_out, is_multiple, lesions_of, side_of
from selip.system.errors import InputError

STEP = 2
BRATS = {1: 2, 2: 1, 4: 3}


@pytest.fixture(scope="module")
def brain() -> Image:
    """A T1 of the template: white matter about 100, grey 80, fluid 25, little noise."""
    template = mni_template()
    thin = (slice(None, None, STEP),) * 3
    grey, white, inside = template.grey[thin], template.white[thin], template.brain[thin]
    values = (80 * grey + 100 * white + 25 * np.clip(1 - grey - white, 0, 1)) * inside
    values = values + np.random.default_rng(0).normal(0, 3, values.shape)
    return Image(values.astype(np.float32), template.affine @ np.diag([STEP, STEP, STEP, 1]), Path("t1.nii"))


def ball(image: Image, centre_mm: tuple[float, float, float], radius_mm: float) -> np.ndarray:
    places = np.moveaxis(np.indices(image.values.shape), 0, -1) @ image.affine[:3, :3].T + image.affine[:3, 3]
    return np.linalg.norm(places - centre_mm, axis=-1) <= radius_mm


def found(brain: Image, levels: np.ndarray, signals: dict[str, np.ndarray] | None = None) -> list[Finding]:
    """Findings with the identity as alignment; `signals` are contrasts to voxels."""
    values = signals or {"T1": np.where(levels > 0, np.float32(50), brain.values)}
    volumes = {name: Image(each.astype(np.float32), brain.affine, brain.path) for name, each in values.items()}
    marked = np.argwhere(levels > 0) @ brain.affine[:3, :3].T + brain.affine[:3, 3]
    white = white_points(volumes, marked, np.eye(4))
    return describe(volumes, lesions_of(levels.astype(np.uint8), brain.affine), np.eye(4), white)


@pytest.mark.parametrize(
    ("centre", "location"),
    [
        ((-40, 34, 26), "left frontal lobe"),
        ((45, -65, 35), "right parietal lobe"),
        ((-50, -30, -10), "left temporal lobe"),
        ((14, -88, 2), "right occipital lobe"),
        ((-12, -18, 8), "left thalamus"),
        ((25, 4, 2), "right basal ganglia"),
        ((-25, -60, -38), "left cerebellum"),
        ((0, -25, -33), "brainstem"),
        ((-8, -25, -33), "left brainstem"),
        ((-26, -52, 18), "left periventricular white matter"),
        ((0, -39, 14), "splenium of the corpus callosum"),
    ],
)
def test_a_small_lesion_has_the_place_and_the_signal_it_was_given(brain, centre, location):
    (finding,) = found(brain, ball(brain, centre, 4))
    assert (finding.location, finding.signals, finding.multiple) == (location, {"T1": "low signal"}, False)
    assert finding.radius_mm == pytest.approx(4, abs=0.5)


def test_the_mirrored_mask_gives_the_other_side(brain):
    levels = ball(brain, (-50, -30, -10), 6) | ball(brain, (25, 4, 2), 4) | ball(brain, (0, -25, -33), 4)
    mirrored = Image(brain.values[::-1].copy(), brain.affine, brain.path)
    other = {"left": "right", "right": "left", "midline": "midline"}
    one, two = found(brain, levels), found(mirrored, levels[::-1])
    assert {(f.region, other[f.side]) for f in one} == {(f.region, f.side) for f in two}
    assert {f.side for f in one} == {"left", "right", "midline"}


def test_foci_of_one_region_are_one_finding_largest_first(brain):
    small = ball(brain, (-50, -30, -10), 4) | ball(brain, (-50, -48, 2), 3) | ball(brain, (50, -30, -10), 4)
    first, second = found(brain, small | ball(brain, (-25, -60, -38), 8))
    assert (first.location, first.multiple) == ("left cerebellum", False)
    assert (second.location, second.multiple) == ("bilateral temporal lobe", True)
    assert second.signals == {"T1": "multiple foci of low signal"}


def test_a_large_lesion_is_named_by_its_lobes(brain):
    findings = found(brain, ball(brain, (-42, 0, 0), 20))
    assert {f.location for f in findings} == {"left frontal lobe", "left insula", "left temporal lobe"}
    assert len({tuple(f.signals.items()) for f in findings}) == 1


def tumour(brain: Image) -> np.ndarray:
    """Oedema of the left parietal lobe, and in its front a core with an enhancing shell."""
    levels = ball(brain, (-36, -50, 40), 26).astype(np.uint8)
    levels[ball(brain, (-36, -58, 44), 14)] = 3
    levels[ball(brain, (-36, -58, 44), 9)] = 2
    return levels


def test_the_core_speaks_and_an_enhancing_shell_is_a_ring(brain):
    levels = tumour(brain)
    given = {"T1": {1: 90, 2: 55, 3: 60}, "T1c": {1: 90, 2: 55, 3: 170}}
    signals = {}
    for contrast, values in given.items():
        signals[contrast] = brain.values.copy()
        for level, value in values.items():
            signals[contrast][levels == level] = value
    (finding,) = found(brain, levels, signals)
    assert finding.location == "left parietal lobe"
    assert finding.signals == {"T1": "low signal", "T1c": "ring of high signal with low centre"}
    assert finding.radius_mm == pytest.approx(27, abs=1)
    levels[levels == 2] = 3
    solid = found(brain, levels, {"T1c": np.where(levels == 3, 170, brain.values)})
    assert solid[0].signals == {"T1c": "high signal"}


def test_oedema_far_from_a_core_has_to_be_large_enough(brain):
    levels = tumour(brain)
    levels[ball(brain, (40, 30, 20), 3)] = 1
    assert [f.location for f in found(brain, levels)] == ["left parietal lobe"]
    levels[ball(brain, (40, 30, 20), 6)] = 1
    assert [f.location for f in found(brain, levels)] == ["left parietal lobe", "right frontal lobe"]


def test_dust_is_left_out_unless_there_is_nothing_else(brain):
    dust = np.zeros(brain.values.shape, np.uint8)
    dust[20, 60, 50] = 1
    lesions = lesions_of(dust, brain.affine)
    assert [each.volume_mm3 for each in lesions] == pytest.approx([8.0])
    both = dust | ball(brain, (25, 4, 2), 4)
    assert len(lesions_of(both, brain.affine)) == 1
    assert lesions_of(np.where(both, IGNORE, 0).astype(np.uint8), brain.affine) == []


def test_corners_join_a_lesion_and_gaps_part_it():
    levels = np.zeros((8, 8, 8), np.uint8)
    levels[:3, :3, :3] = levels[3:6, 3:6, 3:6] = 1
    assert len(lesions_of(levels, np.eye(4))) == 1
    levels[3:6, 3:6, 3] = 0
    assert len(lesions_of(levels, np.eye(4))) == 2


@pytest.mark.parametrize(
    ("xs", "unpaired", "side"),
    [
        ([[-9, -5]], False, "left"),
        ([[9, 5]], False, "right"),
        ([[-9, 9]], False, "bilateral"),
        ([[-9, -9, -9, -9, -9, -9], [9]], False, "bilateral"),
        ([[-9] * 40, [9], [-9] * 9, [-5], [-6], [-7]], False, "left"),
        ([[-2, 2]], True, "midline"),
        ([[1, 2]], True, "midline"),
        ([[7, 9]], True, "right"),
        ([[-9] * 200, *[[9]] * 20], False, "left"),
        ([[-9] * 200, *[[9]] * 30], False, "bilateral"),
        ([[-9] * 17 + [2] * 3], False, "left"),
        ([[-9] * 14 + [2] * 6], False, "bilateral"),
    ],
)
def test_sides(xs, unpaired, side):
    assert side_of([np.array([[x, 0.0, 0.0] for x in part]) for part in xs], unpaired) == side


@pytest.mark.parametrize(
    ("sizes", "multiple"),
    [
        ([1], False),
        ([1, 1], True),
        ([90, 10], True),
        ([91, 9], False),
        ([1000, *[5] * 30], True),
        ([9000, *[5] * 30], False),
    ],
)
def test_several_lesions_are_multiple_by_their_volume(sizes, multiple):
    for order in (sizes, sizes[::-1]):
        assert is_multiple([np.zeros((size, 3)) for size in order]) is multiple


def test_a_large_infarct_keeps_its_side_beside_a_crumb_on_the_other(brain):
    infarct = ball(brain, (-45, -10, 5), 34)
    crumb = ball(brain, (45, 5, 45), 3)
    alone, beside = found(brain, infarct), found(brain, infarct | crumb)
    assert beside == alone
    assert {finding.side for finding in beside} == {"left"}
    assert not any(finding.multiple for finding in beside)
    assert (count_left_out(infarct | crumb, brain.affine), count_left_out(infarct, brain.affine)) == (1, 0)
    second = found(brain, infarct | ball(brain, (25, -60, -38), 10))
    assert [finding.location for finding in second if finding.side != "left"] == ["right cerebellum"]
    assert "bilateral frontal lobe" in {f.location for f in found(brain, infarct | ball(brain, (40, 20, 35), 18))}


def test_many_crumbs_do_not_outweigh_a_lesion(brain):
    large = ball(brain, (-50, -30, -10), 12)
    crumbs = large.copy()
    for x, y in ((44, -30), (56, -30), (50, -45), (50, -15)):
        crumbs |= ball(brain, (x, y, -14), 2.5)
    (finding,) = found(brain, crumbs)
    assert (finding.location, finding.multiple) == ("left temporal lobe", False)


def test_places_come_in_the_order_of_the_volume_in_them(brain):
    one = ball(brain, (-25, -60, -38), 7)
    several = ball(brain, (-50, -30, -10), 6) | ball(brain, (-50, -50, -2), 6) | ball(brain, (52, -30, -10), 6)
    locations = [finding.location for finding in found(brain, one | several | ball(brain, (14, -88, 2), 5))]
    assert locations == ["bilateral temporal lobe", "left cerebellum", "right occipital lobe"]


@pytest.mark.parametrize(
    ("level", "words"),
    [
        (100, "iso signal"),
        (93, "slightly low signal"),
        (70, "low signal"),
        (107, "slightly high signal"),
        (150, "high signal"),
    ],
)
def test_words_follow_the_distance_from_white_matter(level, words):
    rng = np.random.default_rng(0)
    white = rng.normal(100, 5, 4000).astype(np.float32)
    assert words_of(rng.normal(level, 3, 500).astype(np.float32), white) == words
    assert words_of(40 * rng.normal(level, 3, 500).astype(np.float32), 40 * white) == words


def test_words_of_uneven_and_of_unseen_lesions():
    rng = np.random.default_rng(0)
    white = rng.normal(100, 5, 4000).astype(np.float32)
    uneven = rng.normal(150, 30, 500).astype(np.float32)
    assert words_of(uneven, white) == "heterogeneous high signal"
    assert words_of(uneven, white, textured=False) == "high signal"
    assert words_of(np.full(5, np.nan, np.float32), white) == ""
    assert words_of(uneven, white[:10]) == ""


def test_a_contrast_that_does_not_cover_the_brain_says_nothing(brain):
    levels = ball(brain, (25, 4, 2), 5)
    t1 = Image(np.where(levels, np.float32(50), brain.values), brain.affine, brain.path)
    shift = np.zeros((4, 4))
    shift[0, 3] = 400
    away = Image(t1.values[:20, :20, :20], brain.affine + shift, brain.path)
    white = white_points({"T1": t1}, np.array([[25.0, 4, 2]]), np.eye(4))
    (finding,) = describe({"T1": t1, "T2": away}, lesions_of(levels.astype(np.uint8), brain.affine), np.eye(4), white)
    assert set(finding.signals) == {"T1"}


def test_an_empty_mask_has_no_findings_and_an_unknown_label_is_refused(brain):
    empty = Image(np.zeros_like(brain.values), brain.affine, brain.path)
    assert findings_from_mask({"T1": brain}, empty, {}) == []
    odd = Image(np.where(ball(brain, (25, 4, 2), 5), np.float32(7), 0), brain.affine, brain.path)
    with pytest.raises(InputError, match="label 7"):
        findings_from_mask({"T1": brain}, odd, BRATS)


def measured(folder: Path, names: dict[str, str], mask: str, levels: dict[int, int]) -> list[Finding]:
    volumes = {contrast: read_nifti(folder / name) for contrast, name in names.items()}
    return findings_from_mask(volumes, read_nifti(folder / mask), levels)


@pytest.mark.parametrize("patient", ["patient07", "patient19"])
def test_real_plaques_are_periventricular_bright_and_dark(real_data, patient):
    names = {"T1": "T1.nii.gz", "T2": "T2.nii.gz", "FLAIR": "FLAIR.nii.gz", "T1c": "T1POST.nii.gz"}
    findings = measured(real_data / "open_ms" / "cross_sectional_MNI" / patient, names, "GOLD_STANDARD.nii.gz", {})
    near = next(f for f in findings if f.region == "periventricular white matter")
    assert (near.side, near.multiple) == ("bilateral", patient == "patient07"), "those of patient19 are confluent"
    assert all("high" in near.signals[name] for name in ("T2", "FLAIR"))
    assert all("low" in near.signals[name] for name in ("T1", "T1c")), "no plaque of either enhances"
    assert all("high" in f.signals["FLAIR"] for f in findings)
    assert findings[0] == near, "most of the volume is there"
    largest = max(findings, key=lambda finding: finding.radius_mm)
    assert ("brainstem" in largest.region) == (patient == "patient07"), "its largest plaque is in the midbrain"


def test_a_real_glioma_is_right_frontal_with_a_satellite_in_the_insula(real_data):
    prefix = "OtherEXampleFromTCIA_{}_bet.nii.gz"
    names = {name: prefix.format(file) for name, file in (("T1", "t1"), ("T1c", "t1c"), ("T2", "t2"), ("FLAIR", "fla"))}
    glioma, satellite = measured(real_data / "brats_like" / "TCGA-FG-6692", names, "fusion_simple.nii.gz", BRATS)
    assert (glioma.location, satellite.location) == ("right frontal lobe", "right insula")
    assert "low" in glioma.signals["T1"]
    assert all("high" in glioma.signals[name] for name in ("T1c", "T2", "FLAIR"))
    assert "high" not in satellite.signals["T1c"]


def test_a_real_infarct_is_in_the_left_of_the_brainstem(real_data):
    names = {"DWI": "Subject02_DWI.nii.gz", "ADC": "Subject02_ADC.nii.gz"}
    mask = "Subject02_DAGMNet_CH3_Lesion_Predict.nii.gz"
    (infarct,) = measured(real_data / "stroke_dwi" / "Subject02", names, mask, {})
    assert (infarct.location, infarct.signals) == ("left brainstem", {"DWI": "high signal", "ADC": "low signal"})
