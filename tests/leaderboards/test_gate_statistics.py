"""How often the gate is wrong: on tables of the shape of the committed records, and on seeds that were really trained.

Measured (`-m slow`): see the docstrings. One side of a comparison is one seed, as in CI.
"""

from __future__ import annotations

import importlib.util
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

from leaderboards.gate.comparison import Side, read_side
from leaderboards.gate.quality_gate import compare
from leaderboards.scores.benchmark_records import boards_of
from selip.records.record_files import read_record

spec = importlib.util.spec_from_file_location("gate_tables", Path(__file__).with_name("gate_tables.py"))
tables = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tables)

RECORDS = Path(__file__).resolve().parents[2] / "leaderboards" / "records"
TRAINED = ("selip", "clip", "shuffled_selip")
FEW = 400  # resamples; the gate raises them to 100 a line


@pytest.fixture(scope="module")
def quick() -> Side:
    """The trained methods of the quick run, the ranking metric of each benchmark: 300 test patients."""
    return tables.narrowed(read_side(RECORDS / "quick"), TRAINED)


@pytest.fixture(scope="module")
def seeds(quick) -> list[Side]:
    """21 seeds of two of the methods."""
    return list(seeds_of(tables.narrowed(quick, TRAINED[:2]), 1, n=21))


def seeds_of(side: Side, *numbers: int, n: int = 20) -> Iterator[Side]:
    """Sides of other seeds."""
    for number in range(n):
        yield tables.changed(side, tables.another_seed, np.random.default_rng([*numbers, number]))


def outcomes(reference: Side, candidates: Iterable[Side]) -> Counter:
    return Counter(compare(reference, candidate, {}, FEW).outcome for candidate in candidates)


def values(side: Side) -> dict[str, list[float]]:
    """Benchmark to the ranking metric of each method."""
    return {
        name: [next(iter(row.scored[0].metrics.values())).value for row in board.rows]
        for name, board in side.boards.items()
    }


def test_simulated_seeds_spread_as_far_as_trained_ones(seeds):
    """The judge of the simulation: its seeds scatter as those of the standard records do, or more."""
    for benchmark, spread in tables.SEED_SD.items():
        scatter = np.var([values(side)[benchmark] for side in seeds], axis=0, ddof=1)
        assert 0.8 * spread < np.sqrt(scatter.mean()) < 2 * spread, benchmark


def test_of_20_unchanged_seeds_at_most_one_is_a_false_alarm(seeds):
    assert outcomes(seeds[0], seeds[1:])["regress"] <= 1


@pytest.mark.slow
def test_of_20_unchanged_seeds_at_most_one_is_a_false_alarm_for_every_reference(quick):
    counts = []
    for number in range(10):
        reference, *candidates = seeds_of(quick, 2, number, n=21)
        counts.append(outcomes(reference, candidates))
    print(counts)
    assert max(count["regress"] for count in counts) <= 1


def dropped(side: Side, seed: int) -> Side:
    return tables.changed(side, tables.ten_points_less, np.random.default_rng([3, seed]))


def retrieval_of(side: Side, method: str) -> Side:
    board = side.boards["retrieval"]
    return tables.narrowed(Side(side.path, side.files, {"retrieval": board}), (method,))


def test_a_drop_of_ten_points_is_never_missed(quick):
    """100 tables of R@10 with other hits taken away, and one of every other benchmark alone."""
    one = retrieval_of(quick, "selip")
    assert outcomes(one, (dropped(one, seed) for seed in range(100)))["pass"] == 0
    for name, board in quick.boards.items():
        one = tables.narrowed(Side(quick.path, quick.files, {name: board}), ("clip",))
        assert outcomes(one, [dropped(one, 0)]) == Counter(regress=1), name


@pytest.mark.slow
def test_a_drop_of_ten_points_is_never_missed_in_many_tables(quick):
    for method in TRAINED:
        one = retrieval_of(quick, method)
        assert outcomes(one, (dropped(one, seed) for seed in range(1000)))["pass"] == 0


def seed_side(seed: int, pattern: str = "*") -> Side:
    """One seed of the standard records."""
    files = sorted((RECORDS / "standard" / "records").glob(f"{pattern}-seed{seed}-*.json"))
    return Side(RECORDS / "standard", tuple(files), boards_of(files[0].parent, [read_record(file) for file in files]))


def test_a_trained_method_against_its_other_seeds_never_regresses():
    """Real models: selip's three seeds, each against each, on every benchmark."""
    sides = [seed_side(seed, "selip") for seed in range(3)]
    found = Counter(compare(*pair, {}, FEW).outcome for pair in permutations(sides, 2))
    assert found["regress"] == 0


@pytest.mark.slow
def test_of_all_trained_methods_hardly_any_seed_is_an_alarm():
    """Every method of the standard records, seed against seed: at most one in 20 comparisons of a method."""
    sides = [seed_side(seed) for seed in range(3)]
    methods = {row.method for board in sides[0].boards.values() for row in board.rows} - {"random_init"}
    found = Counter()
    for method in sorted(methods):
        narrow = [tables.narrowed(side, (method,)) for side in sides]
        for pair in permutations(narrow, 2):
            outcome = compare(*pair, {}, 1000).outcome
            found[outcome] += 1
            found[f"{method} {outcome}"] += outcome == "regress"
    print(found)
    assert found["regress"] <= 0.05 * 6 * len(methods)
