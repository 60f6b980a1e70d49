"""The first screen: the sentence, the ranking and what is behind its cells, from records alone."""

from __future__ import annotations

import json

import pytest
from matplotlib import style

from leaderboards.figures.plots import STYLE
from leaderboards.pages.overall_page import overall_part
from leaderboards.scores.benchmark_records import read_boards
from leaderboards.scores.benchmark_scores import families_of, overall_of
from leaderboards.site.first_screen import first_screen_of

N = 50


def screen(folder):
    families = families_of(read_boards(folder), N)
    sheets = [sheet for members in families.values() for sheet in members]
    return first_screen_of(families, overall_of(sheets) if len(sheets) > 1 else None), sheets


@pytest.fixture(scope="module")
def several(family_dir):
    return screen(family_dir)


def test_rows_are_in_order_of_the_average_rank_with_the_places_that_tests_leave_open(several):
    first, sheets = several
    ranks = overall_of(sheets).ranks
    labels = [place.label for place in first.places]
    assert labels[: len(ranks.ranks)] == list(ranks.ranks)
    for number, place in enumerate(first.places[: len(ranks.ranks)], 1):
        level = {one for clique in ranks.cliques if place.label in clique for one in clique} | {place.label}
        ends = [labels.index(one) + 1 for one in level]
        low, _, high = place.places.partition(" to ")
        assert (int(low), int(high or low)) == (min(ends), max(ends))
        assert int(low) <= number <= int(high or low)
        assert list(place.groups) == [place.label in clique for clique in ranks.cliques]


def test_there_is_a_column_a_family_and_one_more_for_the_other_kind_of_retrieval(several):
    first, _ = several
    assert [column.family for column in first.columns] == ["Retrieval", "Retrieval", "Classification", "Segmentation"]
    exact, graded = first.columns[:2]
    assert "R@10" in exact.key
    assert "nDCG@10" in graded.key


def test_behind_a_cell_are_its_seeds_patients_and_paired_differences(several):
    first, _ = several
    place = next(place for place in first.places if place.label == "selip")
    score, column = place.scores[0], first.columns[0]
    row = column.sheet.board.row("selip")
    assert list(json.loads(score.seeds).values()) == pytest.approx(row.values(column.key), abs=1e-3)
    assert sum(map(int, score.patients.split())) == column.n_patients
    for other, difference in json.loads(score.against).items():
        assert difference == pytest.approx(column.sheet.standing.between("selip", other).difference[:3], abs=1e-3)


def test_the_sentence_names_the_leader_and_answers_the_question(several):
    first, sheets = several
    leader = first.places[0].label
    assert leader in first.verdict.split(";")[0]
    assert first.verdict.count(".") <= 2
    won = all(c.differs and c.gain.value > 0 for c in sheets[0].evidence("selip", "clip"))
    assert ("selip is better than clip" in first.verdict) == won
    assert "not shown to be better than" in first.verdict or won


def test_one_seed_ranks_nothing_and_calls_nothing_better(run_dir):
    first, _ = screen(run_dir)
    assert first.verdict.startswith("One run of each method: nothing is ranked")
    assert not any(place.places or any(place.groups) for place in first.places)


def test_the_figure_of_the_question_has_the_differences_on_one_axis_with_zero_in_its_middle(several):
    first, sheets = several
    assert first.method == "selip"
    with style.context(STYLE):
        panels = first.question.draw().axes
    assert len(panels) == 2
    known = [c for c in (*sheets[0].contrasts, *sheets[0].beside) if c.a == "selip"]
    for axes in panels:
        assert axes.get_xlim() == panels[0].get_xlim()
        assert sum(axes.get_xlim()) == 0
        names = [label.get_text() for label in axes.get_yticklabels()]
        for dot in (line for line in axes.lines if line.get_marker() == "o"):
            ours = [c for c in known if names[int(dot.get_ydata()[0])] == f"− {c.b}"]
            assert dot.get_xdata()[0] in [c.difference.value for c in ours]
    assert all(f"{c.b} in " in first.question.label for c in known)


def test_a_benchmark_of_fewer_seeds_is_named_and_carries_no_sentence(tmp_path, factory):
    """selip is far better in linear probes, whose three seeds are too few beside the eight of retrieval."""
    about = {"contrasts": [("selip", "clip")]}
    for seed in range(8):
        for method in ("selip", "clip"):
            factory.add_run(tmp_path, method, seed, skill=1.0, **about)
            if seed < 3:
                factory.add_family_run(tmp_path, "linear_probe", method, seed, skill=3.0 * (method == "selip"), **about)
    first, sheets = screen(tmp_path)
    (probed,) = (sheet for sheet in sheets if sheet.name == "linear_probe")
    assert all(c.differs and c.gain.value > 0 for c in probed.evidence("selip", "clip"))
    assert "better than clip" not in first.verdict.replace("not shown to be better than clip", "")
    assert first.size.endswith("8 seeds · 2 methods · 2 benchmarks, 1 of them with 3 seeds")
    assert {column.sheet.name for column in first.columns} == {"retrieval"}
    overall = overall_of(sheets)
    assert {task.benchmark for task in overall.tasks} == {"retrieval"}
    said = [verdict.text for verdict in overall_part(overall, sheets, 100).verdicts]
    assert "Of fewer seeds, and no part of the ranks: linear probe." in said
    assert not any("no sign-flip test" in text for text in said)


def test_methods_of_which_the_same_is_said_are_named_together(tmp_path, factory):
    about = {"contrasts": [("selip", "clip"), ("selip", "clip_x2"), ("selip", "unicl")]}
    for seed in range(5):
        for method, skill in {"selip": 3.0, "clip": 0.2, "clip_x2": 0.3, "unicl": 3.0}.items():
            factory.add_run(tmp_path, method, seed, skill=skill, **about)
    first, _ = screen(tmp_path)
    assert first.verdict.endswith(
        "selip is better than clip and clip_x2 in retrieval, not shown to be better than unicl."
    )
