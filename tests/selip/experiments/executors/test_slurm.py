"""Runs as jobs of submitit, whose local cluster is processes of this machine."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from selip.experiments.executors.base import ExecutorOptions
from selip.experiments.executors.slurm import Slurm
from selip.system.errors import InputError
from selip.system.progress import Report


def note(folder, number, report):
    """A job; one run raises, one does not go well."""
    report.line(f"run {number}")
    if number == 3:
        raise RuntimeError("lost on purpose")
    (folder / str(number)).write_text("done")
    return number != 2


def test_results_come_in_the_order_of_the_numbers_and_a_lost_run_does_not_stop_the_others(tmp_path):
    lines: list[str] = []
    slurm = Slurm(tmp_path / "jobs", threads=1, cluster="local")
    well, lost, failed = slurm(partial(note, tmp_path), [5, 3, 2], Report(line=lines.append))
    assert (well, failed) == (True, False)
    assert "lost on purpose" in lost, "it says why"
    assert {path.name for path in tmp_path.iterdir()} == {"2", "5", "jobs"}
    assert any("run 4 was lost" in line and "lost on purpose" in line for line in lines)
    assert "run 5" in "".join(path.read_text() for path in (tmp_path / "jobs").glob("*.out"))


def test_without_slurm_or_with_an_unknown_parameter_it_is_one_line(tmp_path):
    with pytest.raises(InputError, match="got a submission that failed"):
        Slurm(tmp_path / "jobs")(partial(note, tmp_path), [0], Report())
    options = ExecutorOptions(parameters={"nonsense": 1}, folder=tmp_path / "jobs")
    asked = replace(Slurm.of(options), cluster="local")
    with pytest.raises(InputError, match="nonsense"):
        asked(partial(note, tmp_path), [0], Report())


@pytest.mark.parametrize(
    ("threads", "parameters", "cores"),
    [
        (0, {}, 1),
        (0, {"slurm_partition": "gpu"}, 1),
        (0, {"gpus_per_node": 1}, 8),
        (0, {"slurm_gres": "gpu:1"}, 8),
        (3, {"gpus_per_node": 1}, 3),
        (0, {"gpus_per_node": 1, "cpus_per_task": 12}, 12),
    ],
)
def test_a_job_asks_for_enough_cores(threads, parameters, cores, tmp_path):
    settings = Slurm(tmp_path, threads, parameters).settings
    assert settings["cpus_per_task"] == cores
    assert parameters.items() <= settings.items()
