"""The critical-difference diagram: every method once, bars over the ranks that they join."""

from __future__ import annotations

import math
import re
from itertools import pairwise

import pytest

from benchmarks.statistics.significance import AverageRanks
from leaderboards.figures.rank_diagram import END, START, rank_diagram

RANKS = {"a": 1.5, "b": 2.0, "c": 2.5, "d": 4.0}


def ranks_of(ranks=RANKS, critical=1.3, cliques=(("a", "b", "c"),)):
    fields = dict.fromkeys(AverageRanks.__dataclass_fields__, 0.0)
    return AverageRanks(**fields | {"ranks": ranks, "critical_difference": critical, "cliques": cliques})


def at(rank, n=4):
    return START + (rank - 1) / (n - 1) * (END - START)


def test_every_method_hangs_from_its_rank():
    made = rank_diagram(ranks_of())
    assert [name.label for name in made.names] == ["a", "b", "d", "c"]
    for name in made.names:
        assert float(re.match(r"M([\d.]+)", name.path)[1]) == pytest.approx(at(RANKS[name.label]), abs=0.1)
        assert name.rank == f"{RANKS[name.label]:.2f}"
        assert name.y <= made.height


def test_names_of_a_side_do_not_overlap():
    made = rank_diagram(ranks_of({f"m{place}": float(place) for place in range(1, 21)}, cliques=()))
    for side in ("start", "end"):
        heights = [name.y for name in made.names if name.anchor == side]
        assert len(heights) == 10
        assert min(b - a for a, b in pairwise(heights)) >= 12
    assert [tick.text for tick in made.ticks] == ["1", "5", "10", "15", "20"]


def test_a_bar_covers_its_clique_and_no_other_method():
    (bar,) = rank_diagram(ranks_of()).cliques
    assert bar.start < at(1.5)
    assert at(2.5) < bar.end < at(4.0)
    assert bar.text == "a, b, c"


def test_the_critical_difference_is_as_long_as_it_says():
    bar = rank_diagram(ranks_of()).critical
    assert bar.end - bar.start == pytest.approx(at(2.3) - at(1.0), abs=0.1)
    assert rank_diagram(ranks_of(critical=math.nan)).critical is None
