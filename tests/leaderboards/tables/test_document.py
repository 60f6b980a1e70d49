"""The pages: the records' numbers, all of it escaped, SYNTHETIC wherever it must stand; the HTML page as a document."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from leaderboards.scores.benchmark_records import read_boards
from leaderboards.site.build import build_leaderboard
from leaderboards.tables.document import escape_markdown

RANKINGS = ("R@1", "R@5", "R@10", "median_rank", "MRR", "nDCG@10")
EVIL = "<script>alert(1)</script>"


class Reader(HTMLParser):
    """Collects tags with their attributes, and the text of table rows."""

    def __init__(self):
        super().__init__()
        self.tags, self.rows = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])

    def handle_data(self, data):
        if self.rows and data.strip():
            self.rows[-1].append(data.strip())

    def all(self, *names):
        return [attributes for tag, attributes in self.tags if tag in names]

    def values(self, *names):
        return [value for _, attributes in self.tags for name, value in attributes.items() if name in names]


def read_html(folder):
    reader = Reader()
    reader.feed((folder / "index.html").read_text())
    return reader


def markdown_rows(folder, name):
    lines = (folder / "retrieval.md").read_text().splitlines()
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if line.startswith(f"| {name} |")]


def test_both_pages_show_the_records_numbers(run_dir, built):
    metrics = read_boards(run_dir)["retrieval"].row("selip").scored[0].metrics
    row = markdown_rows(built, "selip")[0][1:]
    html = [row for row in read_html(built).rows if row[0] == "selip"][1]  # after the ranking
    for place, metric in enumerate(RANKINGS):
        found = metrics[f"abnormal/image_to_text_{metric}"]
        digits = 1 if metric == "median_rank" else 3
        value, interval = f"{found.value:.{digits}f}", f"[{found.lower:.{digits}f}, {found.upper:.{digits}f}]"
        assert row[place] == f"{value} {interval}"
        assert html[1 + 2 * place : 3 + 2 * place] == [value, interval]


def test_chance_majority_and_sizes_stand_below_the_methods(built):
    assert markdown_rows(built, "chance")[0][3] == "0.185"
    assert markdown_rows(built, "majority")[0][3] == "0.010"
    assert markdown_rows(built, "n volumes")[0][3] == "54 of 18 patients"
    assert "54 candidates, 1 seed." in (built / "retrieval.md").read_text()


def test_a_hole_shows_its_reason_and_no_number(built):
    rows = markdown_rows(built, "medclip")
    assert "seed 0 failed: loss is nan at step 12" in rows[0][1]
    assert not any(re.search(r"\d\.\d", cell) for row in rows for cell in row)
    html = (built / "index.html").read_text()
    assert "no mean: seed 0 failed: loss is nan at step 12" in html


def test_every_run_has_its_command_and_commit(run_dir, built):
    for record in read_boards(run_dir)["retrieval"].records:
        for page in ("retrieval.md", "index.html"):
            text = (built / page).read_text()
            assert record.command in text
            assert record.git_commit in text


def test_the_protocol_stands_with_the_table(run_dir, built):
    facts = read_boards(run_dir)["retrieval"].facts
    for page in ("retrieval.md", "index.html"):
        text = (built / page).read_text()
        assert facts.split_fingerprint in text
        assert facts.cohort.content_hash in text
        assert facts.notes.get("ties", "a non-positive with the same score ranks ahead") in text


def test_the_page_asks_nothing_of_the_outside(built):
    reader = read_html(built)
    addresses = reader.values("src", "srcset", "href", "action", "data", "poster", "formaction", "xlink:href")
    assert addresses
    assert all(address.startswith(("data:", "#")) for address in addresses)
    assert not reader.all("iframe", "object", "embed", "base", "audio", "video")
    text = (built / "index.html").read_text()
    assert not re.search(r"url\((?!#)", text)  # those of parts of its own drawings alone
    assert "@import" not in text


def test_the_policy_allows_the_script_and_style_of_the_page_and_nothing_else(built):
    text = (built / "index.html").read_text()
    policy = dict(rule.split(" ", 1) for rule in read_html(built).all("meta")[1]["content"].split("; "))
    for name, tag in (("script-src", "script"), ("style-src", "style")):
        (content,) = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        assert policy[name] == f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
    assert policy["default-src"] == "'none'"
    attributes = {name for _, found in read_html(built).tags for name in found}
    assert not {name for name in attributes if name == "style" or name.startswith("on")}, "the policy forbids them"


def test_every_link_of_the_page_has_one_target(family_built):
    reader = read_html(family_built)
    ids = reader.values("id")
    assert len(ids) == len(set(ids))
    links = {address for address in reader.values("href") if address.startswith("#")}
    assert len(links) > 10
    assert {link[1:] for link in links} <= set(ids)


def test_every_table_has_a_caption_and_heads_with_a_scope(family_built):
    reader, text = read_html(family_built), (family_built / "index.html").read_text()
    tables = len(reader.all("table"))
    assert tables > 30
    captions = re.findall("<caption.*?</caption>", text, re.DOTALL)
    assert len(captions) == tables
    assert all("SYNTHETIC" in caption for caption in captions)
    assert {head["scope"] for head in reader.all("th")} == {"row", "col"}
    regions = [found for found in reader.all("div") if found.get("class") == "scroll"]
    assert len(regions) >= tables - 1, "all but the ranking, which never scrolls"
    assert all(found["tabindex"] == "0" and found["aria-label"] and found["role"] == "group" for found in regions)


def test_heads_of_the_page_go_down_by_one_level(family_built):
    levels = [int(tag[1]) for tag, _ in read_html(family_built).tags if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_markup_in_names_is_harmless(tmp_path, factory):
    notes = {"ties": EVIL, EVIL: "x"}
    factory.add_run(tmp_path, EVIL, run_id="evil", notes=notes, command=f"selip {EVIL}\n```\n# x", device=EVIL)
    factory.add_run(tmp_path, "$\\frac{1$ _x_ | [a](b)", run_id="mathematics", ablation=EVIL)
    factory.add_run(tmp_path, '" onfocus="alert(1)', run_id="attribute")
    factory.add_hole(tmp_path, "clip", reason=f"{EVIL} | `{EVIL}`")
    out = tmp_path / "out"
    build_leaderboard(tmp_path, out, n_resamples=20)
    reader = read_html(out)
    assert len(reader.all("script")) == 1
    assert "onfocus" not in {name for _, found in reader.tags for name in found}
    assert '" onfocus="alert(1)' in reader.values("data-method")
    assert EVIL in reader.values("data-method")
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
    assert "SYNTHETIC" in re.search(r"<h1[^>]*>(.*)</h1>", html)[1]
    heads = re.findall(r"<(?:h2|figcaption)\b.*|<details class=\"card method.*\n.*", html)
    assert len(heads) > 10
    assert all("SYNTHETIC" in head for head in heads)


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
        r.metrics["abnormal/image_to_text_R@10"].value for r in read_boards(seeds_dir)["retrieval"].row("selip").scored
    ]
    assert ", ".join(f"{value:.3f}" for value in values) in text
