"""The gate at known falls: on runs drawn from the committed seeds, and on those seeds themselves."""

from __future__ import annotations

import importlib.util
from collections import Counter
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

from leaderboards.gate.comparison import Side, one_row, pairs_of
from leaderboards.gate.difference import measured
from leaderboards.gate.quality_gate import compare
from leaderboards.scores.benchmark_records import boards_of
from selip.records.record_files import read_record

spec = importlib.util.spec_from_file_location("gate_power", Path(__file__).with_name("gate_power.py"))
power = importlib.util.module_from_spec(spec)
spec.loader.exec_module(power)
FEW = 400


@pytest.fixture(scope="module")
def found():
    guarded, methods, tables = power.committed()
    return guarded, methods, tables, power.Runs(methods, tables)


def seed_side(pattern: str, *seeds: int) -> Side:
    """Some seeds of the standard records."""
    folder = power.RECORDS / "records"
    files = sorted(path for seed in seeds for path in folder.glob(f"{pattern}-seed{seed}-retrieval-*.json"))
    return Side(folder.parent, tuple(files), boards_of(folder, [read_record(file) for file in files]))


def test_a_difference_by_patient_is_the_one_of_the_gate(found):
    """The judge of the simulation: its closed form against the gate's own resamples, on real runs of two methods."""
    guarded, methods, tables, _ = found
    reference, candidate = (seed_side(method, 0, 1, 2) for method in ("clip", "selip"))
    pair = pairs_of(one_row(reference, "clip"), one_row(candidate, "selip"))[0][0]
    ours = measured(pair, guarded.keys, 4000)
    theirs = power.difference(*(tables[methods.index(method)] for method in ("clip", "selip")))
    assert theirs.value == pytest.approx(ours.value, abs=1e-6)
    assert theirs.patients == pytest.approx(ours.patients, abs=0.02 * sum(ours.own))  # small beside the seeds' spread
    assert theirs.own == pytest.approx(ours.own, rel=1e-4)
    assert theirs.runs == ours.runs == (3, 3)
    assert ours.shared < 0.2  # two methods of one seed have nothing in common but their first weights


def test_drawn_runs_spread_as_the_committed_seeds_do(found):
    _, methods, tables, runs = found
    rng = np.random.default_rng(0)
    drawn = np.array([runs.draw(rng, method, 200).mean(axis=1) for method in methods])
    seeds = tables.mean(axis=2)
    assert drawn.std(axis=1).mean() == pytest.approx(np.sqrt(seeds.var(axis=1, ddof=1).mean()), rel=0.1)
    np.testing.assert_allclose(drawn.mean(axis=1), seeds.mean(axis=1), atol=0.01)


@pytest.mark.parametrize("falling", [1, 3])
def test_three_seeds_see_a_fall_of_ten_points_in_four_of_five_comparisons(found, falling):
    guarded, *_, runs = found
    n, least = 400, 0.80
    seen = power.shares(guarded, runs, 3, 0.10, falling, n)["regress"]
    assert seen >= least - 2 * np.sqrt(least * (1 - least) / n)


@pytest.mark.parametrize("n_seeds", power.SEEDS)
def test_an_unchanged_candidate_is_an_alarm_once_in_a_hundred_at_most(found, n_seeds):
    guarded, *_, runs = found
    assert power.shares(guarded, runs, n_seeds, 0.0, 0, 600)["regress"] <= 0.01 + 2 * np.sqrt(0.01 * 0.99 / 600)


def test_a_trained_method_against_its_other_seeds_never_regresses():
    """Real models, one seed a side: three seeds of selip, each against each."""
    sides = [seed_side("selip", seed) for seed in range(3)]
    assert Counter(compare(*pair, {}, FEW).outcome for pair in permutations(sides, 2))["regress"] == 0


@pytest.mark.slow
def test_of_all_trained_methods_hardly_any_seed_is_an_alarm(found):
    """Every method of the standard records, seed against seed: at most one in 20 of six comparisons each."""
    outcomes = Counter()
    for method in found[1]:
        sides = [seed_side(method, seed) for seed in range(3)]
        outcomes += Counter(compare(*pair, {}, FEW).outcome for pair in permutations(sides, 2))
    print(outcomes)
    assert outcomes["regress"] <= 0.05 * 6 * len(found[1])
