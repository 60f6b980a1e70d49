"""The model card: a head that the hub can read, numbers of the records alone, and what a reader must know."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from leaderboards.pages.model_card import model_card
from selip.models.dual_encoder import CheckpointFacts
from selip.models.settings import ModelConfig
from selip.records.record_files import read_records

QUICK = Path(__file__).resolve().parents[3] / "leaderboards" / "records" / "quick"
SHAPE, SPACING = (40, 48, 16), (4.5, 4.5, 10.0)
FACTS = CheckpointFacts(
    "selip", 0, 450, ModelConfig(volume_tower="resnet10", width=16), SHAPE, SPACING, ("DWI", "FLAIR"), "c" * 64,
    "f" * 64, True, {"at left thalamus shows high signal": 3, "normal": 2}, "r" * 64,
)  # fmt: skip


@pytest.fixture(scope="module")
def records():
    return [record for record in read_records(QUICK / "records") if record.method == "selip"]


@pytest.fixture(scope="module")
def card(records):
    return ModelCard(model_card(FACTS, records, "hf:me/selip-quick"))


def test_the_hub_reads_every_declared_metric_with_its_interval(card, records):
    by_benchmark = {record.benchmark: record for record in records}
    results = card.data.eval_results
    assert card.data.model_name == "selip-seed0"
    assert len(results) == 13, "the tasks of the overall page"
    for one in results:
        benchmark, pool = one.dataset_config.split("/")
        metric = by_benchmark[benchmark].metrics[f"{pool}/{one.metric_type}"]
        assert one.metric_value == metric.value
        assert one.metric_args == {"lower": metric.lower, "upper": metric.upper, "level": 0.95}
        second = by_benchmark[benchmark].transfer if pool == "glioma_grade" else None
        cohort = second or by_benchmark[benchmark].cohort
        assert (one.dataset_name, one.dataset_split) == (f"{cohort.name}-quick (SYNTHETIC)", "test")
        assert one.dataset_revision == cohort.content_hash
    assert len({(one.task_type, one.dataset_config, one.metric_type) for one in results}) == len(results)
    assert card.data.license == "apache-2.0"
    assert "synthetic" in card.data.tags


def test_the_body_shows_numbers_source_and_limits(card, records):
    retrieval = next(record for record in records if record.benchmark == "retrieval")
    metric = retrieval.metrics["abnormal/image_to_text_R@10"]
    assert f"| {metric.value:.3f} [{metric.lower:.3f}, {metric.upper:.3f}] | 0.061 (chance) | 389 of 230 " in card.text
    for words in (
        "# selip-seed0, step 450 (SYNTHETIC)", "**Not for clinical use.**", "**SYNTHETIC**", FACTS.split_fingerprint,
        FACTS.cohort, "DWI, FLAIR", "40 × 48 × 16 voxels of 4.5 × 4.5 × 10 mm", retrieval.git_commit,
        "    selip run quick --out runs/quick\n", "selip pull hf:me/selip-quick --out model.safetensors",
        "2 distinct texts", "450, chosen on val, of 450",
    ):  # fmt: skip
        assert words in card.text, words


def test_without_records_there_are_no_numbers(records):
    card = ModelCard(model_card(FACTS, [], "shared"))
    assert card.data.eval_results is None
    assert "No records of this run" in card.text
    assert "|--:|" not in card.text


def test_weights_of_real_volumes_get_no_licence_from_us(factory):
    real = factory.make_record("clip", cohort=factory.make_cohort(synthetic=False))
    text = model_card(replace(FACTS, method="clip", synthetic=False), [real], "shared")
    assert "SYNTHETIC" not in text
    assert "synthetic" not in text
    assert ModelCard(text).data.license is None


def test_a_hostile_name_stays_a_name(factory):
    name = 'x"\n---\n<script>alert(1)</script>|'
    record = factory.make_record("clip", device=name, command=name, cohort=factory.make_cohort(name=name))
    card = ModelCard(model_card(replace(FACTS, method=name), [record], "shared"))
    assert card.data.model_name == f"{name}-seed0"
    assert "<script>" not in card.text.split("## How it was made")[0]
    assert "\n---\n" not in card.text
