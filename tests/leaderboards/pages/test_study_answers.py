"""What the study answers of terms and of doses follows its declared rule: every metric, and Holm over all."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from leaderboards.scores.benchmark_records import read_boards
from leaderboards.scores.dose_response import read_doses

DOCS = str(Path(__file__).resolve().parents[3] / "docs")


@pytest.fixture(scope="module", autouse=True)
def docs():
    sys.path.insert(0, DOCS)
    yield
    sys.path.remove(DOCS)


@pytest.fixture
def terms(tmp_path, factory):
    """The family of ablations with the given skills, beside a full method of .9 and a study that has it too."""
    from study_families import family_of
    from study_terms import terms_family

    def make(skills, released=0.9, declared=None):
        for seed in range(3):
            for name, skill in {"selip": 0.9, "clip": 0.9, "selip_released": released}.items():
                factory.add_run(tmp_path / "study", name, seed, 60, skill=skill, contrasts=(("selip", "clip"),))
            factory.add_run(tmp_path / "terms", "selip", seed, 60, skill=0.9)
            for name, skill in skills.items():
                factory.add_run(tmp_path / "terms", "selip", seed, 60, skill=skill, ablation=name)
        study = family_of("Retrieval", read_boards(tmp_path / "study")["retrieval"], "abnormal", 500)
        return terms_family("Terms", read_boards(tmp_path / "terms")["retrieval"], study, declared or [*skills], 500)

    return make


def test_a_term_whose_loss_costs_in_every_metric_carries_it(terms):
    from study_terms import term_answer

    assert term_answer(terms({"syntax_only": -2.5, "semantic_only": 0.9, "lambda_0": 3.5})) == (
        "Does a term of S carry it? Yes: by 3 seeds, and in all 4 metrics of retrieval, of 4 changes of S one is above "
        "in 1 (selip [lambda_0]) and below in 1 (selip [syntax_only]) against the full method; syntax_only and "
        "semantic_only leave a term out."
    )


@pytest.mark.parametrize(("skills", "released"), [({"lambda_0": -2.5}, 0.9), ({"lambda_0": 0.9}, -2.5)])
def test_another_change_that_costs_is_no_term(terms, skills, released):
    from study_terms import term_answer

    said = term_answer(terms(skills, released))
    assert "These runs do not show it" in said
    assert "below in 1" in said


def test_the_method_as_released_stands_among_the_changes_and_holm_counts_all_that_are_declared(terms):
    found = terms({"syntax_only": 0.1})
    assert {one.name for one in found.found} == {"selip [syntax_only] − selip", "selip_released − selip"}
    least = min(found.found, key=lambda one: one.difference.p_value)
    assert least.p_holm == pytest.approx(min(1, 8 * least.difference.p_value))


def test_ablations_that_are_not_all_done_answer_nothing(terms):
    assert terms({"syntax_only": 0.9}, declared=["syntax_only", "semantic_only"]) is None


def declared(folder):
    doses = ("wordings=0", "wordings=1", "wordings=2")
    return {one: 3 for one in (*doses, "positive_control") if (folder / "doses" / one).is_dir()}


def answer(folder, more=()):
    from study_terms import dose_answer

    return dose_answer(read_doses(folder, 500), declared(folder) | dict(more))


def test_doses_are_named_where_every_metric_agrees(sweep):
    assert answer(sweep([0.9, 2.5, -0.9], 2.5)) == (
        "Does it help at some dose? Yes, at wordings 1: by 3 seeds a dose and 3 of the positive control, each in all 4 "
        "metrics, which is seen, of 3 doses selip is against clip above in 1 (wordings 1) and below in 1 (wordings 2)."
    )


def test_a_gain_over_one_control_and_none_over_clip_is_no_help(sweep, factory):
    folder = sweep([0.9], 2.5)
    for seed in range(3):
        factory.add_run(folder / "doses" / "wordings=0", "shuffled_selip", seed, 60, skill=-2.5)
        factory.add_run(folder / "doses" / "positive_control", "shuffled_selip", seed, 60, skill=0.5)
    facts = json.loads((folder / "doses.json").read_text())
    facts["contrasts"].append(["selip", "shuffled_selip"])
    (folder / "doses.json").write_text(json.dumps(facts))
    said = answer(folder)
    assert "These runs do not show it" in said
    assert "against shuffled_selip above in 1" in said


@pytest.mark.parametrize("more", [{"positive_control": 6}, {"wordings=9": 3}])
def test_an_unfinished_sweep_is_not_known_yet(sweep, more):
    assert "Not known yet" in answer(sweep([2.5], 2.5), more)


def test_a_rule_that_would_not_find_the_positive_control_tells_nothing_of_doses(sweep):
    said = answer(sweep([0.9, 2.5, -0.9], 1.6))
    assert said.startswith(
        "Does it help at some dose? Cannot tell by the declared rule: by 3 seeds a dose and 3 of the positive control, "
        "each in all 4 metrics, Holm's steps over 16 differences would not have found the positive control either"
    )
    assert "explored and not confirmed, of 3 doses selip is against clip above in 1 (wordings 1) and below in" in said


@pytest.mark.parametrize("control", [0.9, 0.1])
def test_without_the_positive_control_nothing_is_told_of_doses(sweep, control):
    assert "Cannot tell: in the positive control selip is not above clip" in answer(sweep([2.5], control))


def test_what_reads_alike_is_said_once_and_nothing_compared_has_no_side(docs):
    from study_families import stance

    assert stance([], 4).side == ""
    assert stance([], 1).beside("b") == "not told from b"


@pytest.mark.parametrize(("skill", "beaten"), [(2.5, ""), (-2.5, "No method is above every reference in retrieval (")])
def test_every_reference_stands_under_the_clinics_table_and_those_that_win_are_named(tmp_path, factory, skill, beaten):
    from study_clinic import LEAD, clinic_block

    for seed in range(3):
        factory.add_run(tmp_path, "clip", seed, 60, skill=skill)
    board = read_boards(tmp_path)["retrieval"]
    block = clinic_block([board], ["clip", "selip"], 100)
    assert block.lead.startswith(LEAD + beaten)
    assert bool(beaten) == (block.lead != LEAD)
    lines = {line.cells[0].text: line.cells[1] for line in block.tables[0].lines}
    assert {"clip", "selip", "chance", "majority"} <= lines.keys()
    assert lines["selip"].text == "–"
