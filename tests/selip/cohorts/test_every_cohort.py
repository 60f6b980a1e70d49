"""The contract of every registered cohort: what it declares, and a tiny one of it, built or imported and checked.

What is imported is written by `example` of the cohort itself or, where that declares none, of tests/selip/cohorts/
test_<its module>.py; a cohort with neither is held to what it declares.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from selip.cohorts import COHORTS
from selip.data.cohort_check import check_cohort
from selip.data.findings import CONTRASTS
from selip.data.splits import SPLITS
from selip.system.registry import load

EVERY = {name: load(COHORTS, "selip.cohorts", name) for name in COHORTS}
PATIENTS = 12


def example_of(name):
    """The function that writes a tiny source of a cohort below a folder; None where there is none."""
    module = COHORTS[name].partition(":")[0].rpartition(".")[2]
    path = Path(__file__).with_name(f"test_{module}.py")
    if EVERY[name].example or not path.is_file():
        return EVERY[name].example
    spec = importlib.util.spec_from_file_location(f"example_of_{name}", path)
    tests = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tests)
    return getattr(tests, "example", None)


EXAMPLES = {name: write for name in COHORTS if EVERY[name].import_from and (write := example_of(name))}


@pytest.mark.parametrize("name", COHORTS)
def test_declaration(name):
    cohort = EVERY[name]
    assert cohort.name == name
    for said in (cohort.summary, cohort.source, cohort.licence):
        assert said.strip()
        assert "\n" not in said
    assert (cohort.build is None) != (cohort.import_from is None), "it is generated or imported"
    assert cohort.build or not cohort.on_device


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_tiny_source_becomes_a_sound_cohort(name, tmp_path):
    source = EXAMPLES[name](tmp_path)

    def imported(folder):
        grid = {"shape": (8, 8, 8), "spacing_mm": (16, 16, 16)}
        more = {"seed": 0, "texts": "report", "workers": 1, "command": "selip cohort import", "say": lambda line: None}
        return EVERY[name].import_from(source, tmp_path / folder, **grid, **more)

    cohort = imported("out")
    sound(cohort)
    assert not cohort.info.synthetic
    assert cohort.info.content_hash == imported("again").info.content_hash


@pytest.mark.parametrize("name", [name for name in COHORTS if EVERY[name].build])
def test_a_small_one_is_built_the_same_again_and_another_by_another_seed(name, tmp_path):
    more = {"patients": PATIENTS, "workers": 1, "command": "selip cohort build", "progress": None}
    cohort, again, other = (
        EVERY[name].build("quick", seed, tmp_path / folder, **more)
        for folder, seed in (("out", 0), ("again", 0), ("other", 1))
    )
    sound(cohort)
    assert cohort.info.name == name
    assert cohort.info.synthetic
    assert cohort.studies["patient_id"].nunique() == PATIENTS
    assert cohort.info.content_hash == again.info.content_hash != other.info.content_hash


def sound(cohort):
    """Checks that a cohort is whole, with contrasts that are known and parts that share no patient."""
    assert check_cohort(cohort.root) == []
    assert set(cohort.volumes["contrast"]) == {*cohort.info.contrasts} <= {*CONTRASTS}
    assert set(cohort.studies["split"]) <= {*SPLITS}
    assert cohort.studies.groupby("patient_id")["split"].nunique().max() == 1
    assert cohort.info.command
