"""Metric keys: every key of the committed records comes back as it was, and its parts are those of the grammar."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selip.records.metric_key import STATISTICS, MetricKey, own_columns

RECORDS = Path(__file__).resolve().parents[3] / "leaderboards" / "records"
NAMES = st.from_regex(r"[a-z][a-z0-9 @-]{0,8}", fullmatch=True)


def test_every_committed_key_comes_back_as_it_was():
    files = [file for folder in ("quick", "ablation") for file in (RECORDS / folder / "records").glob("*.json")]
    keys = {key for file in files for key in json.loads(file.read_text())["metrics"]}
    assert len(keys) > 500
    assert {key for key in keys if str(MetricKey.parse(key)) != key} == set()
    assert {MetricKey.parse(key).reference for key in keys} >= {"", "chance", "majority", "metadata", "empty"}


@given(
    NAMES, st.one_of(st.just(""), NAMES), st.sampled_from(STATISTICS), st.one_of(st.just(""), NAMES),
    st.one_of(st.just(""), NAMES),
)  # fmt: skip
def test_parts_are_those_that_the_key_was_made_of(pool, model, statistic, one_class, reference):
    key = MetricKey(pool, model, statistic, one_class, reference)
    found = MetricKey.parse(str(key))
    assert str(found) == str(key)
    if not f"{model}_{statistic}".endswith(tuple(f"_{other}" for other in STATISTICS if other != statistic)):
        assert found == key


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("macro_auroc", ("", "macro_auroc", "", "")),
        ("features_linear_10pct_mcc", ("features_linear_10pct", "mcc", "", "")),
        ("features_16shot_balanced_accuracy/chance", ("features_16shot", "balanced_accuracy", "", "chance")),
        ("auroc:old infarct/metadata", ("", "auroc", "old infarct", "metadata")),
        ("median_hd95_mm", ("", "median_hd95_mm", "", "")),
        ("image_to_text_R@10", ("", "image_to_text_R@10", "", "")),
    ],
)
def test_names_come_apart(name, parts):
    found = MetricKey.parse(f"pool/{name}")
    assert (found.model, found.statistic, found.one_class, found.reference) == parts
    assert MetricKey.named(name, "pool") == found
    assert found.plain == (parts[2:] == ("", ""))
    assert found.beside("empty") == f"pool/{name.split('/')[0]}/empty"


def test_a_table_is_without_its_references():
    assert own_columns({"dice": 1, "dice/empty": 2, "auroc:a": 3}) == {"dice": 1, "auroc:a": 3}
