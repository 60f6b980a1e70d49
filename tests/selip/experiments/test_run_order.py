"""The order in which runs are executed: no number depends on it, the time of all does."""

from __future__ import annotations

from selip.experiments.catalogue import experiment_file
from selip.experiments.experiment import execute_cells
from selip.experiments.experiment_file import read_experiment
from selip.system.progress import Report


def test_runs_that_train_nothing_go_first_among_those_that_are_asked_for(small_cohort_folder, tmp_path):
    asked = [f"cohort.path={small_cohort_folder}", "transfer=null", "methods=clip,random_init,selip"]
    config = read_experiment(experiment_file("quick"), asked)
    orders = []

    def execute(job, numbers, report):
        orders.append(list(numbers))
        return [True] * len(numbers)

    for most in (None, 2):
        execute_cells(config, tmp_path / str(most), [], Report(), execute, most)
    assert orders == [[1, 0, 2], [1, 0]]
