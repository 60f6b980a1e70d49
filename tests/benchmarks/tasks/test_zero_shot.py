from __future__ import annotations

import importlib.util
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.benchmark import ScoreOptions
from benchmarks.classification.class_tasks import TASKS
from benchmarks.classification.labels import load_tasks
from benchmarks.retrieval.text_bank import TextBank
from benchmarks.tasks.zero_shot import (
    BENCHMARK,
    TrainingClauses,
    class_cosines,
    clauses_of_class,
    prompts_of,
    templates,
    training_clauses,
)
from selip.data.cohort import READ_FINDINGS
from selip.data.findings import NORMAL_TEXT, Clause, parse_findings_text, swap_sides
from selip.system.errors import InputError

spec = importlib.util.spec_from_file_location("toy_subject", Path(__file__).parents[1] / "toy_subject.py")
toys = importlib.util.module_from_spec(spec)
spec.loader.exec_module(toys)

QUICK = ScoreOptions(n_resamples=50)
NAMES = ("abnormal", "lesion_type", "lobe", "side")
LEFT, RIGHT = Clause("left thalamus", "high signal"), Clause("right insula", "low signal")
MIDLINE, DIFFUSE = Clause("brainstem", "high signal"), Clause("bilateral cerebral hemispheres", "low signal")
CLAUSES = TrainingClauses(Counter({LEFT: 3, RIGHT: 2, MIDLINE: 5, DIFFUSE: 1}), {"infarct": Counter({LEFT: 1})})


@pytest.fixture(scope="module")
def perfect():
    return BENCHMARK.score(toys.toy_subject("text"), QUICK)


def test_volumes_at_their_own_text_score_one(perfect):
    for name in NAMES:
        assert perfect.metrics[f"{name}/macro_auroc"].value > 0.99, name
        assert perfect.metrics[f"{name}/balanced_accuracy"].value > 0.95, name
    assert perfect.metrics["side/macro_auroc"].value == 1
    assert perfect.metrics["lesion_type/auroc:plaque"].value > 0.99
    assert perfect.metrics["lesion_type/auprc:plaque/chance"].value < 0.6


def test_random_volumes_score_chance():
    subject = toys.toy_subject("random")
    wide = {key: replace(one, volumes=_random_like(one.volumes)) for key, one in subject._known.items()}
    options = replace(QUICK, n_resamples=1000, confidence=0.9999)
    found = BENCHMARK.score(replace(subject, _known=wide), options).metrics
    for name in NAMES:
        metric = found[f"{name}/macro_auroc"]
        assert metric.lower <= 0.5 <= metric.upper, name


def _random_like(volumes):
    return toys.unit(np.random.default_rng(len(volumes)).normal(size=(len(volumes), 256)))


def test_grades_use_the_clauses_of_the_first_cohort_and_are_left_out_without_them():
    subject = toys.toy_subject("text", transfer=toys.glioma_cohort())
    found = BENCHMARK.score(subject, QUICK)
    assert "glioma_grade/macro_auroc" not in found.metrics
    assert "no clause" in found.notes["task glioma_grade"]
    grade = load_tasks(subject, ("train", "val", "test"))[0][-1]
    known = TrainingClauses(Counter(), {name: Counter({LEFT: 1}) for name in grade.classes})
    assert prompts_of(grade, known)[0] == [["at left thalamus shows high signal"]] * 2


def test_each_class_is_described_by_clauses_of_its_own():
    assert clauses_of_class("abnormal", "abnormal", CLAUSES) == [MIDLINE, LEFT, RIGHT, DIFFUSE]
    assert clauses_of_class("abnormal", "normal", CLAUSES) == []
    assert clauses_of_class("lobe", "thalamus", CLAUSES) == [LEFT]
    assert clauses_of_class("lobe", "cerebellum", CLAUSES) == []
    assert clauses_of_class("lesion_type", "infarct", CLAUSES) == [LEFT]
    assert clauses_of_class("lesion_type", "plaque", CLAUSES) == []


def test_prompts_of_the_sides_are_mirror_images():
    left, right = (clauses_of_class("side", side, CLAUSES) for side in ("left", "right"))
    assert [clause.text for clause in right] == [swap_sides(clause.text) for clause in left]
    assert [clause.location for clause in left] == ["left thalamus", "left insula"]


def test_lesion_types_are_described_by_training_volumes_alone():
    subject = toys.toy_subject("text")
    found = training_clauses(subject)
    train = subject.cohort.volumes[subject.cohort.volumes["split"] == "train"]
    assert sum(found.every.values()) == sum(len(parse_findings_text(text)) for text in train["text"])
    assert set(found.of_type) == set(toys.TYPES)
    assert all(one.signal == "round low signal" for one in found.of_type["cyst"])
    assert training_clauses(toys.poisoned(subject)) == found


def test_there_are_at_least_three_templates_a_class_and_the_first_is_the_form_of_training():
    wording = templates()
    assert len(wording["clause"]) == len(wording["normal"]) >= 3
    assert wording["clause"][0].format(location=LEFT.location, signal=LEFT.signal) == LEFT.text
    assert wording["normal"][0] == NORMAL_TEXT
    assert all(len(set(words)) == len(words) for words in wording.values())


def test_a_score_is_the_cosine_with_the_mean_prompt():
    rng = np.random.default_rng(0)
    vectors, volumes = toys.unit(rng.normal(size=(6, 8))), toys.unit(rng.normal(size=(5, 8)))
    bank = TextBank({name: row for row, name in enumerate("abcdef")}, vectors)
    found = class_cosines(volumes, bank, [[["a", "b"], ["c"]], [["d"], ["e", "f"]]])
    assert found.shape == (2, 5, 2)
    mean = (vectors[0] + vectors[1]).astype(float) / 2
    assert found[0, :, 0] == pytest.approx(volumes @ mean / np.linalg.norm(mean), abs=1e-6)
    assert found[1, :, 0] == pytest.approx(volumes @ vectors[3], abs=1e-6)


def test_labels_of_test_change_no_answer():
    subject = toys.toy_subject("text")
    clean, dirty = (BENCHMARK.score(one, QUICK).per_item for one in (subject, toys.poisoned(subject)))
    pairs = [frame[frame["pool"] == "abnormal"].set_index("item_id") for frame in (clean, dirty)]
    columns = ["predicted", "score:abnormal"]
    assert pairs[0][columns].equals(pairs[1][columns])
    assert (pairs[0]["truth"] != pairs[1]["truth"]).any()


def test_the_spread_over_templates_is_in_the_notes(perfect):
    for name in NAMES:
        values = perfect.notes[f"templates {name}"].split(": ")[1].split(";")[0].split(", ")
        assert len(values) == len(templates()["clause"])
        assert float(perfect.notes[f"templates {name}"].split()[-1]) == pytest.approx(
            max(map(float, values)) - min(map(float, values)), abs=2e-3
        )


def test_metadata_stands_beside_and_a_cohort_without_train_has_none(perfect):
    assert perfect.metrics["side/macro_auroc/metadata"].lower is None
    subject = toys.toy_subject("text")
    alone = replace(subject.cohort, volumes=subject.cohort.volumes.assign(split="test"))
    items = alone.volumes
    vectors = toys.encode_text(items["text"])
    known = {("cohort", "test"): replace(subject.embeddings(), items=items, volumes=vectors, features=vectors)}
    found = BENCHMARK.score(replace(subject, cohort=alone, _known=known), QUICK)
    assert found.metrics["side/macro_auroc"].value == 1
    assert "side/macro_auroc/metadata" not in found.metrics
    assert "no clause" in found.notes["task lesion_type"]


@pytest.mark.parametrize("fold", ["", "1 of 5"])
def test_of_another_cohort_controls_are_fitted_in_its_folds_alone(fold):
    subject = toys.toy_subject("text")
    cohort = replace(subject.cohort, fold=fold)
    found = BENCHMARK.score(replace(subject, cohort=cohort, trained_on=toys.toy_cohort()), QUICK).metrics
    assert ("side/macro_auroc/metadata" in found) == bool(fold)
    alone = BENCHMARK.score(subject, QUICK).metrics["side/macro_auroc"].value
    assert found["side/macro_auroc"].value == alone, "what is fitted changes no answer"


def test_texts_without_clauses_are_refused():
    subject = replace(toys.toy_subject("text"), train_texts=[NORMAL_TEXT])
    bare = replace(subject.cohort, volumes=subject.cohort.volumes[subject.cohort.volumes["split"] == "test"])
    with pytest.raises(InputError, match="without a clause"):
        BENCHMARK.score(replace(subject, cohort=bare.__class__(**vars(bare))), QUICK)


def test_all_tasks_are_tried():
    assert {task.name for task in TASKS} == {*NAMES, "glioma_grade", "study_label"}


def test_clauses_of_reports_are_the_findings_that_training_read_in_them():
    subject = toys.toy_subject("text")
    cohort = subject.cohort
    reports = [f"Report {n}. {'Unremarkable.' if text == NORMAL_TEXT else 'A lesion is seen.'}"
               for n, text in enumerate(cohort.volumes["text"])]  # fmt: skip
    told = replace(
        cohort, volumes=cohort.volumes.assign(text=reports),
        studies=cohort.studies.assign(**{READ_FINDINGS: cohort.studies["findings"]}),
    )  # fmt: skip
    known = dict(zip(cohort.volumes["volume_id"], reports, strict=True))
    train = cohort.volumes.iloc[cohort.rows("train")]
    read = training_clauses(replace(subject, cohort=told, train_texts=[known[one] for one in train["volume_id"]]))
    plain = training_clauses(replace(subject, train_texts=train["text"].tolist()))
    assert read == plain
    assert read.every
