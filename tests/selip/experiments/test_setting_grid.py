"""Several values of a setting are a grid of runs, each named by what differs; the page shows it as table and lines."""

from __future__ import annotations

import pytest

from selip.experiments.catalogue import experiment_file
from selip.experiments.experiment_file import grid, is_swept, read_experiment
from selip.system.errors import InputError
from selip.system.mappings import from_mapping, to_mapping

GRID = ("training.learning_rate_volume=5e-4,1e-3", "methods.selip.kl_weight=0.5,1")


def quick(*overrides):
    return read_experiment(experiment_file("quick"), ["methods=selip,clip", *overrides])


def test_a_grid_has_a_run_for_each_cell_and_none_twice():
    config = quick(*GRID)
    cells = {(method, name): run for method, name, _, run in grid(config)}
    assert set(cells) == {
        ("selip", ""), ("selip", "kl_weight=0.5"), ("selip", "learning_rate_volume=0.0005"),
        ("selip", "learning_rate_volume=0.0005,kl_weight=0.5"), ("clip", ""), ("clip", "learning_rate_volume=0.0005"),
    }, "the experiment's own settings are the plain rows, and clip has no kl_weight"  # fmt: skip
    one = cells["selip", "learning_rate_volume=0.0005,kl_weight=0.5"]
    assert (one.training.learning_rate_volume, one.methods["selip"]["kl_weight"]) == (5e-4, 0.5)
    assert from_mapping(type(config), to_mapping(config)) == config, "a run directory keeps its grid"


def test_what_is_a_list_is_no_grid():
    assert not any(
        map(is_swept, ["methods=selip,clip", "seeds=0,1", "model.pooled_shape=[2, 2, 1]", "evaluation.seed=0"])
    )
    assert not quick("model.pooled_shape=[3, 3, 2]").trials


@pytest.mark.parametrize("wrong", ["training.steps=100,", "training.steps=100,100", "training.stepz=1,2"])
def test_a_wrong_grid_is_refused(wrong):
    with pytest.raises(InputError, match=r"got "):
        list(grid(quick(wrong)))


def test_the_page_shows_the_grid_as_a_table_and_lines(command, small_cohort_folder, tiny_run, tmp_path):
    given = [
        "cohort.path=" + str(small_cohort_folder),
        "methods=selip",
        *tiny_run,
        "training.steps=4",
        "training.validations=1",
    ]
    code, _, error = command(
        "run", "quick", *given, "methods.selip.kl_weight=0,0.5", "--workers", "1", "--out", tmp_path / "run"
    )
    assert code == 0, error
    page = (tmp_path / "run" / "leaderboard" / "ablation.md").read_text()
    assert "kl_weight=0.5" in page
    assert "figures/ablation_over_kl_weight.png" in page
    assert (tmp_path / "run" / "leaderboard" / "figures" / "ablation_over_kl_weight.png").is_file()
