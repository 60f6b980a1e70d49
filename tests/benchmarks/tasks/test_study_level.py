from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.benchmark import ScoreOptions
from benchmarks.tasks.study_level import learned_weights, mean_scores, ranked, score, studies_of, study_text
from selip.system.errors import UnavailableError

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
