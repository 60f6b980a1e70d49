"""Similarity of a batch and its clause tables against the loops they replace, and against a step, in the same run."""

from __future__ import annotations

import importlib.util
import itertools
import time
from pathlib import Path

import numpy as np
import pytest
import torch

import selip.similarity.semantics
from selip.data.findings import Clause, findings_text
from selip.experiments.catalogue import experiment_file, find_method
from selip.experiments.experiment import validation_score
from selip.experiments.experiment_file import read_experiment
from selip.similarity.settings import ALLOWED, SimilarityConfig
from selip.similarity.text_similarity import TextSimilarity, TextTable, clause_similarity
from selip.training.trainer import Run, train

pytestmark = pytest.mark.speed
JUDGE = Path(__file__).parents[1] / "selip" / "similarity" / "similarity_judge.py"
spec = importlib.util.spec_from_file_location("similarity_judge", JUDGE)
judge = importlib.util.module_from_spec(spec)
spec.loader.exec_module(judge)

LEAST_RATIO = {64: 200, 1024: 1000}
LEAST_TABLE_RATIO = 10
CLAUSES, SAMPLED = 3000, 50
SAMPLED_TEXTS, TIMES = 128, 20


@pytest.fixture(scope="module")
def table():
    """2,000 texts of one to five clauses, as long as radiology findings are."""
    rng = np.random.default_rng(0)
    places = [f"{side} {place}" for side in ("left", "right") for place in ("frontal lobe", "insula", "pons")]
    signals = ["high signal", "low signal with high rim", "patchy high signal", "ovoid iso signal", "mixed signal"]

    def text():
        return findings_text(Clause(rng.choice(places), rng.choice(signals)) for _ in range(rng.integers(1, 6)))

    return TextTable.of([text() for _ in range(2000)])


@pytest.fixture(scope="module")
def clauses():
    """3,000 different clauses in random order."""
    sides, parts = ("left", "right", "bilateral"), ("anterior", "posterior", "medial", "deep")
    regions = ("frontal lobe", "parietal lobe", "insula", "centrum semiovale", "corona radiata", "thalamus")
    manners, polarities = ("patchy", "slightly", "markedly", "punctate", "ovoid"), ("high", "low", "iso")
    places = [" ".join(words) for words in itertools.product(sides, parts, regions)]
    signals = [" ".join(words) for words in itertools.product(manners, polarities, ("signal", "rim", "core"))]
    found = [Clause(place, signal) for place in places for signal in signals]
    return [found[number] for number in np.random.default_rng(0).permutation(len(found))[:CLAUSES]]


@pytest.fixture
def encoded(monkeypatch):
    """Random vectors in place of sentence embeddings: encoding is timed apart, and is the library's."""
    vectors = np.random.default_rng(0).standard_normal((CLAUSES, 384)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    monkeypatch.setattr(selip.similarity.semantics, "sentence_embeddings", lambda texts: vectors[: len(texts)])
    return vectors


@pytest.mark.parametrize("size", [64, 1024])
@pytest.mark.parametrize("pooling", ALLOWED["pooling"])
def test_similarity_against_the_loop(benchmark, against, table, size, pooling):
    ids = torch.from_numpy(np.random.default_rng(1).permutation(len(table.texts))[:size])
    measure = TextSimilarity.of(table, SimilarityConfig(pooling=pooling))
    looped = min(size, SAMPLED_TEXTS)
    clauses = [table.clauses[number] for number in ids[:looped]]
    found, expected, ratio = against(
        "the_plain_loop",
        lambda: [measure(ids) for _ in range(TIMES)][-1],
        lambda: judge.similarity_loop(clauses, SimilarityConfig(pooling=pooling)),
        TIMES * (size / looped) ** 2,
    )
    np.testing.assert_allclose(found.numpy()[:looped, :looped], expected, atol=1e-6)
    benchmark.extra_info["reference"] = f"plain loop over {looped} texts and their clauses, scaled to {size}"
    assert ratio >= LEAST_RATIO[size]


SETTINGS = [{"mix": "syntax", "syntax": name} for name in ALLOWED["syntax"]]
SETTINGS += [{"mix": "semantic", "semantic": name} for name in ALLOWED["semantic"]]


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting[setting["mix"]])
def test_clause_table_against_the_loop(benchmark, against, clauses, encoded, setting):
    config = SimilarityConfig(**setting)
    vectors = {clause: encoded[row] for row, clause in enumerate(sorted(clauses, key=lambda clause: clause.text))}
    sample = clauses[:SAMPLED]
    made, expected, ratio = against(
        "the_plain_loop",
        lambda: clause_similarity(clauses, clauses, config),
        lambda: [[judge.clause_similarity(a, b, config, vectors.__getitem__) for b in sample] for a in sample],
        (CLAUSES / SAMPLED) ** 2,
    )
    np.testing.assert_allclose(made[:SAMPLED, :SAMPLED], expected, atol=1e-6)
    benchmark.extra_info |= {
        "reference": f"plain loop over {SAMPLED} x {SAMPLED} pairs, scaled to {CLAUSES} x {CLAUSES}",
        "seconds": benchmark.stats["min"],
    }
    assert ratio >= LEAST_TABLE_RATIO


@pytest.fixture(scope="module")
def step_seconds(small_cohort, tmp_path_factory):
    """CPU seconds of a training step of the quick experiment, and its batch size."""
    config = read_experiment(experiment_file("quick"), ["training.steps=12", "training.validations=1"]).run
    stamps = []
    watch = lambda _: stamps.append(time.process_time())  # noqa: E731
    run = Run(find_method("selip"), small_cohort, config, 0, validation_score, watch)
    train(run, tmp_path_factory.mktemp("step") / "step.safetensors")
    return float(np.median(np.diff(stamps[:-1]))), config.training.batch_size


@pytest.mark.parametrize("pooling", ALLOWED["pooling"])
@pytest.mark.parametrize("normal", ["zero", "alike"])
@pytest.mark.parametrize("size", ["quick", 1024])
def test_similarity_against_a_training_step(benchmark, table, step_seconds, pooling, normal, size):
    seconds, batch_size = step_seconds
    size = batch_size if size == "quick" else size
    ids = torch.from_numpy(np.random.default_rng(0).permutation(len(table.texts))[:size])
    benchmark(TextSimilarity.of(table, SimilarityConfig(pooling=pooling, normal=normal)), ids)
    share = benchmark.stats["median"] / (seconds * size / batch_size)
    reference = f"training step of the quick experiment at {batch_size} pairs, scaled to {size}"
    benchmark.extra_info |= {"reference": reference, "share_of_step": share}
    assert share < 0.01
