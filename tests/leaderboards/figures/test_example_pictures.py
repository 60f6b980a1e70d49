"""Pictures of a page: they stay within their budget, as faithful as it allows, and are still the same pictures."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from leaderboards.figures.example_pictures import Candidate, Example, draw_examples, shrunk


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Smooth blobs with some noise, each brighter left by its number."""
    folder, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    paths = []
    for number in range(4):
        x = np.linspace(255, 0, 300)[None, :].repeat(200, axis=0) / (number + 1)
        grey = np.clip(x + rng.normal(0, 6, x.shape), 0, 255).astype(np.uint8)
        paths.append(folder / f"{number}.png")
        Image.fromarray(grey).save(paths[-1])
    return paths


def seen(shown):
    """(200, 300) grey values of a picture of the page."""
    data = base64.b64decode(shown.uri.removeprefix("data:image/webp;base64,"))
    with Image.open(io.BytesIO(data)) as picture:
        return np.asarray(picture.convert("L").resize((300, 200)), dtype=float)


@pytest.mark.parametrize("budget", [400_000, 120_000, 40_000])
def test_pictures_keep_to_their_budget_and_stay_what_they_are(pictures, budget):
    found = shrunk(pictures, budget)
    assert [one.path for one in found] == pictures
    assert sum(len(one.uri) for one in found) <= budget
    assert {(one.width, one.height) for one in found} == {(300, 200)}
    for one in found:
        with Image.open(one.path) as original:
            assert np.abs(seen(one) - np.asarray(original, dtype=float)).mean() < 20


def test_more_budget_is_never_less_faithful(pictures):
    errors = []
    for budget in (400_000, 120_000, 40_000):
        with Image.open(pictures[0]) as original:
            errors.append(np.abs(seen(shrunk(pictures, budget)[0]) - np.asarray(original, dtype=float)).mean())
    assert errors == sorted(errors)
    assert errors[0] < errors[-1]


def test_what_no_longer_fits_has_no_picture(pictures):
    found = shrunk(pictures, 450)
    assert sum(len(one.uri) for one in found) <= 450
    assert [one.uri for one in found].count("") >= 2


def test_no_picture_is_no_trouble():
    assert shrunk([], 0) == []


def test_the_lesions_of_found_volumes_are_outlined(tmp_path):
    """One orange outline a volume that has a lesion, none without."""
    disc = np.hypot(*(np.indices((48, 56)) - 25)) < 6
    outlined = []
    for mask in (disc, None):
        found = [Candidate("at left insula", 0.5, False, np.zeros((48, 56), np.uint8), mask)] * 5
        png = draw_examples(tmp_path / "found.png", [Example("volumes for a text", "at left insula", found, True)])
        with Image.open(png) as picture:
            pixels = np.asarray(picture.convert("RGB"), int)
        outlined.append((np.abs(pixels - [0xFF, 0xB0, 0x00]).sum(2) < 60).sum())
    assert outlined[0] > outlined[1] + 5 * 40
