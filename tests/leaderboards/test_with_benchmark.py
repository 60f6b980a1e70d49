"""The seam to the benchmarks: what they score is what the tables show, none of it under another name."""

from __future__ import annotations

import zlib

import numpy as np
import pandas as pd
import pytest

from benchmarks.benchmark import ScoreOptions
from benchmarks.classification.class_tasks import TASKS
from benchmarks.classification.labels import ITEM_COLUMNS, Part, TaskData
from benchmarks.classification.predictions import Answers, score_answers
from benchmarks.tasks import retrieval
from benchmarks.tasks.retrieval import BENCHMARK
from leaderboards.scores.benchmark_records import read_boards
from leaderboards.scores.benchmark_scores import families_of
from leaderboards.scores.paired_differences import compare_pairs
from leaderboards.tables.benchmark_tables import detail_tables, main_tables
from leaderboards.tables.shortcuts_and_slices import shortcuts_of
from selip.data.findings import Finding, clauses_of, findings_text
from selip.models.embeddings import Embeddings
from selip.records.record_files import write_record

REGIONS = ("thalamus", "frontal lobe", "putamen", "insula", "cerebellum")
SIGNALS = {"FLAIR": "high signal", "T1": "low signal"}


def encode_text(texts):
    """A fixed random direction for each text."""
    vectors = np.stack([np.random.default_rng(zlib.crc32(text.encode())).normal(size=16) for text in texts])
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def make_embeddings(noise, n_patients=30):
    """Volumes that lie at their text's direction, but for `noise`."""
    rng = np.random.default_rng(1)
    truth = {}
    for n in range(n_patients):  # none, one or two findings
        places = (REGIONS[n % 5], REGIONS[(n + 1) % 5])[: n % 3]
        truth[f"s{n}"] = [Finding("plaque", region, ("left", "right")[n % 2], SIGNALS) for region in places]
    rows = [
        (f"{study}_{contrast}", study, f"p{study}", contrast, "site", findings_text(clauses_of(found, contrast)))
        for study, found in truth.items()
        for contrast in SIGNALS
    ]
    items = pd.DataFrame(rows, columns=["volume_id", "study_id", "patient_id", "contrast", "site", "text"])
    vectors = encode_text(items["text"]) + noise * rng.normal(size=(len(items), 16))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return Embeddings(items, vectors, vectors, encode_text, truth, list(items["text"]))


@pytest.fixture(scope="module")
def sheet(tmp_path_factory, factory):
    folder = tmp_path_factory.mktemp("scored")
    for method, noise in (("selip", 0.0), ("clip", 0.6)):
        score = retrieval.score(make_embeddings(noise), ScoreOptions(n_resamples=100))
        facts = {"metrics": dict(score.metrics), "notes": dict(score.notes)}
        for seed in (0, 1, 2):
            record = factory.make_record(method, seed, protocol_version=BENCHMARK.protocol_version, **facts)
            write_record(folder / "records", record, score.per_item)
    return families_of(read_boards(folder), 50)["retrieval"][0]


@pytest.fixture(scope="module")
def board(sheet):
    return sheet.board


def test_every_column_of_the_tables_is_scored(sheet):
    tables = main_tables(sheet) + detail_tables(sheet)
    assert [len(table.columns) for table in tables] == [8, 7, 4, 5, 5, 3, 3]
    for table in tables:
        methods = [line for line in table.lines if line.kind == "method"]
        assert [line.cells[0].text for line in methods] == ["selip", "clip"]
        values = [cell for line in methods for cell in line.cells[1:] if cell.interval]
        skipped = 1 if table.columns[1] == "group" else 0
        assert len(values) == len(methods) * (len(table.columns) - 1 - skipped)
        chance = next(line for line in table.lines if line.cells[0].text == "chance")
        assert "–" not in [cell.text for cell in chance.cells[1 + skipped :]]
    assert "candidates" in tables[0].caption


def test_perfect_embeddings_are_perfect_on_the_board(board):
    metrics = board.row("selip").scored[0].metrics
    assert metrics["abnormal/image_to_text_R@1"].value == 1.0
    assert metrics["abnormal/image_to_text_median_rank"].value == 1.0
    key = "abnormal/image_to_text_R@1"
    comparison = compare_pairs(board, [(board.row("selip"), board.row("clip"))], key, 100)[0]
    assert comparison.difference.value == pytest.approx(1 - board.row("clip").scored[0].metrics[key].value)
    assert comparison.separates


def classified(noise):
    """Answers to a task of three classes as the classification benchmarks score them."""
    names, rng = ("bleed", "infarct", "plaque"), np.random.default_rng(3)
    labels = np.arange(60) % 3
    items = pd.DataFrame({name: [f"{name}{n // 2}" for n in range(60)] for name in ITEM_COLUMNS})
    items = items.assign(item_id=[f"v{n}" for n in range(60)], patient_id=[f"p{n // 2}" for n in range(60)])
    data = TaskData(TASKS[1], names, {"test": Part(items, np.arange(60), labels)})
    shares = np.eye(3)[labels] + noise * rng.random((60, 3))
    models = dict.fromkeys(("features_linear", "features_linear_10pct"), shares / shares.sum(axis=1, keepdims=True))
    answers = Answers(models, {"metadata": np.full((60, 3), 1 / 3)})
    return score_answers(data, "test", [answers], ScoreOptions(n_resamples=50))


def test_what_classification_scores_is_what_its_page_shows(tmp_path, factory):
    for method, noise in (("selip", 0.0), ("clip", 3.0)):
        frame, metrics = classified(noise)
        for seed in (0, 1, 2):
            record = factory.make_record(method, seed, benchmark="linear_probe", metrics=metrics)
            write_record(tmp_path / "records", record, frame)
    sheet = families_of(read_boards(tmp_path), 50)["classification"][0]
    assert sheet.headline.key == "lesion_type/features_linear_macro_auroc"
    assert sheet.standing.ranking == ("selip", "clip")
    value = sheet.board.row("selip").scored[0].metrics[sheet.headline.key].value
    assert value == sheet.standing.intervals["selip"].value == 1.0
    assert sheet.standing.between("selip", "clip").separates
    assert list(sheet.board.floors([sheet.headline.key])) == ["chance", "metadata"]
    titles = [table.title for table in detail_tables(sheet)]
    assert titles == ["Linear probe, lesion type: features, linear", "Linear probe, lesion type: macro AUROC"]
    assert [one.verdict for one in shortcuts_of(sheet)] == ["clears metadata"]
