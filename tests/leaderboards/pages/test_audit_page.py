"""The audit: leaks are said, shortcuts are judged by the lower bound, small slices are shown and not ranked."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from leaderboards.pages.audit_page import audit_part
from leaderboards.scores.benchmark_records import read_boards
from leaderboards.scores.benchmark_scores import families_of
from leaderboards.scores.tidy_table import Estimate
from leaderboards.site.build import build_leaderboard
from leaderboards.tables.shortcuts_and_slices import (
    FEWEST_ITEMS,
    Shortcut,
    audited_rows,
    mostly_shortcuts,
    ranked_slices,
    shortcuts_of,
    slice_table,
    slices_of,
)
from selip.system.errors import InputError

N = 40
SPLIT = "5f" * 32


def facts(**changes):
    parts = {
        name: {"patients": n, "studies": n, "volumes": 2 * n, "labels": {"normal": n // 4, "infarct": n // 2}}
        for name, n in (("train", 80), ("val", 8), ("test", 0))
    }
    cohort = {"name": "phantom-quick", "split_fingerprint": SPLIT, "parts": parts}
    return json.dumps({"schema_version": 1, "cohorts": [cohort | changes]})


def audit_page(folder):
    sheets = [sheet for members in families_of(read_boards(folder), N).values() for sheet in members]
    return audit_part(sheets, folder, N)


def audited(folder, **changes):
    (folder / "audit.json").write_text(facts(**changes))
    return audit_page(folder)


@pytest.fixture
def small(tmp_path, factory):
    factory.add_hole(tmp_path, "clip")
    return tmp_path


def sheet_of(folder, name):
    sheets = [sheet for members in families_of(read_boards(folder), N).values() for sheet in members]
    return next(sheet for sheet in sheets if sheet.name == name)


def test_a_sound_split_is_said_to_be(small):
    part = audited(small)
    assert part.verdicts[0].kind == "good"
    assert "No leakage in phantom-quick" in part.verdicts[0].text
    balance = {line.cells[0].text: line.cells[1:] for line in part.blocks[0].tables[1].lines}
    assert [cell.text for cell in balance["infarct"]] == ["40", "4", "0"]
    assert [cell.interval for cell in balance["infarct"]] == ["50.0 %", "50.0 %", ""]


def test_leaks_and_near_duplicates_are_counted_and_named(small):
    pairs = [[f"s{n}", f"t{n}"] for n in range(12)]
    part = audited(
        small, patients_in_several_parts=["p1"], identical_volumes=[["v1", "v2"]], near_duplicate_reports=pairs
    )
    assert part.verdicts[0].kind == "warn"
    assert "1 patients in several parts; 1 pairs of identical volumes" in part.verdicts[0].text
    found = [[cell.text for cell in line.cells] for line in part.blocks[0].tables[0].lines]
    assert [row[1] for row in found] == ["1", "1", "12"]
    assert "v1 = v2" in found[1][2]
    assert found[2][2].endswith("and 2 more")


def test_without_the_file_the_page_says_so(small):
    assert "has no audit.json" in audit_page(small).verdicts[0].text


@pytest.mark.parametrize("text", ["{", "{}", facts(split_fingerprint="other"), facts(extra=1)])
def test_a_file_that_is_no_audit_of_these_records_is_refused(small, text):
    (small / "audit.json").write_text(text)
    with pytest.raises(InputError, match=r"^got .*(allowed: |no audit)") as caught:
        audit_page(small)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("skill", "verdict"), [(8.0, "clears metadata"), (0.0, "shortcut")])
def test_a_shortcut_is_a_lower_bound_that_does_not_clear_metadata(tmp_path, factory, skill, verdict):
    factory.add_family_run(tmp_path, "fine_tune", "selip", skill=skill)
    one = shortcuts_of(sheet_of(tmp_path, "fine_tune"))[0]
    assert one.verdict == verdict
    assert (one.score.lower > one.metadata) == (verdict == "clears metadata")
    texts = " ".join(v.text for v in audit_page(tmp_path).verdicts)
    assert ("Shortcut: metadata alone" in texts) == (verdict == "shortcut")


@pytest.mark.parametrize(
    ("control", "value", "verdict"),
    [
        ("intensity histogram", 0.82, "mostly a shortcut"),
        ("intensity histogram", 0.60, "clears metadata"),
        ("intensity histogram", 0.90, "shortcut"),
        ("metadata only", 0.82, "clears metadata"),
    ],
)
def test_a_control_of_the_voxels_that_has_most_of_the_score_is_a_shortcut_too(control, value, verdict):
    one = Shortcut("linear probe: tumour", "k", "selip", Estimate(0.90, 0.87, 0.92), value, 0.5, control=control)
    assert one.verdict == verdict
    said = [verdict.text for verdict in mostly_shortcuts([one])]
    text = "intensity histogram alone has most of what the best method scores above chance, 80 % of it on linear probe"
    assert said == ([f"Shortcut: {text}: tumour."] if verdict == "mostly a shortcut" else [])


def test_the_best_method_of_each_task_is_judged(family_dir):
    sheet = sheet_of(family_dir, "linear_probe")
    for one in shortcuts_of(sheet):
        values = {row.label: np.mean([r.metrics[one.key].value for r in row.scored]) for row in sheet.board.complete}
        assert one.best == max(values, key=values.get)
        assert one.score.value == pytest.approx(values[one.best])


def test_slices_are_the_means_of_their_items(family_dir):
    sheet = sheet_of(family_dir, "segmentation")
    row = sheet.board.row("selip")
    frames = sheet.board.frames(row, "frozen/dice")
    found = slices_of(sheet, sheet.headline, row, N)
    assert {one.by for one in found} == {"contrast", "site", "lesion type", "lesion size"}
    for one in found:
        if one.by in ("contrast", "site"):
            parts = [frame[frame[one.by] == one.value] for frame in frames]
            assert one.n_items == len(parts[0])
            assert one.score.value == pytest.approx(np.mean([part["dice"].mean() for part in parts]))
    for kind in {one.by for one in found}:
        assert sum(one.n_items for one in found if one.by == kind) == len(frames[0])


def test_small_lesions_are_the_worst_and_rare_sites_are_not_ranked(family_dir):
    sheet = sheet_of(family_dir, "segmentation")
    row = audited_rows(sheet)[0]
    found = ranked_slices(sheet.headline, [row], slices_of(sheet, sheet.headline, row, N))
    rare = next(one for one in found if one.value == "C")
    assert rare.n_items < FEWEST_ITEMS
    assert not rare.is_ranked
    lines = {line.cells[0].text: line.cells for line in slice_table(sheet, sheet.headline, found).lines}
    assert lines[f"{row.label}: site C"][-1].text == "not ranked: n too small"
    worst = [name for name, cells in lines.items() if cells[-1].text == "worst"]
    assert len(worst) == 1
    ranked = [one for one in found if one.is_ranked]
    assert worst[0].endswith(min(ranked, key=lambda one: one.score.value).value)
    sizes = {one.value.split()[0]: one.score.value for one in found if one.by == "lesion size"}
    assert sizes["small"] < sizes["medium"] < sizes["large"]


def test_slices_of_classification_are_metrics_of_their_items(family_dir):
    sheet = sheet_of(family_dir, "zero_shot")
    assert [row.label for row in audited_rows(sheet)][-1] == "selip"
    found = slices_of(sheet, sheet.headline, sheet.board.row("selip"), N)
    assert {one.by for one in found} == {"contrast", "site"}
    assert all(0 <= one.score.lower <= one.score.upper <= 1 for one in found if one.is_ranked)
    assert "worst" in (line.cells[-1].text for line in slice_table(sheet, sheet.headline, found).lines)


def test_hard_negatives_of_few_items_have_no_number(tmp_path, factory):
    for method in ("clip", "selip"):
        factory.add_run(tmp_path, method, n_patients=4)  # 9 abnormal volumes
    build_leaderboard(tmp_path, n_resamples=20)
    text = (tmp_path / "leaderboard" / "retrieval.md").read_text()
    table = text.split("### Hard negatives, abnormal volumes")[1].split("###")[0]
    assert table.count("n too small") == 6
    frame = pd.read_csv(tmp_path / "leaderboard" / "retrieval.csv")
    few = (frame["metric"] == "wins") & (frame["n_items"] < 10)
    assert few.any()
    assert frame.loc[few, ["value", "lower", "upper"]].isna().all(axis=None)
    assert frame.loc[~few, "value"].notna().all()


def test_a_bound_above_metadata_that_fell_below_chance_is_not_clear():
    one = Shortcut("side", "side/macro_auroc", "clip", Estimate(0.53, 0.45, 0.62), metadata=0.44, chance=0.5)
    assert one.verdict == "not above chance"
    assert replace(one, score=Estimate(0.53, 0.51, 0.62)).verdict == "clears metadata"
    assert replace(one, metadata=0.6).verdict == "shortcut"


def test_of_errors_the_upper_bound_must_be_below_metadata():
    one = Shortcut("lesions", "all/mae", "clip", Estimate(1.0, 0.8, 1.2), 1.5, 3.0, higher_is_better=False)
    assert one.verdict == "clears metadata"
    assert replace(one, metadata=1.1).verdict == "shortcut"
    assert replace(one, chance=1.1).verdict == "not above chance"
