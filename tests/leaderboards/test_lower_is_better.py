"""A benchmark of a third party whose headline is an error: ranked, said, shown and gated by what it declares alone."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from benchmarks import BENCHMARKS
from benchmarks.benchmark import Benchmark, Score, ScoreOptions
from benchmarks.statistics.metric_summary import summarise
from leaderboards.gate.comparison import read_side
from leaderboards.gate.margins import UNNAMED
from leaderboards.gate.quality_gate import compare
from leaderboards.scores.benchmark_records import read_boards
from leaderboards.scores.benchmark_scores import families_of
from leaderboards.site.build import build_leaderboard
from selip.experiments.catalogue import find_benchmark
from selip.records.declaration import Declared
from selip.records.record import in_declared_direction
from selip.records.record_files import write_record

NAME, N = "lesion_count_mae", 300
ERRORS = {"selip": 0.5, "clip": 1.2, "shuffled_selip": 1.3, "random_init": 3.0}


def score(error: float, options: ScoreOptions) -> Score:
    """Made-up errors of counts, twice as large in T1; the median of train is wrong by 3."""
    rng = np.random.default_rng(0)
    rows = [(f"v{n}{contrast}", f"p{n}", contrast) for n in range(40) for contrast in ("FLAIR", "T1")]
    items = pd.DataFrame(rows, columns=["item_id", "patient_id", "contrast"]).assign(site="A", text="", weight=1.0)
    errors = error * rng.uniform(0.5, 1.5, len(items)) * np.where(items["contrast"] == "T1", 4 / 3, 2 / 3)
    found = summarise(items, {"mae": errors, "mae/median": np.full(len(items), 3.0)}, options)
    return Score({f"all/{name}": one for name, one in found.items()}, items.assign(pool="all", mae=errors))


BENCHMARK = Benchmark(
    name=NAME,
    summary="how far the counted lesions are from the true number",
    protocol_version="1",
    source="a test",
    score=score,
    declared=Declared(
        family="counting",
        label="lesion count",
        headline=("all/mae",),
        higher_is_better=False,
        floors={"median": "the median of train"},
        words={"mae": "mean absolute error"},
    ),
)


@pytest.fixture(scope="module")
def registered():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "lesion_counting", SimpleNamespace(BENCHMARK=BENCHMARK))
        patch.setitem(BENCHMARKS, NAME, "lesion_counting:BENCHMARK")
        yield find_benchmark(NAME)


def add(folder, factory, benchmark, errors):
    for method, error in errors.items():
        for seed in (0, 1, 2):
            scored = benchmark.score(error * (1 + 0.02 * seed), ScoreOptions(n_resamples=50))
            metrics = in_declared_direction(scored.metrics, benchmark.declared)
            facts = {"metrics": metrics, "declared": benchmark.declared, "run_id": f"{method}-{NAME}-{seed}"}
            write_record(
                folder / "records", factory.make_record(method, seed, benchmark=NAME, **facts), scored.per_item
            )
    return folder


@pytest.fixture(scope="module")
def counted(tmp_path_factory, factory, registered):
    """The counts of four methods beside their retrieval, and the pages of both."""
    folder = add(tmp_path_factory.mktemp("counted"), factory, registered, ERRORS)
    for method in ERRORS:
        factory.add_seeds(folder, method, 1.0)
    build_leaderboard(folder, n_resamples=N)
    return folder


def test_the_page_ranks_and_speaks_of_less_as_better(counted):
    (sheet,) = families_of(read_boards(counted), N)["counting"]
    assert sheet.standing.ranking == ("selip", "clip", "shuffled_selip", "random_init")
    assert sheet.groups["selip"] == "a"
    text = (counted / "leaderboard" / "counting.md").read_text()
    assert "Lowest mean absolute error (lesion count, all): selip, 0." in text
    assert "where the median of train is 3.000" in text
    assert "selip is better than every control that was run" in text
    sentence = text.split("selip − clip: better than (-0.")[1].split(";")[0]
    assert sentence.count("Holm p") == 1, "a number is said once"
    assert "Interval clear of the floor, the median of train 3.000: selip, clip, shuffled_selip." in text
    rows = [line.split(" | ")[0] for line in text.split("### Lesion count: mean abs")[1].splitlines() if "| " in line]
    assert rows[1:6] == ["| selip", "| clip", "| shuffled_selip", "| random_init", "| the median of train"]
    assert "lower is better" in (counted / "leaderboard" / "index.html").read_text()
    assert (
        "selip: contrast T1" in (counted / "leaderboard" / "audit.md").read_text().split("Worst slice in mean abs")[1]
    )


def test_the_overall_page_ranks_the_smallest_error_first(counted):
    frame = pd.read_csv(counted / "leaderboard" / "overall.csv")
    found = frame[frame["task"] == "lesion count, all"].set_index("method")["value"]
    assert found.idxmin() == "selip"
    assert frame.groupby("method")["average_rank"].first().idxmin() == "selip"
    lines = (counted / "leaderboard" / "overall.md").read_text().splitlines()
    strong = [line for line in lines if f"**{found['selip']:.3f} [" in line]
    assert len(strong) == 1
    assert strong[0].startswith("| selip |")


def test_a_benchmark_that_joins_no_ranks_is_no_task(tmp_path, factory, registered):
    alone = registered.declared.model_copy(update={"ranked": False})
    benchmark = SimpleNamespace(score=registered.score, declared=alone)
    folder = add(tmp_path, factory, benchmark, {"selip": 1.0, "clip": 2.0})
    for method in ("selip", "clip"):
        factory.add_seeds(folder, method)
    build_leaderboard(folder, n_resamples=50, html=False)
    assert set(pd.read_csv(folder / "leaderboard" / "overall.csv")["benchmark"]) == {"retrieval"}
    assert (folder / "leaderboard" / "counting.md").exists()


@pytest.mark.parametrize(("error", "outcome"), [(2.2, "regress"), (0.6, "pass"), (1.2, "pass")])
def test_a_rise_of_an_error_is_a_regression_and_a_fall_is_none(tmp_path, factory, registered, error, outcome):
    sides = []
    for name, found in (("reference", 1.2), ("candidate", error)):
        sides.append(read_side(add(tmp_path / name, factory, registered, {"clip": found})))
    gate = compare(*sides, {}, N)
    (line,) = gate.lines
    assert (line.guarded.name, gate.outcome) == ("all/mae", outcome)
    assert line.margin == pytest.approx(UNNAMED.of(line.reference))
    assert (line.difference.value > 0) == (error < 1.2)


def test_a_record_of_another_direction_than_declared_is_refused(factory, registered):
    metrics = registered.score(1.0, ScoreOptions(n_resamples=10)).metrics
    with pytest.raises(ValueError, match="direction"):
        factory.make_record("clip", benchmark=NAME, metrics=metrics, declared=registered.declared)


def test_a_run_records_the_declared_direction_of_a_headline_and_of_what_stands_beside_it(registered):
    declared, metrics = registered.declared, registered.score(1.0, ScoreOptions(n_resamples=10)).metrics
    other = {"all/accuracy": metrics["all/mae"]}
    directed = in_declared_direction({**metrics, **other}, declared)
    found = {key: metric.higher_is_better for key, metric in directed.items()}
    assert found == {"all/mae": False, "all/mae/median": False, "all/accuracy": True}
