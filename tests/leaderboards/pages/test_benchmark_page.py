"""Pages of classification and segmentation: the records' numbers and references, controls in words, Holm."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib import style

from benchmarks.statistics.intervals import holm
from leaderboards.figures.interval_figures import score_plots
from leaderboards.figures.plots import STYLE
from leaderboards.pages.benchmark_page import family_part
from leaderboards.scores.benchmark_records import read_boards
from leaderboards.scores.benchmark_scores import families_of
from leaderboards.site.build import build_leaderboard
from selip.experiments.config import DECLARED_CONTRASTS

N = 60


@pytest.fixture(scope="module")
def families(family_dir):
    return families_of(read_boards(family_dir), N)


@pytest.fixture(scope="module")
def page(family_built):
    return {name: (family_built / f"{name}.md").read_text() for name in ("classification", "segmentation")}


def table_of(text, title):
    """Rows of a Markdown table by first cell."""
    lines = text.split(f"### {title} (SYNTHETIC)")[1].split("\n###")[0].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if line.startswith("| ")]
    return {row[0].strip(): row[1:] for row in rows}


def test_values_are_means_over_seeds_with_references_below(family_dir, page):
    board = read_boards(family_dir)["segmentation"]
    rows = table_of(page["segmentation"], "Segmentation: Dice")
    assert rows["method"] == ["group", "frozen", "fine-tuned"]
    values = [record.metrics["frozen/dice"].value for record in board.row("selip").scored]
    assert rows["selip"][1].startswith(f"{np.mean(values):.3f} [")
    assert rows["MONAI U-Net"] == ["–", "0.410", "0.410"]
    assert rows["empty mask"] == ["–", "0.000", "0.000"]
    assert rows["n volumes"][1] == "60 of 30 patients"
    assert "no mean: seed 1 failed: loss is nan at step 12" in rows["clip_x2"][0]


def test_every_benchmark_has_its_table_with_metadata(page):
    for title in ("Linear probe: macro AUROC (features, linear)", "Zero-shot: macro AUROC", "Fine-tuning: macro AUROC"):
        rows = table_of(page["classification"], title)
        assert rows["method"][:2] == ["group", "lesion type"]
        assert rows["chance"][1] == "0.500"
        assert rows["metadata only"][1] == "0.550"
        assert rows["random_init"][0] != rows["selip"][0]
    assert (
        "not scored: seeds 0, 1, 2 skipped: no text tower"
        in table_of(page["classification"], "Zero-shot: macro AUROC")["mae"][0]
    )


def test_details_show_statistics_models_and_classes(page):
    text = page["classification"]
    statistics = table_of(text, "Linear probe, side: features, linear")
    assert statistics["method"] == ["macro AUROC", "balanced accuracy", "macro F1", "MCC", "ECE"]
    assert "SD 0." in statistics["selip"][1]
    assert "[" in statistics["selip"][0]
    models = table_of(text, "Few-shot, side: balanced accuracy")
    assert models["method"] == ["features, 1 shot", "features, 16 shot"]
    assert table_of(text, "Zero-shot, side: AUROC by class")["method"] == ["right"]
    assert len(table_of(text, "Linear probe, abnormal: macro AUROC")["method"]) == 4


def test_millimetres_have_one_decimal(page):
    rows = table_of(page["segmentation"], "Segmentation, frozen")
    assert rows["method"][:3] == ["Dice", "median HD95 (mm)", "HD95 (mm)"]
    assert all(len(rows["selip"][place].split()[0].split(".")[1]) == 1 for place in (1, 2))


def test_holm_is_over_all_declared_contrasts_of_the_page(families):
    found = [c for sheet in families["classification"] for c in sheet.contrasts]
    assert len(found) == 4 * 3
    assert all(len(sheet.board.contrasts) == 5 for sheet in families["classification"])
    assert {(c.a, c.b) for c in found} <= set(DECLARED_CONTRASTS)
    assert [c.p_holm for c in found] == pytest.approx(holm([*(c.difference.p_value for c in found), *[1.0] * 8])[:12])
    assert {c.benchmark for c in found} == {"linear_probe", "zero_shot", "few_shot", "fine_tune"}


def test_controls_that_do_as_well_are_said_first_and_by_benchmark(page):
    for name, text in page.items():
        first = next(line for line in text.splitlines() if line.startswith("- ") and "controls" in line)
        assert "selip is not above its controls" in first
        assert "shuffled_selip" in first
        assert "do not show that report similarity itself helps" in first
        assert name == "segmentation" or "macro AUROC (linear probe, lesion type)" in first


def test_controls_that_are_beaten_everywhere_are_said(tmp_path, factory):
    for name in ("linear_probe", "fine_tune"):
        for seed in (0, 1, 2):
            factory.add_family_run(tmp_path, name, "selip", seed, skill=6.0)
            factory.add_family_run(tmp_path, name, "clip_x2", seed, skill=0.0)
    sheets = families_of(read_boards(tmp_path), N)["classification"]
    texts = [verdict.text for verdict in family_part("classification", sheets, N).verdicts]
    assert texts[0].startswith("selip is above every control that was run in macro AUROC (linear probe, lesion type)")


def test_the_csv_holds_benchmarks_references_and_holes(family_built):
    frame = pd.read_csv(family_built / "classification.csv")
    assert list(frame["benchmark"].unique()) == ["linear_probe", "zero_shot", "few_shot", "fine_tune"]
    assert {"chance", "metadata"} <= set(frame.columns)
    assert set(frame.loc[frame["metric"] == "macro_auroc", "metadata"]) == {0.55}
    assert frame.loc[(frame["method"] == "mae") & (frame["benchmark"] == "zero_shot"), "status"].tolist() == ["skipped"]


def test_each_command_stands_once_and_every_run_has_a_line(family_dir, page):
    records = [r for b in read_boards(family_dir).values() if b.benchmark == "segmentation" for r in b.records]
    text = page["segmentation"]
    assert len({record.command for record in records}) == 15
    assert all(text.count(f"    {record.command}\n") == 1 for record in records)
    assert all(f"| {record.run_id} |" in text for record in records)
    assert "| device | cpu |" in text


def test_a_page_of_failures_says_why(tmp_path, factory):
    factory.add_hole(tmp_path, "clip", benchmark="segmentation")
    build_leaderboard(tmp_path, n_resamples=20)
    text = (tmp_path / "leaderboard" / "segmentation.md").read_text()
    assert "loss is nan at step 12" in text
    assert not (tmp_path / "leaderboard" / "retrieval.md").exists()


def test_a_benchmark_of_others_has_a_page_of_its_own(tmp_path, factory):
    factory.add_family_run(tmp_path, "segmentation", "clip", n_patients=6, benchmark="tumours")
    build_leaderboard(tmp_path, n_resamples=20)
    assert "Tumours leaderboard: SYNTHETIC" in (tmp_path / "leaderboard" / "tumours.md").read_text()


def test_the_page_has_all_sections_with_contents(family_built):
    html = (family_built / "index.html").read_text()
    contents = html.split('aria-label="Tabs"')[1].split("</nav>")[0]
    for name in ("overall", "retrieval", "classification", "segmentation", "audit"):
        assert f'href="#{name}"' in contents
        assert html.count(f'id="{name}"') == 1
    assert "://" not in html.replace("http://www.w3.org", "")


def test_intervals_are_drawn_with_their_chance(families):
    sheet = families["classification"][0]
    (plot,) = score_plots(sheet)
    with style.context(STYLE):
        axes = plot.draw().axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == list(sheet.standing.ranking)
    assert next(line for line in axes.lines if line.get_linestyle() == "--").get_xdata()[0] == 0.5


def test_pages_say_where_no_trained_method_beats_the_floor(tmp_path, factory):
    said = {}
    for skill in (0.0, 3.0):
        folder = tmp_path / str(skill)
        for method in ("selip", "clip"):
            factory.add_seeds(folder, method, skill)
            for seed in range(3):
                factory.add_run(folder, method, seed, skill=skill, benchmark="other", run_id=f"{method}-other-{seed}")
        build_leaderboard(folder, n_resamples=N, html=False)
        said[skill] = [(folder / "leaderboard" / f"{name}.md").read_text() for name in ("retrieval", "overall")]
    own, overall = said[0.0]
    assert "No trained method is shown to beat chance 0." in own
    assert "No trained method is shown to beat chance or a control in retrieval (chance 0." in overall
    assert "; other (chance 0." in overall
    assert not any("No trained method" in text for text in said[3.0])
