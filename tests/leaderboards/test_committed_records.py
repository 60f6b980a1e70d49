"""The committed leaderboard: what the quick experiment promises holds in its records, and the pages come from them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pandas as pd
import pytest

from leaderboards.site.build import build_leaderboard
from selip.records.record_files import read_records

ROOT = Path(__file__).resolve().parents[2]
RECORDS = ROOT / "leaderboards" / "records"
QUICK, ABLATION, STUDY = RECORDS / "quick", RECORDS / "ablation", RECORDS / "study"
TERMS = RECORDS / "study-ablations"
FAMILIES = ("retrieval", "classification", "segmentation", "overall")
KEY = "abnormal/image_to_text_R@10"


@pytest.fixture(scope="module")
def records():
    return {record.method: record for record in read_records(QUICK / "records") if record.benchmark == "retrieval"}


@pytest.fixture(scope="module")
def rebuilt(tmp_path_factory):
    """Gives the pages of a folder made again from its committed records, each folder's once."""

    @cache
    def pages(folder):
        out = tmp_path_factory.mktemp(folder.name)
        build_leaderboard(folder, out)
        return out

    return pages


def test_every_method_was_scored_on_equal_terms(records):
    assert set(records) == {"selip", "clip", "shuffled_selip", "random_init"}
    assert {record.status for record in records.values()} == {"ok"}
    for fact in ("initial_weights_hash", "batch_order_hash", "precision"):
        assert len({getattr(record.training, fact) for record in records.values()}) == 1
    assert all(record.git_commit and "dirty" not in record.git_commit for record in records.values())
    assert {record.command for record in records.values()} == {"selip run quick --out runs/quick"}


@pytest.mark.parametrize("method", ["selip", "clip"])
def test_trained_methods_are_past_chance_and_majority(records, method):
    metrics = records[method].metrics
    assert metrics[KEY].lower > max(metrics[f"{KEY}/{floor}"].value for floor in ("chance", "majority"))


def test_an_answer_from_the_texts_alone_scores_a_half_of_the_hard_negatives():
    for record in (one for one in read_records(STUDY / "records") if one.benchmark == "retrieval" and one.metrics):
        for edit in ("side_swapped", "signal_swapped"):
            assert record.metrics[f"{edit}/wins/majority"].value == pytest.approx(0.5)
            assert record.metrics[f"{edit}/wins"].n_items > 300


def test_untrained_towers_are_at_chance(records):
    metrics = records["random_init"].metrics
    assert metrics[KEY].lower <= metrics[f"{KEY}/chance"].value <= metrics[KEY].upper


@pytest.mark.parametrize(
    ("folder", "page"),
    [
        *((QUICK, page) for page in FAMILIES),
        (ABLATION, "ablation"),
        pytest.param(TERMS, "ablation", marks=pytest.mark.slow),
        *(pytest.param(STUDY, page, marks=pytest.mark.slow) for page in FAMILIES),
    ],
)
def test_committed_page_is_the_one_of_the_records(folder, page, rebuilt):
    assert (rebuilt(folder) / f"{page}.md").read_text() == (folder / "leaderboard" / f"{page}.md").read_text()
    made, committed = (pd.read_csv(one / f"{page}.csv") for one in (rebuilt(folder), folder / "leaderboard"))
    pd.testing.assert_frame_equal(made, committed)  # to 1e-5: another machine rounds sums otherwise


@pytest.mark.parametrize("part", ["site.js", "site.css"])
def test_the_committed_html_page_has_the_present_script_and_style(part):
    present = (ROOT / "leaderboards" / "templates" / part).read_text()
    assert present.strip() in (STUDY / "leaderboard" / "index.html").read_text()


def test_the_committed_audit_is_the_one_of_the_records(rebuilt):
    assert (rebuilt(QUICK) / "audit.md").read_text() == (QUICK / "leaderboard" / "audit.md").read_text()


def test_every_benchmark_of_quick_was_scored_for_every_method():
    found = {(record.method, record.benchmark): record.status for record in read_records(QUICK / "records")}
    assert set(found.values()) == {"ok"}
    assert len(found) == 16


def test_the_ablation_is_of_the_same_full_selip_as_quick(records):
    full = next(record for record in read_records(ABLATION / "records") if not record.ablation)
    assert full.split_fingerprint == records["selip"].split_fingerprint
    assert full.training.batch_order_hash == records["selip"].training.batch_order_hash
    assert full.metrics == records["selip"].metrics, "the same numbers, of another run"
    assert all("dirty" not in record.git_commit for record in read_records(ABLATION / "records"))


def test_readme_shows_the_table_of_the_study():
    page = (STUDY / "leaderboard" / "retrieval.md").read_text()
    table = page.split("### Image → text, abnormal volumes (SYNTHETIC)")[1].split("\n\n")[2]
    assert table.strip() in (ROOT / "README.md").read_text()


def test_the_readme_says_of_the_study_what_its_pages_say():
    section = (ROOT / "README.md").read_text().split("## What the study says")[1].split("\n## ")[0]
    said = [line for line in section.splitlines() if line.startswith("- ")]
    pages = [ROOT / "docs" / "pages" / "study.md", *(STUDY / "leaderboard" / f"{one}.md" for one in FAMILIES)]
    known = {line for page in pages for line in page.read_text().splitlines()}
    assert len(said) > 3
    assert [line for line in said if line not in known] == []
    assert {line for line in known if line.startswith("- Does ")} <= set(said), "however they fall"


def test_the_readme_says_of_real_patients_what_their_page_says():
    section = (ROOT / "README.md").read_text().split("## Real patients")[1].split("\n## ")[0]
    page = (ROOT / "docs" / "pages" / "patients.md").read_text()
    said = [line for line in section.splitlines() if line.startswith("- ")]
    assert len(said) > 3
    assert [line for line in said if line not in page.splitlines()] == []
    rows = table_rows(section)
    assert len(rows) > 3
    for experiment, *cells in rows:
        block = page.split(f"\n## {experiment}\n")[1].split("\n## ")[0]
        (found,) = (row for row in table_rows(block) if row[0] == cells[0])
        assert cells == [found[number] for number in (0, 1, 3, 4, 5, 6)]


def table_rows(text):
    """Cells of the lines of tables, without heads."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in rows if row[0] not in ("experiment", "task", "contrast")]
