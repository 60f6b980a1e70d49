"""All tasks: ranks over methods that lack nothing, what the others lack, and a diagram that shows the ranks."""

from __future__ import annotations

import pandas as pd
import pytest

from benchmarks.statistics.significance import friedman_ranks
from leaderboards.pages.overall_page import overall_part
from leaderboards.scores.benchmark_records import read_boards
from leaderboards.scores.benchmark_scores import families_of, overall_frame, overall_of

N = 40


def sheets(folder):
    return [sheet for members in families_of(read_boards(folder), N).values() for sheet in members]


@pytest.fixture(scope="module")
def overall(family_dir):
    return overall_of(sheets(family_dir))


def test_only_methods_with_every_task_are_ranked(overall):
    assert len(overall.tasks) == 2 + 3 + 3 + 3 + 1 + 2
    assert set(overall.ranks.ranks) == {"selip", "clip", "shuffled_selip", "random_init"}
    assert set(overall.lacking["clip_x2"]) == {"segmentation, frozen", "segmentation, fine-tuned"}
    assert overall.lacking["clip_x2"]["segmentation, frozen"] == "seed 1 failed: loss is nan at step 12"
    assert overall.lacking["mae"]["few-shot, side"] == "was not run"
    assert "no text tower" in overall.lacking["mae"]["zero-shot, side"]


def test_ranks_are_those_of_the_table(overall):
    scores = overall.scores()
    assert not scores.isna().any(axis=None)
    assert overall.ranks == friedman_ranks(scores)
    assert list(overall.labels[:4]) == list(overall.ranks.ranks)
    assert overall.ranks.ranks["random_init"] == 4.0


def test_a_method_that_wins_everywhere_has_rank_one(tmp_path, factory):
    for seed in (0, 1, 2):
        for method, skill in (("best", 6.0), ("worst", 0.0)):
            factory.add_family_run(tmp_path, "segmentation", method, seed, skill=skill)
            factory.add_family_run(tmp_path, "fine_tune", method, seed, skill=skill)
    found = overall_of(sheets(tmp_path))
    assert found.ranks.ranks == {"best": 1.0, "worst": 2.0}
    assert "2 methods on 3 tasks" in found.ranks.note


def test_one_seed_has_no_ranks_and_no_sentence_on_them(tmp_path, factory):
    for method, skill in (("best", 6.0), ("worst", 0.0)):
        factory.add_family_run(tmp_path, "segmentation", method, skill=skill)
        factory.add_family_run(tmp_path, "fine_tune", method, skill=skill)
    members = sheets(tmp_path)
    found = overall_of(members)
    assert found.ranks is None
    page = overall_part(found, members, N)
    assert page.verdicts[0].text.startswith("One seed: this page describes one run of each method")
    assert not any(word in verdict.text for verdict in page.verdicts for word in ("average rank", "Friedman", "Best"))
    assert not any(cell.strong for line in page.blocks[0].tables[0].lines for cell in line.cells)
    assert overall_frame(found)["average_rank"].isna().all()


def test_no_complete_method_gives_no_ranks(tmp_path, factory):
    for seed in (0, 1, 2):
        factory.add_family_run(tmp_path, "segmentation", "one", seed, n_patients=8)
        factory.add_family_run(tmp_path, "fine_tune", "two", seed, n_patients=8)
    found = overall_of(sheets(tmp_path))
    assert found.ranks is None
    texts = [verdict.text for verdict in overall_part(found, sheets(tmp_path), N).verdicts]
    assert "No method has every task, so there are no average ranks." in texts


def test_the_page_says_that_tasks_are_not_independent(family_built):
    text = (family_built / "overall.md").read_text()
    assert "they are not independent draws" in text
    assert "14 tasks" in text
    assert "no sign-flip test over seeds" in text
    assert "smallest detectable" in text
    frame = pd.read_csv(family_built / "overall.csv")
    assert frame.groupby("method").size().eq(14).all()
    assert frame.loc[frame["value"].isna(), "reason"].notna().all()
    assert frame.loc[frame["method"] == "mae", "average_rank"].isna().all()
