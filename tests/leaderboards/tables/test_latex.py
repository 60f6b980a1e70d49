"""LaTeX: every brace and environment closed, as many cells as columns, no live special, whatever the names are."""

from __future__ import annotations

import re
import shutil
import string
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaderboards.tables.cells import Cell, Line, PageTable
from leaderboards.tables.document import Block, Page, escape_latex, latex_cell, to_latex

EVIL = r"a&b %c $d$ #e _f {g} ~h ^i \j <k> |l| [m] `n` é → 漢" + "\nnext"
LIVE = re.compile(r"(?<!\\)[&%#_^~]")


PAGES = ("retrieval", "classification", "segmentation", "overall", "audit")


def check(text):
    """Parses a file: comments dropped, braces and environments nested, rows as wide as their table."""
    body = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
    body = body.replace("{!}{%\n", "{!}{\n")
    depth, plain = 0, body.replace(r"\\", "").replace(r"\{", "").replace(r"\}", "")
    for character in plain:
        depth += {"{": 1, "}": -1}.get(character, 0)
        assert depth >= 0
    assert depth == 0
    open_ones = []
    for kind, name in re.findall(r"\\(begin|end)\{(\w+)\}", body):
        if kind == "begin":
            open_ones.append(name)
        else:
            assert open_ones.pop() == name
    assert not open_ones
    for columns, rows in re.findall(r"\\begin\{tabular\}\{(\w+)\}(.*?)\\end\{tabular\}", body, re.DOTALL):
        lines = [line for line in rows.splitlines() if line.endswith(r"\\")]
        assert lines
        for line in lines:
            spans = sum(int(n) - 1 for n in re.findall(r"\\multicolumn\{(\d+)\}", line))
            assert len(re.findall(r"(?<!\\)&", line)) + 1 + spans == len(columns)
            assert not re.search(r"(?<!\\)[%#_~^]", line)
            assert not line.startswith(("[", "*"))
    assert body.isascii()


def part_of(name):
    lines = (
        Line((Cell(name), Cell(name, name, strong=True), Cell("1"))),
        Line((Cell("[x]"), Cell("*"), Cell("–"))),
        Line((Cell(name),), name, "hole"),
        Line((Cell("chance"), Cell("0.5"), Cell("")), kind="reference"),
    )
    tables = [PageTable(name, name, (name, "b", "c"), lines), PageTable("wide", "", tuple("abcdefgh"), ())]
    return Page("x", name, name, True, [], [], [Block(name, name, tables)])


def test_a_table_of_hostile_names_compiles():
    check(to_latex(part_of(EVIL)))


@given(st.text(alphabet=string.printable + "éλ→−✓漢"))
def test_escaped_text_has_no_live_special(text):
    escaped = escape_latex(text)
    assert escaped.isascii()
    assert "\n" not in escaped
    assert not LIVE.search(escaped.replace(r"\\", ""))
    assert escaped.count("{") - escaped.count(r"\{") == escaped.count("}") - escaped.count(r"\}")


def test_plain_text_stays_and_the_interval_is_small():
    assert escape_latex("macro AUROC (features), 0.5") == "macro AUROC (features), 0.5"
    assert latex_cell(Cell("0.5", "[0.4, 0.6]", strong=True)) == r"\textbf{0.5} {\scriptsize {[}0.4, 0.6{]}}"


@pytest.mark.parametrize("name", [*PAGES, "paper"])
def test_every_page_has_tables_that_compile(family_built, name):
    text = (family_built / f"{name}.tex").read_text()
    check(text)
    captions = [line for line in text.splitlines() if line.startswith(r"\caption")]
    assert captions
    assert all("SYNTHETIC" in line for line in captions)
    assert r"\toprule" in text


def test_the_table_of_a_paper_has_five_to_seven_columns_and_every_ranked_method(family_built):
    text = (family_built / "paper.tex").read_text()
    assert 5 <= len(re.search(r"\\begin\{tabular\}\{(\w+)\}", text)[1]) <= 7
    assert "resizebox" not in text
    assert re.search(r"^\{\}shuffled\\_selip & [\d.]+ & 0\.\d{3} \{\\scriptsize", text, re.MULTILINE)


@pytest.mark.slow
@pytest.mark.parametrize("names", [PAGES, ("paper",)])
def test_they_compile(family_built, tmp_path, names):
    engine = next((path for name in ("tectonic", "pdflatex") if (path := shutil.which(name))), None)
    if engine is None:
        pytest.skip("no tectonic and no pdflatex: on Debian, apt-get install texlive-latex-recommended")
    tables = "\n".join((family_built / f"{name}.tex").read_text() for name in names)
    (tmp_path / "all.tex").write_text(
        rf"\documentclass{{article}}\usepackage{{booktabs,graphicx}}\extrafloats{{100}}\setlength{{\textwidth}}{{180mm}}"
        rf"\begin{{document}}{tables}\end{{document}}"
    )
    options = [] if engine.endswith("tectonic") else ["-interaction=nonstopmode", "-halt-on-error"]
    done = subprocess.run([engine, *options, "all.tex"], cwd=tmp_path, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "all.pdf").stat().st_size > 10_000
    if names == ("paper",):
        assert "Overfull \\hbox" not in done.stdout, "it fits the page"
