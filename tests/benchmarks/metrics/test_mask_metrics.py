from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import torch
from monai.metrics import compute_dice, compute_hausdorff_distance, compute_surface_dice
from scipy import ndimage

from benchmarks.metrics.mask_metrics import (
    HIGHER_IS_BETTER,
    NSD_TOLERANCE_MM,
    dice_scores,
    lesion_f1,
    score_masks,
)
from selip.system.errors import InputError

SHAPE, SPACING = (12, 10, 8), (1.0, 1.5, 4.0)


def mask_scores(predicted, truth, spacing_mm):
    return score_masks(predicted[None], truth[None], spacing_mm).iloc[0].to_dict()


def box(*corners, shape=SHAPE):
    mask = np.zeros(shape, dtype=bool)
    mask[tuple(slice(low, high) for low, high in corners)] = True
    return mask


def blobs(rng, shape=SHAPE, share=0.1):
    field = ndimage.gaussian_filter(rng.normal(size=shape), 1.2)
    return field > np.quantile(field, 1 - share)


def surface_judge(predicted, truth, spacing):
    """MONAI's functions, which find both surfaces and their distances once for each score."""
    pair = [torch.from_numpy(mask.astype(np.float32))[None, None] for mask in (predicted, truth)]
    options = {"include_background": True, "spacing": [float(edge) for edge in spacing]}
    with warnings.catch_warnings():  # MONAI 1.6 passes itself an argument that it has deprecated
        warnings.filterwarnings("ignore", message=".*always_return_as_numpy", category=FutureWarning)
        hd95_mm = compute_hausdorff_distance(*pair, percentile=95, **options)
        nsd = compute_surface_dice(*pair, class_thresholds=[NSD_TOLERANCE_MM], **options)
    return hd95_mm.item(), nsd.item()


@pytest.mark.parametrize(
    "spacing", [(1, 1.5, 4), (0.4, 0.5, 1), (2, 2, 5), (4.5, 4.5, 10), (1.2, 0.7, 2), (0.1, 0.2, 0.3)]
)
def test_surface_scores_agree_with_monai(spacing):
    rng = np.random.default_rng(0)
    corner = box((0, 4), (6, 10), (0, 8))
    for predicted in (blobs(rng), blobs(rng, share=0.02), corner, np.ones(SHAPE, bool)):
        for truth in (blobs(rng), np.roll(predicted, 1, axis=0), np.roll(corner, 4, axis=0), predicted):
            scores = mask_scores(predicted, truth, spacing)
            hd95_mm, nsd = surface_judge(predicted, truth, spacing)
            assert scores["hd95_mm"] == pytest.approx(hd95_mm, rel=1e-6)
            assert scores["nsd_at_2mm"] == pytest.approx(nsd, abs=1e-6)


def test_dice_agrees_with_monai():
    rng = np.random.default_rng(1)
    predicted, truth = (np.stack([blobs(rng), blobs(rng), np.zeros(SHAPE, bool)]) for _ in range(2))
    pair = [torch.from_numpy(masks)[:, None].float() for masks in (predicted, truth)]
    expected = compute_dice(*pair, include_background=True, ignore_empty=False)[:, 0]
    assert dice_scores(predicted, truth) == pytest.approx(expected.numpy())


def lesion_f1_judge(predicted, truth):
    def lesions(mask):
        left, groups = {tuple(voxel) for voxel in np.argwhere(mask)}, []
        while left:
            group, edge = set(), [left.pop()]
            while edge:
                voxel = edge.pop()
                group.add(voxel)
                touching = {other for other in left if max(abs(np.subtract(other, voxel))) == 1}
                left -= touching
                edge.extend(touching)
            groups.append(group)
        return groups

    is_true, is_predicted = ({tuple(voxel) for voxel in np.argwhere(mask)} for mask in (truth, predicted))
    found = [bool(lesion & is_predicted) for lesion in lesions(truth)]
    false = [not lesion & is_true for lesion in lesions(predicted)]
    return 2 * sum(found) / (2 * sum(found) + found.count(False) + sum(false))


def test_lesion_f1_agrees_with_flood_fill():
    rng = np.random.default_rng(2)
    for _ in range(5):
        predicted, truth = (blobs(rng, (7, 6, 5), 0.08) | (rng.random((7, 6, 5)) < 0.02) for _ in range(2))
        assert lesion_f1(predicted, truth) == pytest.approx(lesion_f1_judge(predicted, truth))


def test_a_worked_case():
    truth, predicted = box((2, 4), (2, 4), (2, 4)), box((3, 5), (2, 4), (2, 4))
    scores = mask_scores(predicted, truth, (3.0, 1.0, 1.0))
    # 8 voxels each, 4 shared; all are surface; half of each surface is 3 mm from the other.
    assert scores == pytest.approx({"dice": 0.5, "hd95_mm": 3.0, "nsd_at_2mm": 0.5, "lesion_f1": 1.0})
    # Along an axis of 2 mm the same shift is within the tolerance.
    assert mask_scores(predicted, truth, (2.0, 1.0, 1.0))["nsd_at_2mm"] == 1.0


def test_hd95_leaves_out_the_farthest_twentieth():
    truth = box((0, 1), (0, 10), (0, 8), shape=(41, 10, 8))
    stray = truth.copy()
    stray[40, 0, 0] = True  # one voxel of 81, 40 mm away
    assert mask_scores(stray, truth, (1.0, 1.0, 1.0))["hd95_mm"] == 0.0
    stray[40, 0, :6] = True  # six of 86 are more than a twentieth
    assert mask_scores(stray, truth, (1.0, 1.0, 1.0))["hd95_mm"] == 40.0


def test_lesion_f1_by_hand():
    first, second, third = box((0, 2), (0, 2), (0, 2)), box((5, 7), (5, 7), (5, 7)), box((9, 11), (0, 2), (0, 2))
    assert lesion_f1(first, first | second) == pytest.approx(2 / 3)  # one found, one missed
    assert lesion_f1(first | third, first | second) == pytest.approx(2 / 4)  # and one false
    assert lesion_f1(third, first) == 0.0
    assert lesion_f1(np.ones(SHAPE, bool), first | second) == 1.0  # one prediction that joins both finds both
    corners = box((0, 1), (0, 1), (0, 1)) | box((1, 2), (1, 2), (1, 2))
    assert lesion_f1(box((0, 1), (0, 1), (0, 1)), corners) == 1.0  # voxels that touch at a corner are one lesion


def test_empty_masks_follow_the_written_policy():
    nothing, something = np.zeros(SHAPE, bool), box((1, 3), (1, 3), (1, 3))
    diagonal = math.sqrt(12**2 + 15**2 + 32**2)
    wrong = pytest.approx({"dice": 0.0, "hd95_mm": diagonal, "nsd_at_2mm": 0.0, "lesion_f1": 0.0})
    assert mask_scores(nothing, nothing, SPACING) == {"dice": 1, "hd95_mm": 0, "nsd_at_2mm": 1, "lesion_f1": 1}
    assert mask_scores(nothing, something, SPACING) == wrong
    assert mask_scores(something, nothing, SPACING) == wrong


def test_laws():
    rng = np.random.default_rng(3)
    predicted, truth = blobs(rng), blobs(rng)
    perfect = {"dice": 1, "hd95_mm": 0, "nsd_at_2mm": 1, "lesion_f1": 1}
    assert mask_scores(truth, truth, SPACING) == perfect
    scores, swapped = mask_scores(predicted, truth, SPACING), mask_scores(truth, predicted, SPACING)
    for name in ("dice", "hd95_mm", "nsd_at_2mm"):
        assert scores[name] == pytest.approx(swapped[name])
    turned = mask_scores(predicted.transpose(2, 0, 1), truth.transpose(2, 0, 1), (4.0, 1.0, 1.5))
    assert turned == pytest.approx(scores)
    padded = [np.pad(mask, 3) for mask in (predicted, truth)]  # empty space around changes nothing
    assert mask_scores(*padded, SPACING) == pytest.approx(scores)
    assert mask_scores(predicted, truth, (10.0, 15.0, 40.0))["hd95_mm"] == pytest.approx(10 * scores["hd95_mm"])


def test_a_batch_is_its_cases_in_order_without_a_warning():
    rng = np.random.default_rng(4)
    predicted, truth = np.stack([blobs(rng) for _ in range(3)]), np.stack([blobs(rng) for _ in range(3)])
    predicted[1] = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = score_masks(predicted, truth, SPACING)
    assert list(table) == list(HIGHER_IS_BETTER)
    assert table.to_dict("records") == [mask_scores(*pair, SPACING) for pair in zip(predicted, truth, strict=True)]
    assert score_masks(predicted[:0], truth[:0], SPACING).shape == (0, 4)


@pytest.mark.parametrize(
    ("predicted", "truth", "spacing", "words"),
    [
        (np.zeros(SHAPE, bool), np.zeros((12, 10, 9), bool), SPACING, "one grid"),
        (np.zeros(SHAPE), np.zeros(SHAPE, bool), SPACING, "threshold"),
        (np.zeros(SHAPE, bool), np.zeros(SHAPE, bool), (1.0, 0.0, 1.0), "spacing_mm"),
        (np.zeros(SHAPE, bool), np.zeros(SHAPE, bool), (1.0, 1.0), "spacing_mm"),
    ],
)
def test_wrong_input_is_refused_in_one_line(predicted, truth, spacing, words):
    with pytest.raises(InputError, match=words) as error:
        mask_scores(predicted, truth, spacing)
    assert "\n" not in str(error.value)
