"""Figures on the page: the drawing of the file, in colours that follow the page, with nothing that runs."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest

from leaderboards.figures.inline_svg import inline_svg
from leaderboards.figures.plots import ACCENT, COLUMN_INCHES, FAINT, SERIES, new_figure, rendered, titled

HOSTILE = '<script>alert(1)</script>" onload="x'
NAMES = ("grey", "mine", HOSTILE)


def draw():
    figure = new_figure(2)
    axes = figure.subplots()
    for place, name in enumerate(NAMES):
        style = {"color": FAINT, "zorder": 1} if name == "grey" else {"color": ACCENT, "linestyle": "--"}
        axes.plot([0, 1, 2], [place, place + 0.123456, place], gid=SERIES + name, label=name, **style)
    axes.set(xlabel="steps 0.640", ylabel=HOSTILE)
    figure.legend(loc="outside lower left")
    return titled(figure, True, "a title")


@pytest.fixture(scope="module")
def drawn():
    return rendered("one", draw)


@pytest.fixture(scope="module")
def page(drawn):
    return inline_svg(drawn.svg, f"SYNTHETIC: {HOSTILE}")


def test_one_drawing_is_a_picture_a_paper_s_file_and_the_page_s(drawn, page):
    assert drawn.png.startswith(b"\x89PNG")
    assert drawn.pdf.startswith(b"%PDF")
    assert b"/FontFile2" in drawn.pdf, "fonts are embedded"
    assert rendered("one", draw) == drawn, "the same bytes again"
    width = float(re.search(r'viewBox="0 0 ([\d.]+)', page)[1])
    assert width == pytest.approx(COLUMN_INCHES * 72, abs=0.1)
    assert "steps 0.640" in page, "numbers in words stay as they are"


def test_colours_follow_the_page_and_its_policy_forbids_nothing_of_it(page):
    elements = [*ET.fromstring(page.partition("<ul")[0]).iter()]
    tags = {one.tag.rpartition("}")[2] for one in elements}
    assert tags <= {"svg", "g", "path", "text", "use", "defs", "clipPath", "rect"}
    assert not {"style", "onload"} & {name for one in elements for name in one.attrib}
    assert all(one.get("href", "#").startswith("#") for one in elements)
    assert {"var(--accent)", "var(--faint)", "var(--ink)"} <= {*re.findall(r"var\(--\w+\)", page)}


def test_curves_have_their_name_and_the_grey_one_is_last_in_the_list(page):
    svg, _, legend = page.partition("<ul")
    found = [one.get("data-method") for one in ET.fromstring(svg).iter() if one.get("class") == "series"]
    assert sorted(found) == sorted(NAMES)
    listed = [one.get("data-method") for one in ET.fromstring(f"<ul{legend}")]
    assert listed[-1] == "grey"
    assert sorted(listed) == sorted(NAMES)
    assert svg.count(">mine<") == 0, "the names stand in the list alone"
    assert "a title" not in svg, "the page has it as a heading"
