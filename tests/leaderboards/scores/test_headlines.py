"""Families: the declared metric first, what is found else; names for readers; bounds where they are promised."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from bootstrap_oracles import patient_bootstrap

from benchmarks import BENCHMARKS
from benchmarks.statistics.intervals import interval_over_seeds
from leaderboards.scores.benchmark_records import read_boards
from leaderboards.scores.headlines import (
    headline_of,
    keys_of,
    metric_words,
    ordered_pools,
    task_keys,
    words,
)
from leaderboards.scores.paired_differences import standing_of
from leaderboards.scores.tidy_table import both_bounds, case_bounds, resamples_of
from leaderboards.site.build import build_leaderboard
from selip.records.declaration import Declared
from selip.records.metric_key import MetricKey
from selip.system.errors import InputError

N = 50
LEADERBOARDS = Path(__file__).resolve().parents[3] / "leaderboards"


@pytest.fixture(scope="module")
def boards(family_dir):
    return read_boards(family_dir)


def test_the_declared_metric_ranks(boards):
    keys = {name: headline_of(board.records).key for name, board in boards.items()}
    assert keys == {
        "retrieval": "abnormal/image_to_text_R@10",
        "linear_probe": "lesion_type/features_linear_macro_auroc",
        "zero_shot": "lesion_type/macro_auroc",
        "few_shot": "lesion_type/features_16shot_balanced_accuracy",
        "fine_tune": "lesion_type/macro_auroc",
        "segmentation": "frozen/dice",
    }
    assert boards["segmentation"].floor("frozen/dice")[0] == "empty mask"


def test_a_task_is_a_pool_with_all_labels(boards):
    assert task_keys(boards["segmentation"].records) == ["frozen/dice", "fine_tuned/dice"]
    assert [key.split("/")[0] for key in task_keys(boards["zero_shot"].records)] == ["lesion_type", "abnormal", "side"]
    assert task_keys(boards["retrieval"].records) == ["abnormal/image_to_text_R@10", "abnormal/text_to_image_R@10"]


def test_a_benchmark_without_its_declared_metric_has_no_headline(tmp_path, factory):
    record = factory.add_family_run(tmp_path, "segmentation", "clip", n_patients=6)
    kept = {key: metric for key, metric in record.metrics.items() if "dice" not in key}
    factory.add_family_run(tmp_path, "segmentation", "clip", n_patients=6, benchmark="tumours", metrics=kept)
    board = read_boards(tmp_path)["tumours"]
    assert headline_of(board.records) is None
    assert task_keys(board.records) == []


def test_pools_that_are_no_tasks_are_not_ranked_over_unless_every_pool_is():
    keys = ["b/dice", "a/dice", "a_10pct/dice", "a/dice/empty", "a/dice:x", "a/hd95_mm"]
    declared = Declared(family="x", label="x", headline=("*/dice",), pools=("b", "a"))
    assert keys_of(declared, "*/dice", keys) == ["b/dice", "a/dice"]
    assert keys_of(declared.model_copy(update={"pools": ()}), "*/dice", keys) == ["a/dice", "a_10pct/dice", "b/dice"]
    assert keys_of(declared, "a_*/dice", keys) == ["a_10pct/dice"]


def test_references_are_found_and_in_order(boards):
    for name, floors in (("linear_probe", ["chance", "metadata"]), ("segmentation", ["empty", "monai_unet"])):
        assert list(boards[name].floors([headline_of(boards[name].records).key])) == floors


@pytest.mark.parametrize(
    ("task", "name", "said"),
    [
        ("zero_shot", "macro_auroc", "macro AUROC"),
        ("linear_probe", "features_linear_10pct_mcc", "MCC (features, linear, 10 %)"),
        ("zero_shot", "auroc:old infarct", "AUROC of old infarct"),
        ("segmentation", "median_hd95_mm", "median HD95 (mm)"),
        ("segmentation", "nsd_at_2mm", "NSD at 2 mm"),
        ("retrieval", "image_to_text_R@10", "image → text R@10"),
        ("retrieval", "something_else", "something else"),
    ],
)
def test_metrics_are_said_as_their_benchmark_declares(factory, task, name, said):
    assert metric_words(factory.declared_of(task), f"pool/{name}") == said


def test_pools_are_said_and_ordered(factory):
    declared = factory.declared_of("segmentation")
    assert [words(declared, name) for name in ("fine_tuned_10pct", "frozen", "empty")] == [
        "fine-tuned, 10 %", "frozen", "empty mask",
    ]  # fmt: skip
    assert ordered_pools(declared, ["zebra", "fine_tuned", "frozen", "ant", "frozen"]) == [
        "frozen", "fine_tuned", "ant", "zebra",
    ]  # fmt: skip


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
        kept = {row.label: keys or row.metric_keys for row in board.complete}
        both, case = both_bounds(board, kept, N), case_bounds(board, kept, N)
        for row in board.complete[:2]:
            for key in kept[row.label]:
                frames, metric = board.frames(row, key), MetricKey.parse(key).metric
                mean = sum(frame[metric] for frame in frames) / len(frames)
                items = (frames[0]["weight"], frames[0]["patient_id"])
                assert both[row.label, key] == pytest.approx(interval_over_seeds(frames, metric, N)[1:])
                assert case[row.label, key] == pytest.approx(patient_bootstrap(mean, *items, N)[1:])


def test_of_classification_only_tasks_have_bounds_and_the_ranking_one_those_of_its_standing(boards):
    board = boards["zero_shot"]
    kept = {row.label: row.metric_keys for row in board.complete}
    standing = standing_of(board, "lesion_type/macro_auroc", N)
    found = both_bounds(board, kept, N, [standing])
    assert {key for _, key in found} == set(task_keys(board.records))
    assert found["selip", standing.key] == standing.intervals["selip"][1:]
    frames = board.frames(board.row("selip"), "side/macro_auroc")
    alone = interval_over_seeds(frames, "macro_auroc", N, statistic="macro_auroc")
    assert found["selip", "side/macro_auroc"] == pytest.approx(alone[1:])
    assert case_bounds(board, kept, N) == {}


def test_fewer_resamples_are_never_more_and_never_few():
    assert [resamples_of(n) for n in (20, 1000, 5000, 10_000, 50_000)] == [20, 1000, 1000, 1000, 5000]


def test_leaderboards_know_no_benchmark_by_name():
    """But for the layout of CLIP_benchmark, which names tasks of its own beside three of ours."""
    files = {path for path in LEADERBOARDS.rglob("*.py") if path.name != "clip_benchmark.py"}
    assert len(files) > 30
    named = re.compile(rf"""['"]({"|".join(BENCHMARKS)})['"_-]""")
    assert {path.name for path in files if named.search(path.read_text())} == set()
