from __future__ import annotations

import re

import numpy as np
import pytest

from selip.system.errors import InputError
from selip.training.batch_plan import plan_batches

TEXT_IDS = np.array([0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 7, 8])
TWIN = np.array([0, 2, 1, 4, 3, 6, 5, 8, 7])


def plan(**changes):
    settings = {"steps": 50, "batch_size": 4, "unique_texts": True, "flip": "random", "seed": 0} | changes
    return plan_batches(TEXT_IDS, TWIN, **settings)


def test_texts_of_a_batch_are_unique_after_flips():
    made = plan()
    assert all(len(set(batch)) == 4 for batch in made.text_ids)
    expected = np.where(made.flips, TWIN[TEXT_IDS[made.rows]], TEXT_IDS[made.rows])
    np.testing.assert_array_equal(made.text_ids, expected)


def test_plain_batches_take_each_pair_once_an_epoch():
    made = plan(unique_texts=False, steps=6)
    epochs = made.rows.reshape(2, -1)
    assert all(sorted(epoch) == list(range(12)) for epoch in epochs)
    assert any(len(set(batch)) < 4 for batch in made.text_ids)


def test_plan_is_a_function_of_its_seed():
    assert plan().hash == plan().hash
    assert plan().hash != plan(seed=1).hash
    assert plan().hash != plan(flip="none").hash


def test_flips_are_even_and_can_be_off():
    assert 0.35 < plan(steps=400).flips.mean() < 0.65
    assert not plan(flip="none").flips.any()


def test_unique_batches_use_every_abnormal_pair():
    assert set(plan(steps=200).rows.ravel()) == set(range(12))


@pytest.mark.parametrize(
    "changes", [{"batch_size": 10}, {"batch_size": 13, "unique_texts": False}, {"batch_size": 10, "flip": "paired"}]
)
def test_a_part_too_small_is_refused(changes):
    with pytest.raises(InputError, match=r"give training\.batch_size"):
        plan(**changes)


def test_twins_that_never_meet_in_an_epoch_do_not_count():
    ids, twin = np.zeros(1, dtype=np.int64), np.array([1, 0])
    with pytest.raises(InputError, match="1 different texts"):
        plan_batches(ids, twin, steps=1, batch_size=2, unique_texts=True, flip="random", seed=0)


def test_paired_flips_bring_the_mirror_image():
    made = plan(flip="paired", steps=300)
    assert all(len(set(batch)) == 4 for batch in made.text_ids)
    sided = TWIN[TEXT_IDS[made.rows]] != TEXT_IDS[made.rows]
    mirrored = [
        (row, not flipped) in set(zip(rows, flips, strict=True))
        for rows, flips, has_side in zip(made.rows, made.flips, sided, strict=True)
        for row, flipped in zip(rows[has_side], flips[has_side], strict=True)
    ]
    assert np.mean(mirrored) > 0.8, "all but those cut at the end of a batch"
    assert 0.35 < made.flips[:, 0].mean() < 0.65
    assert plan(flip="paired", unique_texts=False).rows.shape == (50, 4)


def test_normals_may_stand_in_a_batch_more_than_once():
    most = np.array([2, 1, 1, 1, 1, 1, 1, 1, 1])
    counts = [np.bincount(batch, minlength=9) for batch in plan(steps=200, most=most).text_ids]
    assert max(count[0] for count in counts) == 2
    assert max(count[1:].max() for count in counts) == 1
    assert plan(most=np.ones(9, dtype=int)).hash == plan().hash


def test_the_size_that_a_refusal_names_would_do():
    with pytest.raises(InputError, match="new --out") as refused:
        plan(batch_size=500, steps=1)
    size = int(re.search(r"give training.batch_size=(\d+) or less", str(refused.value))[1])
    assert size > 1
    plan(batch_size=size, steps=1)
