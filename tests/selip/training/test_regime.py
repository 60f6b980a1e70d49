"""The regime of cohorts whose answers are known, and of random ones by the obviously right loops."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from selip.cohorts.phantom.generate import random_cohort
from selip.cohorts.phantom.profiles import resolve
from selip.data.cohort import READ_FINDINGS, Cohort, CohortInfo
from selip.data.findings import NORMAL_TEXT, Finding, findings_to_json, parse_findings_text
from selip.similarity.text_similarity import similarity_of_texts, text_table
from selip.training.batch_plan import plan_batches
from selip.training.regime import RELATIONS, regime_facts, regime_of
from selip.training.settings import AugmentConfig, RunConfig, TrainingConfig

RUN = RunConfig(
    training=TrainingConfig(steps=20, batch_size=6, validations=1, warmup_steps=0), augment=AugmentConfig(flip="none")
)


def cohort_of(texts, test=(), read=None):
    """A cohort of one volume a study, with the texts of train and of test."""
    rows = [(text, "train") for text in texts] + [(text, "test") for text in test]
    volumes = pd.DataFrame(rows, columns=["text", "split"])
    volumes["study_id"] = [f"s{number}" for number in range(len(volumes))]
    volumes["contrast"] = "FLAIR"
    studies = pd.DataFrame({"study_id": volumes["study_id"]})
    if read is not None:
        studies[READ_FINDINGS] = [findings_to_json(found) for found in read]
        volumes["state"] = ["abnormal" if found else "normal" for found in read]
    return Cohort(Path(), CohortInfo("toy", "", 0, True, (4, 4, 4), (1, 1, 1), ("FLAIR",)), studies, volumes)


def clause(place, signal="high signal"):
    return f"at {place} shows {signal}"


def test_facts_are_those_of_the_loops():
    rng = np.random.default_rng(0)
    places, signals = ["left insula", "right insula", "pons", "thalamus"], ["high signal", "low signal", "iso signal"]
    texts = [
        "; ".join(sorted({clause(rng.choice(places), rng.choice(signals)) for _ in range(rng.integers(1, 4))}))
        if rng.random() > 0.3
        else NORMAL_TEXT
        for _ in range(80)
    ]
    cohort = cohort_of(texts, texts[:10])
    found = regime_of(cohort, RUN)
    table = text_table(cohort, cohort.rows("train"))
    ids = table.ids(texts)
    plan = plan_batches(ids, table.twin, steps=20, batch_size=6, unique_texts=True, flip="none", seed=0)
    mass, alike, entropies = dict.fromkeys(RELATIONS, 0.0), [], []
    for batch in plan.text_ids:
        said = [table.texts[one] for one in batch]
        similarity = similarity_of_texts(said, said, RUN.similarity)
        targets = (np.eye(6) + similarity / similarity.sum(1, keepdims=True)) / 2
        entropies += [-sum(t * np.log(t) for t in row if t) for row in targets]
        for i, one in enumerate(said):
            alike.append(max(similarity[i, j] for j in range(6) if j != i) >= 0.5)
            for j, other in enumerate(said):
                if i != j:
                    mass[relation(one, other)] += similarity[i, j]
    assert found.alike == np.mean(alike)
    assert found.mass == pytest.approx(sum(mass.values()) / 120, rel=1e-5)
    assert found.relations == pytest.approx({kind: one / sum(mass.values()) for kind, one in mass.items()}, rel=1e-5)
    assert found.entropy == pytest.approx(np.mean(entropies), rel=1e-5)
    normal = [row for row, text in enumerate(texts) if text == NORMAL_TEXT]
    assert found.normals == len(normal)
    assert found.normals_unseen == pytest.approx(np.mean([row not in plan.rows for row in normal]))
    assert found.known_texts == found.known_findings == 1


def relation(one, other):
    pairs = [(a, b) for a in parse_findings_text(one) for b in parse_findings_text(other)]
    if any(a.location == b.location and a.tag == b.tag for a, b in pairs):
        return "both"
    if any(a.location == b.location for a, b in pairs):
        return "same place"
    return "same signal" if any(a.tag == b.tag for a, b in pairs) else "neither"


def test_wordings_are_those_of_the_same_findings():
    insula, pons = (Finding("", place, "midline", {"FLAIR": "high signal"}) for place in ("insula", "pons"))
    texts = ["bright insula", "an insula that shines", "insula: high", "pons bright", "nothing"]
    read = [[insula], [insula], [insula], [pons], []]
    found = regime_of(cohort_of(texts, ["pons shines", "bright insula"], [*read, [pons], [insula]]), RUN)
    assert (found.texts, found.volumes) == (4, 4)
    assert found.wordings == pytest.approx((3 + 3 + 3 + 1) / 4)
    assert (found.known_texts, found.known_findings) == (0.5, 1)
    assert found.normals == 1


def test_strangers_ask_nothing_and_twins_all():
    strangers = [clause(f"place{number}", f"sign{number}") for number in range(12)]
    assert regime_of(cohort_of(strangers), RUN).asks_nothing
    twins = [clause(f"place{number // 6}", f"high signal of kind {number}") for number in range(12)]
    found = regime_of(cohort_of(twins), RUN)
    assert found.alike > 0.9, "a row may have the one of its kind"
    assert not found.asks_nothing
    assert found.relations["both"] > 0.5


def test_a_cohort_that_fills_no_batch_says_why():
    assert "cannot fill" in regime_facts(cohort_of([NORMAL_TEXT]), RUN)["regime"]


def test_doses_move_what_they_are_doses_of():
    def found(**dials):
        cohort = random_cohort(resolve("quick", {"contrasts": ("FLAIR",), **dials}), 100)
        return regime_of(cohort, replace(RUN, training=replace(RUN.training, batch_size=32)))

    plain, many, several = found(), found(wordings=8), found(second_finding=0.6, max_findings=4)
    assert many.wordings > 1.2 * plain.wordings == 1.2
    assert sum(share for size, share in several.clauses.items() if size > 1) > 0.4
    assert max(several.clauses) == 4
