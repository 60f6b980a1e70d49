"""A Ray cluster of three nodes on this machine, one of which is killed: the records are those of one process."""

from __future__ import annotations

import threading
import time

import pytest

from selip.experiments.catalogue import experiment_file
from selip.experiments.executors.ray_cluster import RayCluster, share_of
from selip.experiments.experiment import run_experiment
from selip.experiments.experiment_file import read_experiment
from selip.records.record_files import read_per_item, read_records
from selip.system.errors import InputError
from selip.system.progress import Report

ray = pytest.importorskip("ray")


@pytest.fixture(scope="module")
def cluster():
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    nodes = [made.add_node(num_cpus=1) for _ in range(2)]
    yield made, nodes
    made.shutdown()


def fails_once(number, report):
    """A job that raises for one run."""
    if number == 1:
        raise RuntimeError("lost on purpose")
    return True


def test_no_cluster_is_one_line(monkeypatch, tmp_path):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr("ray._private.utils.read_ray_address", lambda *arguments: None)  # of another cluster here
    with pytest.raises(InputError, match="no Ray cluster answers"):
        RayCluster("auto")(fails_once, [0], Report())


@pytest.mark.slow
def test_a_grid_with_a_node_killed_in_the_middle_leaves_the_records_of_one_process(
    cluster, small_cohort_folder, tiny_run, tmp_path
):
    grid = ["methods=selip,clip,shuffled_selip,random_init", "seeds=2", *tiny_run]
    config = read_experiment(experiment_file("quick"), [*grid, f"cohort.path={small_cohort_folder}"])
    alone, many = tmp_path / "alone", tmp_path / "many"
    run_experiment(config, alone, False, ["selip"], Report())
    made, (node, _) = cluster

    def kill():
        """Kills a node once the first record is there."""
        while not list((many / "records").glob("*.json")):
            time.sleep(0.1)
        made.remove_node(node, allow_graceful=False)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    run_experiment(config, many, False, ["selip"], Report(), RayCluster(made.address, threads=1))
    killer.join(10)
    assert not killer.is_alive(), "no node was killed"
    records = {folder: read_records(folder / "records") for folder in (alone, many)}
    assert [one.run_id for one in records[alone]] == [one.run_id for one in records[many]]
    assert len(records[many]) == 8
    for one, other in zip(*records.values(), strict=True):
        assert one.metrics == other.metrics
        assert one.training == other.training
        assert read_per_item(alone / "records", one).equals(read_per_item(many / "records", other))


@pytest.mark.slow
def test_a_run_that_raises_is_not_well_and_the_others_go_on(cluster):
    lines: list[str] = []
    well = RayCluster(cluster[0].address, threads=1)(fails_once, [0, 1, 2], Report(line=lines.append))
    assert (well[0], well[2]) == (True, True)
    assert "lost on purpose" in well[1], "a lost run says why"
    assert any("run 2 was lost" in line and "lost on purpose" in line for line in lines)


@pytest.mark.parametrize(
    ("resources", "share"),
    [
        ({"CPU": 4.0}, (1, 0)),
        ({"CPU": 16.0, "GPU": 1.0}, (8, 1)),
        ({"CPU": 16.0, "GPU": 4.0}, (4, 1)),
        ({"CPU": 2.0, "GPU": 4.0}, (1, 1)),
        ({}, (1, 0)),
    ],
)
def test_no_gpu_waits_for_cores(resources, share):
    assert share_of(resources) == share
