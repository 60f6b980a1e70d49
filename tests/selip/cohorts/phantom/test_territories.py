"""Infarcts that fill a territory: wedges of brain about as large as the ellipsoids they stand for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from selip.cohorts.phantom.generate import lesion_points
from selip.cohorts.phantom.patients import draw_studies
from selip.cohorts.phantom.regions import REGIONS
from selip.cohorts.phantom.render import build_head
from selip.cohorts.phantom.territories import TERRITORIES, territorial


@pytest.mark.parametrize("region", [name for name in TERRITORIES if name != "insula"])
def test_a_wedge_widens_away_from_its_artery(region):
    centre = np.array(REGIONS[region].centre_mm, float)
    links = list(territorial(region, centre, 10.0))
    widths = [radii[1] for _, radii, _ in links]
    assert widths == sorted(widths)
    assert max(widths) <= 10
    for _, _, axes in links:
        np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-12)
    away = [np.linalg.norm(place - np.array(TERRITORIES[region].from_mm)) for place, _, _ in links]
    assert away == sorted(away)


def test_the_right_side_mirrors_the_left():
    centre = np.array(REGIONS["parietal lobe"].centre_mm, float)
    left, right = (list(territorial("parietal lobe", centre * [sign, 1, 1], 9.0)) for sign in (1, -1))
    for (one, radii, _), (other, others, _) in zip(left, right, strict=True):
        np.testing.assert_allclose(one, other * [-1, 1, 1])
        np.testing.assert_allclose(radii, others)


def test_a_place_without_a_territory_has_none():
    assert list(territorial("falx", np.zeros(3), 9.0)) == []


def test_infarcts_are_one_lesion_of_about_the_same_size(still, atlas):
    points, sizes = lesion_points(atlas), {}
    for territories in (False, True):
        profile = replace(still, lesion_types=("acute infarct",), n_patients=8, territories=territories)
        studies = draw_studies(profile, 3, points)
        assert not any(finding.multiple for study in studies for finding in study.findings)
        sizes[territories] = [(build_head(study, profile, 3, atlas).mask > 0).sum() for study in studies]
    assert 0.4 < np.mean(sizes[True]) / np.mean(sizes[False]) < 1.6
    assert (np.array(sizes[True]) > 0).all()
