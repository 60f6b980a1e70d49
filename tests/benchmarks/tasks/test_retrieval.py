from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from bootstrap_oracles import patient_bootstrap

from benchmarks.benchmark import ScoreOptions
from benchmarks.metrics import retrieval_metrics
from benchmarks.retrieval import gallery_ranking
from benchmarks.retrieval.gallery_ranking import METRICS
from benchmarks.tasks import retrieval
from benchmarks.tasks.retrieval import pools
from selip.data.findings import NORMAL_TEXT, is_normal
from selip.system.errors import InputError

QUICK = ScoreOptions(n_resamples=300)
DIRECTIONS = ("image_to_text", "text_to_image")


def recall_by_loop(embeddings, rows, k):
    """R@k of both directions, from the protocol's words alone: every candidate is looked at, one by one."""
    texts = list(embeddings.items["text"])
    cosine = np.round(embeddings.volumes.astype(float) @ embeddings.encode_text(texts).astype(float).T, 7)
    there, back = [], []
    for item in rows:
        better = {texts[n] for n in rows if texts[n] != texts[item] and cosine[item, n] >= cosine[item, item]}
        there.append(len(better) < k)
        best = max(cosine[n, item] for n in rows if texts[n] == texts[item])
        back.append(sum(texts[n] != texts[item] and cosine[n, item] >= best for n in rows) < k)
    return np.mean(there), np.mean(back)


@pytest.mark.parametrize("volumes", ["random", "constant", "perfect"])
def test_recall_equals_the_loop_in_every_pool(make_embeddings, volumes):
    embeddings = make_embeddings(25, volumes=volumes)
    found = retrieval.score(embeddings, QUICK).metrics
    checked = 0
    for pool in pools(embeddings.items):
        if pool.is_macro:
            continue
        for k in (1, 5, 10):
            for direction, expected in zip(DIRECTIONS, recall_by_loop(embeddings, pool.rows, k), strict=True):
                assert found[f"{pool.name}/{direction}_R@{k}"].value == pytest.approx(expected), (pool.name, direction)
                checked += 1
    assert checked == 5 * 3 * 2


def test_perfect_embeddings_score_one(make_embeddings):
    found = retrieval.score(make_embeddings(volumes="perfect"), QUICK).metrics
    for pool in ("all", "abnormal", "macro", "contrast_FLAIR"):
        for direction in DIRECTIONS:
            for name in retrieval_metrics.RANK_METRICS:
                metric = found[f"{pool}/{direction}_{name}"]
                assert (metric.value, metric.lower, metric.upper) == (1, 1, 1)
    assert found["side_swapped/wins"].value == 1


def test_random_embeddings_score_chance(make_embeddings):
    found = retrieval.score(make_embeddings(150, seed=3), ScoreOptions(n_resamples=1000, confidence=0.999)).metrics
    names = [f"{pool}/image_to_text_{name}" for pool in ("all", "abnormal") for name in METRICS]
    names += [f"{edit}/wins" for edit in ("side_swapped", "signal_swapped", "finding_removed")]
    for name in names:
        metric = found[name]
        assert metric.lower <= found[f"{name}/chance"].value <= metric.upper, name
    assert found["abnormal/image_to_text_R@10/chance"].value == pytest.approx(
        10 / found["abnormal/image_to_text/candidates"].value
    )


def test_constant_embeddings_never_win(make_embeddings):
    embeddings = make_embeddings(volumes="constant")
    constant_text = replace(embeddings, encode_text=lambda texts: np.full((len(texts), 32), 32**-0.5, np.float32))
    found = retrieval.score(constant_text, QUICK).metrics
    assert found["all/image_to_text_R@10"].value == 0
    assert found["all/image_to_text_median_rank"].value == found["all/image_to_text/candidates"].value
    assert found["abnormal/text_to_image_R@10"].value == 0
    assert found["side_swapped/wins"].value == 0


def test_majority_answer_is_the_commonest_training_text(make_embeddings):
    embeddings = make_embeddings()
    found = retrieval.score(embeddings, QUICK).metrics
    normal = embeddings.items["text"].map(is_normal).mean()
    assert embeddings.train_texts.count(NORMAL_TEXT) == max(
        map(embeddings.train_texts.count, set(embeddings.train_texts))
    )
    assert found["all/image_to_text_R@1/majority"].value == pytest.approx(normal)
    assert "all/text_to_image_R@1/majority" not in found
    without = retrieval.score(replace(embeddings, train_texts=[]), QUICK).metrics
    assert not any(name.endswith("/majority") for name in without)


def test_score_does_not_depend_on_order_or_tiles(make_embeddings, monkeypatch):
    embeddings = make_embeddings()
    order = np.random.default_rng(0).permutation(len(embeddings.items))
    shuffled = replace(embeddings, items=embeddings.items.iloc[order], volumes=embeddings.volumes[order])
    found = retrieval.score(embeddings, QUICK).metrics
    monkeypatch.setattr(gallery_ranking, "TILE_ENTRIES", 500)
    other = retrieval.score(shuffled, QUICK).metrics
    assert list(found) == list(other)
    for name, metric in found.items():
        assert other[name].model_dump() == pytest.approx(metric.model_dump()), name


def test_metrics_follow_from_the_per_item_table(make_embeddings):
    score = retrieval.score(make_embeddings(), QUICK)
    assert list(score.per_item.columns[:7]) == ["pool", "item_id", "patient_id", "contrast", "site", "text", "weight"]
    assert not score.per_item.duplicated(["pool", "item_id"]).any()
    checked = 0
    for key, metric in score.metrics.items():
        pool, name = key.split("/", 1)
        if "/" in name:
            assert metric.lower is None
            continue
        rows = score.per_item[score.per_item["pool"] == pool]
        again = patient_bootstrap(rows[name], rows["weight"], rows["patient_id"], 300, statistic=metric.statistic)
        np.testing.assert_allclose(again, (metric.value, metric.lower, metric.upper))
        assert metric.n_items == rows[name].notna().sum()
        assert metric.higher_is_better == (not name.endswith("median_rank"))
        checked += 1
    assert checked == 6 * 2 * len(METRICS) + 3
    macro = score.per_item[score.per_item["pool"] == "macro"]
    np.testing.assert_allclose(macro.groupby("text")["weight"].sum(), 1)


def test_all_normal_split_has_no_abnormal_pool_and_says_so(make_embeddings):
    score = retrieval.score(make_embeddings(5, normal_only=True), QUICK)
    assert set(score.per_item["pool"]) == {"all", "macro"}
    assert not any(name.startswith(("abnormal/", "contrast_")) for name in score.metrics)
    assert "left out" in score.notes["pool abnormal"]
    assert score.metrics["all/image_to_text_R@1"].value == score.metrics["all/image_to_text_R@1/chance"].value == 1


def test_one_patient_has_values_without_intervals(make_embeddings):
    score = retrieval.score(make_embeddings(1, seed=2), QUICK)
    assert score.metrics["abnormal/image_to_text_R@1"].n_patients == 1
    assert all(metric.lower is None and metric.upper is None for metric in score.metrics.values())


def test_unknown_truth_leaves_graded_relevance_out(make_embeddings):
    embeddings = make_embeddings(20)
    found = retrieval.score(replace(embeddings, findings={}), QUICK)
    assert not any("nDCG" in name for name in found.metrics)
    assert found.per_item["image_to_text_nDCG@10"].isna().all()
    assert "unknown truth" in found.notes["pool all"]
    partly = {study: truth for study, truth in embeddings.findings.items() if study > "s15"}
    some = retrieval.score(replace(embeddings, findings=partly), QUICK).metrics["all/image_to_text_nDCG@10"]
    assert 0 < some.n_patients < 20


def test_relevance_never_looks_at_the_words(make_embeddings):
    embeddings = make_embeddings(20, volumes="perfect")
    renamed = {text: f"text number {n}" for n, text in enumerate(sorted(set(embeddings.items["text"])))}
    back = {name: text for text, name in renamed.items()}
    other = replace(
        embeddings,
        items=embeddings.items.assign(text=embeddings.items["text"].map(renamed)),
        encode_text=lambda texts: embeddings.encode_text([back.get(text, text) for text in texts]),
    )
    one, two = (retrieval.score(e, QUICK).metrics["all/image_to_text_nDCG@10"].value for e in (embeddings, other))
    assert one == pytest.approx(two)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_non_finite_embeddings_are_refused_by_name(make_embeddings, bad):
    embeddings = make_embeddings(5)
    embeddings.volumes[4, 3] = bad
    with pytest.raises(InputError, match=r"non-finite volume embeddings, first 's1_T1'"):
        retrieval.score(embeddings, QUICK)
    embeddings = make_embeddings(5)
    broken = replace(embeddings, encode_text=lambda texts: np.full((len(texts), 32), bad))
    with pytest.raises(InputError, match="non-finite text embeddings"):
        retrieval.score(broken, QUICK)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda e: replace(e, volumes=2 * e.volumes), "of length 2"),
        (lambda e: replace(e, volumes=e.volumes[:-1]), "shape"),
        (lambda e: replace(e, items=e.items.drop(columns="text")), "no column 'text'"),
        (lambda e: replace(e, items=e.items.iloc[:0], volumes=e.volumes[:0]), "no items"),
        (lambda e: replace(e, items=e.items.assign(volume_id="same")), "'same' twice"),
    ],
)
def test_embeddings_that_cannot_be_scored_are_refused(make_embeddings, change, message):
    with pytest.raises(InputError, match=message) as error:
        retrieval.score(change(make_embeddings(5)), QUICK)
    assert "\n" not in str(error.value)


def test_notes_name_every_policy(make_embeddings):
    notes = retrieval.score(make_embeddings(5), QUICK).notes
    assert {"ties", "duplicates", "pools", "chance", "majority", "nDCG@10", "hard_negatives", "interval"} <= set(notes)
    assert all(isinstance(note, str) and "\n" not in note for note in notes.values())


def test_seen_and_unseen_combinations_are_pools_where_the_cohort_tells_them(make_embeddings):
    embeddings = make_embeddings(40, volumes="perfect")
    abnormal = embeddings.items["text"] != NORMAL_TEXT
    parts = np.where(abnormal, np.where(np.arange(len(abnormal)) % 4, "seen", "unseen"), "")
    told = replace(embeddings, items=embeddings.items.assign(combination=parts))
    rows = {pool.name: pool.rows for pool in pools(told.items)}
    assert set(rows["seen"]) | set(rows["unseen"]) == set(rows["abnormal"])
    assert not set(rows["seen"]) & set(rows["unseen"])
    found = retrieval.score(told, QUICK).metrics
    assert found["unseen/image_to_text_R@1"].n_items == len(rows["unseen"])
    assert not any(pool.name in {"seen", "unseen"} for pool in pools(embeddings.items))


def test_a_gallery_of_hundreds_is_ranked_like_a_small_one(make_embeddings):
    """A tile of 256 texts or more counts in wider numbers."""
    embeddings = make_embeddings(300, contrasts=("FLAIR",))
    texts = [f"at place {number} shows high signal" for number in range(300)]
    told = replace(embeddings, items=embeddings.items.assign(text=texts))
    found = retrieval.score(told, QUICK).metrics
    for direction, expected in zip(DIRECTIONS, recall_by_loop(told, range(300), 10), strict=True):
        assert found[f"all/{direction}_R@10"].value == pytest.approx(expected)
