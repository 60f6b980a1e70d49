"""What a dry run says."""

from __future__ import annotations

import pytest

from selip.experiments import dry_run
from selip.experiments.catalogue import experiment_file, find_method
from selip.experiments.config import CohortConfig
from selip.experiments.dry_run import StepTime, dry_run_lines, duration, grid_profile
from selip.experiments.experiment_file import grid, read_experiment
from selip.system.errors import InputError, UnavailableError


def lines(*overrides):
    config = read_experiment(experiment_file("quick"), overrides)
    cells = [(find_method(method), *rest) for method, *rest in grid(config)]
    return list(dry_run_lines(config, cells))


@pytest.fixture
def two_seconds(monkeypatch):
    """Every step takes 2 s."""
    limits = []

    def timed(method, config, profile, limit_s):
        limits.append(limit_s)
        return StepTime(2.0, config.training.batch_size, 10)

    monkeypatch.setattr(dry_run, "time_step", timed)
    return limits


def test_grid_and_estimate(two_seconds):
    said = lines("seeds=3", "ablations=lambda_0,batch_16", "training.steps=100", "training.validations=1")
    text = "\n".join(said)
    assert "18 runs x 4 benchmarks" in said
    for part in ("phantom, profile quick, seed 1, 40 x 48 x 16 voxels", "selip, clip", "lambda_0, batch_16", "0, 1, 2"):
        assert part in text
    for setting in ("steps=100", "volume_tower=resnet10", "slices.model=tiny", "kl_weight=1.0", "syntax=word_dice"):
        assert setting in text
    assert "2.000 s for 32 pairs (scaled from 10), 16 pairs/s; 12 runs in 40 min: selip, clip, shuffled" in text
    assert "2.000 s for 16 pairs (scaled from 10), 8 pairs/s; 3 runs in 10 min: batch_16" in text
    assert "about 50 min of training steps for all runs" in text, "15 runs of 100 steps, random_init has none"
    assert said[-1].startswith("left out: building the cohort")
    assert len(two_seconds) == 2
    assert sum(two_seconds) > two_seconds[0] > 0, "each kind of step has its share of the time"
    assert max(len(line) for line in text.splitlines()[:-4]) <= dry_run.WIDTH


def test_a_real_dry_run_of_a_small_grid(tiny_run):
    said = lines(*tiny_run, "methods=selip,random_init")
    assert "1 runs in" in said[-3]
    assert "about" in said[-2]


def test_a_missing_weight_is_said_and_the_rest_timed(monkeypatch):
    def timed(method, config, profile, limit_s):
        if config.training.batch_size == 16:
            raise UnavailableError("got no weights")
        return StepTime(1.0, 32, 32)

    monkeypatch.setattr(dry_run, "time_step", timed)
    text = "\n".join(lines("methods=selip", "ablations=batch_16", "training.steps=100"))
    assert "not timed and not counted: batch_16: got no weights" in text
    assert "1.000 s for 32 pairs, 32 pairs/s; 1 runs in 100 s: selip" in text
    assert "about 100 s" in text


def test_names_beyond_six_are_counted(two_seconds):
    many = "lambda_0,lambda_2,best_match,ontology,chrf,lcs,levenshtein"
    assert any("and 2 more" in line for line in lines("methods=selip", f"ablations={many}"))


def test_the_grid_comes_from_profile_or_folder(small_cohort_folder, small_cohort):
    assert grid_profile(CohortConfig(profile="standard")).shape == (64, 64, 24)
    assert grid_profile(CohortConfig(path=str(small_cohort_folder))).shape == small_cohort.info.shape
    assert grid_profile(CohortConfig(name="elsewhere")) is None
    with pytest.raises(InputError, match="quick, standard, hard"):
        grid_profile(CohortConfig(profile="easy"))
    with pytest.raises(InputError, match=r"no cohort\.json"):
        grid_profile(CohortConfig(path="nowhere"))


def test_without_a_known_grid_there_is_no_estimate(two_seconds):
    said = lines("cohort.name=elsewhere")
    assert said[-1].startswith("no estimate")
    assert not two_seconds


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7199, "120 min"), (7200, "2.0 h"), (200_000, "2.3 days")],
)
def test_durations(seconds, words):
    assert duration(seconds) == words


def test_nothing_that_can_be_trained_is_an_error(monkeypatch):
    def timed(method, config, profile, limit_s):
        raise UnavailableError("got no weights")

    monkeypatch.setattr(dry_run, "time_step", timed)
    with pytest.raises(InputError, match="nothing can be trained"):
        lines("methods=clip")
