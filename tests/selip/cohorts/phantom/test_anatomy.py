from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from selip.cohorts.phantom.anatomy import FIELD_MM, ONE_IN, POINTS_AT_ONCE, region_points
from selip.cohorts.phantom.lesions import KINDS
from selip.cohorts.phantom.regions import REGIONS, sides_of

PLACES = [(name, side) for name in REGIONS for side in sides_of(name)]


def test_tissue_shares_are_shares(atlas):
    assert atlas.tissues.min() >= 0
    assert atlas.tissues.sum(axis=0).max() <= 1 + 1e-5


def test_head_is_mirror_symmetric(atlas):
    assert np.abs(atlas.tissues - atlas.tissues[:, ::-1]).max() < 1e-3


def test_skull_and_scalp_surround_the_brain(atlas):
    brain, skull, scalp = atlas.tissues[:3].sum(axis=0), atlas.tissues[3], atlas.tissues[4]
    middle = brain.shape[2] // 2
    row = slice(None), brain.shape[1] // 2, middle
    peaks = [int(np.argmax(layer[row])) for layer in (scalp, skull, brain > 0.5)]
    assert peaks == sorted(peaks)
    assert len(set(peaks)) == 3


@pytest.mark.parametrize(("name", "side"), PLACES)
def test_region_lies_on_its_side_inside_the_head(atlas, name, side):
    points = region_points(atlas, name, side)
    assert len(points) > 50
    assert {"left": (points[:, 0] < 0).all(), "right": (points[:, 0] > 0).all()}.get(side, True)
    brain = atlas.sample(atlas.tissues[:3], points.T.astype(np.float32)).sum(axis=0)
    assert (brain > 0.3).all()


def test_right_regions_mirror_left_ones(atlas):
    for name in (name for name, side in PLACES if side == "left"):
        left, right = (region_points(atlas, name, side) for side in ("left", "right"))
        assert sorted(map(tuple, left * [-1, 1, 1])) == sorted(map(tuple, right))


def test_regions_of_one_lesion_type_hardly_overlap(atlas):
    points = {place: {tuple(point) for point in region_points(atlas, *place)} for place in PLACES}
    for kind in KINDS.values():
        places = [place for place in PLACES if place[0] in kind.regions]
        for first in places:
            for second in places:
                if first != second:
                    assert len(points[first] & points[second]) < 0.2 * len(points[first]), (first, second)


def test_sampling_equals_map_coordinates(atlas):
    rng = np.random.default_rng(0)
    points = np.stack([rng.uniform(low + 1, high - 3, 500) for low, high in FIELD_MM]).astype(np.float32)
    grid = (points - np.array(atlas.origin_mm)[:, None]) / atlas.step_mm
    expected = [ndimage.map_coordinates(tissue, grid, order=1) for tissue in atlas.tissues]
    np.testing.assert_allclose(atlas.sample(atlas.tissues, points), expected, atol=1e-4)


def test_sampling_in_pieces_and_without_air_changes_no_bit(atlas):
    count = ONE_IN * POINTS_AT_ONCE + 1000
    rng = np.random.default_rng(1)
    points = np.stack([rng.uniform(low - 5, high + 5, count) for low, high in FIELD_MM]).astype(np.float32)
    found = np.zeros((len(atlas.tissues), count), np.float32)
    atlas.sample_tissues(points, found)
    alone = np.concatenate([atlas.sample(atlas.tissues, part) for part in np.array_split(points, 3, axis=1)], axis=1)
    np.testing.assert_array_equal(found, alone)
    assert 0.2 < (found == 0).all(axis=0).mean() < 0.9
