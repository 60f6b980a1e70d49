"""The tidy frame holds the records' numbers, and makes none up."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from bootstrap_oracles import patient_bootstrap

from leaderboards.scores.benchmark_records import read_boards
from leaderboards.scores.tidy_table import tidy, to_csv
from selip.records.metric_key import MetricKey
from selip.records.record_files import write_record

PRIMARY = "abnormal/image_to_text_R@10"


def line_of(frame, method, key):
    pool, metric = key.split("/", 1)
    here = frame[(frame["method"] == method) & (frame["pool"] == pool) & (frame["metric"] == metric)]
    assert len(here) == 1
    return here.iloc[0]


def test_with_one_seed_every_number_is_the_records(run_dir):
    board = read_boards(run_dir)["retrieval"]
    frame = tidy(board, 50)
    for row in board.complete:
        metrics = {key: metric for key, metric in row.scored[0].metrics.items() if not MetricKey.parse(key).reference}
        assert (frame["method"] == row.method).sum() == len(metrics)
        for key, metric in metrics.items():
            line = line_of(frame, row.method, key)
            assert (line["value"], line["lower"], line["upper"]) == (metric.value, metric.lower, metric.upper)
            assert (line["n_items"], line["n_patients"]) == (metric.n_items, metric.n_patients)
            assert line["chance"] == row.scored[0].metrics[f"{key}/chance"].value


def test_the_csv_reads_back_as_it_was(run_dir):
    frame = tidy(read_boards(run_dir)["retrieval"], 50)
    back = pd.read_csv(io.StringIO(to_csv(frame)), keep_default_na=False, na_values={"value": [""], "lower": [""]})
    assert list(back.columns[:16]) == [
        "method", "ablation", "seeds", "pool", "metric", "value", "lower", "upper", "n_items", "n_patients", "chance",
        "majority", "synthetic", "cohort", "split_fingerprint", "protocol_version",
    ]  # fmt: skip
    np.testing.assert_array_equal(back["value"].astype(float), frame["value"].astype(float))
    assert set(back["synthetic"].astype(str)) == {"True"}


def test_a_hole_is_a_line_without_numbers(run_dir):
    frame = tidy(read_boards(run_dir)["retrieval"], 50)
    hole = frame[frame["method"] == "medclip"]
    assert list(hole["status"]) == ["hole"]
    assert "loss is nan at step 12" in hole["reason"].iloc[0]
    assert hole[["value", "lower", "upper", "chance"]].isna().all(axis=None)


def test_over_seeds_the_value_is_their_mean_and_the_spreads_stand_apart(seeds_dir):
    board = read_boards(seeds_dir)["retrieval"]
    frame = tidy(board, 400)
    row = board.row("selip")
    values = [record.metrics[PRIMARY].value for record in row.scored]
    line = line_of(frame, "selip", PRIMARY)
    assert line["seeds"] == 3
    assert line["value"] == pytest.approx(np.mean(values))
    assert line["seed_sd"] == pytest.approx(np.std(values, ddof=1))
    assert line["case_lower"] <= line["value"] <= line["case_upper"]
    assert line["upper"] - line["lower"] > line["case_upper"] - line["case_lower"]
    assert not (frame["method"] == "clip_x2").sum() > 1


def test_case_spread_is_the_patient_bootstrap_of_the_mean_over_seeds(seeds_dir):
    board = read_boards(seeds_dir)["retrieval"]
    frames = board.frames(board.row("selip"), PRIMARY)
    name = PRIMARY.split("/")[1]
    mean = sum(frame.set_index("item_id")[name] for frame in frames) / len(frames)
    first = frames[0].set_index("item_id").loc[mean.index]
    expected = patient_bootstrap(mean, first["weight"], first["patient_id"], 400)
    line = line_of(tidy(board, 400), "selip", PRIMARY)
    assert (line["case_lower"], line["case_upper"]) == pytest.approx((expected.lower, expected.upper))


def test_without_scores_per_item_seeds_have_a_mean_and_no_interval(tmp_path, factory):
    for seed in (0, 1):
        record = factory.add_run(tmp_path, "clip", seed)
        write_record(tmp_path / "records", record)
    line = line_of(tidy(read_boards(tmp_path)["retrieval"], 50), "clip", PRIMARY)
    assert np.isfinite(line["value"])
    assert line[["lower", "upper", "case_lower", "case_upper"]].isna().all()
