"""The pages: the records' numbers, everything escaped, no outside request, SYNTHETIC wherever it must stand."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from leaderboards.board import read_board
from leaderboards.build import build_leaderboard
from leaderboards.pages import escape_markdown
from leaderboards.views import RANKINGS

EVIL = "<script>alert(1)</script>"


class Reader(HTMLParser):
    """Collects tags, addresses, and the text of table rows."""

    def __init__(self):
        super().__init__()
        self.tags, self.addresses, self.rows = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [value for name, value in attrs if name in {"src", "srcset", "href", "action", "data"}]
        if tag == "tr":
            self.rows.append([])

    def handle_data(self, data):
        if self.rows and data.strip():
            self.rows[-1].append(data.strip())


def read_html(folder):
    reader = Reader()
    reader.feed((folder / "index.html").read_text())
    return reader


def markdown_rows(folder, name):
    lines = (folder / "retrieval.md").read_text().splitlines()
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if line.startswith(f"| {name} |")]


def test_both_pages_show_the_records_numbers(run_dir, built):
    metrics = read_board(run_dir, "retrieval").row("selip").scored[0].metrics
    row = markdown_rows(built, "selip")[0][2:]
    html = next(row for row in read_html(built).rows if row[0] == "selip")
    for place, metric in enumerate(RANKINGS):
        found = metrics[f"abnormal/image_to_text_{metric}"]
        digits = 1 if metric == "median_rank" else 3
        value, interval = f"{found.value:.{digits}f}", f"[{found.lower:.{digits}f}, {found.upper:.{digits}f}]"
        assert row[place] == f"{value} {interval}"
        assert html[2 + 2 * place : 4 + 2 * place] == [value, interval]


def test_chance_majority_and_sizes_stand_below_the_methods(built):
    assert markdown_rows(built, "chance")[0][4] == "0.185"
    assert markdown_rows(built, "majority")[0][4] == "0.010"
    assert markdown_rows(built, "n volumes")[0][4] == "54 of 18 patients"
    assert "54 candidates, 1 seed." in (built / "retrieval.md").read_text()


def test_a_hole_shows_its_reason_and_no_number(built):
    rows = markdown_rows(built, "medclip")
    assert "seed 0 failed: loss is nan at step 12" in rows[0][1]
    assert not any(re.search(r"\d\.\d", cell) for row in rows for cell in row)
    html = (built / "index.html").read_text()
    assert "no mean: seed 0 failed: loss is nan at step 12" in html


def test_every_run_has_its_command_and_commit(run_dir, built):
    for record in read_board(run_dir, "retrieval").records:
        for page in ("retrieval.md", "index.html"):
            text = (built / page).read_text()
            assert record.command in text
            assert record.git_commit in text


def test_the_protocol_stands_with_the_table(run_dir, built):
    facts = read_board(run_dir, "retrieval").facts
    for page in ("retrieval.md", "index.html"):
        text = (built / page).read_text()
        assert facts.split_fingerprint in text
        assert facts.cohort.content_hash in text
        assert facts.notes.get("ties", "a non-positive with the same score ranks ahead") in text


def test_the_page_asks_nothing_of_the_outside(built):
    reader = read_html(built)
    assert reader.addresses
    assert all(address.startswith(("data:image/", "#")) for address in reader.addresses)
    assert not {"script", "link", "iframe", "object"} & set(reader.tags)
    text = (built / "index.html").read_text()
    assert "url(" not in text
    assert "@import" not in text


def test_markup_in_names_is_harmless(tmp_path, factory):
    notes = {"ties": EVIL, EVIL: "x"}
    factory.add_run(tmp_path, EVIL, run_id="evil", notes=notes, command=f"selip {EVIL}\n```\n# x", device=EVIL)
    factory.add_run(tmp_path, "$\\frac{1$ _x_ | [a](b)", run_id="mathematics", ablation=EVIL)
    factory.add_hole(tmp_path, "clip", reason=f"{EVIL} | `{EVIL}`")
    out = tmp_path / "out"
    build_leaderboard(tmp_path, out, n_resamples=20)
    reader = read_html(out)
    assert "script" not in reader.tags
    assert "alert(1)" in (out / "index.html").read_text()
    outside_code = [line for line in (out / "retrieval.md").read_text().splitlines() if not line.startswith("    ")]
    assert not any("<script" in line or line.startswith("```") for line in outside_code)


@pytest.mark.parametrize("text", ["a|b", "`x`", "a\nb", "[x](http://y)", "<b>", "*x*", "a\\b"])
def test_markdown_escape_leaves_no_live_markup(text):
    escaped = escape_markdown(text)
    assert "\n" not in escaped
    assert not re.search(r"(?<!\\)[|`*]", escaped)
    assert not re.search(r"(?<!\\)\]\(", escaped)
    assert "<" not in escaped


def test_synthetic_stands_in_titles_and_tables(built):
    markdown = (built / "retrieval.md").read_text()
    heads = [line for line in markdown.splitlines() if line.startswith(("# ", "### ", "!["))]
    assert len(heads) > 10
    assert all("SYNTHETIC" in line for line in heads)
    html = (built / "index.html").read_text()
    assert "SYNTHETIC" in re.search(r"<title>(.*)</title>", html)[1]
    assert "SYNTHETIC" in re.search(r"<h1>(.*)</h1>", html)[1]
    assert all("SYNTHETIC" in head for head in re.findall(r"<h3>(.*)</h3>", html))


def test_a_measured_cohort_is_not_called_synthetic(tmp_path, factory):
    cohort = factory.make_cohort(synthetic=False)
    for method in ("clip", "selip"):
        factory.add_run(tmp_path, method, cohort=cohort)
    build_leaderboard(tmp_path, n_resamples=20)
    out = tmp_path / "leaderboard"
    assert "SYNTHETIC" not in (out / "retrieval.md").read_text() + (out / "index.html").read_text()


def test_seeds_have_their_spreads_apart(seeds_dir, tmp_path):
    build_leaderboard(seeds_dir, tmp_path, n_resamples=50)
    text = (tmp_path / "retrieval.md").read_text()
    assert "Case spread and seed spread" in text
    values = [
        r.metrics["abnormal/image_to_text_R@10"].value for r in read_board(seeds_dir, "retrieval").row("selip").scored
    ]
    assert ", ".join(f"{value:.3f}" for value in values) in text
