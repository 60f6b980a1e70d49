"""Pictures that a run left, shrunk alike until all of them together are light enough for one page."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from matplotlib.colors import to_rgb
from PIL import Image

from leaderboards.figures.example_pictures import MARK, RIGHT


class Rung(NamedTuple):
    """A way to write a picture: without loss in some greys and the colours of outlines, or smaller and lossy."""

    greys: int
    share: float = 1.0
    quality: int = 90


LADDER = (Rung(29), Rung(17), Rung(9), Rung(6), Rung(0, 0.6, 25), Rung(0, 0.5, 10))
"""From faithful to light. A slice of few voxels, and text, are smallest with few colours and no loss."""
SAMPLES, MARGIN = 8, 1.03
"""A rung is chosen by some pictures of all sizes, and what all would weigh by them is taken with a margin."""


@dataclass(frozen=True)
class Shown:
    """A picture as the page holds it; one without `uri` was too heavy and stays the file that it is."""

    path: Path
    uri: str
    width: int
    height: int


def shrunk(paths: Sequence[Path], budget: int) -> list[Shown]:
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
            found.append(Shown(path, uri if left >= 0 else "", *picture.size))
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
        picture.resize(size, Image.Resampling.LANCZOS).save(buffer, "WEBP", quality=rung.quality, method=4)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _palette(greys: int) -> Image.Image:
    """Greys from black to white, the two colours of outlines, and the green half as strong for the edges of letters."""
    right, mark = ([round(255 * share) for share in to_rgb(colour)] for colour in (RIGHT, MARK))
    colours = [[round(255 * place / (greys - 1))] * 3 for place in range(greys)]
    colours += [right, [(255 + share) // 2 for share in right], mark]
    picture = Image.new("P", (1, 1))
    picture.putpalette([share for place in range(256) for share in colours[min(place, len(colours) - 1)]])
    return picture
