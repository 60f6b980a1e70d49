"""Records of simulated and of real patients given to one board: rankings that share no table, and a page on both."""

from __future__ import annotations

import pandas as pd
import pytest

from leaderboards.site.build import build_leaderboard

SKILLS = {"random_init": 0.0, "clip": 0.8, "label_smoothing": 1.2, "shuffled_selip": 0.4, "selip": 1.6}


def fill(folder, factory, skills, **changes):
    for method, skill in skills.items():
        factory.add_family_run(folder, "segmentation", method, 0, 30, skill, **changes)
    return folder


@pytest.fixture
def made(tmp_path, factory):
    real = {"cohort": factory.make_cohort(name="hospital", profile="", synthetic=False, content_hash="cd" * 32)}
    return (
        fill(tmp_path / "simulated", factory, SKILLS),
        fill(tmp_path / "real", factory, SKILLS, split_fingerprint="6a" * 32, **real),
    )


def test_a_board_of_both_kinds_says_how_well_the_one_predicts_the_other(made, tmp_path, real_figures):
    build_leaderboard(made, tmp_path / "out", n_resamples=50)
    page, table = (tmp_path / "out" / "agreement.md").read_text(), pd.read_csv(tmp_path / "out" / "agreement.csv")
    assert "The simulated ranking predicts the real one: mean rank correlation 1.00" in page
    assert "SYNTHETIC cohort phantom-quick against hospital" in page
    assert sorted(set(table["method"])) == sorted(SKILLS)
    assert (tmp_path / "out" / "figures" / "agreement.png").stat().st_size > 1000
    board = (tmp_path / "out" / "segmentation.md").read_text()
    assert "phantom-quick" in board
    assert "hospital" not in board, "no number of the real patients is on the simulated board"
    assert "rank correlation" in (tmp_path / "out" / "index.html").read_text()


def test_an_order_that_is_turned_around_or_known_of_few_methods_is_said(made, tmp_path, factory):
    simulated, real = made
    for path in real.glob("records/*"):
        path.unlink()
    facts = {"cohort": factory.make_cohort(name="hospital", profile="", synthetic=False, content_hash="cd" * 32)}
    fill(real, factory, {name: 1.6 - skill for name, skill in SKILLS.items()}, split_fingerprint="6a" * 32, **facts)
    build_leaderboard(made, tmp_path / "turned", n_resamples=50, html=False)
    assert "is the reverse of the real one" in (tmp_path / "turned" / "agreement.md").read_text()
    next(real.glob("records/clip-*.json")).unlink()
    build_leaderboard((real, simulated), tmp_path / "few", n_resamples=20, html=False)
    page = (tmp_path / "few" / "agreement.md").read_text()
    assert "nothing can be said" in page
    assert "fewer than 5 methods that both boards have: 4" in page


def test_a_board_of_one_kind_has_no_such_page(made, tmp_path):
    build_leaderboard(made[0], tmp_path / "out", n_resamples=20, html=False)
    assert not (tmp_path / "out" / "agreement.md").exists()
