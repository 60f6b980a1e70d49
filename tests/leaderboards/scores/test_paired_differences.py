"""Paired differences: their laws, Holm over what was declared, and groups that say exactly what is separable."""

from __future__ import annotations

import math
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from benchmarks.statistics.intervals import Difference
from leaderboards.scores.benchmark_records import read_boards
from leaderboards.scores.benchmark_scores import families_of
from leaderboards.scores.paired_differences import (
    Comparison,
    adjusted,
    compare_pairs,
    declared_contrasts,
    differences_to,
    group_letters,
    ranked,
    standing_of,
)
from leaderboards.tables.verdicts import board_verdicts, headline_verdicts, on_what_is_missing
from selip.system.errors import InputError

PRIMARY = "abnormal/image_to_text_R@10"
LABELS = list("abcdefg")
PAIRS = list(combinations(LABELS, 2))


def said(folder, n_resamples=300):
    """All verdicts of a run directory in one text."""
    (sheet,) = families_of(read_boards(folder), n_resamples)["retrieval"]
    found = [*on_what_is_missing(sheet.board), *headline_verdicts(sheet, sheet.headline), *board_verdicts(sheet.board)]
    return "\n".join(verdict.text for verdict in found)


def compare(board, a, b):
    return compare_pairs(board, [(a, b)], PRIMARY, 300)[0]


def groups_of(board):
    return standing_of(board, PRIMARY, 300).groups


@settings(max_examples=60, deadline=None)
@given(separated=st.sets(st.sampled_from(PAIRS)))
def test_two_share_a_letter_exactly_when_not_separated(separated):
    letters = group_letters(LABELS, sorted(separated))
    assert set(letters) == set(LABELS)
    for a, b in PAIRS:
        assert bool(set(letters[a]) & set(letters[b])) == ((a, b) not in separated)


def test_all_separated_is_one_letter_each_in_order_of_rank():
    assert group_letters(["z", "m", "a"], [("z", "m"), ("z", "a"), ("m", "a")]) == {"z": "a", "m": "b", "a": "c"}


def test_the_difference_is_that_of_the_records_and_turns_with_the_order(run_dir):
    board = read_boards(run_dir)["retrieval"]
    a, b = board.row("selip"), board.row("clip")
    there, back = compare(board, a, b), compare(board, b, a)
    expected = a.scored[0].metrics[PRIMARY].value - b.scored[0].metrics[PRIMARY].value
    assert there.difference.value == pytest.approx(expected)
    assert there.difference.lower == pytest.approx(-back.difference.upper)
    half = (there.difference.upper - there.difference.lower) / 2
    assert there.smallest == pytest.approx((norm.ppf(0.975) + norm.ppf(0.8)) * half / norm.ppf(0.975))


def test_a_standing_has_every_pair_once_and_turns_it_around(run_dir):
    board = read_boards(run_dir)["retrieval"]
    standing = standing_of(board, PRIMARY, 300)
    assert standing.ranking == tuple(row.label for row in ranked(board, PRIMARY))
    assert set(standing.comparisons) == set(combinations(standing.ranking, 2))
    for a, b in standing.comparisons:
        there, back = standing.between(a, b), standing.between(b, a)
        alone = compare(board, board.row(b), board.row(a))
        assert back.difference == pytest.approx(alone.difference)
        assert there.difference.value == -back.difference.value
        assert (back.a, back.b) == (b, a)
    assert standing.between("selip", "unheard of") is None
    declared = declared_contrasts(board, PRIMARY, 300)
    assert [(c.a, c.b, c.difference) for c in adjusted(standing.declared(board.contrasts))] == [
        (c.a, c.b, pytest.approx(c.difference)) for c in declared
    ]


def test_a_sign_flip_over_seeds_needs_six(tmp_path, factory):
    for seed in range(6):
        factory.add_run(tmp_path, "selip", seed, 8, skill=5.0)
        factory.add_run(tmp_path, "clip", seed, 8, skill=0.0)
        found = standing_of(read_boards(tmp_path)["retrieval"], PRIMARY, 20).between("selip", "clip")
        assert math.isnan(found.p_seeds) == (seed < 5)
    assert found.p_seeds == pytest.approx(2 / 2**6)


def test_a_method_does_not_differ_from_its_copy(tmp_path, factory):
    factory.add_run(tmp_path, "selip", skill=1.0)
    factory.add_run(tmp_path, "shuffled_selip", skill=1.0)
    board = read_boards(tmp_path)["retrieval"]
    comparison = compare(board, board.row("selip"), board.row("shuffled_selip"))
    assert comparison.difference[:3] == (0.0, 0.0, 0.0)
    assert not comparison.separates
    assert groups_of(board) == {"selip": "a", "shuffled_selip": "a"}


def test_holm_counts_the_declared_contrasts_that_are_present(run_dir):
    board = read_boards(run_dir)["retrieval"]
    contrasts = declared_contrasts(board, PRIMARY, 300)
    assert [(c.a, c.b) for c in contrasts] == [
        ("selip", "clip"),
        ("selip", "label_smoothing"),
        ("selip", "shuffled_selip"),
    ]
    smallest = min(c.difference.p_value for c in contrasts)
    assert min(c.p_holm for c in contrasts) == pytest.approx(min(1.0, 3 * smallest))
    assert all(c.p_holm >= c.difference.p_value for c in contrasts)


def test_an_ablation_is_no_declared_contrast(tmp_path, factory):
    factory.add_run(tmp_path, "selip", ablation="lambda=0")
    factory.add_run(tmp_path, "clip")
    board = read_boards(tmp_path)["retrieval"]
    assert declared_contrasts(board, PRIMARY, 50) == []
    assert [c.a for c in differences_to(board, board.row("clip"), PRIMARY, 50)] == ["selip [lambda=0]"]


def test_a_perfect_method_leads_and_stands_alone_over_a_hopeless_one(tmp_path, factory):
    factory.add_run(tmp_path, "hopeless", skill=0.0)
    factory.add_run(tmp_path, "perfect", skill=50.0)
    board = read_boards(tmp_path)["retrieval"]
    assert [row.method for row in ranked(board, PRIMARY)] == ["perfect", "hopeless"]
    assert board.row("perfect").scored[0].metrics[PRIMARY].value == 1.0
    assert groups_of(board) == {"perfect": "a", "hopeless": "b"}


def test_a_control_that_does_as_well_is_said_in_words(tmp_path, factory):
    factory.add_run(tmp_path, "selip", skill=1.0)
    factory.add_run(tmp_path, "shuffled_selip", skill=1.0)
    factory.add_run(tmp_path, "label_smoothing", skill=4.0)
    text = said(tmp_path)
    assert "selip is not above its controls" in text
    assert "shuffled_selip does as well" in text
    assert "label_smoothing does better" in text
    assert "Controls not compared here: clip_x2" in text


def test_controls_that_are_beaten_are_said_too(tmp_path, factory):
    factory.add_run(tmp_path, "selip", skill=5.0)
    factory.add_run(tmp_path, "shuffled_selip", skill=0.1)
    text = said(tmp_path)
    assert "selip is above every control" in text
    assert "not above its controls" not in text


def test_one_seed_has_no_test_over_seeds_and_three_are_too_few(run_dir, seeds_dir):
    assert "no test over seeds" in said(run_dir)
    assert "needs at least 6" in said(seeds_dir, 50)


def test_a_trained_method_at_chance_is_pointed_out(tmp_path, factory):
    factory.add_run(tmp_path, "clip", skill=0.0)
    factory.add_run(tmp_path, "random_init", skill=0.0)
    factory.add_run(tmp_path, "selip", skill=5.0)
    factory.add_run(tmp_path, "siglip", skill=-3.0)
    lines = said(tmp_path).splitlines()
    assert "Trained, yet the interval holds chance: clip." in lines
    assert "Interval holds chance, as it should without training: random_init." in lines
    assert "Lower bound at least twice chance: selip." in lines
    assert "Below chance, which calls for a reason: siglip." in lines


def test_unequal_terms_are_said(tmp_path, factory):
    fair = factory.add_run(tmp_path, "clip").training
    factory.add_run(tmp_path, "selip", training=fair.model_copy(update={"steps": 9000}))
    text = said(tmp_path)
    assert "took different numbers of steps" in text
    assert "Equal terms" not in text


def test_a_tower_of_its_own_is_named_and_not_called_unequal(tmp_path, factory):
    fair = factory.add_run(tmp_path, "clip").training
    factory.add_run(tmp_path, "selip", training=fair)
    own = {"own_tower": "open_clip_slices", "initial_weights_hash": "others"}
    factory.add_run(tmp_path, "slices", training=fair.model_copy(update=own))
    text = said(tmp_path)
    assert "Unequal terms" not in text
    assert "tower of its own, and so other initial weights: slices (open_clip_slices)" in text


def test_a_tower_of_its_own_excuses_no_other_batches(tmp_path, factory):
    fair = factory.add_run(tmp_path, "clip").training
    own = {"own_tower": "open_clip_slices", "batch_order_hash": "others"}
    factory.add_run(tmp_path, "slices", training=fair.model_copy(update=own))
    assert "were fed different batches" in said(tmp_path)


def test_what_was_skipped_is_no_hole(tmp_path, factory):
    factory.add_run(tmp_path, "clip")
    factory.add_hole(tmp_path, "mae", status="skipped", reason="the method trains no text tower")
    factory.add_hole(tmp_path, "simclr", status="skipped", reason="the method trains no text tower")
    lines = said(tmp_path).splitlines()
    assert "Not scored here, with the reason: mae, simclr (the method trains no text tower)." in lines
    assert not any(line.startswith("Holes") for line in lines)
    factory.add_hole(tmp_path, "selip")
    assert any(line.startswith("Holes: selip lack") for line in said(tmp_path).splitlines())


def test_holm_passes_over_what_has_no_p_value():
    known, unknown = (
        Comparison("a", name, PRIMARY, Difference(0.1, bound, bound, p))
        for name, bound, p in (("b", 0.05, 0.02), ("c", math.nan, math.nan))
    )
    first, second = adjusted([unknown, known])
    assert math.isnan(first.p_holm)
    assert second.p_holm == 0.02
    assert second.differs
    assert adjusted([]) == []


def test_contrasts_are_those_of_the_records_and_the_first_is_said_in_words(tmp_path, factory):
    """An experiment of another method, with its own control."""
    own = {"contrasts": (("margin", "clip"), ("margin", "shuffled_margin")), "controls": ("shuffled_margin",)}
    for method, skill in {"margin": 6.0, "clip": 1.0, "shuffled_margin": 1.0, "selip": 1.0}.items():
        factory.add_run(tmp_path, method, skill=skill, **own)
    contrasts = declared_contrasts(read_boards(tmp_path)["retrieval"], PRIMARY, 300)
    assert [(c.a, c.b) for c in contrasts] == [("margin", "clip"), ("margin", "shuffled_margin")]
    text = said(tmp_path)
    assert "margin is above every control that was run" in text
    assert "margin − clip = " in text
    assert "margin is above clip" in text
    assert "selip −" not in text


def test_a_method_that_is_not_above_its_controls_is_said_by_name(tmp_path, factory):
    own = {"contrasts": (("margin", "shuffled_margin"),), "controls": ("shuffled_margin",)}
    for method in ("margin", "shuffled_margin"):
        factory.add_run(tmp_path, method, skill=1.0, **own)
    text = said(tmp_path)
    assert "margin is not above its controls" in text
    assert "do not show that what margin adds helps" in text


def test_records_that_declare_other_contrasts_are_not_one_table(tmp_path, factory):
    factory.add_run(tmp_path, "selip")
    factory.add_run(tmp_path, "clip", contrasts=(("clip", "siglip"),))
    with pytest.raises(InputError, match=r"got contrasts clip - siglip \(run clip--0\) and selip - clip, .*selip--0"):
        read_boards(tmp_path)["retrieval"]
