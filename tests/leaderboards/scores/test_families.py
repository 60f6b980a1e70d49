"""Families: the declared metric first, what is found else; names for readers; bounds where they are promised."""

from __future__ import annotations

import pytest
from bootstrap_oracles import patient_bootstrap

from benchmarks.statistics.intervals import hierarchical_bootstrap
from leaderboards.scores.benchmark_records import read_board, read_boards
from leaderboards.scores.families import (
    headline_of,
    metric_words,
    ordered_pools,
    parts_of,
    references_of,
    task_keys,
    words,
)
from leaderboards.scores.paired_differences import standing_of
from leaderboards.scores.seed_intervals import both_bounds, case_bounds, resamples_of
from leaderboards.scores.tidy_table import metric_keys
from leaderboards.site.build import build_leaderboard
from selip.system.errors import InputError

N = 50


@pytest.fixture(scope="module")
def boards(family_dir):
    return read_boards(family_dir)


def test_the_declared_metric_ranks(boards):
    keys = {name: headline_of(board).key for name, board in boards.items()}
    assert keys == {
        "retrieval": "abnormal/image_to_text_R@10",
        "linear_probe": "lesion_type/features_linear_macro_auroc",
        "zero_shot": "lesion_type/macro_auroc",
        "few_shot": "lesion_type/features_16shot_balanced_accuracy",
        "fine_tune": "lesion_type/macro_auroc",
        "segmentation": "frozen/dice",
    }
    assert headline_of(boards["segmentation"]).floor == "empty"


def test_a_task_is_a_pool_with_all_labels(boards):
    assert task_keys(boards["segmentation"]) == ["frozen/dice", "fine_tuned/dice"]
    assert [key.split("/")[0] for key in task_keys(boards["zero_shot"])] == ["lesion_type", "abnormal", "side"]
    assert task_keys(boards["retrieval"]) == ["abnormal/image_to_text_R@10", "abnormal/text_to_image_R@10"]


def test_an_unknown_benchmark_is_ranked_by_its_first_metric_where_higher_is_better(tmp_path, factory):
    record = factory.add_family_run(tmp_path, "segmentation", "clip", n_patients=6)
    kept = {key: metric for key, metric in record.metrics.items() if "hd95" in key or "nsd" in key}
    factory.add_family_run(tmp_path, "segmentation", "clip", n_patients=6, benchmark="tumours", metrics=kept)
    board = read_board(tmp_path, "tumours")
    assert headline_of(board).key == "fine_tuned/nsd_at_2mm"
    assert task_keys(board) == []


def test_references_are_found_and_in_order(boards):
    assert references_of(boards["linear_probe"]) == ["chance", "metadata"]
    assert references_of(boards["segmentation"]) == ["empty", "monai_unet"]


@pytest.mark.parametrize(
    ("metric", "parts", "said"),
    [
        ("macro_auroc", ("", "macro_auroc", ""), "macro AUROC"),
        ("features_linear_10pct_mcc", ("features_linear_10pct", "mcc", ""), "MCC (features, linear, 10 %)"),
        ("features_16shot_balanced_accuracy", ("features_16shot", "balanced_accuracy", ""), None),
        ("auroc:old infarct", ("", "auroc", "old infarct"), "AUROC of old infarct"),
        ("median_hd95_mm", ("", "median_hd95_mm", ""), "median HD95 (mm)"),
        ("something_else", ("", "something_else", ""), "something else"),
    ],
)
def test_names_come_apart_and_are_said(metric, parts, said):
    assert parts_of(metric) == parts
    assert metric_words(metric) == said or said is None


def test_pools_are_said_and_ordered():
    assert [words(name) for name in ("fine_tuned_10pct", "fine_tune", "lesion_type")] == [
        "fine-tuned, 10 %", "fine-tuning", "lesion type",
    ]  # fmt: skip
    assert ordered_pools(["zebra", "side", "lesion_type", "ant", "side"]) == ["lesion_type", "side", "ant", "zebra"]


@pytest.mark.parametrize("name", ["overall", "../elsewhere", "a b", ""])
def test_a_benchmark_that_names_no_page_is_refused(tmp_path, factory, name):
    factory.add_run(tmp_path, "clip", n_patients=4, benchmark=name, run_id="x")
    with pytest.raises(InputError, match="allowed"):
        build_leaderboard(tmp_path)


def test_benchmarks_of_two_splits_are_refused(tmp_path, factory):
    factory.add_run(tmp_path, "clip", n_patients=4)
    factory.add_hole(tmp_path, "clip", benchmark="segmentation", run_id="y", split_fingerprint="other-split")
    with pytest.raises(InputError, match="other-split"):
        read_boards(tmp_path)


def test_bounds_are_the_bootstrap_of_each_row(boards):
    for name, keys in (("segmentation", ["frozen/dice", "frozen/hd95_mm"]), ("few_shot", None)):
        board = boards[name]
        kept = {row.label: keys or metric_keys(row) for row in board.complete}
        both, case = both_bounds(board, kept, N), case_bounds(board, kept, N)
        for row in board.complete[:2]:
            for key in kept[row.label]:
                frames, metric = board.frames(row, key), key.split("/", 1)[1]
                mean = sum(frame[metric] for frame in frames) / len(frames)
                items = (frames[0]["weight"], frames[0]["patient_id"])
                assert both[row.label, key] == pytest.approx(hierarchical_bootstrap(frames, metric, N)[1:])
                assert case[row.label, key] == pytest.approx(patient_bootstrap(mean, *items, N)[1:])


def test_of_classification_only_tasks_have_bounds_and_the_ranking_one_those_of_its_standing(boards):
    board = boards["zero_shot"]
    kept = {row.label: metric_keys(row) for row in board.complete}
    standing = standing_of(board, "lesion_type/macro_auroc", N)
    found = both_bounds(board, kept, N, [standing])
    assert {key for _, key in found} == set(task_keys(board))
    assert found["selip", standing.key] == standing.intervals["selip"][1:]
    frames = board.frames(board.row("selip"), "side/macro_auroc")
    alone = hierarchical_bootstrap(frames, "macro_auroc", N, statistic="macro_auroc")
    assert found["selip", "side/macro_auroc"] == pytest.approx(alone[1:])
    assert case_bounds(board, kept, N) == {}


def test_fewer_resamples_are_never_more_and_never_few():
    assert [resamples_of(n) for n in (20, 1000, 5000, 10_000, 50_000)] == [20, 1000, 1000, 1000, 5000]
