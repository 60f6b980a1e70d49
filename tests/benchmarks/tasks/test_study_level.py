from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.benchmark import ScoreOptions
from benchmarks.classification.labels import load_tasks
from benchmarks.classification.predictions import PARTS
from benchmarks.classification.study_tasks import of_studies, study_task
from benchmarks.tasks.study_level import (
    learned_weights,
    mean_scores,
    ranked,
    score,
    score_subject,
    studies_of,
    study_text,
)
from selip.system.errors import UnavailableError
from tests.benchmarks.toy_subject import TYPES, toy_cohort, toy_subject

OPTIONS = ScoreOptions(n_resamples=50)
HEADLINE = "mean/image_to_text_MRR"


def told(embeddings, contrasts=("FLAIR", "T1", "DWI")):
    """Volumes of `contrasts` that have the direction of their study's text, others noise."""
    texts = embeddings.items.groupby("study_id")["text"].agg(lambda some: study_text(list(some)))
    known = embeddings.encode_text(list(texts[embeddings.items["study_id"]]))
    return replace(
        embeddings,
        volumes=np.where(embeddings.items["contrast"].isin(contrasts).to_numpy()[:, None], known, embeddings.volumes),
    )


def test_perfect_damaged_and_random(make_embeddings):
    random = make_embeddings(80)
    perfect, damaged, blind = (
        score(one, None, OPTIONS).metrics for one in (told(random), told(random, ["T1"]), random)
    )
    for pool in ("mean", "best", "learned", "without_T1"):
        assert perfect[f"{pool}/image_to_text_MRR"].value == perfect[f"{pool}/text_to_image_MRR"].value == 1
    assert blind[HEADLINE].lower <= blind[f"{HEADLINE}/chance"].value <= blind[HEADLINE].upper
    assert blind[HEADLINE].upper < damaged[HEADLINE].value < 1


def test_a_missing_contrast_costs_what_it_knew_and_val_finds_it(make_embeddings):
    known = told(make_embeddings(80), ["T1"])
    weights = learned_weights(known)
    assert weights["T1"] > weights["DWI"]
    found = score(known, known, OPTIONS).metrics
    assert found["learned/image_to_text_MRR"].value > found[HEADLINE].value
    lost = found["same_studies_T1/image_to_text_MRR"].value - found["without_T1/image_to_text_MRR"].value
    assert lost > 0.3
    assert found["without_DWI/image_to_text_MRR"].value >= found["same_studies_DWI/image_to_text_MRR"].value


def test_ranks_are_those_of_a_loop(make_embeddings):
    embeddings = make_embeddings(12)
    studies = studies_of(embeddings)
    scores = mean_scores(embeddings, studies, {})
    texts = sorted(set(studies.items["text"]))
    for row, text in enumerate(studies.items["text"]):
        own = scores[row, texts.index(text)]
        rank = 1 + sum(scores[row, column] >= own for column, other in enumerate(texts) if other != text)
        assert ranked(studies, scores)["image_to_text_MRR"][row] == 1 / rank


def test_the_text_of_a_study():
    assert study_text(["at left b shows x", "at a shows y", "at left b shows x"]) == "at a shows y; at left b shows x"
    assert study_text(["An infarct.", "An infarct.", "All is well."]) == "An infarct. All is well."


def test_a_single_contrast_is_refused(make_embeddings):
    with pytest.raises(UnavailableError, match="fewer than two"):
        score(make_embeddings(contrasts=("T1",)), None, OPTIONS)


@pytest.fixture(scope="module")
def cohort():
    return toy_cohort(360, contrasts=("FLAIR", "T1"))


def test_classes_of_studies_perfect_and_random(cohort):
    text = toy_subject("text", cohort)

    def scored(kind):
        own = toy_subject(kind, cohort)._known
        known = {key: replace(one, features=own[key].features) for key, one in text._known.items()}
        return score_subject(replace(text, _known=known), OPTIONS)

    perfect, random = scored("perfect"), scored("random")
    for task in ("abnormal", "lesion_type", "lobe", "side"):
        assert perfect.metrics[f"{task}/features_linear_macro_auroc"].value > 0.99
        blind = random.metrics[f"{task}/features_linear_macro_auroc"]
        assert blind.lower <= random.metrics[f"{task}/features_linear_macro_auroc/chance"].value <= blind.upper
    assert perfect.metrics["lobe/zero_shot_macro_auroc"].value > 0.9
    assert perfect.metrics["side/zero_shot_macro_auroc"].value > 0.9


def test_a_study_has_the_class_of_its_volumes_and_is_abnormal_where_any_is(cohort):
    subject = toy_subject("perfect", cohort)
    embedded = {part: subject.embeddings(part) for part in PARTS}
    tasks = {one.task.name: one for one in load_tasks(subject, PARTS)[0]}
    for name in ("abnormal", "lesion_type"):
        found, volumes = study_task(tasks[name], embedded), tasks[name].parts["test"]
        studies = embedded["test"].items["study_id"].to_numpy(object)
        own = {}
        for row, label in zip(volumes.rows, volumes.labels, strict=True):
            own.setdefault(studies[row], set()).add(tasks[name].classes[label])
        expected = {
            study: "abnormal" if name == "abnormal" and "abnormal" in names else next(iter(names))
            for study, names in own.items()
            if (name == "abnormal" or len(names) == 1) and (studies == study).sum() > 1
        }
        part = found.parts["test"]
        assert {s: found.classes[n] for s, n in zip(part.items["item_id"], part.labels, strict=True)} == expected
        means = of_studies(embedded["test"].features, embedded["test"], part)
        for study, mean in zip(part.items["item_id"], means, strict=True):
            np.testing.assert_allclose(mean, embedded["test"].features[studies == study].mean(axis=0), atol=1e-6)


def test_a_cohort_of_one_class_has_retrieval_alone(cohort):
    labelled = toy_cohort(60, types={"infarct": TYPES["infarct"]}, normal=0.0)
    found = score_subject(toy_subject("text", labelled), OPTIONS)
    assert "left out" in found.notes["task abnormal"]
    assert HEADLINE in found.metrics
