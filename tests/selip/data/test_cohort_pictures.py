from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from selip.data.cohort_pictures import describe_cohort, draw_slice, show_cohort


def test_description_counts_everything(small_cohort):
    text = describe_cohort(small_cohort)
    assert "phantom quick (synthetic)" in text
    assert f"{len(small_cohort.volumes)} volumes" in text
    labels = next(line for line in text.splitlines() if line.startswith("studies by label"))
    normal = (small_cohort.studies["labels"] == '["normal"]').sum()
    assert f"normal {normal}" in labels


def test_picture_is_drawn(small_cohort, tmp_path):
    show_cohort(small_cohort, tmp_path / "deep" / "cohort.png", n_studies=3)
    image = imread(tmp_path / "deep" / "cohort.png")
    assert image.shape[0] > 300
    assert image[..., :3].std() > 0.05
    outline = (image[..., 0] > 0.9) & (image[..., 1] > 0.6) & (image[..., 2] < 0.4)
    assert outline.sum() > 20


def test_left_of_the_patient_is_right_of_the_picture():
    axis = Figure().subplots()
    plane = np.zeros((4, 6))
    plane[0] = 255
    draw_slice(axis, plane, np.zeros((4, 6), np.uint8), (2.0, 2.0, 5.0))
    shown = axis.images[0].get_array()
    assert (shown[:, -1] == 255).all()
    assert {text.get_text(): text.get_position()[0] > 0.5 for text in axis.texts} == {"R": False, "L": True}


@pytest.mark.parametrize("count", [1, 1000])
def test_any_number_of_studies(small_cohort, tmp_path, count):
    from dataclasses import replace

    few = replace(small_cohort, studies=small_cohort.studies[:4])
    show_cohort(few, tmp_path / "cohort.png", n_studies=count)
    assert (tmp_path / "cohort.png").stat().st_size > 1000
