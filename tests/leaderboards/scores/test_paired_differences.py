"""Paired differences: their laws, Holm over what was declared, and groups that say exactly what is separable."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t

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
from leaderboards.site.build import build_leaderboard
from leaderboards.tables.cells import facet_of
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


def test_the_difference_is_that_of_the_records_and_turns_with_the_order(seeds_dir):
    board = read_boards(seeds_dir)["retrieval"]
    a, b = board.row("selip"), board.row("clip")
    there, back = compare(board, a, b), compare(board, b, a)
    gaps = [one - other for one, other in zip(a.values(PRIMARY), b.values(PRIMARY), strict=True)]
    assert there.difference.value == pytest.approx(sum(gaps) / 3)
    assert there.difference.lower == pytest.approx(-back.difference.upper)
    error, df = there.difference[4:]
    assert there.smallest == back.smallest == pytest.approx(error * (t.ppf(0.975, df) + t.ppf(0.8, df)))
    assert error >= np.std(gaps, ddof=1) / 3**0.5  # the spread of the seeds is in it


def test_a_standing_has_every_pair_once_and_turns_it_around(seeds_dir):
    board = read_boards(seeds_dir)["retrieval"]
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
    assert [(c.a, c.b, c.difference) for c in standing.declared(board.contrasts)] == [
        (c.a, c.b, pytest.approx(c.difference)) for c in declared
    ]


def test_a_sign_flip_over_seeds_needs_eight(tmp_path, factory):
    for seed in range(8):
        factory.add_run(tmp_path, "selip", seed, 8, skill=5.0)
        factory.add_run(tmp_path, "clip", seed, 8, skill=0.0)
        found = standing_of(read_boards(tmp_path)["retrieval"], PRIMARY, 20).between("selip", "clip")
        assert math.isnan(found.p_seeds) == (seed < 7)
    assert found.p_seeds == pytest.approx(2 / 2**8)


@pytest.mark.parametrize("n_seeds", [1, 2])
def test_one_or_two_seeds_describe_runs_and_claim_nothing(tmp_path, factory, n_seeds):
    for method, skill in {"selip": 50.0, "clip": 0.0, "shuffled_selip": 0.0, "siglip": -3.0}.items():
        for seed in range(n_seeds):
            factory.add_run(tmp_path, method, seed, skill=skill)
    (sheet,) = families_of(read_boards(tmp_path), 100)["retrieval"]
    for one in (*sheet.contrasts, *sheet.beside):
        assert one.known
        assert not any((one.is_tested, one.separates, one.differs))
        assert all(math.isnan(number) for number in (one.difference.p_value, one.p_holm, one.smallest))
    assert sheet.groups == {}
    text = said(tmp_path)
    words = ("One seed", "one run") if n_seeds == 1 else ("Two seeds", "two runs")
    assert text.startswith(f"{words[0]}: this page describes {words[1]} of each method and says nothing of others.")
    claims = "\n".join(text.splitlines()[1:])
    assert not any(word in claims.lower() for word in ("above", "below", "separa", "highest", "better", "differ"))
    build_leaderboard(tmp_path, tmp_path / "out", 50, html=False)
    page = (tmp_path / "out" / "retrieval.md").read_text()
    assert not any(word in page for word in ("| group |", "| separated |", "p (Holm)", "smallest detectable"))
    assert "| selip − clip | image → text R@10 | +0." in page


def test_neither_primary_metric_alone_carries_a_sentence(tmp_path, factory):
    """selip leads in R@10 and not in nDCG@10: the page calls it neither above nor below."""
    for seed in (0, 1, 2):
        for method, skill in {"selip": 50.0, "clip": 0.1, "shuffled_selip": 0.1}.items():
            factory.add_run(tmp_path, method, seed, skill=skill, ndcg=0.5 + 0.01 * (seed - 1))
    (sheet,) = families_of(read_boards(tmp_path), 300)["retrieval"]
    standing = {c.key: c.differs for c in sheet.evidence("selip", "clip")}
    assert standing == {key: "R@10" in key for key in (PRIMARY, *sheet.declared.co_primary)}
    text = said(tmp_path)
    assert "selip is not above its controls" in text
    assert "selip is above" not in text
    assert "above in image → text R@10 and text → image R@10, not separable in image → text nDCG@10 and text" in text


def test_a_method_does_not_differ_from_its_copy(tmp_path, factory):
    factory.add_seeds(tmp_path, "selip", 1.0)
    factory.add_seeds(tmp_path, "shuffled_selip", 1.0)
    board = read_boards(tmp_path)["retrieval"]
    comparison = compare(board, board.row("selip"), board.row("shuffled_selip"))
    assert comparison.difference[:4] == (0.0, 0.0, 0.0, 1.0)
    assert not comparison.separates
    assert groups_of(board) == {"selip": "a", "shuffled_selip": "a"}


def test_holm_counts_all_contrasts_that_were_declared_run_or_not(seeds_dir):
    board = read_boards(seeds_dir)["retrieval"]
    (only,) = declared_contrasts(board, PRIMARY, 300)
    assert (only.a, only.b) == ("selip", "clip")
    assert len(board.contrasts) == 5
    assert only.p_holm == pytest.approx(min(1.0, 5 * only.difference.p_value))


def test_an_ablation_is_no_declared_contrast(tmp_path, factory):
    factory.add_run(tmp_path, "selip", ablation="lambda=0")
    factory.add_run(tmp_path, "clip")
    board = read_boards(tmp_path)["retrieval"]
    assert declared_contrasts(board, PRIMARY, 50) == []
    assert [c.a for c in differences_to(board, board.row("clip"), PRIMARY, 50)] == ["selip [lambda=0]"]


def test_a_perfect_method_leads_and_stands_alone_over_a_hopeless_one(tmp_path, factory):
    factory.add_seeds(tmp_path, "hopeless", 0.0)
    factory.add_seeds(tmp_path, "perfect", 50.0)
    board = read_boards(tmp_path)["retrieval"]
    assert [row.method for row in ranked(board, PRIMARY)] == ["perfect", "hopeless"]
    assert board.row("perfect").scored[0].metrics[PRIMARY].value == 1.0
    assert groups_of(board) == {"perfect": "a", "hopeless": "b"}


def test_a_control_that_does_as_well_is_said_in_words(tmp_path, factory):
    factory.add_seeds(tmp_path, "selip", 0.1)
    factory.add_seeds(tmp_path, "shuffled_selip", 0.1)
    factory.add_seeds(tmp_path, "label_smoothing", 50.0)
    text = said(tmp_path)
    assert "selip is not above its controls" in text
    assert "shuffled_selip: no difference that matters, every interval within 0.03 of 0" in text
    assert "label_smoothing: below in all of them" in text
    assert "Controls not compared here: clip_x2" in text


def test_a_wide_interval_that_holds_nothing_is_no_proof_of_equality(tmp_path, factory):
    factory.add_seeds(tmp_path, "selip", 0.1)
    factory.add_seeds(tmp_path, "shuffled_selip", 0.2)
    assert "shuffled_selip: not separable in any of them" in said(tmp_path)


@pytest.mark.parametrize(
    ("lower", "upper", "p_value", "higher_is_better", "negligible"),
    [
        (-0.02, 0.029, 0.5, True, True),
        (0.001, 0.02, 0.01, True, True),
        (-0.02, 0.031, 0.5, True, False),
        (-0.031, 0.02, 0.5, True, False),
        (-0.02, 0.02, math.nan, True, False),  # too few seeds to say anything of others
        (-0.02, 0.02, 0.5, False, False),  # millimetres, ranks
    ],
)
def test_only_an_interval_close_to_nothing_shows_that_there_is_nothing(
    lower, upper, p_value, higher_is_better, negligible
):
    difference = Difference((lower + upper) / 2, lower, upper, p_value, 0.01, 9)
    assert Comparison("a", "b", "k", difference, higher_is_better=higher_is_better).is_negligible == negligible


def test_controls_that_are_beaten_are_said_too(tmp_path, factory):
    factory.add_seeds(tmp_path, "selip", 50.0)
    factory.add_seeds(tmp_path, "shuffled_selip", 0.1)
    text = said(tmp_path)
    assert "selip is above every control" in text
    assert "not above its controls" not in text


def test_three_seeds_are_too_few_for_a_headline_claim(seeds_dir):
    text = said(seeds_dir, 50)
    assert "3 seeds: intervals cover seeds and patients. Provisional: a headline claim needs 10 seeds" in text
    assert "sign-flip test over seeds 8" in text


def test_a_trained_method_at_chance_is_pointed_out(tmp_path, factory):
    factory.add_run(tmp_path, "clip", skill=0.0)
    factory.add_run(tmp_path, "random_init", skill=0.0)
    factory.add_run(tmp_path, "selip", skill=5.0)
    factory.add_run(tmp_path, "siglip", skill=-3.0)
    lines = said(tmp_path).splitlines()
    assert "Trained, yet the interval holds chance 0.185: clip." in lines
    assert "Not trained, and not clear of chance 0.185: random_init." in lines
    assert "Interval clear of the floor, chance 0.185: selip." in lines
    assert "Trained, yet worse than chance 0.185: siglip." in lines


def test_the_floor_is_the_higher_of_chance_and_majority(run_dir):
    board = read_boards(run_dir)["retrieval"]
    assert board.levels(PRIMARY) == {"chance": pytest.approx(10 / 54), "majority": 0.01}
    assert board.floor(PRIMARY) == ("chance", pytest.approx(10 / 54))
    assert board.floor("abnormal/image_to_text_median_rank") == ("chance", 27.5)  # fewer ranks are better
    assert board.floor("abnormal/image_to_text_MRR")[0] == "chance"
    higher = replace(board, records=tuple(with_majority(record, 0.4) for record in board.records))
    assert higher.floor(PRIMARY) == ("majority", 0.4)
    assert facet_of(higher, PRIMARY).level == 0.4


def with_majority(record, value):
    beside = f"{PRIMARY}/majority"
    metrics = dict(record.metrics)
    if beside in metrics:
        metrics[beside] = metrics[beside].model_copy(update={"value": value})
    return record.model_copy(update={"metrics": metrics})


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
    for method, skill in {"margin": 50.0, "clip": 0.1, "shuffled_margin": 0.1, "selip": 0.1}.items():
        factory.add_seeds(tmp_path, method, skill, **own)
    contrasts = declared_contrasts(read_boards(tmp_path)["retrieval"], PRIMARY, 300)
    assert [(c.a, c.b) for c in contrasts] == [("margin", "clip"), ("margin", "shuffled_margin")]
    text = said(tmp_path)
    assert "margin is above every control that was run" in text
    assert "margin − clip: above in all of them (+0." in text
    assert "selip −" not in text


def test_a_method_that_is_not_above_its_controls_is_said_by_name(tmp_path, factory):
    own = {"contrasts": (("margin", "shuffled_margin"),), "controls": ("shuffled_margin",)}
    for method in ("margin", "shuffled_margin"):
        factory.add_seeds(tmp_path, method, 1.0, **own)
    text = said(tmp_path)
    assert "margin is not above its controls" in text
    assert "do not show that what margin adds helps" in text


def test_records_that_declare_other_contrasts_are_not_one_table(tmp_path, factory):
    factory.add_run(tmp_path, "selip")
    factory.add_run(tmp_path, "clip", contrasts=(("clip", "siglip"),))
    with pytest.raises(InputError, match=r"got contrasts clip - siglip \(run clip--0\) and selip - clip, .*selip--0"):
        read_boards(tmp_path)["retrieval"]
