"""Records that do not belong together are refused in one line; cells without a number keep their reason."""

from __future__ import annotations

import pytest

from leaderboards.scores.benchmark_records import read_boards
from selip.records.record import Metric
from selip.system.errors import InputError


def refused(folder):
    with pytest.raises(InputError) as caught:
        read_boards(folder)["retrieval"]
    line = str(caught.value)
    assert "\n" not in line
    assert line.startswith("got ")
    assert "allowed: " in line
    return line


@pytest.mark.parametrize(
    ("changes", "first", "second"),
    [
        ({"split_fingerprint": "other-split"}, "5f5f5f", "other-split"),
        ({"protocol_version": "2-beta"}, "protocol versions 1 ", "2-beta"),
    ],
)
def test_two_of_a_kind_are_never_one_table(tmp_path, factory, changes, first, second):
    factory.add_run(tmp_path, "clip")
    factory.add_run(tmp_path, "selip", **changes)
    line = refused(tmp_path)
    assert first in line
    assert second in line


def test_another_cohort_is_refused_also_in_a_failed_record(tmp_path, factory):
    factory.add_run(tmp_path, "clip")
    assert len(read_boards(tmp_path)["retrieval"].rows) == 1
    factory.add_hole(tmp_path, "selip", cohort=factory.make_cohort(content_hash="other-cohort"))
    assert "other-cohort" in refused(tmp_path)


def test_a_measured_and_a_made_cohort_are_refused(tmp_path, factory):
    factory.add_run(tmp_path, "clip")
    factory.add_run(tmp_path, "selip", cohort=factory.make_cohort(synthetic=False))
    assert "synthetic flags True" in refused(tmp_path)


def test_another_second_cohort_is_refused_and_a_made_one_makes_the_page_synthetic(tmp_path, factory):
    measured = {"cohort": factory.make_cohort(synthetic=False)}
    factory.add_run(tmp_path, "clip", **measured, transfer=factory.make_cohort(content_hash="one"))
    assert read_boards(tmp_path)["retrieval"].synthetic
    factory.add_run(tmp_path, "selip", **measured, transfer=factory.make_cohort(content_hash="two"))
    assert "second cohorts one" in refused(tmp_path)


def test_metrics_over_other_items_are_refused(tmp_path, factory):
    factory.add_run(tmp_path, "clip", n_patients=24)
    factory.add_run(tmp_path, "selip", n_patients=20)
    assert "(15, 45, " in refused(tmp_path)


def test_another_chance_level_is_refused(tmp_path, factory):
    key = "abnormal/image_to_text_R@10/chance"
    for method, chance in (("clip", 0.1), ("selip", 0.2)):
        factory.add_run(tmp_path, method, metrics={key: Metric(value=chance, n_patients=3, n_items=9)})
    assert key in refused(tmp_path)


def test_two_scored_records_of_one_cell_are_refused(tmp_path, factory):
    factory.add_run(tmp_path, "clip", run_id="first")
    factory.add_run(tmp_path, "clip", run_id="second")
    line = refused(tmp_path)
    assert "first" in line
    assert "second" in line


def test_a_failed_try_does_not_undo_a_scored_one(tmp_path, factory):
    factory.add_run(tmp_path, "clip")
    factory.add_hole(tmp_path, "clip", run_id="first-try")
    assert [row.hole for row in read_boards(tmp_path)["retrieval"].rows] == [""]


def test_a_lost_seed_is_a_hole_with_its_reason(seeds_dir):
    board = read_boards(seeds_dir)["retrieval"]
    assert [row.label for row in board.complete] == ["clip", "random_init", "selip"]
    hole = next(row.hole for row in board.rows if row.method == "clip_x2")
    assert hole == "seed 1 skipped: no memory left; seed 2 was not run"
    assert board.row("clip_x2") is None


def test_ablations_are_rows_of_their_own(tmp_path, factory):
    factory.add_run(tmp_path, "selip")
    factory.add_run(tmp_path, "selip", ablation="lambda=0")
    board = read_boards(tmp_path)["retrieval"]
    assert [row.label for row in board.rows] == ["selip", "selip [lambda=0]"]
    assert board.row("selip").scored[0].ablation == ""


def test_seeds_lost_for_one_reason_are_listed_once(tmp_path, factory):
    factory.add_run(tmp_path, "clip")
    factory.add_run(tmp_path, "clip", 1)
    for seed in (0, 1):
        factory.add_hole(tmp_path, "mae", seed, "skipped", "the method trains no text tower")
    row = next(row for row in read_boards(tmp_path)["retrieval"].rows if row.method == "mae")
    assert row.hole == "seeds 0, 1 skipped: the method trains no text tower"
    assert row.skipped


def test_a_row_with_one_scored_seed_is_a_hole_and_not_skipped(seeds_dir):
    assert not next(row for row in read_boards(seeds_dir)["retrieval"].rows if row.hole).skipped
