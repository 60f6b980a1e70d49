from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.benchmark import ScoreOptions
from benchmarks.tasks.report_retrieval_as_reporting import facts_of, overlaps, score
from selip.system.errors import UnavailableError

OPTIONS = ScoreOptions(n_resamples=100)


def test_a_perfect_model_reaches_the_ceiling_a_random_one_chance_and_a_damaged_one_less(make_embeddings):
    perfect = make_embeddings(150, volumes="perfect")
    perfect = replace(perfect, train_texts=list(perfect.items["text"]))
    found = score(perfect, OPTIONS).metrics
    assert found["abnormal/f1"].value == found["abnormal/f1/ceiling"].value == 1
    random = score(make_embeddings(150), OPTIONS).metrics["abnormal/f1"]
    assert random.lower <= found["abnormal/f1/chance"].value <= random.upper
    half = perfect.volumes.copy()
    half[::2] = half[::-1][::2]
    damaged = score(replace(perfect, volumes=half), OPTIONS).metrics["abnormal/f1"].value
    assert random.upper < damaged < found["abnormal/f1"].lower


def test_equal_cosines_count_against_the_model(make_embeddings):
    tied = replace(make_embeddings(), encode_text=lambda texts: np.tile([[1.0, *[0] * 31]], (len(texts), 1)))
    found = score(tied, OPTIONS).metrics
    assert {found[f"{pool}/f1"].value for pool in ("abnormal", "all")} == {0}


def test_f1_is_that_of_sets():
    a, b = frozenset("xyz"), frozenset("yzvw")
    found = overlaps([a, frozenset()], [b, frozenset()])
    precision, recall = len(a & b) / len(b), len(a & b) / len(a)
    assert found["precision"][0, 0] == precision
    assert found["recall"][0, 0] == pytest.approx(recall)
    assert found["f1"][0, 0] == pytest.approx(2 * precision * recall / (precision + recall))
    assert found["f1"][1].tolist() == [0, 1]
    assert found["precision"][:, 1].tolist() == [0, 1]


def test_facts_of_clauses_and_of_a_plain_report():
    assert facts_of("at left thalamus shows patchy high signal") == {("thalamus", "left", "high")}
    assert ("thalamus", "left", "acute infarct") in facts_of("Acute infarct in the left thalamus. No haemorrhage.")


def test_texts_without_findings_are_refused(make_embeddings):
    with pytest.raises(UnavailableError, match="no texts with findings"):
        score(make_embeddings(normal_only=True), OPTIONS)
