"""The quality gate on made-up records: its laws, its judges, and what it refuses."""

from __future__ import annotations

import math
import shutil
from dataclasses import replace
from hashlib import sha256

import numpy as np
import pytest
from scipy.stats import t

from benchmarks.statistics.intervals import Interval
from leaderboards.gate.comparison import RecordPair, Side, pairs_of, read_side
from leaderboards.gate.difference import SeedSpread, judged, measured, pooled_spread
from leaderboards.gate.margins import Guarded, Margin
from leaderboards.gate.quality_gate import LEVEL, GateLine, compare, seed_policy
from selip.records.record_files import read_records
from selip.system.errors import InputError
from selip.system.files import sealed_json, unsealed_json

KEY = "abnormal/image_to_text_R@10"


def made(factory, folder, *runs, n_patients=24, **changes):
    """Runs (method, seed, skill) as a side."""
    for method, seed, skill in runs:
        factory.add_run(folder, method, seed, n_patients, skill, **changes)
    return read_side(folder)


def only(gate):
    (line,) = gate.lines
    return line


def verdict(value, lower, p_holm=0.0, margin=0.05):
    """The outcome of a line with this loss."""
    guarded, interval = Guarded(KEY, (KEY,), Margin(margin)), Interval(value, lower, 2 * value - lower)
    return GateLine(None, guarded, 0.5, 0.5 + value, interval, SeedSpread(0.03, 32), p_holm).outcome


@pytest.mark.parametrize(
    ("value", "lower", "p_holm", "outcome"),
    [
        (0.02, -0.05, 0.9, "pass"),
        (0.15, 0.10, 1.0, "pass"),
        (-0.01, -0.051, 0.4, "inconclusive"),
        (-0.051, -0.09, LEVEL, "regress"),
        (-0.051, -0.09, 1.01 * LEVEL, "inconclusive"),  # chance would give it, over so many lines
        (-0.05, -0.09, 0.0, "inconclusive"),  # a loss for sure, and within the margin
        (-0.03, -0.04, 0.0, "pass"),
        (math.nan, math.nan, 1.0, "inconclusive"),
    ],
)
def test_margin_and_certainty_decide(value, lower, p_holm, outcome):
    assert verdict(value, lower, p_holm) == outcome


def test_a_side_passes_against_itself_without_any_spread(tmp_path, factory):
    side = made(factory, tmp_path, ("selip", 0, 1.3), ("clip", 0, 0.9))
    gate = compare(side, side, {}, n_resamples=200)
    assert (gate.outcome, gate.exit_code) == ("pass", 0)
    assert {tuple(line.difference) for line in gate.lines} == {(0.0, 0.0, 0.0)}


def test_much_worse_regresses_and_much_better_passes(tmp_path, factory):
    good, poor = (three_seeds(factory, tmp_path / name, skill) for name, skill in (("good", 50.0), ("poor", 0.0)))
    assert compare(good, poor, {}, n_resamples=500).exit_code == 1
    assert compare(poor, good, {}, n_resamples=500).exit_code == 0


def test_turning_the_sides_turns_the_difference(tmp_path, factory):
    one = made(factory, tmp_path / "one", ("selip", 0, 1.3))
    other = made(factory, tmp_path / "other", ("selip", 0, 0.9))
    there, back = (only(compare(*sides, {}, n_resamples=200)) for sides in ((one, other), (other, one)))
    value, lower, upper = back.difference
    assert there.difference == pytest.approx((-value, -upper, -lower))
    assert there.difference.value == pytest.approx(there.candidate - there.reference)


def test_where_lower_is_better_more_ranks_are_a_loss(tmp_path, factory):
    good, poor = (three_seeds(factory, tmp_path / name, skill) for name, skill in (("good", 50.0), ("poor", 0.0)))
    margins = {"retrieval": {"image_to_text_median_rank": Margin(absolute=1.0)}}
    line = compare(good, poor, margins, n_resamples=200).lines[1]
    assert line.candidate > line.reference
    assert line.difference.upper < 0
    assert line.outcome == "regress"


def three_seeds(factory, folder, skill, method="selip", seeds=(0, 1, 2)):
    return made(factory, folder, *((method, seed, skill) for seed in seeds))


def test_guarded_is_the_mean_of_the_co_primary_metrics(tmp_path, factory):
    good, poor = (three_seeds(factory, tmp_path / name, skill) for name, skill in (("good", 1.3), ("poor", 1.0)))
    line = only(compare(good, poor, {}, n_resamples=200))
    assert line.guarded.name == "co_primary"
    names = [f"{way}_{name}" for name in ("R@10", "nDCG@10") for way in ("image_to_text", "text_to_image")]
    assert sorted(line.guarded.keys) == sorted(f"abnormal/{name}" for name in names)
    (row,) = good.boards["retrieval"].rows
    found = [record.metrics[f"abnormal/{name}"].value for record in row.scored for name in names]
    assert line.reference == pytest.approx(np.mean(found))
    assert line.difference.value == pytest.approx(line.candidate - line.reference)


def measured_of(reference, candidate):
    (pair,), _ = pairs_of(reference, candidate)
    return measured(pair, (KEY,), 4000)


def test_other_seeds_are_independent_and_their_spread_is_pooled(tmp_path, factory):
    reference = three_seeds(factory, tmp_path / "r", 1.3)
    candidate = three_seeds(factory, tmp_path / "c", 1.0, seeds=(3, 4, 5, 6))
    one = measured_of(reference, candidate)
    values = [side.boards["retrieval"].rows[0].values(KEY) for side in (reference, candidate)]
    assert one.own == pytest.approx([np.var(found, ddof=1) for found in values])
    assert (one.runs, one.shared) == ((3, 4), 0.0)
    alone = pooled_spread([one], Margin())
    assert alone == (pytest.approx(np.sqrt((2 * one.own[0] + 3 * one.own[1]) / 5)), 5)
    steadied = pooled_spread([one], Margin(seed_sd=alone.sd / 2, seed_df=5))
    assert steadied == (pytest.approx(alone.sd * np.sqrt((1 + 0.25) / 2)), 10)
    assert pooled_spread([one], Margin(seed_sd=alone.sd / 9, seed_df=50)) == alone  # clearly larger: it stands alone
    interval, p_value = judged(one, alone)
    error = np.sqrt(one.patients + alone.sd**2 * (1 / 3 + 1 / 4))
    df = 1 / ((1 - one.patients / error**2) / 5 + one.patients / error**2 / (one.n_patients - 1))
    assert interval[1:] == pytest.approx(t.interval(0.95, df, one.value, error))
    assert p_value == pytest.approx(t.cdf(one.value / error, df))


def test_runs_that_were_not_changed_share_all_of_their_luck_and_others_none(tmp_path, factory):
    reference = three_seeds(factory, tmp_path / "r", 1.3)
    same = measured_of(reference, three_seeds(factory, tmp_path / "same", 1.3))
    anew = measured_of(reference, three_seeds(factory, tmp_path / "anew", 1.2999))
    assert (same.value, same.patients, same.shared) == (0.0, 0.0, 1.0)
    assert anew.shared < 0.4
    assert judged(same, SeedSpread(0.03, 32)) == (Interval(0.0, 0.0, 0.0), 1.0)


def test_one_seed_has_the_spread_of_the_margins_file_and_without_it_none(tmp_path, factory):
    reference, candidate = (three_seeds(factory, tmp_path / str(n), n, seeds=(n,)) for n in (1, 2))
    one = measured_of(reference, candidate)
    spread = pooled_spread([one], Margin(seed_sd=0.03, seed_df=32))
    assert spread == (0.03, 32)
    wide, narrow = (judged(one, found)[0] for found in (spread, pooled_spread([one], Margin())))
    assert wide.upper - wide.lower > narrow.upper - narrow.lower > 0
    lines = compare(reference, candidate, {}, n_resamples=100).lines
    assert seed_policy(lines) == ["retrieval co_primary: 1 and 1 seeds, SD 0.032 with 32 degrees of freedom"]


def test_one_patient_decides_nothing(tmp_path, factory):
    side = made(factory, tmp_path, ("selip", 0, 1.3), n_patients=2)  # the other is normal
    line = only(compare(side, side, {}, n_resamples=50))
    assert math.isnan(line.difference.lower)
    assert line.outcome == "inconclusive"


def test_what_took_no_step_or_was_skipped_on_both_sides_is_left_out(tmp_path, factory):
    for name in ("one", "two"):
        made(factory, tmp_path / name, ("selip", 0, 1.3), ("random_init", 0, 0.0))
        factory.add_hole(tmp_path / name, "mae", 0, "skipped", "no text tower")
    gate = compare(read_side(tmp_path / "one"), read_side(tmp_path / "two"), {}, n_resamples=50)
    assert [line.pair.label for line in gate.lines] == ["selip"]
    assert any("random_init on retrieval: takes no training step" in text for text in gate.left_out)
    assert any("no text tower" in text for text in gate.left_out)


def test_a_folder_of_records_and_a_single_record_are_sides_too(tmp_path, factory):
    side = made(factory, tmp_path, ("selip", 0, 1.3))
    for path in (tmp_path / "records", *(tmp_path / "records").glob("*.json")):
        assert compare(side, read_side(path), {}, n_resamples=50).exit_code == 0


def refused(reference: Side, candidate: Side) -> str:
    with pytest.raises(InputError) as caught:
        compare(reference, candidate, {}, n_resamples=50)
    line = str(caught.value)
    assert line.startswith("got ")
    assert "allowed" in line
    assert "\n" not in line
    return line


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"split_fingerprint": "other-split"}, "split fingerprints"),
        ({"protocol_version": "2"}, "protocol versions 1 "),
        ({"transfer_split_fingerprint": "other"}, "second splits"),
        ({"trained_on_split_fingerprint": "other"}, "training splits"),
        ({"config": {"evaluation": {"segmentation": {"steps": 7}}}}, "evaluation.segmentation.steps 9 "),
        ({"config": {"evaluation": {}}}, "evaluation.segmentation.steps 9 (run selip--0) and not set "),
    ],
)
def test_what_was_scored_otherwise_is_refused(tmp_path, factory, changes, message):
    scoring = {"config": {"evaluation": {"segmentation": {"steps": 9}, "n_resamples": 5}}}
    reference = made(factory, tmp_path / "one", ("selip", 0, 1.3), **scoring)
    assert message in refused(reference, made(factory, tmp_path / "two", ("selip", 0, 1.3), **scoring | changes))


def test_another_cohort_is_refused(tmp_path, factory):
    reference = made(factory, tmp_path / "one", ("selip", 0, 1.3))
    for field in ("cohort", "transfer", "trained_on"):
        changes = {field: factory.make_cohort(content_hash="other")}
        line = refused(reference, made(factory, tmp_path / field, ("selip", 0, 1.3), **changes))
        assert "other" in line


def test_settings_that_decide_no_score_are_no_difference(tmp_path, factory):
    config = {"evaluation": {"n_resamples": 5}}, {"evaluation": {"n_resamples": 7}, "run": {"steps": 2}}
    sides = [
        made(factory, tmp_path / str(n), ("selip", 0, 1.3), config=one, config_hash=str(n))
        for n, one in enumerate(config)
    ]
    assert compare(*sides, {}, n_resamples=50).exit_code == 0


def with_metrics(side: Side, change) -> Side:
    """The side with the metrics of every record changed."""
    board = side.boards["retrieval"]
    rows = tuple(
        replace(row, scored=tuple(r.model_copy(update={"metrics": change(dict(r.metrics))}) for r in row.scored))
        for row in board.rows
    )
    return replace(side, boards={"retrieval": replace(board, rows=rows)})


def test_metrics_that_are_defined_otherwise_are_refused(tmp_path, factory):
    side = made(factory, tmp_path, ("selip", 0, 1.3))

    def fewer_items(metrics):
        return metrics | {KEY: metrics[KEY].model_copy(update={"n_items": 3})}

    def turned(metrics):
        return metrics | {KEY: metrics[KEY].model_copy(update={"higher_is_better": False})}

    def renamed(metrics):
        return metrics | {"all/new": metrics[KEY]}

    for change in (fewer_items, turned):
        assert KEY in refused(side, with_metrics(side, change))
    assert "all/new" in refused(side, with_metrics(side, renamed))


def test_a_row_or_a_score_without_a_counterpart_is_refused(tmp_path, factory):
    reference = made(factory, tmp_path / "one", ("selip", 0, 1.3), ("clip", 0, 0.9))
    candidate = made(factory, tmp_path / "two", ("selip", 0, 1.3))
    assert "clip on retrieval in the reference alone" in refused(reference, candidate)
    assert "clip on retrieval in the candidate alone" in refused(candidate, reference)
    factory.add_hole(tmp_path / "two", "clip")
    assert "clip on retrieval without a score in the candidate" in refused(reference, read_side(tmp_path / "two"))
    factory.add_family_run(tmp_path / "one", "zero_shot", "selip")
    line = refused(read_side(tmp_path / "one"), read_side(tmp_path / "two"))
    assert "selip on zero_shot in the reference alone" in line


def test_per_item_scores_of_another_run_are_refused(tmp_path, factory):
    """A Parquet file that was swapped: found by its checksum, and where that was made to fit by what the scores say."""
    reference = made(factory, tmp_path / "one", ("selip", 0, 2.0))
    made(factory, tmp_path / "two", ("selip", 0, 0.0))
    (name,) = (path.name for path in (tmp_path / "two" / "records").glob("*.parquet"))
    shutil.copy(tmp_path / "one" / "records" / name, tmp_path / "two" / "records" / name)
    with pytest.raises(InputError, match="its checksum is that of another content"):
        read_side(tmp_path / "two")
    (path,) = (tmp_path / "two" / "records").glob("*.json")
    forged = unsealed_json(path.read_text())
    forged["per_item_sha256"] = sha256((tmp_path / "two" / "records" / name).read_bytes()).hexdigest()
    path.write_text(sealed_json(forged, indent=1))
    assert "where the records say" in refused(reference, read_side(tmp_path / "two"))


def test_nothing_to_guard_is_refused(tmp_path, factory):
    side = made(factory, tmp_path, ("random_init", 0, 0.0))
    assert "nothing to guard" in refused(side, side)


def test_lost_per_item_scores_are_named(tmp_path, factory):
    side = made(factory, tmp_path, ("selip", 0, 1.3))
    (record,) = read_records(tmp_path / "records")
    (tmp_path / "records" / record.per_item).unlink()
    with pytest.raises(InputError, match="no readable per-item scores"):
        read_side(tmp_path)
    board = side.boards["retrieval"]
    bare = replace(side, boards={"retrieval": replace(board, items={})})
    assert "no per-item scores of selip on retrieval" in refused(side, bare)
    assert RecordPair("retrieval", *board.rows, *board.rows, board, board).label == "selip"
