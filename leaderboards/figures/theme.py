"""How figures look and how they are written: the same data give the same bytes."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import matplotlib as mpl
import seaborn as sns
from matplotlib.figure import Figure

PNG_DPI = 150
WIDTH_INCHES = 5.4


@dataclass(frozen=True)
class Theme:
    """Colours of one appearance, as matplotlib colour strings."""

    ink: str
    faint: str
    grid: str
    paper: str
    accent: str
    alarm: str


LIGHT = Theme(ink="#1c2430", faint="#667085", grid="#e4e7ec", paper="#ffffff", accent="#0b63a5", alarm="#b42318")
Draw = Callable[[Theme], Figure]


@contextmanager
def themed(theme: Theme) -> Iterator[None]:
    """Sets matplotlib's style inside the block: fonts that ship with it, no mathtext."""
    style = {
        "font.family": "DejaVu Sans",
        "font.size": 9.5,
        "axes.titlesize": 10,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.edgecolor": theme.faint,
        "axes.facecolor": theme.paper,
        "axes.labelcolor": theme.ink,
        "axes.grid": True,
        "axes.axisbelow": True,
        "figure.constrained_layout.w_pad": 0.1,
        "figure.constrained_layout.h_pad": 0.08,
        "figure.facecolor": theme.paper,
        "savefig.facecolor": theme.paper,
        "grid.color": theme.grid,
        "text.color": theme.ink,
        "xtick.color": theme.faint,
        "ytick.color": theme.faint,
        "xtick.labelcolor": theme.ink,
        "ytick.labelcolor": theme.ink,
        "legend.frameon": False,
        "text.parse_math": False,
    }
    with mpl.rc_context(style):
        yield


def new_figure(height_inches: float) -> Figure:
    """An empty figure of the boards' width, which a phone shows at its own size."""
    return Figure(figsize=(WIDTH_INCHES, height_inches), layout="constrained")


def palette(labels: list[str]) -> dict[str, tuple[float, float, float]]:
    """Colour of each label; colours repeat after ten, so a line style or a position always tells labels apart too."""
    colours = sns.color_palette("colorblind", 10)
    return {label: colours[index % len(colours)] for index, label in enumerate(labels)}


def render(draw: Draw) -> bytes:
    """Draws and returns the bytes of a PNG."""
    buffer = io.BytesIO()
    with themed(LIGHT):
        draw(LIGHT).savefig(buffer, format="png", dpi=PNG_DPI, metadata={"Software": None})
    return buffer.getvalue()
