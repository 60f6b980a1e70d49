"""From real files and free reports to a page: import, extract, train an epoch, retrieve, write the leaderboard."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from selip.cohorts.table import import_table
from selip.data.cohort import Cohort
from selip.data.cohort_check import check_cohort
from selip.experiments.catalogue import experiment_file
from selip.experiments.experiment import run_experiment
from selip.experiments.experiment_file import read_experiment
from selip.records.record_files import read_records
from selip.system.progress import Report

PARTS = {"ms07": "test", "ms-raw01": "val"}
TABLE = Path(__file__).resolve().parents[2] / "data" / "real_examinations.csv"


@pytest.fixture(scope="module")
def cohort(real_data, tmp_path_factory) -> Cohort:
    """The real examinations without the findings that were written for them: their reports are all there is."""
    folder = tmp_path_factory.mktemp("real")
    with TABLE.open(newline="") as stream:
        rows = [dict(row, split=PARTS.get(row["patient"], "train")) for row in csv.DictReader(stream)]
    for row in rows:
        del row["findings"]
    with (folder / "reports.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return import_table(
        folder / "reports.csv", folder / "cohort", shape=(32, 40, 16), spacing_mm=(6, 6, 10), root=real_data
    )


def test_reports_become_findings_of_each_contrast(cohort):
    assert check_cohort(cohort.root) == []
    assert cohort.info.findings_source == "extracted"
    texts = cohort.volumes.set_index("volume_id")["text"]
    assert "periventricular" in texts["ms07-1_FLAIR"]
    assert "shows" in texts["ms07-1_FLAIR"]
    assert "high signal" in texts["ms07-1_FLAIR"]
    assert "low signal" in texts["ms07-1_T1"]


def test_an_epoch_of_real_examinations_ends_in_a_page_that_says_they_decide_nothing(cohort, tiny_run, tmp_path):
    epoch = [f"cohort.path={cohort.root}", "methods=selip,clip", *tiny_run, "training.batch_size=2", "training.steps=4"]
    config = read_experiment(experiment_file("quick"), [*epoch, "training.unique_texts=false"])
    run_experiment(config, tmp_path / "run", False, ["selip", "run"], Report())
    assert {record.status for record in read_records(tmp_path / "run" / "records")} == {"ok"}
    page = (tmp_path / "run" / "leaderboard" / "retrieval.md").read_text()
    assert "so few decide nothing" in page
    assert "SYNTHETIC" not in page
