"""Pictures that a run leaves: a query with its five best answers, and slices with the outlines of two masks.

For the page they are shrunk alike until all of them together are light enough.
"""

from __future__ import annotations

import base64
import io
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure, SubFigure
from PIL import Image

from leaderboards.figures.plots import render
from selip.system.errors import InputError
from selip.system.files import write_atomically

if TYPE_CHECKING:
    from benchmarks.benchmark import CasePicture

RIGHT, WRONG, MARK = "#157f3b", "#4a5565", "#ffb000"
SHOWN = 5


class Candidate(NamedTuple):
    """One ranked answer: its text, its cosine, whether it is a positive of the query, and its (I, J) slice if any.

    `mask` is the (I, J) lesion mask of that slice, outlined where positive.
    """

    text: str
    cosine: float
    is_positive: bool
    picture: np.ndarray | None = None
    mask: np.ndarray | None = None


@dataclass(frozen=True)
class Example:
    """One query with its ranked answers, best first.

    A query with a picture is image_to_text; one without is text_to_image and its candidates have pictures.

    Attributes:
        title: Line above the example, e.g. method, volume and contrast.
        true_text: Text of the query's volume; the query itself when there is no query picture.
        candidates: The best answers, best first; five are shown.
        synthetic: Whether the volumes are made; printed on the picture.
        picture: (I, J) uint8 axial slice of the query, axis 0 to the patient's right, axis 1 to anterior.
        mask: (I, J) lesion mask of that slice, outlined where positive.
    """

    title: str
    true_text: str
    candidates: Sequence[Candidate]
    synthetic: bool
    picture: np.ndarray | None = field(default=None, repr=False)
    mask: np.ndarray | None = field(default=None, repr=False)


def draw_examples(png: Path, queries: list[Example]) -> Path:
    """Draws the examples below each other and writes them to `png`; returns the path.

    Raises:
        InputError: When there is no example, or a text_to_image candidate has no picture.
    """
    if not queries:
        raise InputError("got no example to draw; allowed: one or more; choose queries of the test split")
    write_atomically(png, render(lambda: _draw(queries)))
    return png


def _draw(queries: list[Example]) -> Figure:
    heights = [2.45 if example.picture is not None else 2.6 for example in queries]
    figure = Figure(figsize=(8.4, sum(heights)))
    panels = figure.subfigures(len(queries), 1, height_ratios=heights, squeeze=False)[:, 0]
    for panel, example in zip(panels, queries, strict=True):
        name = f"SYNTHETIC · {example.title}" if example.synthetic else example.title
        panel.text(0.012, 0.95, name, fontsize=9, weight="bold", va="top")
        if example.picture is None:
            _draw_text_to_image(panel, example)
        else:
            _draw_image_to_text(panel, example, example.picture)
    return figure


def _draw_image_to_text(panel: SubFigure, example: Example, picture: np.ndarray) -> None:
    axes = panel.add_axes((0.012, 0.05, 0.225, 0.77), anchor="W")
    show_slice(axes, picture, example.mask)
    panel.text(0.25, 0.82, "truth", fontsize=8, color=WRONG, va="top")
    panel.text(0.345, 0.82, shorten(example.true_text, 80, 2), fontsize=8, weight="bold", va="top", linespacing=1.1)
    for place, (text, score, is_positive, *_) in enumerate(example.candidates[:SHOWN]):
        height, colour = 0.675 - 0.129 * place, RIGHT if is_positive else WRONG
        panel.text(0.25, height, _rank(place, is_positive, score), fontsize=8, color=colour, va="top", weight="bold")
        wrapped, weight = shorten(text, 80, 2), "bold" if is_positive else "normal"
        panel.text(0.345, height, wrapped, fontsize=7.6, va="top", linespacing=1.0, weight=weight, color=colour)


def _draw_text_to_image(panel: SubFigure, example: Example) -> None:
    panel.text(0.012, 0.87, f"“{shorten(example.true_text, 118, 2)}”", fontsize=8, va="top", linespacing=1.1)
    for place, (text, score, is_positive, picture, mask) in enumerate(example.candidates[:SHOWN]):
        if picture is None:
            raise InputError(f"got a candidate without picture in {example.title!r}; allowed: a 2D slice; pass one")
        colour, left = RIGHT if is_positive else WRONG, 0.012 + 0.198 * place
        axes = panel.add_axes((left, 0.235, 0.184, 0.475), anchor="W")
        show_slice(axes, picture, mask)
        for spine in axes.spines.values():
            spine.set(visible=True, color=colour, linewidth=3 if is_positive else 0.8)
        axes.set_title(_rank(place, is_positive, score), fontsize=8, color=colour, weight="bold", pad=3)
        panel.text(left, 0.215, shorten(text, 28, 4), fontsize=6.5, va="top", color=colour, linespacing=1.05)


def _rank(place: int, is_positive: bool, score: float) -> str:
    return f"{place + 1}  {'✓' if is_positive else '✗'}  {score:+.2f}"


def show_slice(axes: Axes, picture: np.ndarray, mask: np.ndarray | None) -> None:
    """Shows an (I, J) axial slice as radiologists see it: anterior up, the patient's right on the viewer's left."""
    axes.imshow(picture.T[::-1, ::-1], cmap="gray", vmin=0, vmax=255, interpolation="nearest", aspect="equal")
    if mask is not None and mask.any():
        axes.contour(mask.T[::-1, ::-1] > 0, levels=[0.5], colors=[MARK], linewidths=1.2)
    axes.set(xticks=[], yticks=[])
    axes.grid(visible=False)
    axes.text(0.03, 0.5, "R", transform=axes.transAxes, color=MARK, fontsize=6.5, ha="left")
    axes.text(0.97, 0.5, "L", transform=axes.transAxes, color=MARK, fontsize=6.5, ha="right")


def shorten(text: str, width: int, lines: int) -> str:
    """Wraps to at most `lines` lines of `width` characters; what does not fit becomes an ellipsis."""
    return "\n".join(textwrap.wrap(text, width, max_lines=lines, placeholder=" …"))


def draw_cases(png: Path, title: str, cases: Sequence[CasePicture], synthetic: bool) -> Path:
    """Draws the cases beside each other and writes them to `png`; returns the path.

    The page shows `leaderboard/examples/BENCHMARK-*.png`. SYNTHETIC is printed on pictures of made volumes.

    Raises:
        InputError: When there is no case.
    """
    if not cases:
        raise InputError("got no case to draw; allowed: one or more; take the pictures of a score")
    name = f"SYNTHETIC · {title}" if synthetic else title
    write_atomically(png, render(lambda: _draw_cases(name, cases)))
    return png


def _draw_cases(title: str, cases: Sequence[CasePicture]) -> Figure:
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


class Rung(NamedTuple):
    """A way to write a picture: without loss in some greys and the colours of outlines, or smaller and lossy."""

    greys: int
    share: float = 1.0
    quality: int = 90


LADDER = (Rung(29), Rung(17), Rung(9), Rung(6), Rung(0, 0.6, 25), Rung(0, 0.5, 5), Rung(0, 0.45, 5))
"""From faithful to light; at the last a text is still read. Few voxels, and text, are smallest without loss."""
SAMPLES, MARGIN = 8, 1.03
"""A rung is chosen by some pictures of all sizes, and what all would weigh by them is taken with a margin."""


@dataclass(frozen=True)
class PagePicture:
    """A picture as the page holds it; one without `uri` was too heavy and stays the file that it is."""

    path: Path
    uri: str
    width: int
    height: int


def shrunk(paths: Sequence[Path], budget: int) -> list[PagePicture]:
    """Writes every picture by the first rung at which all fit.

    Args:
        paths: PNG files.
        budget: Bytes that all together may take on the page.

    Returns:
        In the order of the paths. When not even the last rung fits, those that no longer do have no `uri`.
    """
    sizes = {path: path.stat().st_size for path in paths}
    by_size = sorted(paths, key=lambda path: (sizes[path], path))
    samples = by_size[:: -(-len(paths) // SAMPLES)] if paths else []
    weight = MARGIN * sum(sizes.values()) / max(1, sum(sizes[path] for path in samples))
    for rung in LADDER:
        if weight * sum(len(_uri(path, rung)) for path in samples) <= budget:
            break
    found, left = [], budget
    for path in paths:
        uri = _uri(path, rung)
        left -= len(uri)
        with Image.open(path) as picture:
            found.append(PagePicture(path, uri if left >= 0 else "", *picture.size))
    return found


def _uri(path: Path, rung: Rung) -> str:
    with Image.open(path) as opened:
        picture = opened.convert("RGB")
    buffer = io.BytesIO()
    if rung.greys:
        few = picture.quantize(palette=_palette(rung.greys), dither=Image.Dither.NONE)
        few.save(buffer, "WEBP", lossless=True, quality=rung.quality, method=2)
    else:
        size = (round(picture.width * rung.share), round(picture.height * rung.share))
        picture.resize(size, Image.Resampling.LANCZOS).save(buffer, "WEBP", quality=rung.quality, method=6)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _palette(greys: int) -> Image.Image:
    """Greys from black to white, the two colours of outlines, and the green half as strong for the edges of letters."""
    right, mark = ([round(255 * share) for share in to_rgb(colour)] for colour in (RIGHT, MARK))
    colours = [[round(255 * place / (greys - 1))] * 3 for place in range(greys)]
    colours += [right, [(255 + share) // 2 for share in right], mark]
    picture = Image.new("P", (1, 1))
    picture.putpalette([share for place in range(256) for share in colours[min(place, len(colours) - 1)]])
    return picture
