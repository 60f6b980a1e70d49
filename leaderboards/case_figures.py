"""Pictures of segmentation: best, median and worst case with the outlines of truth and prediction."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from leaderboards.examples import MARK, shorten
from leaderboards.theme import LIGHT, render
from selip.files import write_atomically

if TYPE_CHECKING:  # its module imports torch
    from benchmarks.benchmark import CasePicture

PREDICTED = "#33b1ff"


def draw_cases(png: Path, title: str, cases: Sequence[CasePicture], synthetic: bool) -> Path:
    """Draws the cases side by side and writes them to `png`; returns the path.

    Args:
        png: File to write.
        title: Line on top, as method and pool.
        cases: At least one.
        synthetic: Whether the volumes are made; printed on the picture.
    """
    name = f"SYNTHETIC · {title}" if synthetic else title
    write_atomically(png, render(lambda _: _draw(name, cases), LIGHT, "png"))
    return png


def _draw(name: str, cases: Sequence[CasePicture]) -> Figure:
    figure = Figure(figsize=(8.4, 3.7))
    figure.text(0.012, 0.97, name, fontsize=9, weight="bold", va="top")
    for place, case in enumerate(cases):
        axes = figure.add_axes((0.012 + 0.33 * place, 0.19, 0.31, 0.7))
        _show(axes, case)
        axes.set_title(shorten(case.caption, 48, 3), fontsize=7.2, loc="left", y=-0.02, va="top", linespacing=1.1)
    lines = [Line2D([], [], color=colour, label=label) for colour, label in ((MARK, "truth"), (PREDICTED, "predicted"))]
    figure.legend(handles=lines, loc="upper right", ncols=2, fontsize=8, frameon=False)
    return figure


def _show(axes: Axes, case: CasePicture) -> None:
    """A slice as radiologists see it: the front up, the patient's right on the viewer's left."""
    aspect = case.spacing_mm[1] / case.spacing_mm[0]
    axes.imshow(_turned(case.voxels), cmap="gray", vmin=0, vmax=255, interpolation="nearest", aspect=aspect)
    for mask, colour in ((case.truth, MARK), (case.predicted, PREDICTED)):
        if mask.any() and not mask.all():
            axes.contour(_turned(mask), levels=[0.5], colors=[colour], linewidths=1.3)
    axes.set(xticks=[], yticks=[])
    axes.grid(visible=False)


def _turned(slice_: np.ndarray) -> np.ndarray:
    return slice_.T[::-1, ::-1]
