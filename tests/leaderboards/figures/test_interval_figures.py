"""Figures: each says SYNTHETIC where it must, shows the records' numbers, and takes any name."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib import style

from leaderboards.figures.example_pictures import Candidate, Example, draw_cases, draw_examples, shorten, show_slice
from leaderboards.figures.interval_figures import difference_plot, score_plots
from leaderboards.figures.plots import FAINT, STYLE, new_figure, render
from leaderboards.figures.training_curves import training_plots
from leaderboards.scores.benchmark_records import read_boards
from leaderboards.scores.benchmark_scores import families_of
from selip.system.errors import InputError

PRIMARY = "abnormal/image_to_text_R@10"
SLICE = np.arange(64, dtype=np.uint8).reshape(8, 8)
TEXT = "at left thalamus shows high signal"


def plots_of(folder):
    sheets = families_of(read_boards(folder), 50)["retrieval"]
    board = sheets[0].board
    drawn = [*score_plots(sheets[0]), difference_plot(sheets, "retrieval", board.synthetic), *training_plots(board)]
    return board, {plot.name: plot for plot in drawn if plot}


def drawn(plot):
    with style.context(STYLE):
        return plot.draw()


def test_every_figure_says_synthetic(run_dir):
    _, found = plots_of(run_dir)
    assert set(found) == {
        "recall_at_10", "ndcg_at_10", "hard_negatives", "contrasts", "retrieval_differences", "validation", "loss",
        "targets",
    }  # fmt: skip
    assert all(drawn(plot).get_suptitle().startswith("SYNTHETIC") for plot in found.values())


def test_a_measured_cohort_has_plain_titles(tmp_path, factory):
    factory.add_run(tmp_path, "clip", cohort=factory.make_cohort(synthetic=False))
    _, found = plots_of(tmp_path)
    assert found
    assert not any("SYNTHETIC" in drawn(plot).get_suptitle() for plot in found.values())


def test_dots_and_chance_are_the_records(run_dir):
    board, found = plots_of(run_dir)
    axes = drawn(found["recall_at_10"]).axes[0]
    names = [label.get_text() for label in axes.get_yticklabels()]
    dots = {line.get_ydata()[0]: line.get_xdata()[0] for line in axes.lines if line.get_marker() == "o"}
    for row in board.complete:
        assert dots[names.index(row.label)] == row.scored[0].metrics[PRIMARY].value
    dashed = next(line for line in axes.lines if line.get_linestyle() == "--")
    assert dashed.get_xdata()[0] == board.reference(PRIMARY, "chance")


def test_untrained_methods_have_no_curve(run_dir):
    _, found = plots_of(run_dir)
    labels = [text.get_text() for text in drawn(found["validation"]).legends[0].get_texts()]
    assert labels == ["clip", "label_smoothing", "selip", "shuffled_selip"]


@pytest.fixture(scope="module")
def many(tmp_path_factory, factory):
    """Figures of twenty methods."""
    folder = tmp_path_factory.mktemp("many")
    for name in ("selip", "clip", *(f"method_{number:02d}" for number in range(18))):
        factory.add_run(folder, name, n_patients=8)
    return plots_of(folder)[1]


def test_of_twenty_methods_the_declared_ones_have_a_colour(many):
    for name in ("validation", "loss"):
        figure = drawn(many[name])
        assert [text.get_text() for text in figure.legends[0].get_texts()] == ["selip", "clip", "other methods"]
        grey = [line for line in figure.axes[0].lines if line.get_color() == FAINT]
        assert len(grey) == 18


def test_the_names_of_twenty_methods_do_not_overlap(many):
    for name in ("recall_at_10", "hard_negatives", "contrasts", "targets"):
        figure = drawn(many[name])
        with style.context(STYLE):
            figure.draw_without_rendering()
        boxes = [label.get_window_extent() for label in figure.axes[0].get_yticklabels()]
        assert len(boxes) >= 20
        assert not any(a.overlaps(b) for a, b in pairwise(boxes)), name


def test_ticks_of_differences_do_not_overlap(run_dir):
    figure = drawn(plots_of(run_dir)[1]["retrieval_differences"])
    with style.context(STYLE):
        figure.draw_without_rendering()
    boxes = [label.get_window_extent() for label in figure.axes[0].get_xticklabels()]
    assert not any(a.overlaps(b) for a, b in pairwise(boxes))


def test_a_drawing_has_the_same_bytes_twice(run_dir):
    _, found = plots_of(run_dir)
    once, again = (render(found["loss"].draw) for _ in range(2))
    assert once == again
    assert once != render(found["validation"].draw)


def test_a_slice_is_shown_as_radiologists_see_it():
    picture = np.zeros((6, 4), np.uint8)
    picture[5, 3] = 255  # the patient's right, anterior
    axes = new_figure(1).subplots()
    show_slice(axes, picture, None)
    shown = axes.images[0].get_array()
    assert shown.shape == (4, 6)
    assert shown[0, 0] == 255


def test_examples_of_both_directions_are_drawn_and_repeat(tmp_path):
    mask = (SLICE > 40).astype(np.uint8)
    answers = [Candidate(TEXT * 4, 0.9 - 0.1 * k, k == 1, SLICE) for k in range(5)]
    queries = [Example("one", TEXT, answers, True, SLICE, mask), Example("two", TEXT, answers, False)]
    once, again = (draw_examples(tmp_path / name, queries).read_bytes() for name in ("a.png", "b.png"))
    assert once == again
    assert once.startswith(b"\x89PNG")


@pytest.mark.parametrize("queries", [[], [Example("two", TEXT, [Candidate("text", 0.1, True)], True)]])
def test_examples_that_cannot_be_drawn_are_refused(tmp_path, queries):
    with pytest.raises(InputError, match="allowed"):
        draw_examples(tmp_path / "x.png", queries)
    assert not list(tmp_path.iterdir())


def test_long_texts_are_cut_with_an_ellipsis():
    assert shorten("one two three four", 9, 1) == "one two …"
    assert shorten("short", 9, 1) == "short"


def test_cases_are_outlined_where_their_masks_are(tmp_path):
    voxels, masks = np.zeros((12, 10), np.uint8), [np.zeros((12, 10), bool) for _ in range(2)]
    masks[0][3:6, 2:5] = True
    masks[1][4:7, 2:5] = True
    found = [SimpleNamespace(caption=TEXT, voxels=voxels, truth=m, predicted=p, spacing_mm=(2.0, 4.0))
             for m, p in (masks, (masks[0], ~masks[0]), (masks[0] & ~masks[0],) * 2)]  # fmt: skip
    once, again = (draw_cases(tmp_path / name, "selip", found, True).read_bytes() for name in ("a.png", "b.png"))
    assert once == again
    assert once != draw_cases(tmp_path / "c.png", "selip", found, False).read_bytes()
    assert once != draw_cases(tmp_path / "d.png", "selip", found[::-1], True).read_bytes()
    with pytest.raises(InputError, match="allowed"):
        draw_cases(tmp_path / "e.png", "selip", [], True)
