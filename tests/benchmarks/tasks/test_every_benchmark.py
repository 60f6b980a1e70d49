"""The contract of every registered benchmark: what it declares, and what it says of an untrained model of a phantom."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import torch

from benchmarks import BENCHMARKS
from benchmarks.benchmark import Benchmark, ScoreOptions
from benchmarks.settings import ProbeConfig, SegmentationConfig
from selip.cohorts.phantom_glioma import build_glioma
from selip.data.cohort_declaration import DeclaredTask
from selip.models.dual_encoder import DualEncoder, weights_hash
from selip.models.scored_model import Subject
from selip.models.settings import ModelConfig
from selip.models.text_towers import Tokens
from selip.records.metric_key import MetricKey
from selip.records.record import in_declared_direction
from selip.system.registry import load

EVERY = {name: load(BENCHMARKS, "selip.benchmarks", name) for name in BENCHMARKS}
TINY = ModelConfig(
    volume_tower="resnet10", width=4, stages=2, stem_kernel=3, pooled_shape=(2, 2, 1), intensity="minmax",
    text_width=32, text_layers=1, embedding_size=8, centre_projections=False,
)  # fmt: skip
OPTIONS = ScoreOptions(
    n_resamples=20,
    probe=ProbeConfig(label_fractions=(1.0,), shots=(1,), draws=2, fine_tune_steps=2),
    segmentation=SegmentationConfig(arms=("frozen",), label_fractions=(1.0,), width=4, steps=2, validations=1),
)


@pytest.fixture(scope="module")
def subject(small_cohort, tmp_path_factory):
    texts = list(small_cohort.volumes["text"][small_cohort.volumes["split"] == "train"])
    torch.manual_seed(0)
    model = DualEncoder(TINY, small_cohort.info.shape, Tokens.trained_on(texts)).eval()
    second = build_glioma("quick", 0, tmp_path_factory.mktemp("second") / "glioma", patients=100, workers=1)
    return Subject(model, small_cohort, texts, transfer=second)


def suited(name, subject):
    """The subject of a cohort that declares a number and, for attributes, whose texts were measured."""
    cohort, source = subject.cohort, "masks" if name == "attribute_retrieval" else "truth"
    info = replace(cohort.info, tasks={"value:years": DeclaredTask()}, findings_source=source)
    studies = cohort.studies.assign(**{"value:years": cohort.studies["age"]})
    return replace(subject, cohort=replace(cohort, info=info, studies=studies))


@pytest.mark.parametrize("name", BENCHMARKS)
def test_declaration(name):
    benchmark = EVERY[name]
    assert isinstance(benchmark, Benchmark)
    assert benchmark.name == name
    assert re.fullmatch(r"\d+(\.\d+)*", benchmark.protocol_version)
    for said in (benchmark.summary, benchmark.source):
        assert said.strip()
        assert "\n" not in said


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_score_is_whole_of_the_test_part_and_the_same_again(name, subject):
    subject = suited(name, subject)
    before = weights_hash(subject.model)
    score, again = (EVERY[name].score(subject, OPTIONS) for _ in range(2))
    assert weights_hash(subject.model) == before, "a benchmark that changes weights works on a copy"
    assert dict(score.metrics) == dict(again.metrics)
    assert score.metrics
    for key, metric in score.metrics.items():
        assert re.fullmatch(r"[^/]+/.+", key), "POOL/METRIC"
        assert metric.lower is None or metric.lower <= metric.value <= metric.upper
    directed = in_declared_direction(score.metrics, EVERY[name].declared)
    headlines = [
        key for key in directed if any(MetricKey.parse(key).matches(one) for one in EVERY[name].declared.headline)
    ]
    assert headlines, "a metric that ranks the methods"
    assert {directed[key].higher_is_better for key in headlines} == {EVERY[name].declared.higher_is_better}
    assert {"pool", "item_id", "patient_id", "contrast", "site", "text", "weight"} <= {*score.per_item.columns}
    tables = [cohort.studies for cohort in (subject.cohort, subject.transfer)]
    tested = {patient for table in tables for patient in table["patient_id"][table["split"] == "test"]}
    assert {*score.per_item["patient_id"]} <= tested
    assert score.notes
    assert all(isinstance(note, str) and "\n" not in note for note in score.notes.values())
