from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.benchmark import ScoreOptions
from benchmarks.classification.class_tasks import TASKS
from benchmarks.classification.labels import load_tasks, named_items
from benchmarks.classification.predictions import PARTS
from benchmarks.classification.study_tasks import named_studies, of_studies
from benchmarks.tasks.study_level import (
    learned_weights,
    mean_scores,
    ranked,
    score,
    score_subject,
    studies_of,
    study_text,
)
from selip.data.findings import NORMAL_TEXT, Finding, findings_from_json, findings_to_json
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


def shown(cohort, names, signals):
    """The cohort with a second finding, of an own type and place, that the named studies show in some contrasts."""
    studies = cohort.studies.copy()
    second = Finding("tumour", "pons", "midline", signals)
    for row in np.flatnonzero(studies["study_id"].isin(names)):
        studies.loc[row, "findings"] = findings_to_json([*findings_from_json(studies["findings"][row]), second])
    return replace(cohort, studies=studies)


def test_a_study_shows_what_any_of_its_volumes_does(cohort):
    tasks = {task.name: task for task in TASKS}
    for name in ("abnormal", "lesion_type", "side"):
        found = named_studies(tasks[name], cohort, "test").set_index("item_id")
        volumes = named_items(tasks[name], cohort, "test")
        studies = cohort.volumes.set_index("volume_id")["study_id"][volumes["item_id"]]
        for study, labels in volumes.groupby(studies.to_numpy(object))["label"]:
            expected = "abnormal" if name == "abnormal" and "abnormal" in set(labels) else labels.iloc[0]
            assert found["label"][study] == expected
        assert set(found["contrast"]) == {"FLAIR + T1"}


def test_a_study_of_several_classes_has_none_though_one_volume_shows_one(cohort):
    task = next(task for task in TASKS if task.name == "lesion_type")
    before = named_studies(task, cohort, "test")
    names = list(before["item_id"][:5])
    after = named_studies(task, shown(cohort, names, {"FLAIR": "high signal"}), "test")
    assert set(before["item_id"]) - set(after["item_id"]) == set(names)
    volumes = named_items(task, shown(cohort, names, {"FLAIR": "high signal"}), "test")
    assert any(item.startswith(f"{names[0]}_") for item in volumes["item_id"]), "a volume of it still has one class"


def test_a_study_with_a_volume_of_unknown_state_is_not_called_normal(cohort):
    task = next(task for task in TASKS if task.name == "abnormal")
    normal = named_studies(task, cohort, "test")
    name = normal["item_id"][normal["label"] == "normal"].iloc[0]
    states = np.where((cohort.volumes["study_id"] == name) & (cohort.volumes["contrast"] == "T1"), "unknown", "normal")
    states = np.where(cohort.volumes["text"] == NORMAL_TEXT, states, "abnormal")
    told = replace(cohort, volumes=cohort.volumes.assign(state=states))
    assert name not in set(named_studies(task, told, "test")["item_id"])


def test_vectors_of_a_study_are_the_mean_of_all_its_volumes(cohort):
    subject = toy_subject("perfect", cohort)
    data = load_tasks(subject, PARTS, None, named_studies)[0][0]
    test, part = subject.embeddings("test"), data.parts["test"]
    means, studies = of_studies(test.features, test, part), test.items["study_id"].to_numpy(object)
    for study, mean in zip(part.items["item_id"], means, strict=True):
        np.testing.assert_allclose(mean, test.features[studies == study].mean(axis=0), atol=1e-6)


def test_a_cohort_of_one_class_has_retrieval_alone(cohort):
    labelled = toy_cohort(60, types={"infarct": TYPES["infarct"]}, normal=0.0)
    found = score_subject(toy_subject("text", labelled), OPTIONS)
    assert "left out" in found.notes["task abnormal"]
    assert HEADLINE in found.metrics
