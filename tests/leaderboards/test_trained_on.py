"""Records of models that were trained on another cohort: told apart, said in words, and SYNTHETIC when either is."""

from __future__ import annotations

import pytest

from leaderboards.pages.audit_page import crossing_table, on_crossing
from leaderboards.scores.benchmark_records import read_boards
from leaderboards.tables.protocol import cohort_facts, titled
from selip.data.leakage_audit import CrossingAudit
from selip.system.errors import InputError

READING = {"evaluate_on": {"contrasts": {"T1": "T1", "DWI": None, "T1c": "T1"}}}


def crossing(ids="counters", **changes):
    return CrossingAudit.model_validate({"trained_on": "a", "scored_on": "b", "ids": ids} | changes)


def board_of(folder, factory, **changes):
    measured = factory.make_cohort(name="hospital", profile="", synthetic=False, content_hash="cd" * 32)
    about = {"cohort": measured, "trained_on": factory.make_cohort(), "trained_on_split_fingerprint": "6a" * 32}
    factory.add_hole(folder, "clip", config=READING, **(about | changes))
    return read_boards(folder)["retrieval"]


def test_a_model_from_a_synthetic_cohort_that_real_patients_score_makes_a_real_page_that_names_both(tmp_path, factory):
    board = board_of(tmp_path, factory)
    assert not board.synthetic
    assert board_of(tmp_path / "simulated", factory, cohort=factory.make_cohort(content_hash="cd" * 32)).synthetic
    assert titled("Page", board) == "Page: trained on SYNTHETIC cohort phantom-quick, scored on hospital"
    assert board.cohort_name == "trained on phantom-quick, scored on hospital"
    found = dict(cohort_facts(board))
    assert found["cohort"].startswith("hospital (200 patients")
    assert found["trained on"].startswith("phantom-quick (SYNTHETIC, ")
    assert (found["training cohort hash"], found["training split fingerprint"]) == ("ab" * 32, "6a" * 32)
    assert found["contrasts"] == "T1 read as trained; DWI left out; T1c read with the training statistics of T1"


def test_two_measured_cohorts_make_a_page_without_the_word(tmp_path, factory):
    trained = factory.make_cohort(name="hospital", profile="", synthetic=False)
    board = board_of(tmp_path, factory, trained_on=trained)
    assert titled("Page", board) == "Page: trained on hospital abababab, scored on hospital cdcdcdcd"
    assert not board.synthetic


@pytest.mark.parametrize(
    "changes", [{"trained_on": None, "trained_on_split_fingerprint": ""}, {"trained_on_split_fingerprint": "7b" * 32}]
)
def test_models_of_different_training_never_share_a_table(tmp_path, factory, changes):
    synthetic = {"cohort": factory.make_cohort(content_hash="cd" * 32)}
    board_of(tmp_path, factory, **synthetic)
    about = {"trained_on": factory.make_cohort(), "trained_on_split_fingerprint": "6a" * 32} | synthetic | changes
    factory.add_hole(tmp_path, "selip", config=READING, **about)
    with pytest.raises(InputError, match=r"got training (cohorts|splits)"):
        read_boards(tmp_path)


def test_ids_are_leakage_only_where_they_name_the_same_patients():
    shared = {"shared_ids": ["p1", "p2"]}
    said = {ids: on_crossing(crossing(ids, **shared)) for ids in ("same source", "other source", "counters")}
    assert [verdict.kind for verdict in said["same source"]] == ["warn"]
    assert "2 patients in both" in said["same source"][0].text
    assert [verdict.kind for verdict in said["other source"]] == ["good", "warn"]
    assert [verdict.kind for verdict in said["counters"]] == ["good"]


def test_identical_volumes_are_leakage_whatever_the_ids():
    pairs = [(f"v{n}", f"w{n}") for n in range(12)]
    found = crossing(identical_volumes=pairs, near_duplicate_reports=[("s", "t")])
    kinds = [verdict.kind for verdict in on_crossing(found)]
    assert kinds == ["warn", "plain"]
    cells = [[cell.text for cell in line.cells] for line in crossing_table(found).lines]
    assert [row[1] for row in cells] == ["0", "12", "1"]
    assert cells[1][2].startswith("v0 = w0")
    assert cells[1][2].endswith("and 2 more")
