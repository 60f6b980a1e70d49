"""What the study answers of terms and of doses follows its declared rule: every metric, and Holm over all."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from leaderboards.scores.benchmark_records import read_boards
from leaderboards.scores.dose_response import read_doses
from selip.system.errors import InputError

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

    def make(skills, released=None):
        for seed in range(3):
            factory.add_run(tmp_path / "study", "selip", seed, 60, contrasts=(("selip", "clip"),))
            factory.add_run(tmp_path / "study", "clip", seed, 60, contrasts=(("selip", "clip"),))
            if released is not None:
                factory.add_run(
                    tmp_path / "study", "selip_released", seed, 60, skill=released, contrasts=(("selip", "clip"),)
                )
            factory.add_run(tmp_path / "terms", "selip", seed, 60, skill=0.9)
            for name, skill in skills.items():
                factory.add_run(tmp_path / "terms", "selip", seed, 60, skill=skill, ablation=name)
        study = family_of("Retrieval", read_boards(tmp_path / "study")["retrieval"], "abnormal", 500)
        return terms_family("Terms", read_boards(tmp_path / "terms")["retrieval"], study, 500)

    return make


def test_a_change_that_costs_in_every_metric_is_named(terms):
    from study_terms import term_answer

    family = terms({"syntax_only": -0.9, "semantic_only": 0.9, "lambda_0": 2.5})
    assert term_answer(family) == (
        "Does a term of S carry it? So it seems: of 3 changes of it, each against the full method in all 4 metrics of "
        "retrieval, a change is above in 1 (selip [lambda_0]) and below in 1 (selip [syntax_only])."
    )


def test_terms_that_change_nothing_carry_nothing(terms):
    from study_terms import term_answer

    assert term_answer(terms({"syntax_only": 0.9})) == (
        "Does a term of S carry it? These runs do not show it: of 1 changes of it, each against the full method in all "
        "4 metrics of retrieval, a change is above in 0 and below in 0."
    )


def test_the_method_as_released_stands_among_the_changes_and_in_holms_steps(terms):
    alone = terms({"syntax_only": 0.1})
    beside = terms({"syntax_only": 0.1}, released=0.9)
    assert {one.name for one in beside.found} == {"selip [syntax_only] − selip", "selip_released − selip"}
    assert len(alone.found) == 4
    first, second = (max(one.p_holm for one in found.found if "syntax" in one.a) for found in (alone, beside))
    assert second > first


def test_ablations_without_the_full_method_are_refused(tmp_path, factory):
    from study_terms import terms_family

    for seed in range(3):
        factory.add_run(tmp_path, "selip", seed, 60, ablation="syntax_only")
    with pytest.raises(InputError, match="full method"):
        terms_family("Terms", read_boards(tmp_path)["retrieval"], None, 500)


def test_doses_are_named_where_every_metric_agrees(sweep):
    from study_terms import dose_answer

    assert dose_answer(read_doses(sweep([0.9, 2.5, -0.9], 2.5), 500)) == (
        "Does it help at some dose? Yes: the positive control is seen, and of 3 doses, each in all 4 metrics, selip is "
        "against clip above in 1 (wordings 1) and below in 1 (wordings 2)."
    )


def test_no_dose_is_said_to_help_where_none_does(sweep):
    from study_terms import dose_answer

    assert "These runs do not show it" in dose_answer(read_doses(sweep([0.9], 2.5), 500))


@pytest.mark.parametrize("control", [0.9, 0.1])
def test_without_the_positive_control_nothing_is_told_of_doses(sweep, control):
    from study_terms import dose_answer

    assert "Cannot tell" in dose_answer(read_doses(sweep([2.5], control), 500))
