from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.benchmark import ScoreOptions
from benchmarks.tasks.unseen import pools, score
from selip.data.cohort import ANATOMY
from selip.system.errors import UnavailableError

OPTIONS = ScoreOptions(n_resamples=50)
NEW, KNOWN = "new_text/image_to_text_MRR", "known_text/image_to_text_MRR"


def half_known(embeddings):
    return replace(embeddings, train_texts=sorted(set(embeddings.items["text"]))[::2])


def test_perfect_random_and_one_that_knows_train_by_heart(make_embeddings):
    random, perfect = half_known(make_embeddings(120)), half_known(make_embeddings(120, volumes="perfect"))
    learnt = perfect.items["text"].isin(perfect.train_texts).to_numpy()[:, None]
    damaged = replace(perfect, volumes=np.where(learnt, perfect.volumes, random.volumes))
    found = [score(one, [], OPTIONS).metrics for one in (perfect, random, damaged)]
    assert found[0][NEW].value == found[0][KNOWN].value == found[2][KNOWN].value == 1
    for one in found[1:]:
        assert one[NEW].lower <= one[f"{NEW}/chance"].value <= one[NEW].upper


def test_a_new_combination_has_parts_that_train_has(make_embeddings):
    embeddings = make_embeddings(60)
    findings = [found for found in embeddings.findings.values() if found]
    one = findings[0][0]
    twin = next(other for some in findings for other in some if other.lesion_type != one.lesion_type)
    train = [[replace(one, lesion_type=twin.lesion_type), replace(twin, lesion_type=one.lesion_type)]]
    masks = dict(pools(embeddings.items, embeddings, train))
    for row, (study, contrast) in enumerate(
        zip(embeddings.items["study_id"], embeddings.items["contrast"], strict=True)
    ):
        shown = [x for x in embeddings.findings[study] if x.clause(contrast)]
        pairs = [(x.location, x.lesion_type) for x in shown]
        new = any(pair in {(one.location, one.lesion_type), (twin.location, twin.lesion_type)} for pair in pairs)
        if one.location != twin.location:
            assert masks["new_place_type"][row] == new
    assert masks["new_place_type"].any()


def test_odd_heads_stand_beside_the_others_in_one_gallery(make_embeddings):
    perfect = make_embeddings(60, volumes="perfect")
    odd = np.arange(len(perfect.items)) % 3 == 0
    items = perfect.items.assign(**{ANATOMY: np.where(odd, "long head", "usual")})
    lost = replace(perfect, items=items, volumes=np.where(odd[:, None], make_embeddings(60).volumes, perfect.volumes))
    found = score(replace(lost, train_texts=list(items["text"])), [], OPTIONS).metrics
    assert found["known_anatomy/image_to_text_MRR"].value == 1
    assert found["new_anatomy/image_to_text_MRR"].value < 2 * found["new_anatomy/image_to_text_MRR/chance"].value


def test_nothing_new_is_refused(make_embeddings):
    embeddings = make_embeddings()
    embeddings = replace(embeddings, train_texts=list(embeddings.items["text"]))
    with pytest.raises(UnavailableError, match="train lacks"):
        score(embeddings, [], OPTIONS)
