"""A whole run whose test part is poisoned before the first step: training and every choice come out the same."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pandas as pd
import pytest
import zarr
from safetensors.torch import load_file

from selip.data.cohort import Cohort
from selip.experiments.catalogue import experiment_file
from selip.experiments.config import CohortConfig
from selip.experiments.experiment import run_experiment
from selip.experiments.experiment_file import read_experiment
from selip.records.record_files import read_records
from selip.system.files import tensors_hash
from selip.system.progress import Report

CHOOSING = ("linear_probe", "segmentation")  # fine_tune has a test of its own: it needs more patients than this
SMALL = ("evaluation.segmentation.steps=4", "evaluation.segmentation.validations=2")


def poison(source, folder):
    """A copy whose test volumes are inverted, whose masks are turned over, whose texts and labels are exchanged."""
    shutil.copytree(source, folder)
    cohort = Cohort.open(folder)
    store = zarr.open_group(folder / "store.zarr", mode="r+")
    for name, table in (("volumes", cohort.volumes), ("masks", cohort.studies)):
        for row in (table["split"] == "test").to_numpy().nonzero()[0]:
            voxels = store[name][row]
            store[name][row] = 255 - voxels if name == "volumes" else 1 - voxels
    for name, columns in (("volumes", ["text"]), ("studies", ["report", "findings", "labels"])):
        table = pd.read_csv(folder / f"{name}.csv", dtype=str, keep_default_na=False)
        test = table["split"] == "test"
        table.loc[test, columns] = table.loc[test, columns].to_numpy()[::-1]
        table.to_csv(folder / f"{name}.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def runs(small_cohort_folder, tiny_run, tmp_path_factory, reseal):
    """Records of a clean and a poisoned run by benchmark, and the weights of their checkpoints."""
    root = tmp_path_factory.mktemp("poison")
    overrides = [one for one in tiny_run if not one.startswith("benchmarks")]
    chosen = ["methods=selip", f"benchmarks=retrieval,{','.join(CHOOSING)}", *overrides, *SMALL]
    config = read_experiment(experiment_file("quick"), chosen)
    found = {}
    poisoned = poison(small_cohort_folder, root / "poisoned")
    reseal(poisoned)
    for name, cohort in (("clean", small_cohort_folder), ("dirty", poisoned)):
        run_experiment(replace(config, cohort=CohortConfig(path=str(cohort))), root / name, False, ["selip"], Report())
        records = {record.benchmark: record for record in read_records(root / name / "records")}
        found[name] = records, load_file(root / name / "checkpoints" / "selip-seed0.safetensors")
    return found


def test_training_its_chosen_step_and_its_weights_are_the_same_to_the_bit(runs):
    (clean, weights), (dirty, other) = runs["clean"], runs["dirty"]
    assert tensors_hash(weights) == tensors_hash(other)
    assert clean["retrieval"].training == dirty["retrieval"].training


@pytest.mark.parametrize("name", CHOOSING)
def test_every_choice_is_the_same_and_the_score_is_not(runs, name):
    clean, dirty = (runs[which][0][name] for which in ("clean", "dirty"))

    def choices(record):
        return {key: value for key, value in record.notes.items() if key.startswith(("chosen", "val "))}

    assert choices(clean)
    assert choices(clean) == choices(dirty)
    assert {key: one.value for key, one in clean.metrics.items()} != {k: one.value for k, one in dirty.metrics.items()}
