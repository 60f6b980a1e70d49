"""Cases of segmentation: slices with the outlines of truth and prediction, as one picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from matplotlib.figure import Figure

from leaderboards.figures.retrieval_pictures import MARK, RIGHT, shorten, show_slice
from leaderboards.figures.theme import render
from selip.system.errors import InputError
from selip.system.files import write_atomically


class Case(Protocol):
    """What is drawn of a case: what benchmarks.benchmark.CasePicture has."""

    @property
    def caption(self) -> str:
        """What the case is and how it scored."""

    @property
    def voxels(self) -> np.ndarray:
        """(I, J) uint8; axis 0 grows to the patient's right, axis 1 to the front."""

    @property
    def truth(self) -> np.ndarray:
        """(I, J) bool."""

    @property
    def predicted(self) -> np.ndarray:
        """(I, J) bool."""

    @property
    def spacing_mm(self) -> tuple[float, float]:
        """Voxel edges along I and J."""


def draw_cases(png: Path, title: str, cases: Sequence[Case], synthetic: bool) -> Path:
    """Draws the cases beside each other and writes them to `png`; returns the path.

    Args:
        png: File to write; the page shows `leaderboard/examples/segmentation-*.png`.
        title: Line above them, such as method and arm.
        cases: One panel each, left to right.
        synthetic: Whether the volumes are made; printed on the picture.

    Raises:
        InputError: When there is no case.
    """
    if not cases:
        raise InputError("got no case to draw; allowed: one or more; take the pictures of a score of segmentation")
    name = f"SYNTHETIC · {title}" if synthetic else title
    write_atomically(png, render(lambda _: _draw(name, cases)))
    return png


def _draw(title: str, cases: Sequence[Case]) -> Figure:
    figure = Figure(figsize=(2.8 * max(len(cases), 2), 3.4))
    figure.text(0.012, 0.98, title, fontsize=9, weight="bold", va="top")
    figure.text(0.012, 0.915, "truth", fontsize=8, color=MARK, weight="bold", va="top")
    figure.text(0.09, 0.915, "prediction", fontsize=8, color=RIGHT, weight="bold", va="top")
    for place, case in enumerate(cases):
        left, width = (place + 0.03) / len(cases), 0.94 / len(cases)
        axes = figure.add_axes((left, 0.22, width, 0.64))
        show_slice(axes, case.voxels, case.truth)
        axes.set_aspect(case.spacing_mm[1] / case.spacing_mm[0])
        axes.spines[:].set_visible(False)
        if case.predicted.any():
            axes.contour(case.predicted.T[::-1, ::-1] > 0, levels=[0.5], colors=[RIGHT], linewidths=1.4)
        figure.text(left, 0.19, shorten(case.caption, 46, 3), fontsize=7, va="top", linespacing=1.1)
    return figure
