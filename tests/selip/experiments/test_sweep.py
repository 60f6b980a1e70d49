"""Doses of a sweep: one factor at a time, a cohort once for all that have it, runs counted over all doses."""

from __future__ import annotations

from dataclasses import replace

import pytest

from selip.experiments.config import CohortConfig, ExperimentConfig
from selip.experiments.executors.base import Counted
from selip.experiments.sweep import dosed, run_sweep
from selip.system.errors import InputError
from selip.system.progress import Report

PLAIN = ExperimentConfig("x", cohort=CohortConfig(patients=24))
SWEEP = replace(
    PLAIN,
    doses={"cohort.patients": (24, 30), "training.batch_size": (4, 64), "cohort.settings.follow_up": (0.5,)},
    positive_control=("methods.selip.kl_weight=2", "patients=30"),
)


def test_one_factor_changes_at_a_time_and_the_dose_that_is_there_is_not_run_twice():
    found = dosed(SWEEP)
    assert list(found) == [
        "base",
        "cohort.patients=30",
        "training.batch_size=4",
        "cohort.settings.follow_up=0.5",
        "positive_control",
    ]
    assert found["base"] == PLAIN
    assert found["cohort.patients=30"] == replace(PLAIN, cohort=CohortConfig(patients=30))
    assert found["training.batch_size=4"].run.training.batch_size == 4
    assert found["cohort.settings.follow_up=0.5"].cohort.settings == {"follow_up": 0.5}
    control = found["positive_control"]
    assert (control.run.methods, control.cohort.patients) == ({"selip": {"kl_weight": 2}}, 30)


@pytest.mark.parametrize(
    ("doses", "said"),
    [
        ({"training.batch_sise": (4,)}, "batch_sise"),
        ({"training.batch_size": (1,)}, "batch_size >= 2"),
        ({"cohort.patients": ("many",)}, "cohort.patients='many'"),
        ({"cohort": (3,)}, "cohort"),
    ],
)
def test_a_wrong_factor_or_dose_is_refused_before_anything_runs(doses, said, tmp_path):
    with pytest.raises(InputError, match=said):
        run_sweep(replace(PLAIN, doses=doses), tmp_path / "x", False, ["selip"], Report(), None)
    assert not (tmp_path / "x").exists()


def test_doses_may_be_null_or_lists_and_a_control_that_is_no_setting_is_refused():
    found = dosed(replace(PLAIN, doses={"training.micro_batch": (None, 4), "model.pooled_shape": ([2, 2, 2],)}))
    assert list(found) == ["base", "training.micro_batch=4", "model.pooled_shape=[2, 2, 2]"]
    with pytest.raises(InputError, match="write key=value"):
        dosed(replace(PLAIN, positive_control=("patients",)))


def test_runs_are_counted_over_all_doses():
    counted = Counted(lambda job, numbers, report: [True] * len(numbers), 5)
    assert counted(None, [0, 1, 2], Report()) == [True] * 3
    assert counted.left == 2
    assert Counted(None, None).left is None


def test_a_sweep_goes_on_in_pieces_and_shares_cohorts(tmp_path, tiny_run):
    from selip.experiments.experiment_file import read_experiment

    file = tmp_path / "small.yaml"
    file.write_text(
        "name: small\nmethods: [clip, random_init]\ncontrasts: [[clip, random_init]]\n"
        "doses: {training.steps: [5, 6]}\npositive_control: [training.steps=7]\n"
    )
    config = read_experiment(file, [*tiny_run, "patients=24"])
    out, one_by_one = tmp_path / "out", lambda job, numbers, report: [job(number, report) for number in numbers]
    run_sweep(config, out, False, ["selip"], Report(), one_by_one, most=3)
    records = sorted(path.parent.parent.name for path in out.glob("doses/*/records/*.json"))
    assert records == ["base", "base", "training.steps=5"]
    pages = run_sweep(config, out, True, ["selip"], Report(), one_by_one)
    assert len(list(out.glob("doses/*/records/*.json"))) == 6
    assert len(list((out / "cohorts").iterdir())) == 1
    assert (out / "leaderboard" / "doses.md") in pages
    text = (out / "leaderboard" / "doses.md").read_text()
    assert "| training.steps | 5 |" in text
    assert "6 (as it is)" in text
    assert "positive control (training.steps=7)" in text
