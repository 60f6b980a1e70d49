"""Pages say how methods were tuned, or that they were not."""

from __future__ import annotations

import pytest

from leaderboards.pages.tuning_block import tuning_block
from leaderboards.scores.benchmark_records import read_boards
from leaderboards.site.build import build_leaderboard
from selip.records.record import TuningFacts
from selip.system.errors import InputError

FACTS = TuningFacts(
    cohort="phantom quick, seed 1001", seeds=(1000, 1001), score="a score", chosen="trial_1",
    settings={"training.weight_decay": 0.3}, edges=("training.weight_decay",),
    trials={"default": 0.41, "trial_1": 0.52, "trial_2": None},
)  # fmt: skip


@pytest.fixture
def tuned(tmp_path, factory):
    factory.add_run(tmp_path, "selip", tuning=FACTS)
    factory.add_run(
        tmp_path, "clip", tuning=FACTS.model_copy(update={"chosen": "default", "settings": {}, "edges": ()})
    )
    factory.add_run(tmp_path, "random_init")
    return tmp_path


def test_budget_choice_and_edges_stand_on_the_page(tuned, real_figures):
    build_leaderboard(tuned, n_resamples=50)
    text = (tuned / "leaderboard" / "retrieval.md").read_text()
    assert "| tuning | 3 trials of each of clip, selip, on other seeds; not tuned: random_init |" in text
    assert "| selip | 3, 1 failed | 0.410 | 0.520 | training.weight_decay=0.3 | training.weight_decay |" in text
    assert "| clip | 3, 1 failed | 0.410 | 0.410 | the experiment's own | none |" in text
    assert "phantom quick, seed 1001 with seeds 1000, 1001" in text
    assert (tuned / "leaderboard" / "figures" / "tuning.png").stat().st_size > 1000


def test_a_comparison_that_was_not_tuned_says_so(tmp_path, factory):
    factory.add_run(tmp_path, "selip")
    build_leaderboard(tmp_path, n_resamples=50)
    text = (tmp_path / "leaderboard" / "retrieval.md").read_text()
    assert "| tuning | none: every method has the settings of the experiment |" in text
    assert tuning_block(next(iter(read_boards(tmp_path).values()))) is None


def test_scores_of_val_never_share_a_page_with_those_of_test(tuned, factory):
    factory.add_run(tuned, "cwcl", part="val")
    with pytest.raises(InputError, match=r"scored parts test .* and val"):
        build_leaderboard(tuned, n_resamples=50)
